"""Goal: nobody sits at a counter whom its centre's register does not know, under no
second name and with nobody's key; and nothing is done there by anybody else.

Method: twins, told by one function each: the same rows once right, without a finding,
and once with one thing forged, every check of the bytes right.
"""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from switch.audit import operators
from switch.audit.layout import CANCEL_RULES, ROW
from switch.audit.participants import Participants
from switch.codes import Kind, PersonRole, Record, Result, Role
from tests.audit.counter_story import (
    DESK,
    HARNESS,
    NOBODY,
    OTHER,
    SEAT,
    SEAT_THERE,
    THERE,
    WALLET_THERE,
    CounterDesk,
    Forgery,
    Tell,
    found_by_its_words,
    operator,
    party,
)
from tests.audit.people_story import (
    BILLER,
    CENTRE,
    CHECKER,
    MAKER,
    ONE,
    THIRD,
    UPDATE,
    WALLET,
    keyed,
    register,
    rules_record,
)
from tests.audit.people_story import SECOND as SECOND_PERSON
from tests.signing import Line, public_key

R = Result
THIRD_SEAT = (CENTRE, 11)
SAME = "it should be SAME_PERSON"
UNKNOWN = "it should be PARTICIPANT_UNKNOWN"
ABSENT = "names no active operator"
FEW: dict[str, Any] = {"amount": 90, "result": R.AMOUNT_BELOW_MINIMUM}
ALIEN = "and another has asked for it"
CALLED_OFF = "somebody cancelled who is no operator"


def registered(right: bytes, wrong: bytes) -> Tell:
    """One more operator, and in its place another record."""

    def tell(desk: CounterDesk, forged: bool) -> None:
        desk.put(register(wrong if forged else right), debit=desk.seats + 1)

    return tell


def spoilt(at: int, byte: bytes) -> Tell:
    """One more operator, with a byte of its record that is not one."""
    right = operator(THIRD_SEAT)
    return registered(right, right[:at] + byte + right[at + len(byte) :])


def misplaced(desk: CounterDesk, forged: bool) -> None:
    desk.put(register(operator(THIRD_SEAT)), debit=desk.seats + (2 if forged else 1))


def renumbered(desk: CounterDesk, forged: bool) -> None:
    """Who is known is no new one."""
    record = register(operator(SEAT, key=77))
    desk.put(record, debit=1, flags=0 if forged else UPDATE)


def sleeping_key(desk: CounterDesk, forged: bool) -> None:
    """Nor with the key of one who is switched off."""
    desk.put(register(operator(DESK, 0)), debit=2, flags=UPDATE)
    key = 1_000 * DESK[0] + DESK[1]
    desk.seat(THIRD_SEAT, key=key if forged else 77)


def old_key(desk: CounterDesk, forged: bool) -> None:
    """A key that was replaced is free; the new one is not."""
    desk.put(register(operator(DESK, key=77)), debit=2, flags=UPDATE)
    desk.seat(THIRD_SEAT, key=77 if forged else 1_000 * DESK[0] + DESK[1])


def once_a_centre(desk: CounterDesk, forged: bool) -> None:
    """What is no centre any more has no new operators."""
    role = Role.BILLER if forged else Role.CENTRE
    desk.put(register(party(THERE, role)), debit=THERE, flags=UPDATE)
    desk.seat((THERE, 11))


def pays(*, right: dict[str, Any] | None = None, **wrong: Any) -> Tell:
    """A payment at the centre that signs on, right and otherwise."""

    def tell(desk: CounterDesk, forged: bool) -> None:
        desk.pay(**(wrong if forged else right or {}))

    return tell


def switched_off(desk: CounterDesk, forged: bool) -> None:
    desk.put(register(operator(SEAT, 0)), debit=1, flags=UPDATE)
    desk.pay(operator_=SEAT[1] if forged else DESK[1])


def before_it_came(desk: CounterDesk, forged: bool) -> None:
    """Neither before it was registered."""
    if not forged:
        desk.seat(THIRD_SEAT)
    desk.pay(operator_=THIRD_SEAT[1])
    if forged:
        desk.seat(THIRD_SEAT)


def since_then(desk: CounterDesk, forged: bool) -> None:
    """A centre signs on from the row on that says so."""
    desk.pay(WALLET_THERE, operator_=NOBODY)
    record = register(party(THERE, signs_on=1))
    desk.put(record, debit=THERE, flags=UPDATE)
    desk.pay(WALLET_THERE, operator_=NOBODY if forged else SEAT_THERE[1])


def until_then(desk: CounterDesk, forged: bool) -> None:
    """And until one says otherwise."""
    desk.signs_on(1 if forged else 0)
    desk.pay(operator_=NOBODY)


def among_many(desk: CounterDesk, forged: bool) -> None:
    for number in range(100, 120):
        desk.seat((CENTRE, number))
    at = desk.places_of(110)
    desk.put(register(operator((CENTRE, 110), 0)), debit=at, flags=UPDATE)
    for number in range(108, 113):
        if forged or number != 110:
            desk.pay(operator_=number)


def holds(desk: CounterDesk, forged: bool) -> None:
    """What is taken with what is refused, in one span of rows."""
    desk.pay()
    desk.pay(operator_=NOBODY if forged else DESK[1], **FEW)
    desk.pay(operator_=DESK[1])


def closes(desk: CounterDesk, forged: bool) -> None:
    desk.shift((CENTRE, NOBODY) if forged else SEAT)


def closes_refused(desk: CounterDesk, forged: bool) -> None:
    """A shift that follows nothing; who is nobody's has not even a row."""
    who = (CENTRE, NOBODY) if forged else SEAT
    desk.shift(who, resolves=3, result=R.PROPOSAL_NOT_FOUND)


def signs_off(desk: CounterDesk, forged: bool) -> None:
    shift = desk.shift()
    desk.sign_off(shift, (CENTRE, NOBODY) if forged else DESK)


def signs_off_from_there(desk: CounterDesk, forged: bool) -> None:
    """The number is one of another centre's."""
    if not forged:
        desk.seat((CENTRE, 11))
    desk.seat((THERE, 11))
    shift = desk.shift()
    desk.sign_off(shift, (CENTRE, 11))


def signed_off_by_harness(desk: CounterDesk, forged: bool) -> None:
    shift = desk.shift()
    desk.sign_off(shift, (HARNESS if forged else CENTRE, DESK[1]))


def complains(desk: CounterDesk, forged: bool) -> None:
    paid = desk.pay()
    desk.complain(paid, operator_=NOBODY if forged else DESK[1])


def cancels(right: dict[str, Any] | None = None, **wrong: Any) -> Tell:
    """A payment is called off, right and otherwise."""

    def tell(desk: CounterDesk, forged: bool) -> None:
        desk.cancel(**(wrong if forged else right or {}))

    return tell


def cancelled_before_it_came(desk: CounterDesk, forged: bool) -> None:
    """Who is registered may cancel, and be switched off by the time it is done."""
    if not forged:
        desk.seat(THIRD_SEAT)
        desk.put(register(operator(THIRD_SEAT, 0)), debit=desk.seats, flags=UPDATE)
    desk.cancel(total=THIRD_SEAT[1])
    if forged:
        desk.seat(THIRD_SEAT)


def cancelled_without_signing_on(desk: CounterDesk, forged: bool) -> None:
    """Where nobody signs on any number may stand there, and no larger one."""
    desk.signs_on(0)
    desk.cancel(total=2**32 if forged else NOBODY)


FORGERIES: dict[str, Forgery] = {
    "another's key": (
        *("people", SAME),
        registered(operator(THIRD_SEAT), operator(THIRD_SEAT, key=1_000 * 5 + 7)),
    ),
    "a sleeper's key": ("people", SAME, sleeping_key),
    "a key that was given away": ("people", SAME, old_key),
    "of a biller": (
        *("people", UNKNOWN),
        registered(operator(THIRD_SEAT), operator((BILLER, 7))),
    ),
    "of nobody": (
        *("people", UNKNOWN),
        registered(operator(THIRD_SEAT), operator((99, 7))),
    ),
    "of what was a centre": ("people", UNKNOWN, once_a_centre),
    "out of turn": ("people", "it is number 4, the row says 5", misplaced),
    "a known one": ("people", "it is number 1, the row says 1", renumbered),
    "without a number": ("people", "names nobody", spoilt(8, bytes(4))),
    "without a centre": ("people", "names nobody", spoilt(4, bytes(4))),
    "without a key": ("people", "or no key", spoilt(16, bytes(32))),
    "half active": ("people", "neither active nor not", spoilt(1, b"\2")),
    "more than is said": ("people", "bytes that say nothing", spoilt(2, b"\1")),
    "more behind it": ("people", "bytes that say nothing", spoilt(12, b"\1")),
    "cut off": (
        *("people", "is too short"),
        registered(operator(THIRD_SEAT), operator(THIRD_SEAT)[:47]),
    ),
    "a payment of nobody": ("people", ABSENT, pays(operator_=NOBODY)),
    "a payment without one": ("people", ABSENT, pays(operator_=0)),
    "paid by another centre's": ("people", ABSENT, since_then),
    "paid by who was switched off": ("people", ABSENT, switched_off),
    "paid before it came": ("people", ABSENT, before_it_came),
    "paid by who sleeps among many": ("people", ABSENT, among_many),
    "it signs on still": ("people", ABSENT, until_then),
    "paid by a harness": ("people", ALIEN, pays(participant=HARNESS)),
    "refused to a harness": (
        *("people", ALIEN),
        pays(right=FEW, participant=HARNESS, **FEW),
    ),
    "closed by a harness": (
        *("people", ALIEN),
        lambda desk, forged: desk.shift(participant=HARNESS if forged else CENTRE),
    ),
    "signed off by a harness": ("people", ALIEN, signed_off_by_harness),
    "refused": ("people", ABSENT, holds),
    "a shift": ("people", ABSENT, closes),
    "a refused shift": ("people", ABSENT, closes_refused),
    "signed off by nobody": ("people", ABSENT, signs_off),
    "signed off from there": ("people", ABSENT, signs_off_from_there),
    "a complaint": ("people", ABSENT, complains),
    "cancelled by nobody": ("people", CALLED_OFF, cancels({"total": 0}, total=NOBODY)),
    "cancelled before it came": ("people", CALLED_OFF, cancelled_before_it_came),
    "cancelled by no number": ("people", CALLED_OFF, cancelled_without_signing_on),
    "cancelled with approval": (
        *("approvals", "nobody had to approve it"),
        cancels(checker=ONE),
    ),
}


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forgery_is_found_by_its_own_words(tmp_path: Path, name: str) -> None:
    check, text, tell = FORGERIES[name]
    found_by_its_words(tmp_path, check, text, tell)


@pytest.mark.parametrize("rules", [CANCEL_RULES - 1, CANCEL_RULES])
@pytest.mark.parametrize("named", [False, True])
def test_rules_of_before_name_nobody(tmp_path: Path, rules: int, named: bool) -> None:
    desk = CounterDesk(rules=rules)
    desk.cancel(operator_=SEAT[1], total=DESK[1] if named else 0)
    found = desk.found(tmp_path / "ledger")
    assert list(found) == (["approvals"] if named and rules < CANCEL_RULES else [])


def persons_key(desk: CounterDesk, forged: bool) -> None:
    """An operator with the key of somebody of the treasury."""
    desk.seat(THIRD_SEAT, key=MAKER[1] if forged else 77)


def operators_key(desk: CounterDesk, forged: bool) -> None:
    """And somebody of the treasury with an operator's, whether that one is active."""
    desk.off(operator(DESK, 0), 2)
    record = keyed((ONE, 15), PersonRole.SUPPORT)
    if forged:
        record.key = public_key(1_000 * DESK[0] + DESK[1])
    desk.put(register(record.pack()), debit=6)


def alone(desk: CounterDesk, forged: bool) -> None:
    """Who is new comes by more than one person's word."""
    if forged:
        desk.off(operator(THIRD_SEAT), desk.seats + 1, flags=0)
    else:
        desk.seat(THIRD_SEAT)


def off_unsigned(desk: CounterDesk, forged: bool) -> None:
    """One person switches off, and that one has signed it."""
    row = desk.off(operator(SEAT, 0), 1)
    if forged:
        row.tail = (row.tail or b"")[:-64]


def off_with_a_key(desk: CounterDesk, forged: bool) -> None:
    """What changes more than that is no stop."""
    desk.off(operator(SEAT, 0, key=77 if forged else None), 1)


def on_alone(desk: CounterDesk, forged: bool) -> None:
    """And who was switched off is not switched on by one."""
    desk.off(operator(SEAT, 0), 1)
    if forged:
        desk.off(operator(SEAT), 1)
    else:
        desk.put(register(operator(SEAT)), debit=1, flags=UPDATE)


def since_stopped(desk: CounterDesk, forged: bool) -> None:
    """What was wanted before a stop does not undo it."""
    asked = desk.propose([register(operator(SEAT, key=77))])
    desk.approve(asked)
    if forged:
        desk.off(operator(SEAT, 0), 1)
    desk.do(asked, debit=1, flags=UPDATE)


def two_of_it(desk: CounterDesk, forged: bool) -> None:
    """One proposal speaks of an operator once."""
    seats = SEAT, (SEAT if forged else DESK)
    lines = [register(operator(who, key=80 + at)) for at, who in enumerate(seats)]
    asked = desk.propose(lines)
    desk.approve(asked)
    for at, who in enumerate(seats):
        desk.do(asked, at, debit=1 if who == SEAT else 2, flags=UPDATE)


def line_of_nothing(desk: CounterDesk, forged: bool) -> None:
    record = operator(THIRD_SEAT)
    bad = record[:2] + b"\1" + record[3:]
    desk.propose([register(bad if forged else record)])


def refused_without(desk: CounterDesk, forged: bool) -> None:
    """What needs a proposal leaves no row if it is refused; a stop has one."""
    off = operator(DESK, 0)
    desk.put(register(party(CENTRE, Role.BILLER)), debit=CENTRE, flags=UPDATE)
    record = operator((CENTRE, 12)) if forged else off
    desk.off(record, 0, flags=0, result=R.PARTICIPANT_UNKNOWN)


def other_hours(desk: CounterDesk, forged: bool) -> None:
    """Who switches off a participant leaves what else it is."""
    desk.put(register(party(OTHER, Role.BILLER, hours=24)), debit=OTHER, flags=UPDATE)
    hours = 8_784 if forged else 24
    desk.off(party(OTHER, Role.BILLER, 0, hours=hours), OTHER)


def other_sign_on(desk: CounterDesk, forged: bool) -> None:
    desk.off(party(CENTRE, active=0, signs_on=0 if forged else 1), CENTRE)


def third_of_operators(desk: CounterDesk, forged: bool) -> None:
    """Two are enough for an operator."""
    asked = desk.propose([register(operator(THIRD_SEAT))], flags=THIRD if forged else 0)
    desk.approve(asked)


WITH_PEOPLE: dict[str, Forgery] = {
    "a person's key": ("people", SAME, persons_key),
    "an operator's key": ("people", SAME, operators_key),
    "registered by one": ("lines", "nobody has proposed it", alone),
    "switched off by nobody": ("people", "nobody has signed it", off_unsigned),
    "switched off with another key": (
        "lines",
        "nobody has proposed it",
        off_with_a_key,
    ),
    "switched on by one": ("lines", "nobody has proposed it", on_alone),
    "wanted before a stop": ("lines", "a newer row speaks of the same", since_stopped),
    "twice in one proposal": ("lines", "a newer row speaks of the same", two_of_it),
    "a line of none": ("lines", "has bytes that say nothing", line_of_nothing),
    "refused without people": ("refusals", "refused without a row", refused_without),
    "switched off with other hours": ("lines", "nobody has proposed it", other_hours),
    "and no sign-on": ("lines", "nobody has proposed it", other_sign_on),
    "a third": ("people", "a third person", third_of_operators),
}


@pytest.mark.parametrize("name", WITH_PEOPLE)
def test_a_forgery_among_people_is_found(tmp_path: Path, name: str) -> None:
    check, text, tell = WITH_PEOPLE[name]
    found_by_its_words(tmp_path, check, text, tell, people=True)


PARTIES: dict[str, tuple[str, bytes]] = {
    "a biller that signs on": ("signs_on", party(8, Role.BILLER, signs_on=1)),
    "half signed on": ("signs_on", party(8, signs_on=2)),
    "longer than a leap year": ("answer_hours", party(8, Role.BILLER, hours=8_785)),
    "something between": ("reserved_1", party(8, zero=1)),
    "a role that is none": ("role", party(8, 9)),
}


@pytest.mark.parametrize("name", PARTIES)
def test_no_participant_is_so(tmp_path: Path, name: str) -> None:
    field, record = PARTIES[name]
    desk = CounterDesk()
    desk.put(register(party(8, Role.BILLER, hours=8_784)), debit=8)
    desk.put(register(party(9, Role.PUBLIC)), debit=9)
    assert desk.found(tmp_path / "right") == {}
    desk.put(register(record.replace(b"person-8", b"person-X")), debit=10)
    found = desk.found(tmp_path / "wrong")
    assert list(found) == ["services"]
    assert f"its record's {field} is not one" in found["services"][0]


REFUSED: dict[str, tuple[Result, Result, bytes]] = {
    "of a biller": (R.PARTICIPANT_UNKNOWN, R.SAME_PERSON, operator((BILLER, 7))),
    "another's key": (
        *(R.SAME_PERSON, R.PARTICIPANT_UNKNOWN),
        operator(THIRD_SEAT, key=1_000 * 5 + 7),
    ),
    "of a biller, with another's key": (
        *(R.PARTICIPANT_UNKNOWN, R.SAME_PERSON),
        operator((BILLER, 7), key=1_000 * 5 + 7),
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_who_was_refused_had_a_cause(tmp_path: Path, name: str) -> None:
    right, wrong, record = REFUSED[name]
    for result in (right, wrong, R.TABLE_FULL):
        desk = CounterDesk()
        desk.put(register(record), result=result)
        found = desk.found(tmp_path / result.name)
        assert list(found) == ([] if result == right else ["refusals"])


def test_a_shape_that_none_has_leaves_no_refused_row(tmp_path: Path) -> None:
    desk = CounterDesk()
    desk.put(register(operator(THIRD_SEAT)[:47]), result=R.SAME_PERSON)
    found = desk.found(tmp_path)
    assert "is too short, and has no row" in found["people"][0]


def test_a_full_register_takes_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(operators, "OPERATORS_MAX", 3)
    desk = CounterDesk()
    desk.put(register(operator(THIRD_SEAT)), result=R.TABLE_FULL)
    desk.put(register(operator(SEAT, key=77)), debit=1, flags=UPDATE)
    assert desk.found(tmp_path / "refused") == {}
    desk.seat(THIRD_SEAT)
    found = desk.found(tmp_path / "taken")
    assert "it should be TABLE_FULL" in found["people"][0]


def test_as_many_as_there_may_be_are_told_apart() -> None:
    """A table that is half full: many share a place in it."""
    known, rng = operators.Operators(Participants(), {}), random.Random(7)
    seats = {(rng.randrange(1, 1_000), rng.randrange(1, 40)) for _ in range(3_000)}
    active = {who: rng.randrange(4) > 0 for who in seats}
    rows = np.zeros(1, ROW)
    for at, (who, works) in enumerate(active.items(), 1):
        rows["debit"] = at
        assert list(known.apply(rows[0], operator(who, int(works), key=1))) == []
    asked = [(centre, number) for centre in range(1_000) for number in range(40)]
    found = known.sit(*np.array(asked, np.uint32).T)
    assert found.tolist() == [active.get(who, False) for who in asked]


def test_who_does_not_sign_on_counts_as_it_likes(tmp_path: Path) -> None:
    desk = CounterDesk()
    paid = desk.pay(WALLET_THERE, operator_=NOBODY)
    shift = desk.shift((THERE, NOBODY), debit=WALLET_THERE)
    desk.sign_off(shift, (THERE, 99))
    desk.complain(paid, participant=THERE, operator_=NOBODY)
    desk.seat((THERE, 500), active=0)
    desk.pay(WALLET_THERE, operator_=500)
    assert desk.found(tmp_path) == {}


def test_whoever_is_no_operator_has_no_row(tmp_path: Path) -> None:
    desk = CounterDesk()
    desk.pay(operator_=NOBODY, result=R.OPERATOR_UNKNOWN)
    found = desk.found(tmp_path)
    assert "not one that leaves a row" in found["fields"][0]
    assert ABSENT in found["people"][0]


EARLY: dict[str, tuple[str, Callable[[CounterDesk], object]]] = {
    "an operator": (
        "people: its record is not known to rules 11",
        lambda desk: desk.seat(SEAT),
    ),
    "a centre that signs on": (
        "services: its record's signs_on is not one",
        lambda desk: desk.signs_on(),
    ),
    "hours of a biller": (
        "services: its record's answer_hours is not one",
        lambda desk: desk.put(register(party(8, Role.BILLER, hours=1)), debit=8),
    ),
    "the public check": (
        "services: its record's role is not one",
        lambda desk: desk.put(register(party(8, Role.PUBLIC)), debit=8),
    ),
    "a complaint": (
        "complaints: it is not known to rules 11",
        lambda desk: desk.complain(desk.pay()),
    ),
    "a refused complaint": (
        "complaints: it is not known to rules 11",
        lambda desk: desk.complain(3, result=R.PAYMENT_NOT_FOUND),
    ),
    "a refused reply": (
        "complaints: it is not known to rules 11",
        lambda desk: desk.reply(3, 1, result=R.COMPLAINT_NOT_FOUND),
    ),
    "a file of bills": (
        "bills: it is not known to rules 11",
        lambda desk: desk.put_in(),
    ),
}


@pytest.mark.parametrize("name", EARLY)
def test_rules_11_know_nothing_of_it(tmp_path: Path, name: str) -> None:
    """Before them all of it was a wrong shape; what came before 12 is right still."""
    text, tell = EARLY[name]
    desk = CounterDesk(rules=11)
    desk.pay(operator_=NOBODY)
    assert desk.found(tmp_path / "before") == {}
    tell(desk)
    check, said = text.split(": ")
    found = desk.found(tmp_path / "after")
    assert list(found) == [check]
    assert said in found[check][0]


def test_from_the_row_on_that_says_12_they_do(tmp_path: Path) -> None:
    """And what was paid before by whomever is no finding."""
    desk = CounterDesk(rules=11)
    desk.pay(operator_=NOBODY)
    desk.record(rules_record(12), 1, participant=0, flags=UPDATE)
    desk.seat(SEAT)
    desk.signs_on()
    desk.reply(desk.complain(desk.pay()), 1)
    desk.put_in()
    assert desk.found(tmp_path) == {}


@pytest.mark.parametrize("record", [operator(SEAT), party(CENTRE, signs_on=1)])
def test_nor_is_it_a_line_by_rules_11(tmp_path: Path, record: bytes) -> None:
    desk = CounterDesk(rules=11, people=True)
    desk.propose([register(record)])
    found = desk.found(tmp_path)
    assert list(found) == ["lines"]
    wrong = "not known to rules 11" if record[0] == Record.OPERATOR else "signs_on"
    assert wrong in found["lines"][0]


def test_people_and_operators_in_one_ledger(tmp_path: Path) -> None:
    """Stops of operators are approved, or undone by what was wanted since."""
    desk = CounterDesk(people=True)
    stop = desk.off(operator(SEAT, 0), 1)
    desk.approve(stop, SECOND_PERSON)
    desk.pay(operator_=DESK[1])
    desk.put(register(operator(SEAT, key=77)), debit=1, flags=UPDATE)
    desk.pay()
    desk.seat(THIRD_SEAT)
    # Switched off as a line, too, which needs no signature of its own then.
    desk.put(register(operator(THIRD_SEAT, 0)), debit=desk.seats, flags=UPDATE)
    asked = desk.propose([Line(Kind.CLOSE, debit=WALLET, reference=b"gone")])
    desk.approve(asked, CHECKER)
    assert desk.found(tmp_path) == {}
