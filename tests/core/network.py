"""A small network with one of everything, as requests that build it.

Every amount rule, duplicate rule, key rule and mode has services, some of them
inactive; references with several spellings, alone and in a shared series; prices of
each kind; billers have one to four heads; one treasury is for use and a second one,
with a biller and a centre of its own, for reaching 64 bits.
"""

import itertools
import random
from dataclasses import dataclass, field, replace
from typing import Any

from switch.codes import (
    AccountKind,
    AmountRule,
    CheckDigit,
    DuplicateRule,
    Ignored,
    KeyRule,
    Kind,
    Letters,
    Mode,
    Policy,
    PriceRule,
    Role,
)
from tests.model_rules import OF_BANKS
from tests.records import (
    AccountRecord,
    BankAccountRecord,
    ParticipantRecord,
    Row,
    ServiceRecord,
    TariffItem,
)

NOW = 1_774_000_000 * 10**9
"""Where tests begin: 20 March 2026, before the end of a financial year."""
CENTRES_COUNT = 8
BANKS_COUNT = 2
HEADS = (1, 2, 4)
DEADLINE_S = 3_600
UNUSED_PURPOSE = 10_000

ALL_IGNORED = sum(Ignored)
SPELLED: tuple[dict[str, Any], ...] = (
    # What the references of a service are; the second and third share the first's
    # bills, the fourth has the same rule and bills of its own.
    {"letters": Letters.UPPER, "ignored": ALL_IGNORED, "pattern": b"A{0,4}9{1,12}"},
    {"letters": Letters.UPPER, "ignored": ALL_IGNORED, "pattern": b"A{0,4}9{1,12}"},
    {"letters": Letters.UPPER, "ignored": ALL_IGNORED, "pattern": b"A{0,4}9{1,12}"},
    {"letters": Letters.UPPER, "ignored": ALL_IGNORED, "pattern": b"A{0,4}9{1,12}"},
    {"letters": Letters.UPPER, "ignored": ALL_IGNORED, "pattern": b"'WB'9{1,10}"},
    {"letters": Letters.LOWER, "ignored": 0x03, "check_digit": CheckDigit.LUHN},
    {"letters": Letters.LOWER, "ignored": 0x1F, "check_digit": CheckDigit.VERHOEFF},
    {"ignored": int(Ignored.ZEROS), "pattern": b"X{1,4}*{0,20}"},
)
"""Of each a service with every rule of duplicates, see `add_spelled_services`."""

DUPLICATES = (
    (DuplicateRule.NONE, 0, 0),
    (DuplicateRule.ONCE, KeyRule.BILL_ID, 0),
    (DuplicateRule.ONCE, KeyRule.REFERENCE_PERIOD, 0),
    (DuplicateRule.WITHIN, 0, 2),
)


@dataclass
class Network:
    """Indices of what was made; `rows` are the requests that make it, in order."""

    rows: list[Row] = field(default_factory=list)
    treasury: int = 0
    harness: int = 0
    float_: int = 0
    suspense: int = 0
    settlement: int = 0
    great_treasury: int = 0
    great_float: int = 0
    great_suspense: int = 0
    great_settlement: int = 0
    centres: list[int] = field(default_factory=list)
    centre_codes: list[bytes] = field(default_factory=list)
    wallets: list[int] = field(default_factory=list)
    great_wallet: int = 0
    great_centre: int = 0
    great_head: int = 0
    great_service: int = 0
    great_bank: int = 0
    billers: list[int] = field(default_factory=list)
    heads: list[list[int]] = field(default_factory=list)
    services: list[ServiceRecord] = field(default_factory=list)
    banks: list[BankAccountRecord] = field(default_factory=list)
    participants_count: int = 0
    accounts_count: int = 0
    spread: int = 0
    """Accounts that nobody uses before each other one, to fill segments."""

    def add(self, kind: Kind, tail: bytes) -> None:
        """One more request."""
        number = len(self.rows) + 1
        id_ = b"network" + number.to_bytes(9, "big")
        self.rows.append(Row(kind, id=id_, tail=tail, participant=self.treasury))

    def participant(self, code: bytes, role: Role, *, states: bool = True) -> int:
        """Register someone, who most often may state dues."""
        record = ParticipantRecord(code, role, may_state_dues=int(states))
        self.add(Kind.REGISTER, record.pack())
        self.participants_count += 1
        return self.participants_count

    def account(self, owner: int, purpose: int, kind: AccountKind) -> int:
        """Open an account."""
        for _ in range(self.spread):
            unused = UNUSED_PURPOSE + self.accounts_count
            record = AccountRecord(self.treasury, unused, AccountKind.SUSPENSE)
            self.add(Kind.OPEN, record.pack())
            self.accounts_count += 1
        self.add(Kind.OPEN, AccountRecord(owner, purpose, kind).pack())
        self.accounts_count += 1
        return self.accounts_count

    def service(self, record: ServiceRecord) -> int:
        """Register a service."""
        self.add(Kind.REGISTER, record.pack())
        self.services.append(record)
        return len(self.services)

    def bank(self, owner: int, purpose: int, number: bytes) -> int:
        """A bank account with its three accounts, of which the first is told."""
        three = [
            self.account(owner, purpose + place, kind)
            for place, kind in enumerate(OF_BANKS)
        ]
        record = BankAccountRecord(owner, purpose, number)
        self.add(Kind.REGISTER, record.pack())
        self.banks.append(record)
        return three[0]

    def centre(self, code: bytes, *, states: bool = True) -> tuple[int, int]:
        """A centre and its wallet."""
        centre = self.participant(code, Role.CENTRE, states=states)
        return centre, self.account(centre, 0, AccountKind.WALLET)


def make_network(spread: int = 0) -> Network:
    """The whole network."""
    net = Network(spread=spread)
    net.treasury = net.participant(b"treasury", Role.TREASURY)
    net.float_ = net.account(net.treasury, 0, AccountKind.FLOAT)
    net.suspense = net.account(net.treasury, 1, AccountKind.SUSPENSE)
    net.settlement = net.account(net.treasury, 2, AccountKind.SETTLEMENT)
    net.harness = net.participant(b"harness", Role.HARNESS)
    for number, count in enumerate(HEADS):
        biller = net.participant(b"biller-%d" % number, Role.BILLER)
        net.billers.append(biller)
        heads = [net.account(biller, i, AccountKind.BILLER) for i in range(count)]
        net.heads.append(heads)
    for number in range(CENTRES_COUNT):
        code = b"centre-%d" % number
        centre, wallet = net.centre(code)
        net.centres.append(centre)
        net.centre_codes.append(code)
        net.wallets.append(wallet)
    add_great_ones(net)
    add_services(net)
    add_spelled_services(net)
    add_priced_services(net)
    for number in range(BANKS_COUNT):
        net.bank(net.treasury, 16 * (number + 1), b"BANK%d" % number)
    net.great_bank = net.bank(net.great_treasury, 16, b"GREATBANK")
    return net


def add_great_ones(net: Network) -> None:
    """Those that are filled up to 64 bits."""
    net.great_treasury = net.participant(b"great-treasury", Role.TREASURY)
    owner = net.great_treasury
    net.great_float = net.account(owner, 0, AccountKind.FLOAT)
    net.great_suspense = net.account(owner, 1, AccountKind.SUSPENSE)
    net.great_settlement = net.account(owner, 2, AccountKind.SETTLEMENT)
    net.great_centre, net.great_wallet = net.centre(b"great-centre")
    biller = net.participant(b"great-biller", Role.BILLER)
    net.great_head = net.account(biller, 0, AccountKind.BILLER)
    record = ServiceRecord(b"GREAT", biller, (net.great_head,))
    net.great_service = net.service(record)


def add_services(net: Network) -> None:
    """Every combination of rules, dealt out to the billers in turn."""
    combinations = itertools.product(AmountRule, DUPLICATES, Mode)
    for number, (amount, (duplicate, key, hours), mode) in enumerate(combinations):
        which = number % len(net.billers)
        bounded = amount == AmountRule.MIN_MAX or number % 4 == 0
        net.service(
            ServiceRecord(
                b"S%03d" % number,
                net.billers[which],
                tuple(net.heads[which]),
                amount_rule=amount,
                mode=mode,
                duplicate_rule=duplicate,
                key_rule=key,
                duplicate_hours=hours,
                amount_min=500 if bounded else 0,
                amount_max=400_000 if bounded else 0,
                deadline_s=DEADLINE_S if mode == Mode.CONFIRMED else 0,
                deadline_policy=Policy.KEEP if number % 3 == 1 else Policy.RELEASE,
                active=0 if number % 10 == 9 else 1,
            )
        )


def add_spelled_services(net: Network) -> None:
    """References with a form, of which the first biller has series that are shared."""
    for duplicate, key, hours in DUPLICATES[1:]:
        first = len(net.services) + 1
        for number, rules in enumerate(SPELLED):
            net.service(
                ServiceRecord(
                    b"SPELLED-%d-%d%d" % (number, duplicate, key),
                    net.billers[0],
                    tuple(net.heads[0]),
                    mode=Mode.DIRECT if number % 2 == 0 else Mode.CONFIRMED,
                    duplicate_rule=duplicate,
                    key_rule=key,
                    duplicate_hours=hours,
                    deadline_s=DEADLINE_S,
                    deadline_policy=Policy.RELEASE,
                    series=first if number in (1, 2) else 0,
                    **rules,
                )
            )


BILLS: tuple[dict[str, Any], ...] = (
    {"duplicate_rule": DuplicateRule.ONCE, "key_rule": KeyRule.BILL_ID},
    {"duplicate_rule": DuplicateRule.ONCE, "key_rule": KeyRule.REFERENCE_PERIOD},
    {"duplicate_rule": DuplicateRule.WITHIN, "duplicate_hours": 2},
)
BILL_RULES = (
    AmountRule.EXACT, AmountRule.EXACT_AND_ABOVE, AmountRule.EXACT_AND_BELOW,
)  # fmt: skip
BILL_HOURS = (0, 2, 30)
OTHERS: tuple[dict[str, Any], ...] = (
    {"duplicate_rule": DuplicateRule.ONCE, "key_rule": KeyRule.REFERENCE},
    {"duplicate_rule": DuplicateRule.WITHIN, "duplicate_hours": 2},
    {"duplicate_rule": DuplicateRule.NONE},
)
DAY = NOW // (86_400 * 10**9)
TARIFF = (
    # One that is older, one that begins tomorrow, one that is still to come.
    TariffItem(b"CERT", 2_000, 0),
    TariffItem(b"CERT", 2_500, DAY - 400),
    TariffItem(b"CERT", 3_000, DAY + 2),
    TariffItem(b"COPY", 150, DAY - 1),
    TariffItem(b"SEARCH", 10_000, 0),
    TariffItem(b"SOON", 700, DAY + 5),
    TariffItem(b"Z", 1, 0),
)
STEP = 500


def add_priced_services(net: Network) -> None:
    """Bills that are quoted, things with a tariff and amounts that are open, direct and
    confirmed. One series of bills is shared.
    """
    first = len(net.services) + 1
    for number, (rules, amount, mode) in enumerate(
        itertools.product(BILLS, BILL_RULES, Mode)
    ):
        if mode == Mode.DIRECT and amount == AmountRule.EXACT_AND_BELOW:
            # Nobody would release what is left of such a bill.
            amount = AmountRule.EXACT_AND_ABOVE
        once = rules["duplicate_rule"] == DuplicateRule.ONCE
        hours = BILL_HOURS[number % len(BILL_HOURS)] if once else 2
        spelled = SPELLED[0] if number % 2 == 0 else {}
        add_priced(
            net,
            b"BILL-%02d" % number,
            mode,
            **{**rules, "duplicate_hours": hours, **spelled},
            price_rule=PriceRule.BILL,
            amount_rule=amount,
            series=first if number in (2, 4) else 0,
            deadline_policy=Policy.KEEP if number % 4 == 1 else Policy.RELEASE,
        )
    for number, (rules, mode) in enumerate(itertools.product(OTHERS[:2], Mode)):
        add_priced(
            net,
            b"FEE-%d" % number,
            mode,
            **rules,
            price_rule=PriceRule.TARIFF,
            amount_rule=AmountRule.EXACT,
            items=TARIFF,
        )
    for number, (rules, mode) in enumerate(itertools.product(OTHERS, Mode)):
        add_priced(
            net,
            b"OPEN-%d" % number,
            mode,
            **rules,
            price_rule=PriceRule.OPEN,
            amount_rule=AmountRule.MIN_MAX,
            amount_min=500,
            amount_max=90_000,
            amount_step=STEP if number % 3 else 0,
            letters=Letters.UPPER,
        )


def add_priced(net: Network, code: bytes, mode: Mode, **rules: Any) -> None:
    """One more service of the second biller."""
    record = ServiceRecord(code, net.billers[1], tuple(net.heads[1]), mode=mode)
    record.deadline_s = DEADLINE_S
    record.deadline_policy = Policy.RELEASE
    net.service(replace(record, items_count=-1, **rules))


def top_up(net: Network, wallet: int, amount: int, utr: bytes) -> Row:
    """Money for a wallet."""
    return Row(
        Kind.TOP_UP,
        id=random.Random(utr).randbytes(16),
        amount=amount,
        reference=utr,
        debit=net.float_,
        credit=wallet,
        participant=net.treasury,
    )
