"""Goal: a command that asks a person something says what to type instead where nobody
can be asked, changes nothing, and never takes a line that was meant for something else.

Method: each command that asks for a secret as a process without a terminal, with
nothing to read and with a line to read.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from switch.console.output import Exit
from switch.person_keys import make_key

ASKS = {
    "person-key": ("person-key", "new.key", "--passphrase"),
    "counter": ("counter", "bsk-00001", "--enrol", "3", "--data", "counter"),
}
INSTEAD = {
    "person-key": "--passphrase-file",
    "counter": "at the counter's own keyboard",
    "sign": "--passphrase-file",
}


@pytest.mark.parametrize("typed", ["", "482915\n482915\n"])
@pytest.mark.parametrize("name", ["person-key", "counter"])
def test_nobody_is_asked(tmp_path: Path, name: str, typed: str) -> None:
    done = run(tmp_path, ASKS[name], typed)
    assert done.returncode == Exit.USAGE, done
    assert "nobody to ask at a terminal" in done.stderr
    assert INSTEAD[name] in done.stderr
    assert "Traceback" not in done.stderr
    # Nothing was made.
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_sealed_key_without_a_terminal(tmp_path: Path) -> None:
    """The key is read before the switch is asked for anything that is to be signed."""
    make_key(tmp_path / "old.key", b"correct horse")
    script = (
        "from pathlib import Path; from argparse import Namespace as N;"
        "from switch.cli.signing import signer_of;"
        "signer_of(N(number=1, key=Path('old.key'), passphrase_file=None,"
        " identity=None), None)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        input="correct horse\n",
        capture_output=True,
        text=True,
        check=False,
        start_new_session=True,
        timeout=60,
    )
    assert "UsageError: nobody to ask at a terminal" in done.stderr
    assert INSTEAD["sign"] in done.stderr


def run(
    directory: Path, words: tuple[str, ...], typed: str
) -> "subprocess.CompletedProcess[str]":
    """A command of a session of its own, which has no terminal."""
    return subprocess.run(
        [sys.executable, "-P", "-m", "switch", *words],
        cwd=directory,
        input=typed,
        capture_output=True,
        text=True,
        check=False,
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": ""},
        timeout=60,
    )
