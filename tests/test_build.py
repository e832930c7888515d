"""Goal: a stranger's `pip install .` gives a working product, of the right sources.

Method: copy what is ours into an empty folder, install it into an empty environment
with pip's build isolation, and use it from another folder. The C that `make build` has
made goes along, and what it has compiled of the same text is not compiled once more
(tests/same_compiler.py); `make torture` does all of it. Then ask for LMDB's sources
under a wrong hash, which must be refused.
"""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import time
import venv
from pathlib import Path
from types import ModuleType

import pytest
from Cython.Build.Dependencies import create_dependency_tree

from tests.longer import TIMES

ROOT = Path(__file__).resolve().parent.parent
OURS = ["pyproject.toml", "setup.py", "README.md", "switch", "server", "tools"]


def clean_environment() -> dict[str, str]:
    """The environment without what would lead Python back to this checkout, or a make
    to the variables of the one that runs the tests.
    """
    others = ("PYTHON", "VIRTUAL_ENV", "SWITCH_", "COV_", "MAKE", "MFLAGS")
    return {
        name: value for name, value in os.environ.items() if not name.startswith(others)
    }


def bring_made_c(sources: Path) -> list[Path]:
    """What Cython has made of these very files, and takes a minute for; where from."""
    tree = create_dependency_tree(quiet=True)  # type: ignore[no-untyped-call]
    brought = []
    for module in [*Path().glob("switch/**/*.pyx"), *Path().glob("server/*.pyx")]:
        made = Path("build/c", module).with_suffix(".c")
        # Each is held against the files that it was made of. An older one stays as it
        # is when Cython finds that another module's parts have changed.
        parts = {*map(Path, tree.all_dependencies(str(module))), Path("setup.py")}
        newest = max(one.stat().st_mtime for one in parts if not one.is_absolute())
        if made.exists() and made.stat().st_mtime > newest:
            there = sources / made
            there.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(made, there)
            # Newer than what else Cython reads, which pip is yet to install.
            later = time.time() + 3_600
            os.utime(there, (later, later))
            brought.append(module)
    return brought


@pytest.mark.slow
@pytest.mark.timeout(1_800)
def test_isolated_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sources = tmp_path / "sources"
    sources.mkdir()
    made = ("_core.c", "_front.c", "_hot.c", "_pq.c", "_sums.c")
    built = shutil.ignore_patterns("*.so", "__pycache__", *made)
    for name in OURS:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, sources / name, ignore=built)
        elif (ROOT / name).exists():
            shutil.copy(ROOT / name, sources / name)
    if TIMES == 1:
        monkeypatch.chdir(ROOT)  # from where Cython names its files
        bring_made_c(sources)
    environment = tmp_path / "environment"
    venv.create(environment)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()

    compiler = tmp_path / "compiler"
    again = ROOT / "tests" / "same_compiler.py"
    compiler.write_text(f'#!/bin/sh\nexec {sys.executable} -IS {again} "$@"\n')
    compiler.chmod(0o700)
    # What others have written need not be compiled before it is imported.
    more = {"CC": str(compiler), "PIP_NO_COMPILE": "1"} if TIMES == 1 else {}

    def run(program: Path | str, *arguments: str, cwd: Path = elsewhere) -> str:
        done = subprocess.run(
            [environment / "bin" / program, *arguments],
            cwd=cwd,
            env={**clean_environment(), **more},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    pip = ("-m", "pip", "--python", str(environment / "bin" / "python"))
    run(Path(sys.executable), *pip, "install", "--quiet", ".", cwd=sources)

    code = "import switch._core as core; print(core.__file__, core.LMDB_VERSION)"
    file, version = run("python", "-c", code).split(maxsplit=1)
    assert Path(file).is_relative_to(environment)
    assert "0.9.36" in version
    assert "usage" in run("payswitch", "--help").lower()
    # The front door has all of its C, too.
    code = "import server._front as front; print(front.__file__)"
    assert Path(run("python", "-c", code).strip()).is_relative_to(environment)
    # The data of the sample network and the types travel along.
    code = "import switch, pathlib; print(pathlib.Path(switch.__file__).parent)"
    package = Path(run("python", "-c", code).strip())
    for folder, pattern in [
        ("sample", "*.csv"),
        ("core", "*.pxd"),
        ("v1", "*.pyi"),
        (".", "_core.pyi"),
        (".", "_core.pxd"),
    ]:
        assert {path.name for path in (package / folder).glob(pattern)} == {
            path.name for path in (ROOT / "switch" / folder).glob(pattern)
        }


def test_only_the_same_text_is_not_compiled_again(tmp_path: Path) -> None:
    """Else the installed product would be another than that of its sources."""
    name = "server/front/timers.c"
    headers = shutil.ignore_patterns("*.py*", "*.so", "__pycache__")
    for folder in ("server/front", "switch"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=headers)
    [made] = ROOT.glob(f"build/core/temp.*/{name.replace('.c', '.o')}")
    find = [sys.executable, "tools/find_front.py"]
    found = subprocess.run(find, cwd=ROOT, capture_output=True, text=True, check=True)
    folders = json.loads(found.stdout)["include_dirs"]
    options = [f"-I{one}" for one in ("server/front", "switch", *folders)]
    options += ["-D_GNU_SOURCE", "-O2", "-std=gnu11", "-c", name, "-o", "made.o"]

    def compiled() -> bytes:
        again = str(ROOT / "tests/same_compiler.py")
        subprocess.run(
            [sys.executable, "-IS", again, *options], cwd=tmp_path, check=True
        )
        return (tmp_path / "made.o").read_bytes()

    assert compiled() == made.read_bytes()
    with (tmp_path / name).open("a") as file:
        file.write("\nint timers_of_another(void);\n")
        file.write("int timers_of_another(void) { return 1; }\n")
    assert b"timers_of_another" in compiled()
    # What lacks a header is not had from elsewhere.
    (tmp_path / "server/front/parts.h").unlink()
    with pytest.raises(subprocess.CalledProcessError):
        compiled()


def fetch_module() -> ModuleType:
    """Load tools/fetch_lmdb.py, which is no package's module."""
    path = ROOT / "tools" / "fetch_lmdb.py"
    spec = importlib.util.spec_from_file_location("fetch_lmdb", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_other_sources_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    module = fetch_module()
    monkeypatch.setattr(module, "ROOT", tmp_path)
    monkeypatch.setattr(module, "SHA256", "0" * 64)
    with pytest.raises(subprocess.CalledProcessError):
        module.fetch()
    assert "DO NOT MATCH THE HASHES" in capfd.readouterr().err
    assert not list(tmp_path.rglob("*.c"))


def test_build_modes_exclude_each_other() -> None:
    done = subprocess.run(
        [sys.executable, "setup.py", "--version"],
        cwd=ROOT,
        env={**os.environ, "SWITCH_TRACE": "1", "SWITCH_SANITIZE": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode != 0
    assert "choose one build mode" in done.stderr


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """As much of this folder as `make venv` needs, with nothing to install."""
    for folder in ("switch", "server", "benchmarks", "tests", "tools"):
        (tmp_path / folder).mkdir()
    shutil.copy(ROOT / "Makefile", tmp_path)
    shutil.copy(ROOT / "tools/make_venv.sh", tmp_path / "tools")
    # What the Makefile includes is beside it.
    (tmp_path / "tests/fuzz").mkdir()
    shutil.copy(ROOT / "tests/fuzz/build.mk", tmp_path / "tests/fuzz")
    (tmp_path / "requirements.lock").touch()
    return tmp_path


def make_venv(folder: Path, python: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        ["make", "venv"],
        cwd=folder,
        env={**clean_environment(), "PYTHON": str(python)},
        capture_output=True,
        text=True,
    )


def test_another_interpreter_is_chosen_by_the_environment(bare: Path) -> None:
    """As CONTRIBUTING.md says; make has a variable of the same name."""
    chosen = bare / "chosen"
    # What it is asked to make an environment with is itself.
    chosen.write_text(
        '#!/bin/sh\necho "$@" >>used\n'
        'case "$*" in *venv*) mkdir -p .venv/bin && cp "$0" .venv/bin/python;; esac\n'
    )
    chosen.chmod(0o700)
    done = make_venv(bare, chosen)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "-m venv --clear .venv" in (bare / "used").read_text()


def test_an_interpreter_that_cannot_be_used_is_said(bare: Path) -> None:
    done = make_venv(bare, Path("/bin/false"))
    assert done.returncode != 0
    assert "/bin/false" in done.stderr
    assert "is not Python 3.11 or newer" in done.stderr
