"""Goal: a load brings the register to the state given, once, and touches nothing else.

Method: small networks into a ledger of its own, read back by name; the whole sample
once; a second load must commit nothing.
"""

import dataclasses
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from switch._core import GROUP_MAX, Ledger, Request, Rows
from switch.codes import (
    AccountKind,
    AmountRule,
    BillsForm,
    CheckDigit,
    DuplicateRule,
    Ignored,
    KeyRule,
    Letters,
    Mode,
    PriceRule,
    Record,
    Role,
)
from switch.ids import new_id
from switch.ledger.bills_put import Bills, put_bills
from switch.ledger.moves import set_limit
from switch.register.load import (
    LOAD_ROWS_MAX,
    PURPOSE_FLOAT,
    PURPOSE_SETTLEMENT,
    PURPOSE_SUSPENSE,
    TREASURY,
    LoadCounts,
    NetworkError,
    ParticipantSpec,
    Register,
    ServiceSpec,
    Specs,
    committing,
    describe,
    load_network,
    network_requests,
)
from switch.register.tails import record_tariff, record_texts
from switch.sample import sample_specs
from switch.specs import PartialRecord
from switch.tariffs import ITEMS_MAX, Fee

MAP_SIZE = 1 << 30

BILLER = ParticipantSpec(
    id="water", role=Role.BILLER, name_en="Water", name_bn="জল", heads=("WB:1", "WB:2")
)
CENTRE = ParticipantSpec(
    id="bsk-1", role=Role.CENTRE, name_en="One", code="A/B/1", district="A",
    host_kind="GP", day_amount_max=500, payment_max=400,
)  # fmt: skip
SERVICE = ServiceSpec(
    code="WATER-01",
    biller="water",
    heads=("WB:2", "WB:1"),
    amount_rule=AmountRule.EXACT,
    mode=Mode.CONFIRMED,
    duplicate_rule=DuplicateRule.ONCE,
    key_rule=KeyRule.REFERENCE_PERIOD,
    name_en="Water charges",
    name_bn="জলের মাশুল",
    department_en="Department",
    amount_min=100,
    amount_max=10**6,
    deadline_s=60,
    letters=Letters.UPPER,
    ignored=Ignored.SPACE | Ignored.ZEROS,
    check_digit=CheckDigit.VERHOEFF,
    pattern="'W'9{1,8}",
)
GAS = ParticipantSpec(id="gas", role=Role.BILLER, heads=("G",))
SPECS = Specs((BILLER, CENTRE), (SERVICE,))
TARIFF = (
    Fee(code="COPY", amount=200, valid_from="1970-01-01", name_en="Copy"),
    Fee(code="FEE", amount=4_000, valid_from="2025-04-01", name_en="Fee", name_bn="ফি"),
    Fee(code="FEE", amount=5_000, valid_from="2026-04-01", name_bn="নতুন ফি"),
)
PRICED = {
    PriceRule.TARIFF: dataclasses.replace(
        SERVICE,
        code="PRICED-1",
        price_rule=PriceRule.TARIFF,
        key_rule=KeyRule.REFERENCE,
        amount_min=0,
        amount_max=0,
        tariff=TARIFF,
    ),
    PriceRule.BILL: dataclasses.replace(
        SERVICE, code="PRICED-2", price_rule=PriceRule.BILL, duplicate_hours=24
    ),
    PriceRule.OPEN: dataclasses.replace(
        SERVICE,
        code="PRICED-3",
        price_rule=PriceRule.OPEN,
        amount_rule=AmountRule.MIN_MAX,
        duplicate_rule=DuplicateRule.WITHIN,
        duplicate_hours=1,
        key_rule=None,
        amount_step=50,
    ),
}
OTHER = dataclasses.replace(SERVICE, code="WATER-00", series="WATER-01")
"""The same bills as SERVICE, and before it by its code."""


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger(str(tmp_path), map_size=MAP_SIZE, reserve_size=0) as ledger:
        yield ledger


def load(ledger: Ledger, specs: Specs, register: Register | None = None) -> LoadCounts:
    return load_network(register or Register(ledger), committing(ledger), *specs)


def test_an_empty_ledger_gets_everything(ledger: Ledger) -> None:
    register = Register(ledger)
    assert register.participants() == []
    assert load(ledger, SPECS, register) == LoadCounts(3, 0, 0)

    treasury = register.find_participant(TREASURY)
    assert treasury is not None
    assert treasury.spec.role is Role.TREASURY
    for purpose, kind in (
        (PURPOSE_FLOAT, AccountKind.FLOAT),
        (PURPOSE_SUSPENSE, AccountKind.SUSPENSE),
        (PURPOSE_SETTLEMENT, AccountKind.SETTLEMENT),
    ):
        assert register.treasury_account(purpose).kind is kind

    wallet = register.find_wallet("bsk-1")
    assert wallet is not None
    assert wallet.kind is AccountKind.WALLET
    assert register.account(wallet.index) == wallet
    assert register.find_wallet("water") is None
    assert register.find_wallet("nobody") is None

    heads = [register.find_head("water", head) for head in ("WB:1", "WB:2", "WB:3")]
    assert heads[2] is None
    assert [head.purpose for head in heads if head] == [0, 1]

    service = register.find_service("WATER-01")
    assert service is not None
    assert register.service(service.index) == service
    assert service.spec == SERVICE
    assert service.heads == tuple(head.index for head in reversed(heads[:2]) if head)
    assert register.participant(service.biller).spec.id == "water"


def test_the_ledger_knows_the_same_names(ledger: Ledger) -> None:
    register = Register(ledger)
    load(ledger, SPECS, register)
    for one in register.participants():
        assert ledger.find_participant(one.spec.id) == one.index
    for service in register.services():
        assert ledger.find_service(service.spec.code) == service.index
    for account in register.accounts():
        index = ledger.find_account(account.participant, account.purpose)
        assert index == account.index


def test_the_register_reads_back_as_it_was_given(ledger: Ledger) -> None:
    load(ledger, SPECS)
    read = describe(Register(ledger))
    given = (ParticipantSpec(id=TREASURY, role=Role.TREASURY, name_en="Treasury"),)
    assert read == Specs((*given, BILLER, CENTRE), (SERVICE,))
    assert load(ledger, read) == LoadCounts(0, 0, 4)


def test_a_second_load_commits_nothing(ledger: Ledger) -> None:
    load(ledger, SPECS)
    sequence = ledger.sequence
    assert load(ledger, SPECS) == LoadCounts(0, 0, 3)
    assert ledger.sequence == sequence
    assert network_requests(Register(ledger), *SPECS) == []


def test_only_what_differs_is_replaced(ledger: Ledger) -> None:
    register = Register(ledger)
    load(ledger, SPECS, register)
    old = register.find_participant("bsk-1")
    sequence = ledger.sequence
    centre = dataclasses.replace(CENTRE, name_en="Another")
    assert load(ledger, Specs((BILLER, centre)), register) == LoadCounts(0, 1, 1)
    new = register.find_participant("bsk-1")
    assert old is not None
    assert new is not None
    assert (new.index, new.spec.name_en) == (old.index, "Another")
    assert ledger.sequence == sequence + 1
    # Going back is a third content of the entry, not a repeat of the first.
    assert load(ledger, Specs((CENTRE,)), register) == LoadCounts(0, 1, 0)
    assert ledger.sequence == sequence + 2
    back = register.find_participant("bsk-1")
    assert back is not None
    assert back.spec == old.spec


def test_a_service_is_added_and_switched_off_by_data(ledger: Ledger) -> None:
    register = Register(ledger)
    load(ledger, SPECS, register)
    second = dataclasses.replace(SERVICE, code="WATER-02", heads=("WB:1",))
    off = dataclasses.replace(SERVICE, active=False)
    assert load(ledger, Specs((), (second, off)), register) == LoadCounts(1, 1, 0)
    service = register.find_service("WATER-01")
    assert service is not None
    assert not service.spec.active
    assert len(register.services()) == 2


def test_a_new_head_goes_behind_and_old_ones_stay(ledger: Ledger) -> None:
    register = Register(ledger)
    load(ledger, SPECS, register)
    biller = dataclasses.replace(BILLER, heads=("WB:9", "WB:2"))
    assert load(ledger, Specs((biller,)), register) == LoadCounts(0, 1, 0)
    water = register.find_participant("water")
    assert water is not None
    heads = [account.head for account in register.accounts_of(water.index)]
    assert heads == ["WB:1", "WB:2", "WB:9"]


def test_a_head_of_a_service_keeps_its_place(ledger: Ledger) -> None:
    """Whoever has a bill that was fetched pays it by the place of its head."""
    register = Register(ledger)
    load(ledger, SPECS, register)
    biller = dataclasses.replace(BILLER, heads=("WB:1", "WB:2", "WB:3"))
    before = register.find_service("WATER-01")
    assert before is not None
    wrong = ("WB:1", "WB:2"), ("WB:2",), ("WB:3", "WB:2", "WB:1"), ("WB:2", "WB:3")
    for heads in wrong:
        changed = dataclasses.replace(SERVICE, heads=heads)
        partial = PartialRecord("WATER-01", {"heads": heads})
        for record in (changed, partial):
            with pytest.raises(NetworkError, match="has WB:2, WB:1: heads stay"):
                load_network(register, committing(ledger), (biller,), (record,))
    more = dataclasses.replace(SERVICE, heads=("WB:2", "WB:1", "WB:3"))
    assert load(ledger, Specs((biller,), (more,)), register) == LoadCounts(0, 2, 0)
    after = register.find_service("WATER-01")
    assert after is not None
    assert after.heads[:2] == before.heads
    assert len(after.heads) == 3


def test_the_amount_rule_of_a_service_with_files_stays(ledger: Ledger) -> None:
    """It is said before anything is committed; all else changes as before."""
    register, bills = Register(ledger), PRICED[PriceRule.BILL]
    above = dataclasses.replace(bills, amount_rule=AmountRule.EXACT_AND_ABOVE)
    load(ledger, Specs((BILLER,), (bills,)), register)
    for service in (above, bills):
        assert load(ledger, Specs((), (service,)), register).replaced == 1
    known, biller = (
        register.find_service(bills.code),
        register.find_participant("water"),
    )
    assert known is not None
    assert biller is not None
    said = Bills(BillsForm.DELTA, 1, 100, bytes(32))
    file = put_bills(new_id(), known.index, 0, said, sender=biller.index)
    committing(ledger)(file.request())
    before = ledger.sequence
    partial = PartialRecord(bills.code, {"amount_rule": AmountRule.EXACT_AND_BELOW})
    for record in (above, partial):
        with pytest.raises(NetworkError, match="amount_rule stays exact, as files"):
            load_network(register, committing(ledger), (), (record,))
    assert ledger.sequence == before
    dearer = dataclasses.replace(bills, amount_max=10**7)
    assert load(ledger, Specs((), (dearer,)), register).replaced == 1


def test_limits_are_part_of_the_state_given(ledger: Ledger) -> None:
    register = Register(ledger)
    load(ledger, SPECS, register)
    wallet = register.find_wallet("bsk-1")
    assert wallet is not None
    by_hand = set_limit(wallet.index, 7, 7, row_id=new_id())
    committing(ledger)(by_hand.request())
    assert load(ledger, SPECS, register) == LoadCounts(0, 1, 2)
    assert describe(register).participants[2] == CENTRE
    committing(ledger)(set_limit(wallet.index, 7, 7, row_id=new_id()).request())
    assert load(ledger, Specs((BILLER,)), register) == LoadCounts(0, 0, 1)
    assert describe(register).participants[2].day_count_max == 7


class Interrupted(list[PartialRecord]):
    """Records between whose reading somebody else does something, once."""

    def __init__(
        self, records: Iterable[PartialRecord], act: Callable[[], Any]
    ) -> None:
        super().__init__(records)
        self.acts = [act]

    def __iter__(self) -> Iterator[PartialRecord]:
        while self.acts:
            self.acts.pop()()
        return super().__iter__()


def test_limits_that_are_set_meanwhile_stay(ledger: Ledger) -> None:
    """A record that says no limits undoes none, whenever somebody has set them."""
    register = Register(ledger)
    load(ledger, SPECS, register)
    wallet = register.find_wallet("bsk-1")
    assert wallet is not None
    index = wallet.index

    def lower() -> None:
        committing(ledger)(set_limit(index, 7, 7, 7, row_id=new_id()).request())

    named = PartialRecord("bsk-1", {"id": "bsk-1", "name_en": "Two"})
    called = PartialRecord("WATER-01", {"code": "WATER-01", "name_en": "Charges"})
    load_network(register, committing(ledger), [named], [called])
    # Services are read behind participants, and limits are compared behind both.
    requests = network_requests(register, [named], Interrupted([called], lower))
    assert requests == []
    image, _ = ledger.account(index)
    assert [int(image[name]) for name in ("day_amount_max", "payment_max")] == [7, 7]


def test_prices_read_back_as_they_were_given(ledger: Ledger) -> None:
    specs = Specs(SPECS.participants, tuple(PRICED.values()))
    load(ledger, specs)
    register = Register(ledger)
    assert describe(register).services == specs.services
    sequence = ledger.sequence
    assert load(ledger, specs) == LoadCounts(0, 0, 5)
    # The lines of a tariff have no order of their own.
    turned = dataclasses.replace(PRICED[PriceRule.TARIFF], tariff=TARIFF[::-1])
    assert load(ledger, Specs((), (turned,))) == LoadCounts(0, 0, 1)
    assert ledger.sequence == sequence
    found = register.find_service("PRICED-1")
    assert found is not None
    tail = ledger.tail(found.sequence)
    assert record_tariff(tail) == TARIFF
    texts = record_texts(tail, Record.SERVICE)
    assert texts["name_en"] == SERVICE.name_en
    bill = register.find_service("PRICED-2")
    assert bill is not None
    assert record_tariff(ledger.tail(bill.sequence)) == ()


def test_a_tariff_is_replaced_whole_and_may_be_long(ledger: Ledger) -> None:
    before = PRICED[PriceRule.TARIFF]
    load(ledger, Specs(SPECS.participants, (before,)))
    first = Register(ledger).find_service(before.code)
    assert first is not None
    longest = tuple(
        dataclasses.replace(TARIFF[0], code=f"ITEM-{at:02}", amount=10**18)
        for at in range(ITEMS_MAX)
    )
    after = dataclasses.replace(before, tariff=longest)
    assert load(ledger, Specs((), (after,))) == LoadCounts(0, 1, 0)
    register = Register(ledger)
    assert describe(register).services == (after,)
    more = dataclasses.replace(after, tariff=(*longest, TARIFF[1]))
    with pytest.raises(NetworkError, match=r"services\[0\].tariff must have 1 to 64"):
        load(ledger, Specs((), (more,)))
    # A receipt of the day before goes by the tariff of then.
    assert record_tariff(ledger.tail(first.sequence)) == TARIFF


def test_a_right_to_state_dues_is_given_and_taken(ledger: Ledger) -> None:
    harness = ParticipantSpec(id="load", role=Role.HARNESS, may_state_dues=True)
    for spec, counts in (
        (harness, LoadCounts(1, 0, 0)),
        (harness, LoadCounts(0, 0, 1)),
        (dataclasses.replace(harness, may_state_dues=False), LoadCounts(0, 1, 0)),
    ):
        assert load(ledger, Specs((spec,))) == counts
        found = Register(ledger).find_participant("load")
        assert found is not None
        assert found.spec == spec
    biller = dataclasses.replace(BILLER, may_state_dues=True)
    with pytest.raises(NetworkError, match="may_state_dues is for centres"):
        load(ledger, Specs((biller,)))


def test_the_service_of_a_series_goes_first(ledger: Ledger) -> None:
    register = Register(ledger)
    both = Specs(SPECS.participants, (OTHER, SERVICE))
    assert load(ledger, both, register) == LoadCounts(4, 0, 0)
    assert [one.spec for one in register.services()] == [SERVICE, OTHER]
    assert describe(register).services == (SERVICE, OTHER)
    sequence = ledger.sequence
    assert load(ledger, both) == LoadCounts(0, 0, 4)
    assert ledger.sequence == sequence
    # One that joins later, and another register that takes both in at once.
    third = dataclasses.replace(OTHER, code="WATER-02", name_en="Arrears")
    assert load(ledger, Specs((), (third,)), register) == LoadCounts(1, 0, 0)
    again = dataclasses.replace(SERVICE, name_en="Anew")
    assert load(ledger, Specs((), (again,)), register) == LoadCounts(0, 1, 0)
    assert Register(ledger).services() == register.services()


@pytest.mark.parametrize(
    "change",
    [
        {"key_rule": KeyRule.BILL_ID},
        {"key_rule": None, "duplicate_rule": DuplicateRule.NONE},
        {"letters": Letters.AS_THEY_ARE},
        {"ignored": Ignored.SPACE},
        {"check_digit": CheckDigit.LUHN},
        {"pattern": "'W'9{1,9}"},
    ],
)
@pytest.mark.parametrize("apart", [False, True])
def test_the_services_of_a_series_have_one_form(
    ledger: Ledger, change: dict[str, Any], *, apart: bool
) -> None:
    joins = dataclasses.replace(OTHER, code="WATER-02", **change)
    if apart:
        load(ledger, Specs(SPECS.participants, (SERVICE,)))
    sequence = ledger.sequence
    said = rf"WATER-02: .*{next(iter(change))}.* series WATER-01"
    with pytest.raises(NetworkError, match=said):
        load(ledger, Specs(SPECS.participants, (joins, SERVICE)))
    assert ledger.sequence == sequence


@pytest.mark.parametrize(
    "change",
    [
        {"duplicate_rule": DuplicateRule.NONE, "key_rule": None},
        {"key_rule": KeyRule.BILL_ID},
        {"letters": Letters.LOWER, "pattern": "9"},
        {"ignored": Ignored.SPACE},
        {"check_digit": CheckDigit.LUHN},
        {"pattern": ""},
        {"series": ""},
        {"price_rule": PriceRule.BILL},
    ],
)
def test_what_makes_bills_is_for_ever(ledger: Ledger, change: dict[str, Any]) -> None:
    both = Specs(SPECS.participants, (SERVICE, OTHER))
    load(ledger, both)
    changed = Specs((), (dataclasses.replace(OTHER, **change),))
    sequence = ledger.sequence
    with pytest.raises(NetworkError, match="another rule is another service code"):
        load(ledger, changed)
    assert ledger.sequence == sequence


@pytest.mark.parametrize(
    ("specs", "said"),
    [
        (Specs((), (dataclasses.replace(SERVICE, biller="gas"),)), "no biller gas"),
        (Specs((), (dataclasses.replace(SERVICE, biller="bsk-1"),)), "no biller bsk-1"),
        (
            Specs((), (dataclasses.replace(SERVICE, heads=(*SERVICE.heads, "X")),)),
            "no head X",
        ),
        (
            Specs((GAS,), (dataclasses.replace(SERVICE, biller="gas", heads=("G",)),)),
            "of water for ever",
        ),
        (
            Specs((), (dataclasses.replace(OTHER, series="WATER-09"),)),
            "no service of water with a series of its own",
        ),
        (
            Specs((), (OTHER, dataclasses.replace(OTHER, code="W", series="WATER-00"))),
            "W: series WATER-00 is no service",
        ),
        (
            Specs((GAS,), (dataclasses.replace(OTHER, biller="gas", heads=("G",)),)),
            "no service of gas",
        ),
        (
            Specs((ParticipantSpec(id="bsk-1", role=Role.BILLER),)),
            "bsk-1 is a centre for ever",
        ),
        (Specs((CENTRE, CENTRE)), "twice"),
    ],
)
def test_what_cannot_be_commits_nothing(
    ledger: Ledger, specs: Specs, said: str
) -> None:
    load(ledger, SPECS)
    sequence = ledger.sequence
    with pytest.raises(NetworkError, match=said):
        load(ledger, specs)
    assert ledger.sequence == sequence


def test_a_load_that_broke_off_is_finished_by_the_next(ledger: Ledger) -> None:
    commit = committing(ledger)
    calls = 0

    def break_off(request: Request) -> bytes | Rows:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise ConnectionError("gone")
        return commit(request)

    with pytest.raises(ConnectionError):
        load_network(Register(ledger), break_off, *SPECS)
    assert ledger.sequence > 0
    load(ledger, SPECS)
    assert network_requests(Register(ledger), *SPECS) == []


def test_two_loads_at_once_make_the_rows_once(ledger: Ledger) -> None:
    first, second = Register(ledger), Register(ledger)
    commit = committing(ledger)
    for _ in range(4):
        # Both look before either commits.
        for request in [
            *network_requests(first, *SPECS),
            *network_requests(second, *SPECS),
        ]:
            commit(request)
        first.refresh()
        second.refresh()
    assert network_requests(first, *SPECS) == []
    # A treasury with three accounts, a biller with two, a centre, a limit, a service.
    assert ledger.sequence == 3 + 6 + 1 + 1


def test_a_register_follows(ledger: Ledger) -> None:
    register = Register(ledger)
    load(ledger, SPECS)
    assert register.find_participant("bsk-1") is None
    assert register.refresh()
    assert register.find_participant("bsk-1") is not None
    assert not register.refresh()


def test_before_any_load_there_is_no_treasury(ledger: Ledger) -> None:
    with pytest.raises(LookupError, match="load the network first"):
        Register(ledger).treasury_account(PURPOSE_FLOAT)


def test_the_whole_sample(ledger: Ledger) -> None:
    assert LOAD_ROWS_MAX <= GROUP_MAX
    specs = sample_specs()
    register = Register(ledger)
    sizes = [one.rows_count for one in network_requests(register, *specs)]
    assert max(sizes) <= LOAD_ROWS_MAX
    assert sum(sizes) == len(specs.participants)
    assert load(ledger, specs, register) == LoadCounts(3_611 + 97, 0, 0)
    assert describe(register) == specs
    assert len(register.accounts()) == 3 + 40 + 3_561
    sequence = ledger.sequence
    assert load(ledger, specs) == LoadCounts(0, 0, 3_611 + 97)
    assert ledger.sequence == sequence


def test_a_register_survives_the_ledger(tmp_path: Path) -> None:
    path = str(tmp_path)
    with Ledger(path, map_size=MAP_SIZE, reserve_size=0) as ledger:
        load(ledger, SPECS)
        before = describe(Register(ledger))
    with Ledger(path, create=False, map_size=MAP_SIZE, reserve_size=0) as ledger:
        assert describe(Register(ledger)) == before
        assert load(ledger, SPECS) == LoadCounts(0, 0, 3)
