"""Goal: in a ledger with people no one person, and nobody with a stolen certificate or
an old signature, does anything unseen: each forgery is found, by its own words.

Method: twins, told by one function each: the same rows once right, without a finding,
and once with one thing forged, every check of the bytes right.
"""

from collections.abc import Callable
from pathlib import Path

import pytest

from switch.codes import Kind, PersonRole, Role
from tests.audit.journal_story import service_record
from tests.audit.people_story import (
    BILLER,
    CENTRE,
    CHECKER,
    DAY,
    FIRST,
    FLOAT,
    HEAD,
    MAKER,
    ONE,
    SECOND,
    START,
    SUPPORT,
    THIRD,
    TWO,
    UNFREEZE,
    UPDATE,
    WALLET,
    Desk,
    hash_of,
    keyed,
    numbers,
    register,
    top_up,
)
from tests.audit.test_audit_certificates import person as participant
from tests.records import ShiftRecord
from tests.signing import Line, ThresholdsRecord, secret_key

Tell = Callable[[Desk, bool], object]
"""Rows that go on from a ledger that has begun, right or forged."""
Forgery = tuple[str, str, Tell]
"""The check that finds it, by what words, and how it is told."""


def resigned(desk: Desk, forged: bool) -> None:
    """A stolen certificate: the row names its person, another key has signed."""
    asked = desk.propose([top_up(500)], key=99 if forged else None)
    desk.approve(asked)


def unsigned(desk: Desk, forged: bool) -> None:
    asked = desk.propose([top_up(500)])
    approval = desk.approve(asked)
    if forged:
        approval.tail = None


def short(desk: Desk, forged: bool) -> None:
    row = desk.stop()
    if forged:
        row.tail = (row.tail or b"")[1:]


def other_amount(desk: Desk, forged: bool) -> None:
    """What was signed is another sum."""
    asked = desk.propose([top_up(500)])
    if forged:
        asked.reference = b"as agreed!"


def other_epoch(desk: Desk, forged: bool) -> None:
    """A signature of another ledger, of the same bytes."""
    row = desk.stop()
    if forged:
        item = b"another ledger" + hash_of(row, b"")
        row.tail = secret_key(MAKER[1]).sign(item)


def again(desk: Desk, forged: bool) -> None:
    """An old signature, behind another id of the same content."""
    first = desk.stop()
    second = desk.stop()
    if forged:
        second.tail = first.tail


def swapped(desk: Desk, forged: bool) -> None:
    """A signature of a freeze for an unfreeze, which would need two."""
    row = desk.stop()
    desk.approve(row)
    if forged:
        row.flags |= UNFREEZE


def stranger(desk: Desk, forged: bool) -> None:
    desk.propose([top_up(500)], (ONE, 77) if forged else MAKER)


def elsewhere(desk: Desk, forged: bool) -> None:
    """One person's number and key, under another certificate."""
    desk.propose([top_up(500)], (TWO, 12) if forged else MAKER, key=12)


def supports(desk: Desk, forged: bool) -> None:
    desk.propose([top_up(500)], SUPPORT if forged else MAKER)


def maker_approves(desk: Desk, forged: bool) -> None:
    desk.approve(desk.propose([top_up(500)], CHECKER), MAKER if forged else SECOND)


def supports_stop(desk: Desk, forged: bool) -> None:
    desk.stop(SUPPORT if forged else MAKER)


def supports_withdraw(desk: Desk, forged: bool) -> None:
    asked = desk.propose([top_up(500)])
    who = SUPPORT if forged else FIRST
    said = {"resolves": asked.sequence, "reference": b"mistaken"}
    desk.signed(Kind.WITHDRAW, who, **said)


def withdraws_unsigned(desk: Desk, forged: bool) -> None:
    asked = desk.propose([top_up(500)])
    said = {"resolves": asked.sequence, "reference": b"mistaken"}
    desk.signed(Kind.WITHDRAW, FIRST, **said).participant = TWO if forged else ONE


def switched_off(desk: Desk, forged: bool) -> None:
    """Who is switched off has a key still."""
    desk.off(keyed(CHECKER, active=0).pack(), 3)
    desk.approve(desk.propose([top_up(500)]), CHECKER if forged else SECOND)


def certificate_off(desk: Desk, forged: bool) -> None:
    """Nor acts anybody whose participant is switched off."""
    third = (5, 31)
    desk.done(register(participant(5, Role.TREASURY)), debit=5)
    desk.done(register(keyed(third).pack()), debit=6)
    if forged:
        desk.off(participant(5, active=0), 5)
    desk.approve(desk.propose([top_up(500)]), third)


def no_treasury(desk: Desk, forged: bool) -> None:
    """Nor anybody of another role."""
    whose = (CENTRE, 41) if forged else (ONE, 41)
    desk.done(register(keyed(whose, PersonRole.MAKER).pack()), debit=6)
    asked = desk.propose([top_up(500)], whose)
    assert asked.participant == whose[0]


def old_key(desk: Desk, forged: bool) -> None:
    """A key that was replaced signs no more."""
    record = keyed(CHECKER)
    record.key = secret_key(55).public_key().public_bytes_raw()
    desk.done(register(record.pack()), debit=3, flags=UPDATE)
    asked = desk.propose([top_up(500)])
    desk.approve(asked, CHECKER, key=CHECKER[1] if forged else 55)


def approves_other(desk: Desk, forged: bool) -> None:
    """An approval of what was not shown: its proposal is another one."""
    asked = desk.propose([top_up(500)])
    other = desk.propose([top_up(900, b"UTR-9")])
    about = other.sequence if forged else asked.sequence
    desk.approve(asked, resolves=about)


def approves_nothing(desk: Desk, forged: bool) -> None:
    asked = desk.propose([top_up(500)])
    desk.approve(asked, SECOND, **({"reference": b""} if forged else {}))


def hides_third(desk: Desk, forged: bool) -> None:
    asked = desk.propose([top_up(1_001)], flags=0 if forged else THIRD)
    desk.approve(asked)
    if not forged:
        desk.approve(asked, CHECKER)
    desk.do(asked)


def splits(desk: Desk, forged: bool) -> None:
    """Each line is small, the sum is not."""
    lines = [top_up(1_000, b"UTR-%d" % at) for at in range(6)]
    desk.propose(lines, flags=0 if forged else THIRD)


def splits_day(desk: Desk, forged: bool) -> None:
    """Each proposal is small, those of the day are not."""
    for at in range(2):
        desk.propose([top_up(900, b"UTR-%d-%d" % (at, n)) for n in range(5)])
    desk.propose([top_up(1, b"UTR-9")], flags=0 if forged else THIRD)


def other_days(desk: Desk, forged: bool) -> None:
    """Not of that day, nor of another person."""
    for at in range(2):
        desk.propose([top_up(900, b"UTR-%d-%d" % (at, n)) for n in range(5)])
    desk.propose([top_up(1, b"UTR-8")], FIRST, flags=THIRD if forged else 0)
    desk.now += DAY
    desk.propose([top_up(1, b"UTR-9")])


def lowers(desk: Desk, forged: bool) -> None:
    """Two alone set the thresholds higher than any sum."""
    record = ThresholdsRecord(*(10**18 for _ in range(3)))
    asked = desk.propose([register(record.pack())], flags=0 if forged else THIRD)
    desk.approve(asked)
    if not forged:
        desk.approve(asked, CHECKER)
    desk.do(asked, debit=1, flags=UPDATE)


def too_often(desk: Desk, forged: bool) -> None:
    desk.now = START + DAY
    lines = [Line(Kind.CLOSE, debit=HEAD, reference=b"gone")]
    for _ in range(257 if forged else 256):
        desk.propose(lines)


def third_person(desk: Desk, forged: bool) -> None:
    """With neither lines nor a row to speak of the amount itself counts."""
    flags = 0 if forged else THIRD
    desk.propose([Line(Kind.TRANSFER, 1_001, 0, FLOAT, HEAD, b"lent")], flags=flags)


def second_key(desk: Desk, forged: bool) -> None:
    """One person has a second number, with the key that it has."""
    record = keyed((TWO, 29))
    if forged:
        record.key = keyed(SECOND).key
    desk.done(register(record.pack()), debit=6)


def sleeping_key(desk: Desk, forged: bool) -> None:
    """Nor with that of somebody who is switched off."""
    desk.off(keyed(SUPPORT, PersonRole.SUPPORT, 0).pack(), 5)
    record = keyed((TWO, 29))
    if forged:
        record.key = keyed(SUPPORT).key
    desk.done(register(record.pack()), debit=6)


def nobodys(desk: Desk, forged: bool) -> None:
    desk.done(register(keyed((9 if forged else TWO, 29)).pack()), debit=6)


def misplaced(desk: Desk, forged: bool) -> None:
    desk.done(register(keyed((TWO, 29)).pack()), debit=3 if forged else 6)


def renumbered(desk: Desk, forged: bool) -> None:
    flags = 0 if forged else UPDATE
    record = keyed(SUPPORT, PersonRole.AUDITOR)
    desk.done(register(record.pack()), debit=5, flags=flags)


def last_two(desk: Desk, forged: bool) -> None:
    desk.off(keyed(CHECKER, active=0).pack(), 3)
    if forged:
        desk.off(keyed(SECOND, active=0).pack(), 2)


def last_two_demoted(desk: Desk, forged: bool) -> None:
    """By two, in right form: there must be two all the same."""
    desk.off(keyed(CHECKER, active=0).pack(), 3)
    role = PersonRole.MAKER if forged else PersonRole.CHECKER
    record = keyed(FIRST, role)
    desk.done(register(record.pack()), third=False, debit=1, flags=UPDATE)


def last_certificate(desk: Desk, forged: bool) -> None:
    """A participant goes, and takes its people along."""
    desk.done(register(participant(5, Role.TREASURY)), debit=5)
    if not forged:
        desk.done(register(keyed((5, 31)).pack()), debit=6)
    desk.off(participant(TWO, active=0), TWO)


def stops_approved_alone(desk: Desk, forged: bool) -> None:
    row = desk.stop(FIRST)
    desk.approve(row, FIRST if forged else SECOND)


def stops_approved_twice(desk: Desk, forged: bool) -> None:
    row = desk.stop(FIRST)
    desk.approve(row)
    if forged:
        desk.approve(row, CHECKER, total=0)


def stops_more(desk: Desk, forged: bool) -> None:
    """By one person's word nothing else changes than that it is off."""
    record = participant(CENTRE, Role.TREASURY if forged else Role.CENTRE, 0)
    desk.off(record, CENTRE)


def stops_and_states(desk: Desk, forged: bool) -> None:
    record = participant(CENTRE, Role.CENTRE, 0)
    desk.off(record[:40] + bytes([forged]) + record[41:], CENTRE)


def stops_and_promises(desk: Desk, forged: bool) -> None:
    record = participant(CENTRE, Role.CENTRE, 0)
    desk.off(record[:41] + bytes([forged]) + record[42:], CENTRE)


def stops_and_rekeys(desk: Desk, forged: bool) -> None:
    record = keyed(CHECKER, active=0)
    if forged:
        record.key = keyed((ONE, 77)).key
    desk.off(record.pack(), 3)


def service(**said: object) -> bytes:
    return service_record(1, 1, 1, BILLER, [HEAD], said)


def stops_a_service(desk: Desk, forged: bool) -> None:
    desk.done(register(service()), debit=1)
    more = {"amount_max": 10**12} if forged else {}
    desk.off(service(active=0, **more), 1)


def stops_a_tariff(desk: Desk, forged: bool) -> None:
    """Its fees are known to the core, too."""
    said = {"price_rule": 1, "amount_rule": 1, "amount_min": 0, "amount_max": 0}
    items = [b"FEE".ljust(8, b"\0") + numbers(fee, 0, 0, 0) for fee in (500, 900)]
    old, new = items[0], items[1 if forged else 0]
    record = service_record(1, 1, 3, BILLER, [HEAD], {**said, "items": old})
    desk.done(register(record), debit=1)
    off = service_record(1, 1, 3, BILLER, [HEAD], {**said, "items": new, "active": 0})
    desk.off(off, 1)


def starts(desk: Desk, forged: bool) -> None:
    """What is switched off is started again by two."""
    desk.off(participant(CENTRE, Role.CENTRE, 0), CENTRE)
    record = participant(CENTRE, Role.CENTRE)
    if forged:
        desk.off(record, CENTRE)
    else:
        desk.done(register(record), debit=CENTRE, flags=UPDATE)


def stops_nothing(desk: Desk, forged: bool) -> None:
    """Nor is it switched off a second time."""
    desk.off(participant(CENTRE, Role.CENTRE, 0), CENTRE)
    if forged:
        desk.off(participant(CENTRE, Role.CENTRE, 0), CENTRE)


def shifts(desk: Desk, forged: bool) -> None:
    """Who has approved a shift is no registered person, and names no hash."""
    said = {"participant": CENTRE, "operator_": 5, "debit": WALLET}
    shift = desk.add(Kind.SHIFT, tail=ShiftRecord(5).pack() + b"{}", **said)
    said = {"participant": CENTRE, "operator_": 6, "resolves": shift.sequence}
    desk.add(Kind.APPROVE, reference=b"\1" * 32 if forged else b"", **said)


def approved_no_stop(desk: Desk, forged: bool) -> None:
    row = desk.stop()
    thaw = desk.done(
        Line(Kind.FREEZE, debit=WALLET, reference=b"cleared", flags=UNFREEZE)
    )
    desk.approve(thaw if forged else row)


def self_approved(desk: Desk, forged: bool) -> None:
    asked = desk.propose([top_up(500)], FIRST)
    desk.approve(asked, FIRST if forged else SECOND)


def one_of_two(desk: Desk, forged: bool) -> None:
    """A third is needed, and the second approves twice."""
    asked = desk.propose([top_up(1_001)], flags=THIRD)
    desk.approve(asked)
    desk.approve(asked, SECOND if forged else CHECKER)


def unsaid_first(desk: Desk, forged: bool) -> None:
    asked = desk.propose([top_up(1_001)], flags=THIRD)
    desk.approve(asked)
    desk.approve(asked, CHECKER, **({"total": 0} if forged else {}))


def says_first(desk: Desk, forged: bool) -> None:
    asked = desk.propose([top_up(500)])
    desk.approve(asked, SECOND, **({"total": 1} if forged else {}))


def approved_late(desk: Desk, forged: bool) -> None:
    asked = desk.propose([top_up(500)])
    desk.now += 30 * DAY - (0 if forged else DAY)
    desk.approve(asked)


def second_late(desk: Desk, forged: bool) -> None:
    """Both approvals come in time."""
    asked = desk.propose([top_up(1_001)], flags=THIRD)
    desk.approve(asked)
    desk.now += 30 * DAY - (0 if forged else DAY)
    desk.approve(asked, CHECKER)


def withdrawn(desk: Desk, forged: bool) -> None:
    """A withdrawal between two approvals is one."""
    asked = desk.propose([top_up(1_001)], flags=THIRD)
    desk.approve(asked)
    said = {"resolves": asked.sequence, "reference": b"mistaken"}
    desk.signed(Kind.WITHDRAW, FIRST, **said)
    if forged:
        desk.approve(asked, CHECKER)


PEOPLE: dict[str, Forgery] = {
    "signed by another key": ("people", "its signature is not", resigned),
    "not signed": ("people", "nobody has signed it", unsigned),
    "a signature cut off": ("people", "nobody has signed it", short),
    "another content than signed": ("people", "its signature is not", other_amount),
    "another ledger's signature": ("people", "its signature is not", other_epoch),
    "an old signature": ("people", "its signature is not", again),
    "a person who is not registered": ("people", "is not registered", stranger),
    "a person of another": ("people", "is not registered", elsewhere),
    "support proposes": ("people", "who signed it may not do that", supports),
    "a maker approves": ("people", "who signed it may not do that", maker_approves),
    "support stops": ("people", "who signed it may not do that", supports_stop),
    "support withdraws": ("people", "may not do that", supports_withdraw),
    "another withdraws": ("people", "is not registered", withdraws_unsigned),
    "a person switched off": ("people", "who signed it could not act", switched_off),
    "a participant off": ("people", "who signed it could not act", certificate_off),
    "a replaced key": ("people", "its signature is not", old_key),
    "an approval of another": ("people", "not the hash of what", approves_other),
    "an approval of nothing": ("people", "not the hash of what", approves_nothing),
    "a batch in small lines": ("people", "a third person is needed", splits),
    "a day in small batches": ("people", "a third person is needed", splits_day),
    "no third, and said so": ("people", "a third person is needed", other_days),
    "a great amount": ("people", "a third person is needed", third_person),
    "thresholds by two": ("people", "a third person is needed", lowers),
    "the third is skipped": ("people", "a third person is needed", hides_third),
    "proposed too often": ("people", "has proposed 256 times", too_often),
    "a key twice": ("people", "it should be SAME_PERSON", second_key),
    "the key of one who sleeps": ("people", "should be SAME_PERSON", sleeping_key),
    "a person of nobody": ("people", "it should be PARTICIPANT_UNKNOWN", nobodys),
    "a person's place": ("people", "it is number 6, the row says 3", misplaced),
    "an update that is none": ("people", "it is number 5", renumbered),
    "the last two": ("people", "it should be LAST_TREASURIES", last_two),
    "the last two demoted": ("people", "be LAST_TREASURIES", last_two_demoted),
    "the last two's participant": ("people", "leaves fewer than two", last_certificate),
    "a stop approved by itself": ("cases", "who asked for it", stops_approved_alone),
    "a stop approved twice": ("approvals", "has approved", stops_approved_twice),
    "more than a stop": ("lines", "nobody has proposed it", stops_more),
    "a stop that lets state": ("lines", "nobody has proposed it", stops_and_states),
    "a stop that promises": ("lines", "nobody has proposed it", stops_and_promises),
    "a stop with a key": ("lines", "nobody has proposed it", stops_and_rekeys),
    "a stop of a service": ("lines", "nobody has proposed it", stops_a_service),
    "a stop with fees": ("lines", "nobody has proposed it", stops_a_tariff),
    "a start by one": ("lines", "nobody has proposed it", starts),
    "a stop of what was": ("lines", "nobody has proposed it", stops_nothing),
    "an approved shift": ("people", "not the hash of what it approves", shifts),
    "an approval of no stop": ("cases", "no shift and no stop", approved_no_stop),
    "approved by itself": ("cases", "who asked for it approved it", self_approved),
    "one person approves twice": ("approvals", "a third is needed", one_of_two),
    "the first is not named": ("approvals", "which approval was before", unsaid_first),
    "a first that was not": ("approvals", "which approval was before", says_first),
    "approved after 30 days": ("approvals", "30 days or more before", approved_late),
    "the second after 30 days": ("approvals", "30 days or more before", second_late),
    "withdrawn between": ("approvals", "has withdrawn", withdrawn),
}


@pytest.mark.parametrize("name", PEOPLE)
def test_a_forgery_is_found_by_its_own_words(tmp_path: Path, name: str) -> None:
    check, text, tell = PEOPLE[name]
    right, wrong = Desk(), Desk()
    tell(right, False)
    tell(wrong, True)
    assert right.found(tmp_path / "right") == {}
    found = wrong.found(tmp_path / "wrong")
    assert any(text in one for one in found[check]), found


def test_one_of_another_role_signs_nothing(tmp_path: Path) -> None:
    """Its person is registered rightly, and acts for nobody."""
    right, wrong = Desk(), Desk()
    no_treasury(right, False)
    no_treasury(wrong, True)
    assert right.found(tmp_path / "right") == {}
    found = wrong.found(tmp_path / "wrong")
    assert set(found) == {"people", "senders"}
    assert "who signed it could not act then" in found["people"][0]


def test_a_signature_of_a_stop_starts_nothing(tmp_path: Path) -> None:
    desk = Desk()
    swapped(desk, True)
    found = desk.found(tmp_path)
    assert set(found) == {"lines", "cases", "people"}
    assert "nobody has proposed it" in found["lines"][0]


def test_just_the_thresholds_need_two(tmp_path: Path) -> None:
    """Three are needed of more than these."""
    desk = Desk()
    desk.propose([top_up(1_000, b"UTR-%d" % at) for at in range(5)])
    desk.propose([top_up(1_000, b"UTR-%d" % at) for at in range(4)])
    assert desk.found(tmp_path) == {}
