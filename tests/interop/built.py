"""Others' clients, built once into build/interop; `make test` has done it before."""

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "build" / "interop"
BUILD_S = 900.0
"""Go compiles all of gRPC, once."""


def built(name: str, sources: list[Path], made: Path) -> Path:
    """Build it unless it is newer than its sources; where it is. A test is skipped
    where the packages of its language cannot be had.
    """
    newest = max(source.stat().st_mtime for source in sources)
    if not made.exists() or made.stat().st_mtime < newest:
        script = ROOT / "tests" / "interop" / "build.sh"
        done = subprocess.run(
            ["bash", str(script), name],
            capture_output=True,
            text=True,
            timeout=BUILD_S,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        skipped = ROOT / "build" / "skipped" / name
        if skipped.exists():
            pytest.skip(skipped.read_text().strip())
    return made


def go_client() -> Path:
    """The program of tests/interop/go."""
    sources = list((ROOT / "tests" / "interop" / "go").glob("*.go"))
    return built("go", sources, FOLDER / "go_client")


def node_modules() -> Path:
    """Where npm has put @grpc/grpc-js."""
    lock = ROOT / "tests" / "interop" / "node" / "package-lock.json"
    modules = FOLDER / "node" / "node_modules"
    built("node", [lock], modules / ".package-lock.json")
    return modules
