"""Goal: a command that takes no citizen's money and is cut off says so in a sentence of
its own, with a line that can be pasted; only who pays is told to take no money again.

Method: the command line in the process, with a command that has lost its reply.
Payments that lose theirs: test_cli.py, against a scripted server.
"""

import shlex
from typing import Any

import grpc
import pytest

from switch.cli import bookings, commands, complaints, entry, main
from switch.client import CallError, LostReplyError
from switch.console.output import Exit
from switch.console.words import WORDS
from switch.ids import format_id
from tests.client.live import CENTRE

PAYMENT = "0" * 31 + "1"
SIGNED = ("--person", "1", "--key", "a.key")


@pytest.mark.parametrize(
    ("module", "name", "words", "with_id"),
    [
        (
            bookings,
            "propose_statement",
            ["propose", "statement", "day.xml", *SIGNED],
            True,
        ),
        (commands, "top_up", ["top-up", CENTRE, "5", "--utr", "U"], True),
        (
            complaints,
            "raise_one",
            ["complaint", "raise", CENTRE, PAYMENT, "other"],
            True,
        ),
        # What takes no id is not told one.
        (
            complaints,
            "cancel",
            ["cancel", PAYMENT, "--as", f"centre/{CENTRE}"],
            False,
        ),
    ],
)
@pytest.mark.parametrize("language", ["en", "bn"])
def test_where_nobody_takes_cash_nobody_is_told_not_to(
    module: Any,
    name: str,
    words: list[str],
    with_id: bool,
    language: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A treasury's move, cut off by a kill, has a sentence of its own."""
    row_id = bytes(range(16))

    def lost(*_: object) -> Exit:
        last = CallError(grpc.StatusCode.INTERNAL, "gone")
        raise LostReplyError([row_id], last)

    monkeypatch.setattr(module, name, lost)
    # The parser that is kept knows the one from before.
    monkeypatch.setattr(entry, "_parser", entry._parser.__wrapped__)
    words = [*words, "--lang", language]
    assert main(words) == Exit.UNKNOWN
    told = capsys.readouterr().err
    at = ("en", "bn").index(language)
    assert WORDS["unknown move"][at] in told
    assert WORDS["unknown"][at] not in told
    assert "money" not in told
    [again] = [line for line in told.splitlines() if line.startswith("  payswitch ")]
    assert (f"--id {format_id(row_id)}" in again) is with_id
    # It can be pasted.
    typed = shlex.split(again)[1:]
    assert main(typed) == Exit.UNKNOWN
    assert again in capsys.readouterr().err
