"""Goal: no bytes of a peer make the front door read or write where it must not.

Method: the door's C without Python, under address and undefined-behaviour sanitizers
and with its asserts, meets calls, changed calls, frames and TLS records of chance; a
caller answers them as it pleases. At the end nothing is open and no byte is held.
"""

import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
FRAMES, SEED = 50_000, 1


def test_frames_of_chance_do_no_harm() -> None:
    subprocess.run(["make", "-s", "build/front/fuzz"], cwd=ROOT, check=True)
    fuzz = ROOT / "build" / "front" / "fuzz"
    done = subprocess.run(
        [fuzz, str(FRAMES), str(SEED)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr[-4_000:]
