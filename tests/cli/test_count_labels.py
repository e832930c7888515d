"""Goal: a count of payments says what it counts, wherever it is shown, and documents
say the same.

Method: what commands and templates show, of figures by hand, beside the table in
docs/totals.md.
"""

import io
from argparse import Namespace
from collections.abc import Callable
from typing import Any, Self, cast

import pytest

from switch.cli import close_day, commands, counter, totals
from switch.client import NOW
from switch.console.output import Screen
from switch.console.words import WORDS, Language
from switch.day import report
from switch.day.fates import Fate
from switch.v1 import counter_pb2, totals_pb2, types_pb2, wallets_pb2
from switch.web.counter.words import TEXTS as COUNTER_WORDS
from switch.web.public.words import WORDS as PUBLIC_WORDS
from tests.cli.drawn_tables import ROOT

Show = Callable[[Screen], object]


def told(count: int) -> totals_pb2.TotalsSum:
    return totals_pb2.TotalsSum(count=count, paise=100 * count)


WHOLE = totals_pb2.TotalsFigures(
    payments=told(15_778),
    corrections=told(17),
    gross=told(15_795),
    held=told(16_449),
    given_back=told(671),
)
READ = totals_pb2.ReadTotalsResponse(whole=WHOLE, as_of_sequence=9, as_of_time_ns=1)


class Client:
    """A switch with these figures."""

    def totals(self) -> totals_pb2.ReadTotalsResponse:
        return READ

    def wallet(self, *_: object) -> wallets_pb2.GetWalletResponse:
        wallet = wallets_pb2.Wallet(day="2026-12-02", day_amount=900, day_count=7)
        return wallets_pb2.GetWalletResponse(wallet=wallet)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None: ...


def show_totals(screen: Screen) -> None:
    totals._show_whole(READ, Namespace(from_day="", to_day=""), screen)


def show_close_day(screen: Screen) -> None:
    closing = close_day.Closing(cast(Any, Client()), Namespace(), screen)
    closing._read_totals()
    assert closing.totals["payments"] == 15_778
    assert closing.totals["corrections"] == 17
    closing.goes_on_until = 1
    closing._show()


def show_balance(screen: Screen) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(commands, "open_office", lambda _: Client())
        commands.balance(Namespace(at=NOW, centre="c"), screen)


def show_shift(screen: Screen) -> None:
    counter._show_shift(counter_pb2.Shift(payments_count=16_449), screen)


def show_day(screen: Screen) -> None:
    hold = types_pb2.Entry(sequence=1)
    paid = types_pb2.Entry(sequence=2, kind=types_pb2.ENTRY_KIND_POST)
    fates = {b"1": Fate(hold), b"2": Fate(hold, paid), b"3": Fate(hold, None, paid)}
    report.show_counts(5, fates, screen)


SHOWN: tuple[tuple[str, Show, dict[str, str]], ...] = (
    (
        "totals",
        show_totals,
        {
            "totals payments": "15,778",
            "corrections": "17",
            "totals held": "16,449",
            "totals given back": "671",
        },
    ),
    ("close-day", show_close_day, {"payments ever": "15,795"}),
    ("balance", show_balance, {"spent payments": "7"}),
    ("shift close", show_shift, {"payments begun": "16,449"}),
    ("day", show_day, {"day sent": "5", "day begun": "3", "day completed": "2"}),
)


@pytest.mark.parametrize("language", Language)
@pytest.mark.parametrize(("name", "show", "wanted"), SHOWN, ids=[x[0] for x in SHOWN])
def test_a_count_says_what_it_counts(
    name: str,
    show: Show,
    wanted: dict[str, str],
    language: Language,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    out = io.StringIO()
    monkeypatch.setattr("sys.stdout", out)
    show(Screen(as_json=False, language=language))
    lines = out.getvalue().splitlines()
    for key, count in wanted.items():
        label = language.word(key)
        assert label != key
        # The sentence below the figures has the words, too.
        line = next(each for each in lines if label in each)
        rest = line.replace(label, "")
        whole = language.count(int(count.replace(",", "")))
        assert whole in rest or count in rest, line


def test_no_label_counts_two_things() -> None:
    """`Payments` alone was the label of three of them."""
    keys = [key for _, _, wanted in SHOWN for key in wanted]
    for language in Language:
        labels = [language.word(key) for key in keys]
        assert len({*labels}) == len(labels)
        assert language.word("payments") not in labels


def test_the_documents_name_each_count() -> None:
    text = (ROOT / "docs/totals.md").read_text(encoding="utf-8")
    table = text.split("## Which count is which")[1].split("## The store")[0]
    rows = [line.split("|")[1:-1] for line in table.splitlines() if line[:1] == "|"]
    named = {(row[0].split(",")[0].strip(" `"), row[1].strip()) for row in rows[2:]}
    wanted = {(name, WORDS[key][0]) for name, _, keys in SHOWN for key in keys}
    wanted |= {
        ("the counter's shift", COUNTER_WORDS["payments count"][0]),
        ("the public page", PUBLIC_WORDS["payments"][0]),
    }
    assert named == wanted


def test_pages_say_it_too() -> None:
    web = ROOT / "switch/web"
    shift = (web / "counter/templates/move_state.html").read_text(encoding="utf-8")
    assert 'say("payments count")' in shift
    wallet = (web / "counter/templates/wallet.html").read_text(encoding="utf-8")
    assert 'digits(wallet.day_count) }} {{ say("spent payments") }}' in wallet
    assert COUNTER_WORDS["spent payments"] == WORDS["spent payments"]
    page = (web / "public/templates/totals.html").read_text(encoding="utf-8")
    assert 'w("counted")' in page
    assert "completed" in PUBLIC_WORDS["counted"][0]
