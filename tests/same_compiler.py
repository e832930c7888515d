"""The C compiler of tests/test_build.py: gcc, but for what `make build` has compiled.

`make build` gave gcc the same text, with the same options, minutes ago, and took a
minute for it. So each file is preprocessed here as it is asked for, which needs all of
its headers, and there as it was; where both are one text, the object is brought. Where
they are not, gcc does its work: without optimisation, as nothing here asks how fast it
will be.

Run by its path, by any Python: it uses nothing but the standard library.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PARTS = ("setup.py", ".venv/ready.stamp")
"""What every object is of, beside its source and headers; NumPy's are of the second."""
NUMPY = "numpy/_core/include"


def made_of(source: str, options: list[str]) -> Path | None:
    """The object that `make build` has of a source, if it is not out of date."""
    found = [*ROOT.glob(f"build/core/temp.*/{Path(source).with_suffix('.o')}")]
    if len(found) != 1 or not (ROOT / source).exists():
        return None
    headers = headers_of(options)
    if headers is None:
        return None
    newest = max((ROOT / part).stat().st_mtime for part in (*PARTS, *headers))
    return found[0] if found[0].stat().st_mtime > newest else None


def headers_of(options: list[str]) -> list[str] | None:
    """The files that an object is of, but for the system's; None if one is missing."""
    done = subprocess.run(
        ["gcc", *options, "-MM"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        return None
    return done.stdout.partition(":")[2].replace("\\\n", " ").split()


def text_of(options: list[str], folder: Path) -> bytes | None:
    """What the preprocessor makes of a file, or None if it cannot."""
    done = subprocess.run(
        ["gcc", *options, "-E", "-P"], cwd=folder, capture_output=True, check=False
    )
    return done.stdout if done.returncode == 0 else None


def there(option: str) -> str:
    """An option as `make build` has it: its NumPy is that of the environment there."""
    if option.endswith(NUMPY):
        [numpy] = ROOT.glob(f".venv/lib/python3*/site-packages/{NUMPY}")
        return ("-I" if option.startswith("-I") else "") + str(numpy)
    return option


def brought(options: list[str]) -> bool:
    """Whether the object that is asked for was there already."""
    if "-c" not in options or "-o" not in options:
        return False
    source, wanted = (options[options.index(name) + 1] for name in ("-c", "-o"))
    rest = [one for one in options if one not in ("-c", "-o", wanted)]
    options_there = [there(one) for one in rest]
    if Path(source).is_absolute():
        return False
    made = made_of(source, options_there)
    if made is None:
        return False
    here = text_of(rest, Path.cwd())
    if here is None or here != text_of(options_there, ROOT):
        return False
    shutil.copyfile(made, wanted)
    return True


if __name__ == "__main__":
    if not brought(sys.argv[1:]):
        os.execvp("gcc", ["gcc", *sys.argv[1:], "-O0", "-g0"])
