"""Goal: a session is signed off by the centre whose operator it was, at a wallet of its
own, by rules that know it; who was refused had a cause.

Method: twins, told by one function each: the same rows once right, without a finding,
and once with one thing forged, every check of the bytes right.
"""

from pathlib import Path
from typing import Any

import pytest

from switch.codes import Result
from tests.audit.counter_story import (
    DESK,
    HARNESS,
    NOBODY,
    SEAT,
    WALLET_THERE,
    CounterDesk,
    Tell,
    found_by_its_words,
    operator,
)
from tests.audit.people_story import CENTRE, ONE, UPDATE, register

R = Result
SAYS = "it says something where none of its kind does"
NOBODY_OF_IT = "it signs off who is no operator of its sender"
NOT_ITS = "its wallet is no account of its sender"
CAUSE = "and there was no cause for that"


def leaves(**wrong: Any) -> Tell:
    """Right, and with something wrong."""
    return lambda desk, forged: desk.leave(**(wrong if forged else {}))


def refused(desk: CounterDesk, forged: bool) -> None:
    """At another's wallet; or at its own, where it was to be taken."""
    wallet: dict[str, Any] = {} if forged else {"debit": WALLET_THERE}
    desk.leave(result=R.ACCOUNT_UNKNOWN, **wallet)


def refused_with_a_number(desk: CounterDesk, forged: bool) -> None:
    desk.leave(result=R.ACCOUNT_UNKNOWN, debit=WALLET_THERE, total=int(forged))


def one_who_has_left(desk: CounterDesk, forged: bool) -> None:
    """Who was switched off since may still be signed off; who never was one may not."""
    desk.put(register(operator(SEAT, 0)), debit=1, flags=UPDATE)
    desk.leave((CENTRE, NOBODY) if forged else SEAT)


FORGERIES: dict[str, tuple[str, str, Tell]] = {
    "another's wallet": (
        "people",
        NOT_ITS,
        leaves(debit=WALLET_THERE),
    ),
    "no account": ("people", NOT_ITS, leaves(debit=900)),
    "no operator": ("people", NOBODY_OF_IT, leaves(operator_=NOBODY)),
    "never an operator": ("people", NOBODY_OF_IT, one_who_has_left),
    "money": ("fields", "its amount is none", leaves(amount=1)),
    "another account": ("people", SAYS, leaves(credit=1)),
    "a row that it names": ("people", SAYS, leaves(resolves=1)),
    "a service": ("people", SAYS, leaves(service=1)),
    "who checked it": ("people", SAYS, leaves(checker=ONE)),
    "refused for nothing": ("refusals", CAUSE, refused),
    "refused for a row": ("refusals", CAUSE, refused_with_a_number),
}


@pytest.mark.parametrize("name", FORGERIES)
def test_twins(tmp_path: Path, name: str) -> None:
    check, text, tell = FORGERIES[name]
    found_by_its_words(tmp_path, check, text, tell)


def test_whoever_sends_it_for_a_centre_is_seen(tmp_path: Path) -> None:
    """Each thing that is wrong with it is a finding of its own."""
    desk = CounterDesk()
    desk.leave((HARNESS, SEAT[1]))
    found = desk.found(tmp_path)
    assert set(found) == {"people", "senders"}
    assert len(found["people"]) == 2


def test_a_session_is_signed_off_once(tmp_path: Path) -> None:
    """By its id, as everything that a sender asks for; two sessions have two."""
    desk = CounterDesk()
    first = desk.leave()
    desk.leave(DESK)
    desk.leave()
    assert desk.found(tmp_path / "right") == {}
    desk.leave(id=first.id)
    assert list(desk.found(tmp_path / "wrong")) == ["ids"]


def test_rules_before_20_know_nothing_of_it(tmp_path: Path) -> None:
    desk = CounterDesk(rules=19)
    desk.leave()
    found = desk.found(tmp_path)
    assert list(found) == ["people"]
    assert "not known to rules 19" in found["people"][0]
