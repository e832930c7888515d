"""Goal: what a replayed day prints can be told apart: the day that was planned, and the
day on which the switch has booked it; and what was refused is no proposal.

Method: the parts of the report with payments by hand, and a treasury that refuses.
"""

import io
from types import SimpleNamespace
from typing import Any, cast

import pytest

from switch.client import Client
from switch.codes import Result
from switch.console.output import Screen
from switch.console.words import Language
from switch.day import report
from switch.day.council import Council
from switch.day.fates import Fate, Fates
from switch.day.script import Script, march_day
from switch.v1 import people_pb2, results_pb2, types_pb2

NIGHT_NS = 1_795_803_000 * 10**9
"""2026-11-27 23:40 in IST."""
HOUR_NS = 3_600 * 10**9
SCRIPT = Script(number=1, date=march_day(1), steps=(), top_ups={})


def fates(*times_ns: int) -> Fates:
    """Payments that were held at these times."""
    found = {}
    for number, time_ns in enumerate(times_ns):
        hold = types_pb2.Entry(sequence=number, time_ns=time_ns)
        found[bytes([number])] = Fate(hold)
    return found


@pytest.mark.parametrize("language", Language)
def test_each_date_says_what_it_is(
    language: Language, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = io.StringIO()
    monkeypatch.setattr("sys.stdout", out)
    screen = Screen(as_json=False, language=language)
    report.show_dates(SCRIPT, fates(NIGHT_NS, NIGHT_NS + HOUR_NS), screen)
    planned, booked = out.getvalue().splitlines()
    word = language.word
    assert planned.startswith(word("planned day"))
    assert planned.endswith("Monday 02 March 2026")
    assert booked.startswith(word("booked days"))
    assert booked.endswith("2026-11-27, 2026-11-28")


def test_a_day_without_payments_is_booked_on_none() -> None:
    assert report.booked_dates(fates()) == []


class Treasury:
    """One that refuses what is proposed first."""

    def __init__(self) -> None:
        self.sequence = 70

    def prepare(self, _: object) -> Any:
        return SimpleNamespace(row=object(), as_of=1)

    def submit(self, *_: object, **__: object) -> results_pb2.Outcome:
        self.sequence += 1
        result = Result.CASE_NOT_FOUND if self.sequence == 71 else Result.OK
        number = results_pb2.Result.ValueType(result.value)
        return results_pb2.Outcome(result=number, sequence=self.sequence)


def test_what_was_refused_is_no_proposal() -> None:
    council = cast(Any, Council.__new__(Council))
    council._first = cast(Client, Treasury())
    council._makers = [object()]
    council.proposals = []
    for _ in range(2):
        council.propose(people_pb2.PrepareRequest())
    assert council.proposals == [72]
