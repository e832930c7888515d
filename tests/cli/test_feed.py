"""Goal: whoever asks for a biller's entries knows before the first how far they go, and
an undoing is called by its name in every list of entries.

Method: the command with a client that has three entries, and with one that waits;
lists with one entry.
"""

import itertools
import json
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from switch.cli import commands, exceptions, explain
from switch.cli.entry import _parser
from switch.console.output import Exit, Screen
from switch.console.words import Language
from switch.v1 import types_pb2


class Client:
    """One that has entries without an end, as a feed that is followed."""

    def feed(
        self, biller: str, cursor: int, *, follow: bool
    ) -> Iterator[types_pb2.Entry]:
        for sequence in itertools.count(cursor + 1):
            if not follow and sequence > cursor + 3:
                return
            if follow and sequence > cursor + 3:
                raise KeyboardInterrupt
            yield types_pb2.Entry(sequence=sequence, kind=types_pb2.ENTRY_KIND_PAY)


@pytest.mark.parametrize(
    ("words", "texts"),
    [
        ((), ("after 0", "to the newest one", "--limit N", "--follow")),
        (("--from", "27000", "--limit", "2"), ("after 27,000", "at most 2")),
        (("--follow",), ("each new one", "Ctrl-C ends it")),
    ],
)
def test_a_feed_says_how_far_it_goes(
    words: tuple[str, ...],
    texts: tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    @contextmanager
    def office(_: Namespace) -> Iterator[Any]:
        yield Client()

    monkeypatch.setattr(commands, "open_office", office)
    args = _parser().parse_args(["feed", "wbsedcl", "--json", *words])
    screen = Screen(as_json=True, language=Language.ENGLISH)
    try:
        assert commands.feed(args, screen) is Exit.DONE
        assert not args.follow
    except KeyboardInterrupt:
        assert args.follow
    said = capsys.readouterr()
    (note,) = said.err.splitlines()
    for text in texts:
        assert text in note
    count = args.limit or 3
    assert [json.loads(line)["sequence"] for line in said.out.splitlines()] == [
        *range(args.cursor + 1, args.cursor + 1 + count)
    ]


@pytest.mark.parametrize("language", Language)
def test_an_undoing_is_no_plain_transfer(
    language: Language, capsys: pytest.CaptureFixture[str]
) -> None:
    entry = types_pb2.Entry(sequence=9, kind=types_pb2.ENTRY_KIND_TRANSFER)
    assert commands.kind_of(entry, language) == "transfer"
    entry.undoes = True
    word = language.word("entry undoing")
    assert word != "entry undoing"
    assert commands.kind_of(entry, language) == word
    assert exceptions._entry_kind(entry, language) == word
    explain._show_entries([entry], Screen(as_json=False, language=language))
    shown = capsys.readouterr().out
    assert word in shown
    assert "transfer" not in shown
