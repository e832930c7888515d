"""Put the fonts of papers into build/fonts, as Debian's packages carry them:

    python3 tools/fetch_fonts.py

Only those that the system does not have, byte for byte; none is in git. apt-get fetches
the packages as whoever runs this, and nothing is installed; `switch/papers/fonts.lock`
says by which hashes a font is taken.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "switch" / "papers" / "fonts.lock"
BELOW = "usr/share/fonts"
TARGET = ROOT / "build" / "fonts"
SYSTEM = Path("/")


def locked() -> list[tuple[str, str, str]]:
    """Package, place below the folder of fonts, and SHA-256 of each."""
    lines = LOCK.read_text("ascii").splitlines()
    split = [line.split() for line in lines if line and not line.startswith("#")]
    return [(package, place, digest) for package, place, digest in split]


def is_right(path: Path, digest: str) -> bool:
    """Whether a file is there and the one that is meant."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest() == digest
    except OSError:
        return False


def missing() -> list[tuple[str, str, str]]:
    """What is right neither in the system nor in build/fonts."""
    return [
        (package, place, digest)
        for package, place, digest in locked()
        if not any(is_right(root / BELOW / place, digest) for root in (SYSTEM, TARGET))
    ]


def run(*command: str, folder: Path) -> bool:
    """Run a command with its words on stderr; whether it did its work."""
    if shutil.which(command[0]) is None:
        return False
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(
        command, cwd=folder, stdout=sys.stderr, env=environment, check=False
    )
    return done.returncode == 0


def download(packages: set[str], folder: Path) -> bool:
    """Fetch packages into a folder; by lists of our own if apt has none."""
    get = ("apt-get", "-qq", "-o", "APT::Sandbox::User=root")
    if run(*get, "download", *sorted(packages), folder=folder):
        return True
    for name in ("lists/partial", "cache/archives/partial"):
        (folder / name).mkdir(parents=True)
    own = (
        *("-o", f"Dir::State::Lists={folder}/lists"),
        *("-o", f"Dir::Cache={folder}/cache"),
    )
    return run(*get, *own, "update", folder=folder) and run(
        *get, *own, "download", *sorted(packages), folder=folder
    )


def fetch() -> None:
    """Put what is missing into build/fonts. Raises SystemExit."""
    wanted = missing()
    if not wanted:
        return
    packages = {package for package, _, _ in wanted}
    TARGET.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=TARGET) as name:
        folder = Path(name)
        download(packages, folder)
        for archive in folder.glob("*.deb"):
            run("dpkg", "-x", str(archive), str(folder / "unpacked"), folder=folder)
        for _, place, digest in wanted:
            found = folder / "unpacked" / BELOW / place
            if not is_right(found, digest):
                raise SystemExit(
                    f"the fonts of papers are needed: {place}, as in the Debian "
                    f"packages {' '.join(sorted(packages))}; what was fetched is not it"
                )
            (TARGET / BELOW / place).parent.mkdir(parents=True, exist_ok=True)
            found.replace(TARGET / BELOW / place)


if __name__ == "__main__":
    fetch()
