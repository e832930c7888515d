"""Goal: no bytes of a peer make the front door read or write where it must not, and its
threads keep to themselves what is theirs.

Method: the door's C without Python, with its asserts, meets calls, changed calls,
frames and TLS records of chance; a caller on another thread answers them as it pleases.
Under sanitizers of memory and undefined behaviour, and, for fewer frames, under one of
threads, which a planted race has to wake. At the end nothing is open and no byte held.
"""

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
FRAMES, FRAMES_OF_THREADS, SEED = 20_000, 5_000, 1


def run(name: str, *arguments: object) -> "subprocess.CompletedProcess[str]":
    subprocess.run(["make", "-s", f"build/front/{name}"], cwd=ROOT, check=True)
    return subprocess.run(
        [ROOT / "build" / "front" / name, *map(str, arguments)],
        env={**os.environ, "TSAN_OPTIONS": "halt_on_error=1"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("name", "frames"), [("fuzz", FRAMES), ("threads", FRAMES_OF_THREADS)]
)
def test_frames_of_chance_do_no_harm(name: str, frames: int) -> None:
    done = run(name, frames, SEED)
    assert done.returncode == 0, done.stdout + done.stderr[-4_000:]


def test_a_race_is_seen() -> None:
    """Two threads give commands at a time, which nobody does."""
    done = run("threads", "race")
    assert done.returncode != 0
    assert "data race" in done.stderr
    assert "front_new_command" in done.stderr
