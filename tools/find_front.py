"""Find OpenSSL and nghttp2 to build with; print how, as JSON or (`--flags`) as words.

Where the system's compiler finds them nothing is to be said. As root they are installed
with apt; else Debian's packages are unpacked into build/front, whose libraries the
extension then looks for there: those that apt's lists name, or lists that are fetched
for it where there are none or old ones. A line names the packages if none of it works.
"""

import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "build" / "front"
PACKAGES = ("libnghttp2-dev", "libssl-dev")
LIBRARIES = ("libnghttp2-14", "libssl3t64", "zlib1g", "libzstd1")
"""What the two link to at run time, on a machine that does not have it."""
PROGRAM = """
#include <nghttp2/nghttp2.h>
#include <openssl/ssl.h>
#if NGHTTP2_VERSION_NUM < 0x013d00
#error "nghttp2 1.61 or newer is needed"
#endif
#if OPENSSL_VERSION_NUMBER < 0x30000000L
#error "OpenSSL 3 or newer is needed"
#endif
int main(void) {
    return nghttp2_version(0) == 0 || OPENSSL_version_major() == 0;
}
"""


def flags(folder: Path) -> dict[str, list[str]]:
    """Where the packages unpacked in `folder` have their files."""
    triple = f"{platform.machine()}-linux-gnu"
    usr = folder / "usr"
    libraries = [str(usr / "lib" / triple)]
    return {
        "include_dirs": [str(usr / "include"), str(usr / "include" / triple)],
        "library_dirs": libraries,
        "runtime_library_dirs": libraries,
    }


def works(found: dict[str, list[str]]) -> str:
    """Return nothing if a program builds so, or what the compiler says."""
    compiler = os.environ.get("CC", "gcc")
    if shutil.which(compiler.split()[0]) is None:
        raise SystemExit(f"a C compiler is needed to build ({compiler}): gcc")
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "probe.c"
        source.write_text(PROGRAM)
        done = subprocess.run(
            [
                *compiler.split(),
                *(f"-I{path}" for path in found["include_dirs"]),
                *(str(source), "-o", str(Path(folder) / "probe")),
                *(f"-L{path}" for path in found["library_dirs"]),
                *(f"-Wl,-rpath,{path}" for path in found["runtime_library_dirs"]),
                *("-lnghttp2", "-lssl", "-lcrypto"),
            ],
            capture_output=True,
            text=True,
            check=False,
        )
    return "" if done.returncode == 0 else done.stderr or "it does not link"


def run(*command: str, folder: Path | None = None) -> bool:
    """Run a command with its words on stderr; whether it did its work."""
    if shutil.which(command[0]) is None:
        return False
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(
        command, cwd=folder, stdout=sys.stderr, env=environment, check=False
    )
    return done.returncode == 0


def install() -> bool:
    """Have apt install the packages; only root can."""
    get = ("apt-get", "-qq", "-y", "--no-install-recommends", "install", *PACKAGES)
    return run(*get) or (run("apt-get", "-qq", "update") and run(*get))


def unpack(*options: str) -> None:
    """Download the packages and unpack them below build/front; nobody need be root."""
    shutil.rmtree(FOLDER / "usr", ignore_errors=True)
    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=FOLDER) as name:
        folder = Path(name)
        for package in PACKAGES + LIBRARIES:
            # Which libraries there are differs by release: the probe has the last word.
            run("apt-get", "-qq", *options, "download", package, folder=folder)
        for archive in folder.glob("*.deb"):
            run("dpkg", "-x", str(archive), str(FOLDER))


def unpack_newest() -> None:
    """The same with lists of packages of our own, for the time that it takes."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=FOLDER) as name:
        for folder in ("lists/partial", "cache/archives/partial"):
            (Path(name) / folder).mkdir(parents=True)
        own = (
            "-o",
            f"Dir::State::Lists={name}/lists",
            "-o",
            f"Dir::Cache={name}/cache",
        )
        if run("apt-get", "-qq", *own, "update"):
            unpack(*own)


def find() -> dict[str, list[str]]:
    """Return what a compiler and a linker must be told. Raises SystemExit."""
    usual: dict[str, list[str]] = {
        "include_dirs": [],
        "library_dirs": [],
        "runtime_library_dirs": [],
    }
    own = flags(FOLDER)
    said = works(usual)
    if not said:
        return usual
    if not works(own):
        return own
    if os.geteuid() == 0 and install() and not (said := works(usual)):
        return usual
    for fetch in (unpack, unpack_newest):
        fetch()
        if not works(own):
            return own
    print(said.strip(), file=sys.stderr)
    raise SystemExit(
        "OpenSSL 3 and nghttp2 1.61 are needed to build: "
        f"apt-get install {' '.join(PACKAGES)}"
    )


def main() -> None:
    """Print for setup.py, or with --flags for a compiler."""
    found = find()
    if sys.argv[1:] != ["--flags"]:
        print(json.dumps(found))
        return
    words = [f"-I{path}" for path in found["include_dirs"]]
    words += [f"-L{path}" for path in found["library_dirs"]]
    words += [f"-Wl,-rpath,{path}" for path in found["runtime_library_dirs"]]
    print(*words, "-lnghttp2", "-lssl", "-lcrypto")


if __name__ == "__main__":
    main()
