"""Goal: two spellings of one bill are one bill, and bills of two series are two.

Method: a biller with services of many rules, driven by hand: the same bill in other
spellings, through another service, again with its id, after opening with and without
the index. Core and model answer each request; what matters is stated here as well.
Then patterns and references by chance, right and wrong, of which both say the same.
"""

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from switch.codes import (
    AccountKind,
    CheckDigit,
    DuplicateRule,
    Field,
    Ignored,
    KeyRule,
    Kind,
    Letters,
    Mode,
    Result,
    Role,
    RowFlag,
)
from tests.core.network import NOW, Network, top_up
from tests.core.pair import Pair
from tests.core.spelling import one_form
from tests.model import Payments, Rows
from tests.records import Outcome, Payment, Row, ServiceRecord

EVERYTHING = sum(Ignored)
FUNDS = 10**9
PATTERNS = 1_400
REFERENCES = 100
"""Of each pattern that is one, three of four: 100,000 pairs in all."""
ANYTHING = b"A0X9*9A0"


class Town:
    """A pair with one centre and two billers; services are added by its tests."""

    def __init__(self, path: Path) -> None:
        net = self.net = Network()
        net.treasury = net.participant(b"treasury", Role.TREASURY)
        net.float_ = net.account(net.treasury, 0, AccountKind.FLOAT)
        self.biller = net.participant(b"biller", Role.BILLER)
        self.head = net.account(self.biller, 0, AccountKind.BILLER)
        self.other = net.participant(b"other", Role.BILLER)
        self.other_head = net.account(self.other, 0, AccountKind.BILLER)
        self.second = net.account(self.biller, 1, AccountKind.BILLER)
        self.centre, self.wallet = net.centre(b"centre")
        self.pair = Pair(path, threads=False, index_step_rows=16)
        self.pair.commit([Rows(net.rows)], NOW)
        self.pair.one(top_up(net, self.wallet, FUNDS, b"UTR"), NOW)
        self.number = 0

    def register(self, record: ServiceRecord) -> Outcome:
        """Register a service, or change it."""
        self.number += 1
        row = Row(Kind.REGISTER, id=b"register%08d" % self.number, tail=record.pack())
        row.participant = self.net.treasury
        return self.pair.one(row, NOW)

    def service(self, code: bytes, **rules: Any) -> int:
        """A service of the biller, each bill of it once; its index."""
        outcome = self.register(self.record(code, **rules))
        assert outcome.result == Result.OK
        return outcome.index

    def record(self, code: bytes, **rules: Any) -> ServiceRecord:
        """What is registered of it."""
        once = {"duplicate_rule": DuplicateRule.ONCE, "key_rule": KeyRule.BILL_ID}
        return ServiceRecord(code, self.biller, (self.head,), **{**once, **rules})

    def row(self, service: int, reference: bytes, **fields: Any) -> Row:
        """A payment of 10 rupees."""
        self.number += 1
        fields.setdefault("id", b"payment%09d" % self.number)
        row = Row(Kind.PAY, amount=1_000, service=service, reference=reference)
        row.debit, row.participant = self.wallet, self.centre
        return replace(row, **fields)

    def pay(self, service: int, reference: bytes, **fields: Any) -> Outcome:
        """Ask for it."""
        return self.pair.one(self.row(service, reference, **fields), NOW)

    def reference_of(self, outcome: Outcome) -> bytes:
        """As the row has it."""
        row = self.pair.ledger.row(outcome.sequence)
        return row.reference.rstrip(b"\0")


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    """One of them."""
    made = Town(tmp_path / "ledger")
    yield made
    made.pair.close()


# --- one bill, one form -----------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (b"WB-0042", b"wb-0042"),
        (b"WB0042", b"WB 0042"),
        (b"WB0042", b"WB-00-42"),
        (b"WB/0042", b"WB.0042"),
        (b"42", b"00042"),
        (b"42", b"0-0 4/2."),
    ],
)
def test_two_spellings_are_one_bill(town: Town, first: bytes, second: bytes) -> None:
    service = town.service(b"TAX", letters=Letters.UPPER, ignored=EVERYTHING)
    paid = town.pay(service, first)
    assert paid.result == Result.OK
    again = town.pay(service, second)
    assert (again.result, again.other) == (Result.BILL_ALREADY_CLAIMED, paid.sequence)
    assert town.reference_of(paid) == town.reference_of(again)


def test_they_are_one_bill_within_hours_too(town: Town) -> None:
    service = town.service(
        b"ADVANCE",
        letters=Letters.LOWER,
        duplicate_rule=DuplicateRule.WITHIN,
        key_rule=0,
        duplicate_hours=2,
    )
    paid = town.pay(service, b"METER 7")
    again = town.pay(service, b"Meter 7")
    assert (again.result, again.other) == (Result.PAID_RECENTLY, paid.sequence)
    assert town.reference_of(again) == b"meter 7"


def test_as_they_are_sent_they_stay(town: Town) -> None:
    service = town.service(b"PLAIN")
    for reference in (b"WB-0042", b"wb-0042", b"WB 0042", b"0", b"00"):
        paid = town.pay(service, reference)
        assert paid.result == Result.OK
        assert town.reference_of(paid) == reference


def test_the_period_stays_as_it_is(town: Town) -> None:
    service = town.service(
        b"WATER",
        key_rule=KeyRule.REFERENCE_PERIOD,
        letters=Letters.UPPER,
        ignored=EVERYTHING,
        check_digit=CheckDigit.LUHN,
        pattern=b"A9{1,11}",
    )
    paid = town.pay(service, b"k-0 18/2026-03")
    assert paid.result == Result.OK
    assert town.reference_of(paid) == b"K018/2026-03"
    assert town.pay(service, b"K018/2026-03").result == Result.BILL_ALREADY_CLAIMED
    assert town.pay(service, b"K018/2026-04").result == Result.OK
    # Without one it is refused for that, in its place, and kept as it was sent.
    missing = town.pay(service, b"k-018")
    assert missing.result == Result.PERIOD_MISSING
    assert town.reference_of(missing) == b"k-018"
    for wrong in (b"K017/2026-03", b" -/2026-03".strip(), b"./2026-03"):
        assert town.pay(service, wrong).result == Result.REFERENCE_WRONG


@pytest.mark.parametrize(
    ("pattern", "good", "bad"),
    [
        (b"9{9}", [b"123456789"], [b"12345678", b"1234567890", b"12345678X"]),
        (b"A{0,2}9{1,4}", [b"1", b"AB1234", b"x12"], [b"AB", b"ABC1", b"12345"]),
        (b"'WB9'-X*", [b"WB9-1#", b"WB9-a~"], [b"WB8-1#", b"WB9-##", b"WB9-1"]),
        (b"9{1,4}9", [b"12345"], [b"1", b"1234", b"123456"]),
        (b"a 9", [b"a 5"], [b"a5", b"A 5"]),
        (b"X{0,32}", [b"Z" * 32, b"0"], [b"#"]),
    ],
)
def test_patterns(
    town: Town, pattern: bytes, good: list[bytes], bad: list[bytes]
) -> None:
    service = town.service(b"P", pattern=pattern)
    for reference in good:
        assert town.pay(service, reference).result == Result.OK, reference
    for reference in bad:
        refused = town.pay(service, reference)
        assert refused.result == Result.REFERENCE_WRONG, reference
        assert town.reference_of(refused) == reference


@pytest.mark.parametrize(
    "pattern",
    [
        b"9{", b"9{}", b"9{1", b"9{1,}", b"9{,2}", b"9{0}", b"9{0,0}", b"9{2,1}",
        b"9{33}", b"9{1,33}", b"9{001}", b"9{1 }", b"-{2}", b"'a'{2}", b"'", b"''",
        b"'ab", b"}", b"9\x07", b"9\xe0", b"9\x009", b"9{32}9",
        b"9{16}'" + b"x" * 17 + b"'",
    ],
)  # fmt: skip
def test_patterns_that_are_none(town: Town, pattern: bytes) -> None:
    assert town.register(town.record(b"P", pattern=pattern)).result == (
        Result.INVALID_RECORD
    )


@pytest.mark.parametrize(
    "fields",
    [
        {"letters": 0}, {"letters": 4}, {"ignored": 32}, {"check_digit": 3},
        {"price_rule": 1}, {"items_count": 1}, {"amount_step": 1},
        {"letters": Letters.UPPER, "pattern": b"'wb'9"},
        {"letters": Letters.LOWER, "pattern": b"'WB'9"},
        {"letters": Letters.UPPER, "pattern": b"b9"},
    ],
)  # fmt: skip
def test_records_that_are_none(town: Town, fields: dict[str, Any]) -> None:
    assert town.register(town.record(b"P", **fields)).result == Result.INVALID_RECORD


def test_check_digits(town: Town) -> None:
    luhn = town.service(b"LUHN", check_digit=CheckDigit.LUHN)
    verhoeff = town.service(b"VERHOEFF", check_digit=CheckDigit.VERHOEFF)
    for service, right in ((luhn, b"79927398713"), (verhoeff, b"2363")):
        assert town.pay(service, right).result == Result.OK
        assert town.pay(service, b"K-" + right).result == Result.OK
        assert town.pay(service, b"none").result == Result.REFERENCE_WRONG
        for place in range(len(right)):
            for digit in b"0123456789".replace(right[place : place + 1], b""):
                wrong = right[:place] + bytes([digit]) + right[place + 1 :]
                assert town.pay(service, wrong).result == Result.REFERENCE_WRONG


def test_nothing_is_left(town: Town) -> None:
    service = town.service(b"TAX", ignored=EVERYTHING ^ Ignored.SPACE)
    for reference in (b"-", b"-./", b"A -", b"0 7"):
        refused = town.pay(service, reference)
        assert refused.result == Result.REFERENCE_WRONG
        assert town.reference_of(refused) == reference
    assert town.reference_of(town.pay(service, b"00-0")) == b"0"


def test_the_order_of_the_checks(town: Town) -> None:
    service = town.service(b"P", pattern=b"9", amount_min=2_000)
    head = 1 << 9
    assert town.pay(service, b"x", flags=head).result == Result.HEAD_UNKNOWN
    assert town.pay(service, b"x").result == Result.REFERENCE_WRONG
    assert town.pay(service, b"1").result == Result.AMOUNT_BELOW_MINIMUM
    assert town.pay(service, b"x ").result == Result.INVALID_REFERENCE


# --- an id that comes again -------------------------------------------------------


def test_an_id_again_in_another_spelling(town: Town) -> None:
    service = town.service(b"TAX", letters=Letters.UPPER, ignored=EVERYTHING)
    row = town.row(service, b"wb 42")
    first = town.pair.one(row, NOW)
    for reference in (b"wb 42", b"WB42", b"w.b-42"):
        again = town.pair.one(replace(row, reference=reference), NOW)
        assert (again.result, again.repeat) == (Result.OK, 1)
        assert again.sequence == first.sequence
    other = town.pair.one(replace(row, reference=b"WB43"), NOW)
    assert (other.result, other.field) == (Result.ID_REUSED, Field.REFERENCE)


def test_an_id_that_was_refused_has_what_was_sent(town: Town) -> None:
    row = town.row(1, b"wb 42")
    assert town.pair.one(row, NOW).result == Result.SERVICE_UNKNOWN
    rules: dict[str, Any] = {"letters": Letters.UPPER, "ignored": EVERYTHING}
    assert town.service(b"TAX", **rules) == 1
    assert town.pair.one(row, NOW).repeat
    # By no service there is no other form of it, whatever the service has become.
    reused = town.pair.one(replace(row, reference=b"WB42"), NOW)
    assert (reused.result, reused.field) == (Result.ID_REUSED, Field.REFERENCE)
    reused = town.pair.one(replace(row, reference=b"wb  42"), NOW)
    assert (reused.result, reused.field) == (Result.ID_REUSED, Field.REFERENCE)


def test_a_refused_id_is_as_it_was_sent_and_not_as_it_would_be(town: Town) -> None:
    row, known = town.row(1, b"WB42"), town.row(1, b"wb 43")
    for each in (row, known):
        assert town.pair.one(each, NOW).result == Result.SERVICE_UNKNOWN
    rules: dict[str, Any] = {"letters": Letters.UPPER, "ignored": EVERYTHING}
    assert town.service(b"TAX", **rules) == 1
    # Its canonical form is what the row has, and yet it was not sent.
    reused = town.pair.one(replace(row, reference=b"wb 42"), NOW)
    assert (reused.result, reused.field) == (Result.ID_REUSED, Field.REFERENCE)
    # Looked up twice, since the register changes before it in its group.
    other = Row(Kind.REGISTER, id=b"register" * 2, tail=town.record(b"NEW").pack())
    other.participant = town.net.treasury
    [[_, again]] = town.pair.commit([Rows([other, known])], NOW)
    assert (again.result, again.repeat) == (Result.SERVICE_UNKNOWN, 1)


def test_a_service_registered_in_the_same_group(town: Town) -> None:
    record = town.record(b"TAX", letters=Letters.UPPER)
    made = Row(Kind.REGISTER, id=b"register" * 2, tail=record.pack())
    made.participant = town.net.treasury
    first, second = town.row(1, b"wb1"), town.row(1, b"WB1")
    [[_, paid, refused]] = town.pair.commit([Rows([made, first, second])], NOW)
    assert (paid.result, refused.result) == (Result.OK, Result.BILL_ALREADY_CLAIMED)
    assert town.reference_of(paid) == b"WB1"


def test_a_basket_of_two_spellings(town: Town) -> None:
    town.service(b"TAX", letters=Letters.UPPER, ignored=EVERYTHING)
    basket = [
        Payment(
            id=b"basket" + bytes([place]) * 10,
            service=b"TAX",
            amount=1_000,
            reference=reference,
        )
        for place, reference in enumerate((b"wb-1", b"W B1"))
    ]
    ask = Payments([], [basket], town.centre, town.centre)
    [[failed, refused]] = town.pair.commit([ask], NOW)
    assert failed.result == Result.BASKET_FAILED
    assert refused.result == Result.BILL_ALREADY_CLAIMED
    assert town.reference_of(failed) == town.reference_of(refused) == b"WB1"


# --- series -----------------------------------------------------------------------


def test_bills_of_two_services_are_two(town: Town) -> None:
    one, two = town.service(b"TAX"), town.service(b"WATER")
    assert town.pay(one, b"1001").result == Result.OK
    assert town.pay(two, b"1001").result == Result.OK


def test_bills_of_one_series_are_one(town: Town) -> None:
    one = town.service(b"TAX")
    two = town.service(b"TAX-OLD", series=one)
    three = town.service(b"TAX-LATE", series=one)
    paid = town.pay(two, b"1001")
    for service in (one, two, three):
        refused = town.pay(service, b"1001")
        assert refused.result == Result.BILL_ALREADY_CLAIMED
        assert refused.other == paid.sequence


def test_a_series_is_one_of_the_billers_own(town: Town) -> None:
    one = town.service(b"TAX")
    two = town.service(b"TAX-OLD", series=one)
    head = (town.other_head,)
    strange = town.record(b"X", series=one)
    assert town.register(replace(strange, biller=town.other, heads=head)).result == (
        Result.SERVICE_UNKNOWN
    )
    for series in (two, two + 1, 65_535):
        refused = town.register(town.record(b"TAX-NEW", series=series))
        assert refused.result == Result.SERVICE_UNKNOWN
    # Not even its own, by its index; then it would stay what it is.
    refused = town.register(town.record(b"TAX", series=one))
    assert refused.result == Result.SERVICE_UNKNOWN
    assert town.service(b"TAX-OLD", series=one, amount_min=5) == two


@pytest.mark.parametrize(
    "change",
    [
        {"key_rule": KeyRule.REFERENCE_PERIOD},
        {"duplicate_rule": DuplicateRule.NONE, "key_rule": 0},
        {"letters": Letters.LOWER},
        {"ignored": EVERYTHING},
        {"check_digit": CheckDigit.VERHOEFF},
        {"pattern": b"X{1,9}"},
        {"pattern": b""},
    ],
)
def test_a_series_has_one_form(town: Town, change: dict[str, Any]) -> None:
    rules: dict[str, Any] = {"letters": Letters.UPPER, "ignored": 1, "pattern": b"X{9}"}
    one = town.service(b"TAX", **rules)
    refused = town.register(town.record(b"TAX-OLD", **{**rules, **change}, series=one))
    assert (refused.result, refused.index) == (Result.RULE_FIXED, 0)
    # With bills of its own it may be so, and with all else it may differ.
    town.service(b"TAX-OLD", **{**rules, **change})
    two = town.service(b"TAX-NEW", **rules, series=one, amount_max=5_000)
    changed = town.register(town.record(b"TAX-NEW", **{**rules, **change}, series=one))
    assert changed.result == Result.RULE_FIXED
    assert town.pay(one, b"abc 456 789").result == Result.OK
    assert town.pay(two, b"ABC456789").result == Result.BILL_ALREADY_CLAIMED


@pytest.mark.parametrize("without_index", [False, True])
def test_claims_are_the_same_after_opening(town: Town, *, without_index: bool) -> None:
    rules: dict[str, Any] = {"letters": Letters.UPPER, "ignored": EVERYTHING}
    one = town.service(b"TAX", **rules)
    confirmed: dict[str, Any] = {
        "mode": Mode.CONFIRMED, "deadline_s": 60, "deadline_policy": 1,
    }  # fmt: skip
    two = town.service(b"TAX-OLD", series=one, **rules, **confirmed)
    three = town.service(b"WATER", **rules)
    held = town.pay(two, b"wb-1", kind=Kind.HOLD, deadline=60)
    for number in range(2, 40):
        assert town.pay(one, b"wb%d" % number).result == Result.OK
    while town.pair.ledger.index_step():
        pass
    town.pair.reopen(without_index=without_index)
    for number in range(1, 40):
        for service in (one, two):
            refused = town.pay(service, b"W/B%d" % number)
            assert refused.result == Result.BILL_ALREADY_CLAIMED
        assert town.pay(three, b"W/B%d" % number).result == Result.OK
    # What it released it can find again as well, and others do not know of it.
    void = Row(Kind.VOID, resolves=held.sequence, participant=town.centre)
    [[outcome]] = town.pair.commit([Rows([void])], NOW)
    assert town.pair.ledger.row(outcome.sequence).flags & RowFlag.RELEASE
    town.pair.reopen(without_index=without_index)
    assert town.pay(one, b"wb1").result == Result.OK
    assert town.pay(two, b"wb1").result == Result.BILL_ALREADY_CLAIMED
    town.pair.compare_all(range(1, town.pair.ledger.sequence + 1))


# --- what is fixed ----------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        {"duplicate_rule": DuplicateRule.NONE, "key_rule": 0},
        {"key_rule": KeyRule.REFERENCE_PERIOD},
        {"letters": Letters.LOWER},
        {"ignored": Ignored.SPACE},
        {"check_digit": CheckDigit.LUHN},
        {"series": 1},
        {"pattern": b"9{1,9}"},
        {"pattern": b""},
    ],
)
def test_what_makes_bills_is_fixed(town: Town, change: dict[str, Any]) -> None:
    town.service(b"TAX")
    rules = {"letters": Letters.UPPER, "pattern": b"X{1,9}"}
    index = town.service(b"WATER", **rules)
    refused = town.register(town.record(b"WATER", **{**rules, **change}))
    assert (refused.result, refused.index) == (Result.RULE_FIXED, 0)
    # All else may change, and what was refused has changed nothing.
    assert town.service(b"WATER", **rules, amount_max=5_000, active=1) == index
    assert town.pay(index, b"a1").result == Result.OK
    assert town.pay(index, b"A1").result == Result.BILL_ALREADY_CLAIMED


def test_the_biller_is_fixed(town: Town) -> None:
    town.service(b"TAX")
    record = replace(town.record(b"TAX"), biller=town.other, heads=(town.other_head,))
    assert town.register(record).result == Result.RULE_FIXED


def test_heads_only_grow(town: Town) -> None:
    """A payment names a head by its place, and pays the account that was there."""
    first, second = town.head, town.second

    def registered(*heads: int, code: bytes = b"TAX") -> tuple[int, int]:
        told = town.register(replace(town.record(code), heads=heads, heads_count=-1))
        return told.result, told.index

    fixed = Result.RULE_FIXED, 0
    assert registered(first, second) == (Result.OK, 1)
    for heads in ((second, first), (first,), (second,), (second, first, second)):
        assert registered(*heads) == fixed
    assert registered(first, second, first) == (Result.OK, 1)
    assert registered(first, second) == fixed
    # Of what is new nothing is asked.
    assert registered(second, code=b"NEW") == (Result.OK, 2)


# --- by chance --------------------------------------------------------------------


def draw_pattern(rng: random.Random) -> bytes:
    """A pattern, most often one that is formed."""
    parts = []
    for _ in range(rng.choice((0, 1, 1, 2, 3, 4, 6))):
        least = rng.choice((0, 1, 1, 2, 5))
        counts = b"{%d,%d}" % (least, least + rng.choice((0, 1, 3, 12)))
        class_ = rng.choice((b"9", b"A", b"X", b"*"))
        literal = rng.choice((b"-", b"'WB9'", b"'a'", b"/", b"' '", b"b", b"B", b" "))
        draw = rng.randrange(6)
        if draw < 3:
            parts.append(class_ + rng.choice((b"", counts, counts)))
        else:
            parts.append(literal if draw < 5 else class_ + b"{%d}" % (least + 1))
    pattern = b"".join(parts)
    if rng.randrange(8) == 0:
        at = rng.randrange(len(pattern) + 1)
        pattern = (
            pattern[:at]
            + rng.choice((b"{", b"}", b"'", b"{1,", b"\x01"))
            + (pattern[at:])
        )
    return pattern[:64]


def draw_reference(rng: random.Random, pattern: bytes) -> bytes:
    """A text that may well be what the pattern says; of a good shape."""
    text = ""
    for char in pattern.decode("latin-1"):
        more = rng.choice((0, 1, 1, 1, 2, 4))
        choices = {"9": "0123456789", "A": "abWX", "X": "a0Z9", "*": "#-/.~a0"}
        known = choices.get(char, char if char not in "{},'" else "")
        text += "".join(rng.choice(known) for _ in range(more if known else 0))
    if rng.randrange(2):
        at = rng.randrange(len(text) + 1)
        text = text[:at] + rng.choice(" -/.0a9Z") * rng.randrange(3) + text[at:]
    if rng.randrange(4) == 0:
        text = text[:23] + rng.choice(("/2026-03", "/2026-13", "/2026-1"))
    text = "".join(each for each in text if " " <= each <= "~")[:32].strip()
    return text.encode() or b"0"


def test_patterns_by_chance(town: Town) -> None:
    rng = random.Random(77)
    seen: Counter[str] = Counter()
    for number in range(PATTERNS):
        record = town.record(
            b"P%d" % number,
            letters=rng.choice(list(Letters)),
            ignored=rng.choice((0, rng.randrange(32))),
            check_digit=rng.choice((0, 0, 0, *CheckDigit)),
            pattern=rng.choice((b"", draw_pattern(rng))),
            key_rule=rng.choice((KeyRule.BILL_ID, *KeyRule)),
        )
        # Both say whether it is a record at all.
        made = town.register(record)
        if made.result != Result.OK:
            assert made.result == Result.INVALID_RECORD
            seen["no pattern"] += 1
            continue
        for _ in range(REFERENCES):
            reference = draw_reference(rng, record.pattern or ANYTHING)
            wanted = one_form(record, reference)
            got = town.pair.ledger.canonical(made.index, reference)
            assert got == wanted, (record, reference)
            if wanted is not None:
                # One form is one form.
                assert town.pair.ledger.canonical(made.index, wanted) == wanted
            same = "same" if wanted == reference else "new"
            seen["none" if wanted is None else same] += 1
    assert min(seen[name] for name in ("none", "same", "new")) > 5_000, seen
    assert seen["no pattern"] > 50, seen


def test_what_has_no_form_by_hand(town: Town) -> None:
    service = town.service(b"TAX", letters=Letters.UPPER, pattern=b"A9")
    ledger = town.pair.ledger
    assert ledger.canonical(service, b"k7") == b"K7"
    assert ledger.canonical(service, b"k77") is None
    for unknown in (0, service + 1, 2**32 - 1):
        with pytest.raises(LookupError):
            ledger.canonical(unknown, b"k7")
    for wrong in (b"", b" k7", b"k7 ", b"k" * 33, b"k\x007", "ক৭".encode()):
        with pytest.raises(ValueError, match="printable"):
            ledger.canonical(service, wrong)
