"""Goal: what people decided is asked again when it is done: that nobody has withdrawn
it, that all who wanted it could say so still, that it is not too old, and that nothing
newer speaks of the same.

Method: by hand: each condition right up to its bound and beyond it, of lines and of
what a proposal without lines asks for, in one group, across groups and out of the
index; the limits of an index that was made before they were found.
"""

import hashlib
import shutil
import struct
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from switch._core import Ledger
from switch.audit import audit
from switch.audit.crc import crc32c
from switch.codes import (
    PROPOSAL_LIFE_NS,
    AccountKind,
    Kind,
    Link,
    PersonRole,
    Record,
    Result,
    RowFlag,
)
from tests import people
from tests.core.chunks import ROW_SIZE, head_of, read_chunks, sealed
from tests.core.council import (
    ALPHA,
    BETA,
    BILLER,
    FLOAT,
    GAMMA,
    HEAD,
    MAKER,
    OK,
    SECOND_NS,
    WALLET,
    Asked,
    Council,
    Person,
    approved,
    no_row,
    participant,
    register,
    switched_off,
    top_up,
)
from tests.core.test_stakes import kept
from tests.records import (
    RULES_RECORD,
    AccountRecord,
    BankAccountRecord,
    LimitRecord,
    ParticipantRecord,
    Row,
    ServiceRecord,
)
from tests.signing import Line, ThresholdsRecord, line_id

NOT_APPROVED, WITHDRAWN = Result.NOT_APPROVED, Result.PROPOSAL_WITHDRAWN
DONE = Result.ALREADY_DONE
BEFORE = 13
"""The rules before limits were found by their wallet."""
DELTA = Person(2, 12, 12)
"""One more checker of the second treasury."""


@pytest.fixture
def council(tmp_path: Path) -> Iterator[Council]:
    """Three who may approve and one who may propose, a service whose payments are kept,
    and a wallet with money.
    """
    made = Council(tmp_path / "ledger").begin(GAMMA, MAKER)
    made.do(register(DELTA.record()))
    water = ServiceRecord(b"WATER", BILLER, (HEAD,), mode=2, deadline_policy=2,
                          deadline_s=3_600)  # fmt: skip
    made.do(top_up(100_000, b"UTR"), register(water.pack()))
    yield made
    made.close()


def limit(amount: int, account: int = WALLET) -> Line:
    return Line(Kind.LIMIT, debit=account, tail=LimitRecord(amount, 10).pack())


def transfer(amount: int, reference: bytes = b"payout") -> Line:
    """More than a wallet has is refused as it is to be done."""
    return Line(Kind.TRANSFER, amount, debit=WALLET, credit=HEAD, reference=reference)


# --- what a proposal without lines asks for ------------------------------------------


def deed(council: Council, asked: Asked, checker: Person, **given: int) -> Row:
    """The row that follows from it."""
    wanted = council.ledger.row(asked.sequence)
    proposal = Row(
        Kind.PROPOSE, id=asked.row.id, amount=wanted.amount, resolves=wanted.resolves,
        total=wanted.total, reference=asked.row.reference,
        participant=asked.row.participant,
    )  # fmt: skip
    return people.done(proposal, asked.sequence, checker=checker.participant, **given)


def ask_for(council: Council, kind: int, about: int, amount: int = 100) -> Asked:
    row = council.row(
        Kind.PROPOSE, who=MAKER, total=kind, resolves=about, amount=amount,
        reference=b"as asked",
    )  # fmt: skip
    [told] = council.commit(row)
    assert told.result == OK, told
    return Asked(row, told.sequence, MAKER)


def posted(council: Council) -> int:
    """A payment that was completed by what its biller has said."""
    [hold] = kept(council)
    asked = ask_for(council, Kind.POST, hold, 500)
    assert council.approve(ALPHA, asked).result == OK
    told = council.commit(deed(council, asked, ALPHA))[0]
    assert told.result == OK
    return told.sequence


def wanted(council: Council, what: str) -> tuple[Asked, list[Row]]:
    """A proposal that is approved, and the rows by which it is done."""
    if what == "lines":
        asked = approved(council, top_up(5, b"A"), top_up(6, b"B"), maker=MAKER)
        return asked, [council.line(asked, number, BETA) for number in (0, 1)]
    if what == "refund":
        asked = ask_for(council, Kind.REFUND, posted(council))
    elif what == "post":
        [hold] = kept(council)
        asked = ask_for(council, Kind.POST, hold)
    elif what == "advance":
        council.do(Line(Kind.TRANSFER, 900, debit=FLOAT, credit=2, reference=b"aside"))
        [hold] = kept(council)
        asked = ask_for(council, 264, hold)
    else:
        hold, *_ = kept(council, 2)
        asked = ask_for(council, Kind.VOID, hold, 1)
    assert council.approve(BETA, asked).result == OK
    about = council.ledger.row(asked.sequence).resolves
    if what == "advance":
        return asked, [deed(council, asked, BETA, debit=2, credit=WALLET)]
    if what == "void":
        return asked, [
            deed(council, asked, BETA, resolves=hold) for hold in (about, about + 1)
        ]
    return asked, [deed(council, asked, BETA)]


WANTED = ("lines", "refund", "post", "void", "advance")


def refused(council: Council, row: Row) -> None:
    before = council.ledger.sequence
    no_row(council, council.commit(row)[0], NOT_APPROVED)
    assert council.ledger.sequence == before


def again(council: Council) -> None:
    """All of it out of the index."""
    council.catch_up()
    council.reopen()


# --- withdrawn -----------------------------------------------------------------------


@pytest.mark.parametrize("what", WANTED)
def test_what_is_approved_is_withdrawn(council: Council, what: str) -> None:
    asked, rows = wanted(council, what)
    gone = council.withdraw(BETA, asked)
    assert gone.result == OK
    assert council.ledger.link(asked.sequence, 0) == gone.sequence
    for _ in range(2):
        for row in rows:
            refused(council, row)
        for told in (council.withdraw(ALPHA, asked), council.approve(GAMMA, asked)):
            assert (told.result, told.other) == (WITHDRAWN, gone.sequence)
        again(council)


@pytest.mark.parametrize("what", WANTED)
def test_what_is_done_is_not_withdrawn(council: Council, what: str) -> None:
    asked, rows = wanted(council, what)
    last = 0
    for row in rows:
        [told] = council.commit(row)
        assert told.result == OK, told
        last = told.sequence
    for _ in range(2):
        told = council.withdraw(ALPHA, asked)
        assert (told.result, told.other) == (DONE, last)
        assert council.ledger.row(told.sequence).result == DONE
        again(council)
    # It is the answer to what is sent once more, as ever.
    assert [council.commit(row)[0].repeat for row in rows] == [1] * len(rows)


@pytest.mark.parametrize("what", ["lines", "void"])
@pytest.mark.parametrize("first", [0, 1])
def test_half_of_it_is_done(council: Council, what: str, first: int) -> None:
    asked, rows = wanted(council, what)
    assert council.commit(rows[first])[0].result == OK
    assert council.withdraw(GAMMA, asked).result == OK
    refused(council, rows[1 - first])
    # What is done stays.
    assert council.commit(rows[first])[0].repeat == 1
    assert council.withdraw(GAMMA, asked).result == WITHDRAWN


def test_in_one_group_with_its_lines(council: Council) -> None:
    asked = approved(council, top_up(5, b"A"), top_up(6, b"B"), top_up(7, b"C"))
    withdrawal = council.row(
        Kind.WITHDRAW, who=GAMMA, resolves=asked.sequence, reference=b"no"
    )
    told = council.commit(
        council.line(asked, 0, BETA), withdrawal, council.line(asked, 1, BETA)
    )
    assert [each.result for each in told] == [OK, OK, NOT_APPROVED]
    refused(council, council.line(asked, 2, BETA))


def test_a_wallet_that_is_short(council: Council) -> None:
    """Approved, not done, withdrawn: then money comes, and it is not done either."""
    asked = approved(council, transfer(200_000))
    row = council.line(asked, 0, BETA)
    no_row(council, council.commit(row)[0], Result.INSUFFICIENT_FUNDS)
    assert council.withdraw(ALPHA, asked).result == OK
    council.do(top_up(500_000, b"MORE"))
    refused(council, row)
    assert council.balance(WALLET) == 600_000


def test_a_third_has_approved(council: Council) -> None:
    council.do(register(ThresholdsRecord(1_000, 10**6, 10**15).pack()))
    asked = council.propose(MAKER, top_up(1_001, b"A"))
    assert RowFlag.THIRD in council.ledger.row(asked.sequence).flags
    assert council.have_approved(asked) == GAMMA
    assert council.withdraw(MAKER, asked).result == OK
    for checker in (BETA, GAMMA):
        refused(council, council.line(asked, 0, checker))


def test_an_id_that_another_row_has_used_up(council: Council) -> None:
    asked = approved(council, top_up(5, b"A"))
    used = council.proposal(ALPHA, [top_up(9, b"Z")], id_=line_id(asked.row.id, 0))
    assert council.commit(used)[0].result == OK
    told = council.commit(council.line(asked, 0, BETA))[0]
    assert told.result == Result.ID_REUSED
    # It is not done, and never will be: it can be taken out of the way.
    assert council.withdraw(ALPHA, asked).result == OK


# --- who wanted it -------------------------------------------------------------------


def off(council: Council, who: Person) -> None:
    by = ALPHA if who is not ALPHA else GAMMA
    switched_off(council, by, who.record(active=0))


def changed(council: Council, who: Person, role: int) -> None:
    record = Person(who.participant, who.number, who.key, role).record()
    council.do(register(record), maker=ALPHA, checker=GAMMA, third=DELTA)


def back(council: Council, who: Person) -> None:
    council.do(register(who.record()), maker=ALPHA, checker=GAMMA, third=DELTA)


@pytest.mark.parametrize("what", WANTED)
@pytest.mark.parametrize("who", [MAKER, BETA], ids=["proposer", "approver"])
def test_who_is_switched_off(council: Council, what: str, who: Person) -> None:
    _, rows = wanted(council, what)
    off(council, who)
    for _ in range(2):
        for row in rows:
            refused(council, row)
        again(council)
    # Whoever is back stands by it still; and it can be withdrawn until then.
    back(council, who)
    assert [council.commit(row)[0].result for row in rows] == [OK] * len(rows)


@pytest.mark.parametrize("who", [MAKER, BETA], ids=["proposer", "approver"])
def test_what_they_wanted_is_withdrawn(council: Council, who: Person) -> None:
    asked, rows = wanted(council, "lines")
    off(council, who)
    assert council.withdraw(ALPHA, asked).result == OK
    back(council, who)
    refused(council, rows[0])


@pytest.mark.parametrize(
    ("who", "role", "result"),
    [
        (MAKER, PersonRole.CHECKER, OK),
        (MAKER, PersonRole.SUPPORT, NOT_APPROVED),
        (MAKER, PersonRole.AUDITOR, NOT_APPROVED),
        (MAKER, PersonRole.CHANNEL, NOT_APPROVED),
        (BETA, PersonRole.MAKER, NOT_APPROVED),
        (BETA, PersonRole.SUPPORT, NOT_APPROVED),
        (BETA, PersonRole.CHANNEL, NOT_APPROVED),
    ],
)
def test_another_role(council: Council, who: Person, role: int, result: int) -> None:
    _, rows = wanted(council, "lines")
    changed(council, who, role)
    assert council.commit(rows[0])[0].result == result


@pytest.mark.parametrize("who", [MAKER, BETA], ids=["proposer", "approver"])
def test_another_key_changes_nothing(council: Council, who: Person) -> None:
    _, rows = wanted(council, "lines")
    record = who.record(key=77)
    council.do(register(record), maker=ALPHA, checker=GAMMA, third=DELTA)
    assert council.commit(*rows)[0].result == OK


def test_their_participant(council: Council) -> None:
    """Off, or of the treasury no more: so are all its people."""
    council.do(register(Person(3, 30, 30).record()))
    third = Person(3, 30, 30)
    asked = council.propose(ALPHA, top_up(5, b"A"), top_up(6, b"B"), top_up(7, b"C"))
    assert council.approve(third, asked).result == OK
    assert council.commit(council.line(asked, 0, third))[0].result == OK
    switched_off(council, ALPHA, participant(3, active=0))
    refused(council, council.line(asked, 1, third))
    council.do(register(participant(3)))
    assert council.commit(council.line(asked, 1, third))[0].result == OK
    council.do(register(ParticipantRecord(b"treasury-c", 4).pack()))
    refused(council, council.line(asked, 2, third))


def test_the_first_of_two_who_approved(council: Council) -> None:
    council.do(register(ThresholdsRecord(1_000, 10**6, 10**15).pack()))
    asked = council.propose(ALPHA, top_up(1_001, b"A"))
    assert council.approve(DELTA, asked).result == OK
    assert council.approve(GAMMA, asked).result == OK
    off(council, DELTA)
    refused(council, council.line(asked, 0, GAMMA))
    council.do(register(DELTA.record()), maker=ALPHA, checker=GAMMA, third=BETA)
    assert council.commit(council.line(asked, 0, GAMMA))[0].result == OK


def test_between_the_lines_of_one_group(council: Council) -> None:
    """What is off from a row on has wanted nothing from there on."""
    lines = [top_up(5, b"A"), register(MAKER.record(active=0)), top_up(6, b"B")]
    asked = approved(council, *lines, maker=MAKER)
    third = RowFlag.THIRD in council.ledger.row(asked.sequence).flags
    last = BETA
    if third:
        assert council.approve(GAMMA, asked).result == OK
        last = GAMMA
    told = council.lines(asked, 3, last)
    assert [each.result for each in told] == [OK, OK, NOT_APPROVED]


def test_their_participant_between_the_lines_of_one_group(council: Council) -> None:
    third = Person(3, 30, 30)
    council.do(register(third.record()))
    lines = [top_up(5, b"A"), register(participant(3, active=0)), top_up(6, b"B")]
    asked = approved(council, *lines, maker=third)
    told = council.lines(asked, 3, BETA)
    assert [each.result for each in told] == [OK, OK, NOT_APPROVED]


# --- how old it is -------------------------------------------------------------------


@pytest.mark.parametrize("what", WANTED)
@pytest.mark.parametrize("late_ns", [-1, 0])
def test_thirty_days(council: Council, what: str, late_ns: int) -> None:
    asked, rows = wanted(council, what)
    approval = council.ledger.row(council.ledger.link(asked.sequence, 0))
    council.now = approval.timestamp + PROPOSAL_LIFE_NS + late_ns - SECOND_NS
    if what == "advance":
        council.ledger.commit([], council.now)
    told = council.commit(rows[0])[0]
    assert told.result == (OK if late_ns else NOT_APPROVED)
    if late_ns == 0:
        refused(council, rows[0])
        assert council.withdraw(ALPHA, asked).result == OK


# --- the newest limit wins -----------------------------------------------------------


def newest(council: Council, account: int = WALLET) -> int:
    return int(council.ledger.link(account, Link.LIMIT))


def most(council: Council) -> int:
    return int(council.ledger.account(WALLET)[0]["day_amount_max"])


def test_of_two_limits_the_first_done_holds(council: Council) -> None:
    one, other = approved(council, limit(100)), approved(council, limit(200))
    told = council.commit(council.line(other, 0, BETA))[0]
    assert told.result == OK
    assert newest(council) == told.sequence
    for _ in range(2):
        refused(council, council.line(one, 0, BETA))
        assert most(council) == 200
        again(council)
    assert council.withdraw(ALPHA, one).result == OK
    council.do(limit(300))
    assert most(council) == 300


def test_each_wallet_has_its_own(council: Council) -> None:
    council.do(register(ParticipantRecord(b"centre-b", 1).pack()))
    wallet = AccountRecord(6, 0, AccountKind.WALLET).pack()
    opened = council.do(Line(Kind.OPEN, tail=wallet))[0].index
    one = approved(council, limit(100), limit(100, opened))
    council.do(limit(200, opened))
    told = council.lines(one, 2, BETA)
    assert [each.result for each in told] == [OK, NOT_APPROVED]
    # Twice in one proposal is once.
    both = approved(council, limit(1), limit(2))
    told = council.lines(both, 2, BETA)
    assert [each.result for each in told] == [OK, NOT_APPROVED]


def test_limits_of_earlier_rules_are_older_than_any_proposal(tmp_path: Path) -> None:
    """An index that these have made has no link of them, and one that is made anew of
    their rows has none either.
    """
    council = Council(tmp_path / "ledger")
    assert council.ask(Kind.REGISTER, tail=RULES_RECORD, participant=0).result == OK
    council.begin(GAMMA, firsts=2)
    before = approved(council, limit(100))
    council.do(limit(200))
    assert newest(council)
    council.close()
    by_rules_before(council)
    assert council.ledger.index_sequence
    for path in (council.path, council.path / "index"):
        # As that index was, and as it is made anew.
        if path != council.path:
            council.close()
            shutil.rmtree(path)
        council.reopen()
        assert council.ledger.rules_version == BEFORE
        assert newest(council) == 0
        council.catch_up()
    council.reopen()
    assert council.ask(Kind.REGISTER, tail=RULES_RECORD, participant=0).result == OK
    told = council.commit(council.line(before, 0, BETA))[0]
    assert told.result == OK
    assert (newest(council), most(council)) == (told.sequence, 100)
    stale = approved(council, limit(300))
    council.do(limit(400))
    refused(council, council.line(stale, 0, BETA))
    council.do(*(top_up(1, b"STEP-%d" % at) for at in range(32)))
    again(council)
    refused(council, council.line(stale, 0, BETA))
    council.close()
    # The first participants are registered by one that is not there yet.
    assert {one.check for one in audit(council.path).findings.kept} == {"senders"}


def by_rules_before(council: Council) -> None:
    """A closed ledger whose first row says by which rules it runs, as if it said those
    of before, is followed and open.
    """
    chunks = [*run_by_rules(council.path, BEFORE)]
    council.path = council.path.parent / "before"
    instance = head_of(chunks[0])["instance"]
    council.ledger = Ledger(str(council.path), instance=instance, **council.options)
    for chunk in chunks:
        council.ledger.follow([chunk])
        council.catch_up()


def run_by_rules(path: Path, version: int) -> Iterator[bytes]:
    """The chunks of such a ledger; of these rules a channel has no bank account."""
    previous = 0
    for number, chunk in enumerate(read_chunks(path)):
        fields: dict[str, Any] = {"previous": previous}
        if number == 0:
            fields |= said(chunk, struct.pack("<B3xI", Record.RULES, version))
        elif chunk[72 + ROW_SIZE :] == CHANNEL.record():
            fields |= said(chunk, replace(CHANNEL, bank=0).record())
        chunk = sealed(chunk, **fields)
        previous = head_of(chunk)["check"]
        yield chunk


def said(chunk: bytes, item: bytes) -> dict[str, Any]:
    """What is other in a chunk of one register row if this is its item."""
    head = head_of(chunk)
    check = struct.pack("<QI", head["first"], len(item))
    whole = crc32c(item, crc32c(check, crc32c(head["instance"])))
    digest = hashlib.blake2b(item, digest_size=32).digest()
    tail = struct.pack("<II", len(item), whole) + item
    return {"tail": tail, "row_0": (48, digest)}


# --- what a bank's connection has told -----------------------------------------------


CHANNEL = Person(2, 13, 13, PersonRole.CHANNEL, bank=1)


NOBODY = Person(0, 0, 0)


def with_bank(council: Council) -> list[int]:
    """The three accounts of a bank account, which is registered."""
    purposes = ((16, AccountKind.BANK), (17, AccountKind.BANK_SUSPENSE),
                (18, AccountKind.BANK_TRANSIT))  # fmt: skip
    opened = council.do(
        *(
            Line(Kind.OPEN, tail=AccountRecord(1, purpose, kind).pack())
            for purpose, kind in purposes
        )
    )
    council.do(register(BankAccountRecord(1, 16, b"SBI1").pack()))
    return [one.index for one in opened]


def test_what_a_channel_has_told(council: Council) -> None:
    """Nobody approves it; it is withdrawn until all of it is done, and no longer."""
    bank, *_ = with_bank(council)
    council.do(register(CHANNEL.record()))
    lines = [
        Line(Kind.BOOKED, 5, debit=bank, reference=b"%012d" % number)
        for number in range(2)
    ]
    for done in (1, 2):
        asked = council.propose(CHANNEL, *lines)
        rows = [council.line(asked, number, NOBODY) for number in range(2)]
        told = council.commit(*rows[:done])
        assert [each.result for each in told] == [OK] * done
        told_last = told[-1]
        gone = council.withdraw(ALPHA, asked)
        if done == 2:
            assert (gone.result, gone.other) == (DONE, told_last.sequence)
            return
        assert gone.result == OK
        refused(council, rows[1])
        # The bank says it once more, by other numbers.
        lines = [
            Line(Kind.BOOKED, 5, debit=bank, reference=b"%012d" % number)
            for number in range(2, 4)
        ]


def test_what_a_channel_has_told_before_it_had_a_bank_account(tmp_path: Path) -> None:
    """By rules of before it spoke of all; nothing of that is done any more."""
    council = Council(tmp_path / "ledger")
    assert council.ask(Kind.REGISTER, tail=RULES_RECORD, participant=0).result == OK
    council.begin(GAMMA)
    bank, *_ = with_bank(council)
    council.do(register(CHANNEL.record()))
    booked = Line(Kind.BOOKED, 5, debit=bank, reference=b"%012d" % 1)
    asked = council.propose(CHANNEL, booked)
    council.close()
    by_rules_before(council)
    for _ in range(2):
        refused(council, council.line(asked, 0, NOBODY))
        council.reopen()
    assert council.ask(Kind.REGISTER, tail=RULES_RECORD, participant=0).result == OK
    refused(council, council.line(asked, 0, NOBODY))
    no_row(
        council,
        council.commit(council.proposal(CHANNEL, [booked]))[0],
        Result.NOT_SIGNED,
    )
    assert council.withdraw(ALPHA, asked).result == OK
    council.close()
