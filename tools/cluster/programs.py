"""Where programs of others are: installed by apt, or unpacked below build/cluster."""

import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "build" / "cluster"
VERSION = 17
PACKAGES = {
    f"/usr/lib/postgresql/{VERSION}/bin/initdb": f"postgresql-{VERSION}",
    f"/usr/lib/postgresql/{VERSION}/bin/psql": f"postgresql-client-{VERSION}",
    "/usr/bin/patroni": "patroni",
    "/usr/bin/etcd": "etcd-server",
    # Patroni speaks to etcd by its classes, and does not depend on them.
    "/usr/lib/python3/dist-packages/etcd/__init__.py": "python3-etcd",
    "/usr/bin/pgbackrest": "pgbackrest",
}
"""A file that shows that a package is there."""


class MissingError(Exception):
    """A program is not there and could not be had; the text says how to get it."""


def _place(path: str) -> Path | None:
    for root in (Path("/"), FOLDER):
        found = root / path.removeprefix("/")
        if found.exists():
            return found
    return None


def prepare() -> None:
    """Install what is missing as root, else unpack it. Raises MissingError."""
    missing = sorted({of for path, of in PACKAGES.items() if _place(path) is None})
    if not missing:
        return
    if os.geteuid() == 0:
        pairs = [f"{path}={of}" for path, of in PACKAGES.items()]
        subprocess.run(["bash", str(ROOT / "tools/need.sh"), *pairs], check=False)
    else:
        _unpack(missing)
    missing = sorted({of for path, of in PACKAGES.items() if _place(path) is None})
    if missing:
        raise MissingError(
            f"a cluster needs {', '.join(missing)}: "
            f"sudo apt-get install {' '.join(missing)}"
        )


def _needed(packages: Sequence[str]) -> list[str]:
    """The packages and all they depend on that this machine has not installed."""
    command = ["apt-get", "-qq", "--no-install-recommends", "-s", "install", *packages]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    lines = done.stdout.splitlines()
    return [line.split()[1] for line in lines if line.startswith("Inst ")] or [
        *packages
    ]


def _unpack(packages: Sequence[str]) -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=FOLDER) as name:
        for package in _needed(packages):
            command = ["apt-get", "-qq", "download", package]
            subprocess.run(command, cwd=name, stdout=sys.stderr, check=False)
        for archive in Path(name).glob("*.deb"):
            subprocess.run(["dpkg", "-x", str(archive), str(FOLDER)], check=False)


def postgres_bin() -> Path:
    """The folder of PostgreSQL's programs. Raises MissingError."""
    prepare()
    found = _place(f"/usr/lib/postgresql/{VERSION}/bin/initdb")
    assert found is not None
    return found.parent


def found(command: Sequence[str]) -> list[str]:
    """The command with its program's whole path."""
    program = _place(f"/usr/bin/{command[0]}")
    if program is None:
        raise MissingError(f"{command[0]} is not there")
    if program.is_relative_to(FOLDER) and command[0] == "patroni":
        # Its first line names the system's Python, which has our packages by a path.
        return ["/usr/bin/python3", str(program), *command[1:]]
    return [str(program), *command[1:]]


def environment() -> Mapping[str, str]:
    """What unpacked programs must be told; nothing if they are installed."""
    if not (FOLDER / "usr").exists():
        return {}
    triple = f"{platform.machine()}-linux-gnu"
    return {
        "PYTHONPATH": str(FOLDER / "usr" / "lib" / "python3" / "dist-packages"),
        "LD_LIBRARY_PATH": str(FOLDER / "usr" / "lib" / triple),
        "PATH": f"{FOLDER / 'usr' / 'bin'}:{os.environ.get('PATH', os.defpath)}",
    }
