"""Goal: what a biller says of bills is taken as it means it, or refused by the field
that cannot be, and never half of it.

Method: answers of every kind read against services of each key rule, in a real ledger.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from switch._core import Ledger
from switch.billing.bills import (
    BILLS_MAX,
    LIFE_MAX_NS,
    SUPERSEDED_MAX,
    Fetched,
    month_number,
    read_bills,
)
from switch.codes import (
    AMOUNT_MAX,
    AmountRule,
    DuplicateRule,
    Ignored,
    KeyRule,
    Letters,
    Mode,
    PriceRule,
    Role,
)
from switch.errors import BillUnreadableError
from switch.register.load import committing, load_network
from switch.register.register import Register, Service
from switch.specs import ParticipantSpec, ServiceSpec
from switch.v1 import billers_pb2 as pb

ASKED_NS = 1_773_500_000 * 10**9
HEADS = ("H:1", "H:2")
REFERENCE = "AB12"


def service_spec(code: str, **changes: Any) -> ServiceSpec:
    values: dict[str, Any] = {
        "code": code,
        "biller": "power",
        "heads": HEADS,
        "amount_rule": AmountRule.EXACT,
        "price_rule": PriceRule.BILL,
        "mode": Mode.CONFIRMED,
        "deadline_s": 600,
        "duplicate_rule": DuplicateRule.ONCE,
        "key_rule": KeyRule.BILL_ID,
        "letters": Letters.UPPER,
        "ignored": Ignored.SPACE | Ignored.HYPHEN | Ignored.SLASH,
        "pattern": "AA9{2,8}",
    }
    return ServiceSpec(**values | changes)


SERVICES = (
    service_spec("ID"),
    service_spec("MONTH", key_rule=KeyRule.REFERENCE_PERIOD),
    service_spec("DIRECT", mode=Mode.DIRECT, deadline_s=0),
    service_spec(
        "HOURS", duplicate_rule=DuplicateRule.WITHIN, duplicate_hours=1, key_rule=None
    ),
)


class Reader:
    """Reads answers of one service after another."""

    def __init__(self, ledger: Ledger, register: Register) -> None:
        self.ledger = ledger
        self.register = register

    def service(self, code: str) -> Service:
        found = self.register.find_service(code)
        assert found is not None
        return found

    def read(self, code: str, *bills: pb.DueBill) -> Fetched:
        message = pb.Answer(number=1, bills=bills).SerializeToString()
        return self.read_bytes(code, message)

    def read_bytes(self, code: str, message: bytes) -> Fetched:
        service = self.service(code)
        return read_bills(message, service, REFERENCE, ASKED_NS, self.ledger)

    def refusal(self, code: str, *bills: pb.DueBill) -> str:
        """The field that is refused."""
        with pytest.raises(BillUnreadableError) as caught:
            self.read(code, *bills)
        assert str(caught.value).startswith(f"{caught.value.field} ")
        return caught.value.field


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    path: Path = tmp_path_factory.mktemp("bills")
    with Ledger(str(path), map_size=1 << 30, reserve_size=0) as ledger:
        register = Register(ledger)
        participants = [ParticipantSpec(id="power", role=Role.BILLER, heads=HEADS)]
        load_network(register, committing(ledger), participants, SERVICES)
        yield Reader(ledger, register)


def due(**changes: Any) -> pb.DueBill:
    values: dict[str, Any] = {"id": "B-1", "period": "2026-11", "amount_due": 700}
    return pb.DueBill(**values | changes)


def test_a_bill_is_what_the_biller_says(reader: Reader) -> None:
    stated = due(
        id="b 1",
        reference="ab-12",
        due_time_ns=5,
        valid_until_ns=ASKED_NS + 9,
        head=1,
        supersedes=["b-0", "A/0"],
    )
    found = reader.read("ID", stated)
    assert (found.service.spec.code, found.reference) == ("ID", REFERENCE)
    assert found.at_ns == ASKED_NS
    [bill] = found.bills
    assert (bill.id, bill.period, bill.amount_due) == ("B1", "2026-11", 700)
    assert (bill.due_time_ns, bill.valid_until_ns) == (5, ASKED_NS + 9)
    assert (bill.head, bill.supersedes) == (1, ("B0", "A0"))


def test_bills_come_in_the_billers_order(reader: Reader) -> None:
    stated = [due(id=f"B{99 - at}") for at in range(BILLS_MAX)]
    found = reader.read("ID", *stated)
    assert [bill.id for bill in found.bills] == [one.id.upper() for one in stated]
    assert reader.refusal("ID", *stated, due(id="C")) == "bills"
    assert reader.refusal("ID") == "bills"


@pytest.mark.parametrize(
    ("stated", "kept"),
    [(0, LIFE_MAX_NS), (2**64 - 1, LIFE_MAX_NS), (ASKED_NS + 7, 7)],
)
def test_no_bill_is_valid_for_more_than_a_day(
    reader: Reader, stated: int, kept: int
) -> None:
    [bill] = reader.read("ID", due(valid_until_ns=stated)).bills
    assert bill.valid_until_ns - ASKED_NS == kept


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *[("id", text) for text in ("বিল-১", "B" * 33, "B\t1", " B-1", "B-1 ", "- /")],
        *[("period", text) for text in ("2026-13", "2026-1", "2026-11 ", "0000-01")],
        *[("reference", text) for text in ("AB13", "12", "AB12/2026-11", "এ")],
        *[("amount_due", paise) for paise in (0, AMOUNT_MAX + 1)],
        ("head", len(HEADS)),
        *[("valid_until_ns", time_ns) for time_ns in (1, ASKED_NS)],
        ("supersedes", [""]),
        ("supersedes", ["B-0", "B\n"]),
        ("supersedes", [f"A{at}" for at in range(SUPERSEDED_MAX + 1)]),
    ],
)
def test_what_cannot_be_is_refused_by_its_field(
    reader: Reader, field: str, value: object
) -> None:
    assert reader.refusal("ID", due(**{field: value})) == f"bills[0].{field}"
    # Half of what is owed would look like all of it.
    assert reader.refusal("ID", due(id="C"), due(**{field: value})).startswith(
        "bills[1]"
    )


def test_what_bills_are_known_by_is_needed(reader: Reader) -> None:
    assert reader.refusal("ID", due(id="")) == "bills[0].id"
    assert reader.read("ID", due(period="")).bills[0].period == ""
    assert reader.refusal("MONTH", due(period="")) == "bills[0].period"
    assert reader.read("MONTH", due(id="")).bills[0].id == ""
    [bill] = reader.read("HOURS", due(id="", period="")).bills
    assert (bill.id, bill.period) == ("", "")
    # What is not needed must be one all the same.
    assert reader.refusal("MONTH", due(id="B\n")) == "bills[0].id"
    assert reader.refusal("HOURS", due(period="May")) == "bills[0].period"


def test_two_bills_of_an_answer_are_two_debts(reader: Reader) -> None:
    assert reader.refusal("ID", due(id="B-1"), due(id="b 1")) == "bills[1].id"
    months = due(id="A"), due(id="B")
    assert reader.refusal("MONTH", *months) == "bills[1].period"
    assert len(reader.read("MONTH", due(), due(period="2026-12")).bills) == 2
    # Of these one can be paid within the hours, whichever it is.
    assert len(reader.read("HOURS", due(), due()).bills) == 2
    first = due(id="A", supersedes=["B-1"]), due()
    assert reader.refusal("ID", *first) == "bills[0].supersedes"
    assert reader.refusal("ID", *reversed(first)) == "bills[1].supersedes"


@pytest.mark.parametrize("code", ["MONTH", "HOURS", "DIRECT"])
def test_only_bills_known_by_their_id_supersede(reader: Reader, code: str) -> None:
    """And only where a biller could reject the second payment of two."""
    assert reader.read(code, due()).bills[0].supersedes == ()
    refused = reader.refusal(code, due(supersedes=["B-0"]))
    assert refused == "bills[0].supersedes"


@pytest.mark.parametrize(
    "message",
    [
        # Text that is not UTF-8; a bill that is cut off.
        b"\x52\x03\x0a\x01\xff",
        b"\x52\x02\x0a\x09",
    ],
)
def test_what_is_no_message_of_the_contract(reader: Reader, message: bytes) -> None:
    with pytest.raises(BillUnreadableError) as caught:
        reader.read_bytes("ID", message)
    assert caught.value.field == "bills"


def test_months_are_counted() -> None:
    assert month_number("") == 0
    assert month_number("0000-02") == 1
    assert month_number("2026-11") == 2026 * 12 + 10
    assert month_number("9999-12") == 119_999
