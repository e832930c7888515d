"""Goal: what a bank answers to an instruction is taken as it is said, payment by
payment; what it does not say is not guessed, and what cannot be is shown to people.

Method: answers by hand, valid by ISO's schemas, in each order and in each way in which
banks say the same; then wrong ones, hostile ones and a right one spoilt by chance.
"""

import random
from pathlib import Path

import pytest
from lxml import etree

from switch.bank import payment_status
from switch.bank.instructed import Known, Standing, Verdict, judge, read_instruction
from switch.bank.lines import StatementError
from switch.bank.payment_status import StatusReport, Word, read_status
from tests.bank.status_writer import (
    AMOUNTS,
    FIRST,
    INSTRUCTION,
    SECOND,
    THIRD,
    Report,
    Told,
    instruction,
    reason,
)
from tests.bank.test_hostile_files import BOMB

SCHEMAS = Path(__file__).resolve().parents[2] / "build/bank"
ACCEPTED, REJECTED, PENDING = Verdict.ACCEPTED, Verdict.REJECTED, Verdict.PENDING
UNKNOWN, CONTRADICTS = Verdict.UNKNOWN, Verdict.CONTRADICTS
ALL = (FIRST, SECOND, THIRD)
NO = reason("AC04", "the account is closed", "since May")


def read(report: Report) -> StatusReport:
    return read_status(report.xml(), report.name)


def judged(*reports: Report, ledger: Known | None = None) -> list[Standing]:
    ours = read_instruction(instruction(), "ours")
    return judge([ours], map(read, reports), ledger)


def verdicts(*reports: Report) -> list[Verdict]:
    return [one.verdict for one in judged(*reports)]


def refused(data: bytes) -> str:
    with pytest.raises(StatementError) as caught:
        read_status(data, "file.xml")
    return str(caught.value)


# --- what is said --------------------------------------------------------------------


@pytest.mark.parametrize("version", [3, 12])
def test_each_payment_has_its_word(version: int) -> None:
    report = Report(
        (
            Told(FIRST, "ACSP"),
            Told(SECOND, "RJCT", NO, "0.01"),
            Told(THIRD, "PDNG", field="OrgnlInstrId"),
        ),
        status="PART",
        count="3",
        amount="19.01",
        version=version,
    )
    schema = etree.XMLSchema(etree.parse(SCHEMAS / f"pain.002.001.{version:02d}.xsd"))
    schema.assertValid(etree.fromstring(report.xml()))
    first, second, third = judged(report)
    assert (first.payment, first.amount, first.code) == (FIRST, 1_200, "ACSP")
    assert [one.verdict for one in (first, second, third)] == [
        ACCEPTED, REJECTED, PENDING,
    ]  # fmt: skip
    [why] = second.reasons
    assert (why.code, why.text) == ("AC04", "the account is closed since May")
    assert {one.report for one in (first, second, third)} == {"B-1"}
    assert {one.instruction for one in (first, second, third)} == {INSTRUCTION}
    assert not any(one.notes for one in (first, second, third))


@pytest.mark.parametrize("version", [2, 16])
def test_versions_that_are_not_known(version: int) -> None:
    assert "is no pain.002" in refused(Report(version=version).xml())


@pytest.mark.parametrize(
    ("code", "wanted"),
    [
        *((one, ACCEPTED) for one in ("ACCP", "ACSP", "ACSC", "ACCC", "ACWC", "ACFC")),
        *((one, PENDING) for one in ("RCVD", "PDNG", "ACTC", "PATC", "BLCK")),
        *((one, REJECTED) for one in ("RJCT", "CANC")),
    ],
)
def test_codes_alone_in_a_batch_and_in_all(code: str, wanted: Verdict) -> None:
    bare = Report((), with_batch=False, status=code)
    batch = Report((), batch=code)
    listed = Report(tuple(Told(one, code) for one in ALL))
    inherited = Report(tuple(Told(one, "") for one in ALL), batch=code)
    for report in (bare, batch, listed, inherited):
        found = judged(report)
        assert [(one.verdict, one.code) for one in found] == [(wanted, code)] * 3


def test_what_is_not_said_is_pending() -> None:
    assert verdicts() == [PENDING] * 3
    assert {one.code for one in judged()} == {""}
    # Of a part only the part is said, and PART says nothing of anybody.
    assert verdicts(Report((Told(SECOND),))) == [PENDING, ACCEPTED, PENDING]
    only = Report((Told(SECOND, "RJCT", NO),), status="PART", batch="PART")
    assert verdicts(only) == [PENDING, REJECTED, PENDING]
    assert verdicts(Report((), with_batch=False, status="PART")) == [PENDING] * 3


def test_exceptions_alone_are_listed() -> None:
    # Of the rest a bank says: pending.
    report = Report((Told(SECOND, "RJCT", NO),), status="PDNG")
    assert verdicts(report) == [PENDING, REJECTED, PENDING]


def test_the_reason_of_a_whole_is_each_ones() -> None:
    whole = Report((), with_batch=False, status="RJCT", reasons=reason("FF01", "bad"))
    for one in judged(whole):
        assert (one.verdict, one.reasons[0].code) == (REJECTED, "FF01")


# --- in which order ------------------------------------------------------------------

EARLY, LATE = "2026-11-27T10:00:00", "2026-11-27T04:40:00Z"
"""At ten of this country's clock, and ten minutes later."""


@pytest.mark.parametrize(
    ("first", "second", "wanted"),
    [
        ("PDNG", "ACCP", ACCEPTED),
        ("PDNG", "RJCT", REJECTED),
        ("ACCP", "ACSC", ACCEPTED),
        # On its day it could not be paid after all.
        ("ACCP", "RJCT", REJECTED),
        ("RJCT", "RJCT", REJECTED),
        ("RJCT", "ACCP", CONTRADICTS),
        ("RJCT", "PDNG", CONTRADICTS),
        ("ACCP", "PDNG", CONTRADICTS),
    ],
)
def test_later_reports_say_more(first: str, second: str, wanted: Verdict) -> None:
    early = Report((Told(FIRST, first),), name="B-1", created=EARLY)
    late = Report((Told(FIRST, second),), name="B-2", created=LATE)
    for order in ((early, late), (late, early)):
        one, *_ = judged(*order)
        assert one.verdict is wanted
        assert bool(one.notes) is (wanted is CONTRADICTS)
    # Once it contradicts itself, nothing makes that good.
    again = Report((Told(FIRST, "ACSC"),), name="B-3", created="2026-11-28T00:00:00Z")
    one, *_ = judged(early, late, again)
    assert one.verdict is (CONTRADICTS if wanted in (CONTRADICTS, REJECTED) else wanted)


@pytest.mark.parametrize("code", ["DUPL", "AM05", "DU01"])
def test_refused_as_sent_before_says_nothing_of_the_first(code: str) -> None:
    again = Report(
        (), with_batch=False, status="RJCT", reasons=reason(code), created=LATE
    )
    first = Report(tuple(Told(one) for one in ALL), created=EARLY)
    assert verdicts(again) == [PENDING] * 3
    assert verdicts(first, again) == [ACCEPTED] * 3
    assert all("sent before" in one.notes[0] for one in judged(first, again))


# --- what cannot be ------------------------------------------------------------------


def test_what_nobody_has_instructed() -> None:
    other = Report((Told("X-1", "RJCT", NO),), instruction="SOMEBODY ELSE'S")
    stranger = Report((Told("R000000000009ABC"),))
    *ours, first, second = judged(other, stranger)
    assert [one.verdict for one in ours] == [PENDING] * 3
    assert (first.payment, first.instruction) == ("X-1", "SOMEBODY ELSE'S")
    assert (second.payment, second.instruction) == ("R000000000009ABC", INSTRUCTION)
    assert {one.verdict for one in (first, second)} == {UNKNOWN}
    assert (first.amount, first.code) == (None, "RJCT")
    # A file that the bank could not read has no payments to speak of.
    unread = Report(
        (), with_batch=False, status="RJCT", instruction="NOTPROVIDED", reasons=NO
    )
    *_, one = judged(unread)
    assert (one.verdict, one.payment, one.code) == (UNKNOWN, "", "RJCT")


def test_other_amounts_and_counts() -> None:
    one, second, _ = judged(Report((Told(FIRST, amount="12.01"),)))
    assert (one.verdict, second.verdict) == (CONTRADICTS, PENDING)
    assert "₹12.01" in one.notes[0]
    for changes in ({"count": "2"}, {"amount": "19.02"}):
        assert verdicts(Report((Told(),)).but(**changes)) == [CONTRADICTS] * 3
    right = Report((Told(),), count="3", amount="19.01")
    assert verdicts(right) == [ACCEPTED, PENDING, PENDING]


def test_the_ledger_has_the_last_word() -> None:
    report = Report((Told(FIRST, "RJCT", NO), Told(SECOND)))
    first, second, third = judged(report, ledger=Known({FIRST, THIRD}))
    assert (first.verdict, first.booked) == (REJECTED, False)
    assert (second.verdict, second.booked) == (ACCEPTED, True)
    assert (third.verdict, third.booked) == (PENDING, False)
    assert [one.needs_people for one in (first, second, third)] == [True, False, False]
    first, *_ = judged(report, ledger=Known(()))
    assert (first.verdict, first.booked) == (CONTRADICTS, True)
    assert "a debit line is there" in first.notes[0]


def test_what_people_have_taken_back() -> None:
    report = Report((Told(FIRST, "RJCT", NO), Told(SECOND)))
    first, second, third = judged(report, ledger=Known((), ALL))
    assert {one.booked for one in (first, second, third)} == {False}
    assert (first.verdict, first.needs_people) == (REJECTED, False)
    # The bank means to pay it all the same.
    assert (second.verdict, second.needs_people) == (CONTRADICTS, True)
    assert "was recalled" in second.notes[0]
    assert (third.verdict, third.recalled) == (PENDING, True)


# --- files that are not believed -----------------------------------------------------


@pytest.mark.parametrize(
    ("report", "why"),
    [
        (Report((Told(FIRST, "RJCT"),), status="ACCP"), "RJCT in what is ACCP"),
        (Report((Told(FIRST, "ACCP"),), status="RJCT"), "ACCP in what is RJCT"),
        (Report((Told(FIRST, "PDNG"),), batch="ACSC"), "PDNG in what is ACSC"),
        (Report((), status="RJCT", batch="ACCP"), "is ACCP in RJCT"),
        (Report((Told(), Told())), "is there twice"),
        (Report((Told(FIRST, "WHAT"),)), "no status that is known"),
        (Report((Told(FIRST, ""),)), "says nothing of its payment"),
        (Report((Told(FIRST, ""),), status="PART"), "says nothing of its payment"),
        (Report((Told(""),)), "which payment"),
        (Report((Told("R" * 36),)), "no name"),
        (Report(instruction=""), "no name"),
        (Report(created="yesterday"), "no moment"),
        (Report(created="2026-02-30T10:00:00"), "no moment"),
        (Report((Told(FIRST, amount="12.001"),)), "part of a paisa"),
        (Report(count="many"), "not a count"),
        (Report(amount="1e9"), "not an amount"),
        (
            Report(
                (Told(FIRST, "RJCT"), Told(SECOND, "RJCT")),
                counts="<NbOfTxsPerSts><DtldNbOfTxs>1</DtldNbOfTxs>"
                "<DtldSts>RJCT</DtldSts></NbOfTxsPerSts>",
            ),
            "lists more",
        ),
    ],
)
def test_a_file_that_contradicts_itself(report: Report, why: str) -> None:
    assert why in refused(report.xml())


def test_other_currencies() -> None:
    data = Report((Told(FIRST, amount="12.00"),)).xml()
    assert "not in INR" in refused(data.replace(b'"INR"', b'"EUR"'))


def test_hostile_files() -> None:
    right = Report().xml()
    entity = BOMB.replace(b"camt.053.001.08", b"pain.002.001.12")
    assert "document type" in refused(entity)
    assert "is no XML" in refused(right.replace(FIRST.encode(), b"&a;"))
    assert "is no pain.002" in refused(right.replace(b"pain.002", b"camt.053"))
    assert "UTF-8" in refused(right.decode().encode("utf-16"))
    assert "nested more than" in refused(
        right.replace(FIRST.encode(), b"<x>" * 100 + b"</x>" * 100)
    )
    for data in (b"", b"<", b"\0", right[:-20], right + b"<x/>"):
        assert refused(data)
    control = right.replace(FIRST.encode(), "R\u202e01".encode())
    assert "no name" in refused(control)


def test_many_are_told_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(payment_status, "PAYMENTS_MAX", 2)
    assert read(Report((Told(FIRST), Told(SECOND))))
    told = (Told(FIRST), Told(SECOND), Told(THIRD))
    assert "more than 2 payments" in refused(Report(told).xml())


def test_instructions_that_are_none() -> None:
    made = read_instruction(instruction(), "ours")
    assert (made.name, made.account) == (INSTRUCTION, "000123456789")
    assert made.amount == 1_901
    for changes in ({"count": "4"}, {"sum": "19.02"}, {"Nb": "2"}):
        with pytest.raises(StatementError, match=r"of 3 payments|not the sum"):
            read_instruction(instruction(**changes), "ours")
    twice = instruction().replace(SECOND.encode(), FIRST.encode())
    with pytest.raises(StatementError, match="is there twice"):
        read_instruction(twice, "ours")
    with pytest.raises(StatementError, match=r"is no pain\.001"):
        read_instruction(Report().xml(), "ours")


def test_a_spoilt_answer_is_refused_or_says_what_can_be() -> None:
    told = (Told(FIRST), Told(SECOND, "RJCT", NO), Told(THIRD, "PDNG"))
    right = Report(told, status="PART", count="3", amount="19.01").xml()
    ours = read_instruction(instruction(), "ours")
    chance = random.Random(20261129)
    refusals = 0
    for _ in range(1_000):
        data = bytearray(right)
        at = chance.randrange(len(data))
        way = chance.randrange(3)
        if way == 0:
            data[at] = chance.randrange(256)
        elif way == 1:
            del data[at : at + chance.randrange(1, 40)]
        else:
            data[at:at] = data[at : at + chance.randrange(1, 300)]
        try:
            report = read_status(bytes(data), "x")
        except StatementError:
            refusals += 1
            continue
        found = judge([ours], [report])
        assert [one.payment for one in found[:3]] == list(AMOUNTS)
        assert all(one.verdict is UNKNOWN for one in found[3:])
        said = {one.payment: one.status.word for one in report.payments}
        for one in found[:3]:
            is_rejected = said.get(one.payment) is Word.REJECTED
            assert (one.verdict is REJECTED) <= is_rejected
    assert refusals > 500, "most spoilt files are refused"
