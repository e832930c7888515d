"""The oracle's rules of the register: accounts, limits, participants, services.

Part of tests/model.py, which see.
"""

import hashlib
import re
import struct

from switch.codes import (
    AMOUNT_MAX,
    NO_AMOUNT_LIMIT,
    AccountKind,
    AccountState,
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
    Record,
    Result,
    Role,
)
from tests.flags import RowFlag
from tests.model_budgets import Budgets, budget_record_is_valid
from tests.model_certificates import (
    OF_CERTIFICATES,
    certificate_record_is_valid,
)
from tests.model_persons import OF_PEOPLE, Persons, person_record_is_valid
from tests.model_references import read_pattern
from tests.model_state import OK, Answer, Participant, Service
from tests.records import RULES_RECORD, Account, Row, TariffItem

BILLER_ACCOUNTS_MAX = 65_000
SERVICES_MAX = 65_535
HOURS_MAX = 366 * 24
DEADLINE_MAX_S = 31 * 86_400
WITH_RECORD = frozenset((Kind.OPEN, Kind.LIMIT, Kind.REGISTER, Kind.SHIFT, Kind.BILLS))
PARTICIPANT_CODE = re.compile(rb"[a-z0-9-]{1,32}")
SERVICE_CODE = re.compile(rb"[A-Z0-9-]{1,16}")
ITEM_CODE = re.compile(rb"[A-Z0-9-]{1,8}")
ITEM = struct.Struct("<8sQII")
SERVICE_SIZE = 256
TARIFF_ITEMS_MAX = 64
OPEN_LEAST = 100

AMOUNT_RULES_OF = {
    PriceRule.STATED: frozenset(AmountRule),
    PriceRule.TARIFF: frozenset({AmountRule.EXACT}),
    PriceRule.BILL: frozenset(
        {AmountRule.EXACT, AmountRule.EXACT_AND_ABOVE, AmountRule.EXACT_AND_BELOW}
    ),
    PriceRule.OPEN: frozenset({AmountRule.MIN_MAX}),
}
WITHIN = ((0,), 1, HOURS_MAX)
DUPLICATES_OF: dict[PriceRule, dict[int, tuple[tuple[int, ...], int, int]]] = {
    # By duplicate rule: key rules, the least and the most hours.
    PriceRule.STATED: {
        DuplicateRule.NONE: ((0,), 0, 0),
        DuplicateRule.ONCE: ((KeyRule.BILL_ID, KeyRule.REFERENCE_PERIOD), 0, 0),
        DuplicateRule.WITHIN: WITHIN,
    },
    PriceRule.TARIFF: {
        DuplicateRule.ONCE: ((KeyRule.REFERENCE,), 0, 0),
        DuplicateRule.WITHIN: WITHIN,
    },
    PriceRule.BILL: {
        DuplicateRule.ONCE: (
            (KeyRule.BILL_ID, KeyRule.REFERENCE_PERIOD),
            0,
            HOURS_MAX,
        ),
        DuplicateRule.WITHIN: WITHIN,
    },
    PriceRule.OPEN: {
        DuplicateRule.NONE: ((0,), 0, 0),
        DuplicateRule.ONCE: ((KeyRule.REFERENCE,), 0, 0),
        DuplicateRule.WITHIN: WITHIN,
    },
}


class Register(Persons, Budgets):
    """The rules of rows that move no money."""

    def record_is_valid(self, row: Row) -> bool:
        """Whether a tail item begins with the record its row needs."""
        tail = row.tail or b""
        if row.kind == Kind.OPEN:
            return account_record_is_valid(tail)
        if row.kind == Kind.LIMIT:
            if len(tail) < 16 or any(tail[13:16]):
                return False
            if tail[12] == 2 and len(tail) >= 32:
                return int.from_bytes(tail[24:32], "little") <= AMOUNT_MAX
            return tail[12] == 0 or (tail[12] == 1 and len(tail) >= 24)
        if row.kind == Kind.SHIFT:
            return shift_record_is_valid(tail, row.operator_)
        if tail[:1] == bytes([Record.PARTICIPANT]):
            return participant_record_is_valid(tail)
        if tail[:1] == bytes([Record.SERVICE]):
            return service_record_is_valid(tail)
        if tail[:1] == bytes([Record.RULES]):
            return tail[:8] == RULES_RECORD
        if tail and tail[0] in OF_CERTIFICATES:
            return certificate_record_is_valid(tail)
        if tail[:1] == bytes([Record.BUDGET]):
            return budget_record_is_valid(tail)
        if tail and tail[0] in OF_PEOPLE:
            return person_record_is_valid(tail)
        return tail[:1] == bytes([Record.CLOCK])

    def keep_record(self, row: Row) -> None:
        """A row whose tail is its content carries the tail's hash."""
        row.reference = hashlib.blake2b(row.tail or b"", digest_size=32).digest()

    def check_open(self, row: Row) -> Answer:
        self.keep_record(row)
        row.debit = 0
        participant, purpose, kind = struct.unpack_from("<IHB", row.tail or b"")
        if not 0 < participant < len(self.participants):
            return Answer(Result.PARTICIPANT_UNKNOWN)
        existing = self.account_of.get((participant, purpose), 0)
        if existing:
            return Answer(Result.ACCOUNT_EXISTS, self.accounts[existing].opened)
        full = len(self.biller_accounts) >= BILLER_ACCOUNTS_MAX
        if kind == AccountKind.BILLER and full:
            return Answer(Result.TABLE_FULL)
        return OK

    def do_open(self, row: Row) -> None:
        participant, purpose, kind = struct.unpack_from("<IHB", row.tail or b"")
        row.debit = len(self.accounts)
        self.append(row)
        opened = row.sequence
        account = Account(kind, participant, purpose, opened=opened, changed=opened)
        self.accounts.append(account)
        self.history.append([])
        self.account_of[participant, purpose] = row.debit
        if kind == AccountKind.BILLER:
            self.biller_accounts.append(row.debit)

    def check_limit(self, row: Row) -> Answer:
        self.keep_record(row)
        account = self.account(row.debit)
        if account is None:
            return Answer(Result.ACCOUNT_UNKNOWN)
        if account.kind != AccountKind.WALLET:
            return Answer(Result.ACCOUNT_KIND_WRONG)
        return OK

    def do_limit(self, row: Row) -> None:
        account = self.accounts[row.debit]
        limits = struct.unpack_from("<QIB", row.tail or b"")
        account.day_amount_max, account.day_count_max, form = limits
        account.payment_max, account.low_balance = NO_AMOUNT_LIMIT, 0
        if form:
            account.payment_max = struct.unpack_from("<Q", row.tail or b"", 16)[0]
        if form == 2:
            account.low_balance = struct.unpack_from("<Q", row.tail or b"", 24)[0]
        self.append(row)
        self.touch(row.debit, row.sequence)
        if self.persons:
            self.limits[row.debit] = row.sequence

    def check_freeze(self, row: Row) -> Answer:
        account = self.account(row.debit)
        if account is None:
            return Answer(Result.ACCOUNT_UNKNOWN)
        if account.state == AccountState.CLOSED:
            return Answer(Result.DEBIT_CLOSED)
        return OK

    def do_freeze(self, row: Row) -> None:
        account = self.accounts[row.debit]
        unfreeze = row.flags & RowFlag.UNFREEZE
        account.state = AccountState.OPEN if unfreeze else AccountState.FROZEN
        self.append(row)
        self.touch(row.debit, row.sequence)
        if not unfreeze:
            self.freezes[row.debit] = row.sequence

    def check_close(self, row: Row) -> Answer:
        account = self.account(row.debit)
        if account is None:
            return Answer(Result.ACCOUNT_UNKNOWN)
        if account.kind not in (AccountKind.WALLET, AccountKind.BILLER):
            return Answer(Result.ACCOUNT_KIND_WRONG)
        if account.state == AccountState.CLOSED:
            return Answer(Result.DEBIT_CLOSED)
        if account.holds_count:
            return Answer(Result.HOLDS_OPEN)
        if account.balance:
            return Answer(Result.BALANCE_NOT_ZERO)
        if account.period_debits or account.period_credits or account.carried:
            return Answer(Result.WINDOWS_OPEN)
        if account.cases_count:
            return Answer(Result.CASES_OPEN)
        if account.refundable:
            return Answer(Result.PAYMENTS_REFUNDABLE)
        return OK

    def do_close(self, row: Row) -> None:
        account = self.accounts[row.debit]
        account.state = AccountState.CLOSED
        self.append(row)
        self.touch(row.debit, row.sequence)

    def check_register(self, row: Row) -> Answer:
        self.keep_record(row)
        row.debit = 0
        record = (row.tail or b"")[0]
        if record == Record.PARTICIPANT:
            return self.check_participant(row.tail or b"")
        if record in OF_CERTIFICATES:
            return self.check_certificate(row)
        if record == Record.BUDGET:
            return self.check_budget(row)
        if record == Record.PERSON:
            return self.check_person(row)
        if record != Record.SERVICE:
            return OK
        service = read_service(row.tail or b"")
        if not 0 < service.biller < len(self.participants):
            return Answer(Result.PARTICIPANT_UNKNOWN)
        for head in service.heads:
            account = self.account(head)
            if account is None or account.kind != AccountKind.BILLER:
                return Answer(Result.ACCOUNT_UNKNOWN)
            if account.participant != service.biller:
                return Answer(Result.ACCOUNT_UNKNOWN)
        if service.mode == Mode.CONFIRMED and not self.may_release(service):
            return Answer(Result.RELEASE_NOT_PROMISED)
        before = self.service_of.get(service.code, 0)
        if service.series and not self.has_series(service, before):
            return Answer(Result.SERVICE_UNKNOWN)
        if service.series:
            first = self.services[service.series - 1]
            if form_of(first) != form_of(service):
                return Answer(Result.RULE_FIXED)
        if before and rules_of(self.services[before - 1]) != rules_of(service):
            return Answer(Result.RULE_FIXED)
        if before:
            heads = self.services[before - 1].heads
            if service.heads[: len(heads)] != heads:
                return Answer(Result.RULE_FIXED)
        if before in self.bills_of and (
            self.services[before - 1].amount_rule != service.amount_rule
        ):
            return Answer(Result.RULE_FIXED)
        is_so = before and is_in_parts(self.services[before - 1])
        if is_in_parts(service) and not is_so:
            return Answer(Result.RULE_FIXED)
        if not before and len(self.services) >= SERVICES_MAX:
            return Answer(Result.TABLE_FULL)
        return OK

    def may_release(self, service: Service) -> bool:
        """Whether its deadline releases nothing, or its biller never credits late."""
        promises = self.participants[service.biller].never_credits_late
        return service.deadline_policy != Policy.RELEASE or promises == 1

    def has_series(self, service: Service, index: int) -> bool:
        """Whether it names another service of its biller, with a series of its own."""
        if service.series == index or service.series > len(self.services):
            return False
        other = self.services[service.series - 1]
        return other.biller == service.biller and not other.series

    def do_register(self, row: Row) -> None:
        tail = row.tail or b""
        if tail[0] == Record.CLOCK:
            self.append(row)
            return
        if tail[0] in OF_CERTIFICATES:
            self.do_certificate(row)
            return
        if tail[0] == Record.BUDGET:
            self.do_budget(row)
            return
        if tail[0] in OF_PEOPLE:
            self.do_of_people(row)
            return
        if tail[0] == Record.RULES:
            row.debit = 1
            row.flags |= RowFlag.UPDATE if self.rules_row else 0
            self.append(row)
            self.rules_row = row.sequence
            return
        if tail[0] == Record.SERVICE:
            service = read_service(tail)
            code, table, count = service.code, self.service_of, len(self.services) + 1
        else:
            code = tail[8:40].rstrip(b"\0")
            table, count = self.participant_of, len(self.participants)
        if code in table:
            row.flags |= RowFlag.UPDATE
        row.debit = table.setdefault(code, count)
        self.append(row)
        if tail[0] == Record.SERVICE:
            service.sequence = row.sequence
            self.services[row.debit - 1 : row.debit] = [service]
        else:
            hours = int.from_bytes(tail[44:46], "little")
            states, never_late, signs_on = tail[40:43]
            participant = Participant(
                *(code, tail[1], row.sequence, tail[2]),
                *(states, never_late, signs_on, hours),
            )
            self.participants[row.debit : row.debit + 1] = [participant]
            if participant.role == Role.TREASURY:
                self.treasuries.add(row.debit)


def code_is_valid(field: bytes, pattern: re.Pattern[bytes]) -> bool:
    """A code padded with zeros."""
    return bool(pattern.fullmatch(field.rstrip(b"\0")))


def account_record_is_valid(tail: bytes) -> bool:
    """An account's record names a kind."""
    return len(tail) >= 32 and tail[6] in list(AccountKind) and not any(tail[7:32])


def participant_record_is_valid(tail: bytes) -> bool:
    """A participant's record has a role and a code."""
    if len(tail) < 64 or tail[1] not in list(Role) or tail[2] > 1:
        return False
    if any(tail[3:8]) or max(tail[40:43]) > 1 or tail[43] or any(tail[46:64]):
        return False
    if tail[42] and tail[1] != Role.CENTRE:
        return False
    if int.from_bytes(tail[44:46], "little") > HOURS_MAX:
        return False
    return code_is_valid(tail[8:40], PARTICIPANT_CODE)


def shift_record_is_valid(tail: bytes, operator: int) -> bool:
    """A shift's record is its operator's, and says how cash and ledger differ."""
    if len(tail) < 64:
        return False
    expected, counted = struct.unpack_from("<QQ", tail, 24)
    whose, difference = struct.unpack_from("<IB", tail, 52)
    kind = 1 if counted == expected else 2 if counted < expected else 3
    return whose == operator and difference == kind and not any(tail[57:64])


def references_are_valid(tail: bytes) -> bool:
    """The part of a service's record that says what its references are."""
    letters, ignored, check_digit = tail[85:88]
    pattern = tail[128:192].rstrip(b"\0")
    unknown = tail[89:90] + tail[92:96] + tail[104:128] + tail[192:256]
    return (
        not any(unknown)
        and letters in list(Letters)
        and ignored <= sum(Ignored)
        and check_digit in list(CheckDigit)
        and read_pattern(pattern, letters) is not None
    )


def service_record_is_valid(tail: bytes) -> bool:
    """A service's record has known rules, 1 to 8 heads and a code."""
    if len(tail) < SERVICE_SIZE or len(tail) < SERVICE_SIZE + ITEM.size * tail[88]:
        return False
    if not (references_are_valid(tail) and price_is_valid(tail)):
        return False
    if not code_is_valid(tail[8:24], SERVICE_CODE):
        return False
    mode, _, _, policy, active, heads = tail[2:8]
    least, most, _, deadline_s = struct.unpack_from("<QQII", tail, 24)
    confirmed = mode == Mode.CONFIRMED
    return (
        (1 if confirmed else 0) <= deadline_s <= DEADLINE_MAX_S
        and max(least, most) <= AMOUNT_MAX
        and (most == 0 or least <= most)
        and (policy in list(Policy) or (policy == 0 and not confirmed))
        and mode in list(Mode)
        and active <= 1
        and 1 <= heads <= 8
    )


def price_is_valid(tail: bytes) -> bool:
    """Whether what a price rule asks of a service's record is so."""
    if tail[84] not in list(PriceRule):
        return False
    price = PriceRule(tail[84])
    _, amount_rule, _, duplicate, key = tail[:5]
    least, most, hours = struct.unpack_from("<QQI", tail, 24)
    [step] = struct.unpack_from("<Q", tail, 96)
    keys, hours_least, hours_most = DUPLICATES_OF[price].get(duplicate, ((), 0, 0))
    bounds = {
        PriceRule.TARIFF: least == most == 0 and tariff_is_valid(tail),
        PriceRule.OPEN: least >= OPEN_LEAST and most > 0 and step <= AMOUNT_MAX,
    }
    return (
        amount_rule in AMOUNT_RULES_OF[price]
        and key in keys
        and hours_least <= hours <= hours_most
        and bounds.get(price, True)
        and (price == PriceRule.TARIFF or tail[88] == 0)
        and (price == PriceRule.OPEN or step == 0)
    )


def tariff_is_valid(tail: bytes) -> bool:
    """1 to 64 items, in order, of which no two are the same."""
    if not 1 <= tail[88] <= TARIFF_ITEMS_MAX:
        return False
    places = []
    for number in range(tail[88]):
        field, fee, day, zero = ITEM.unpack_from(
            tail, SERVICE_SIZE + number * ITEM.size
        )
        code = field.rstrip(b"\0")
        if not ITEM_CODE.fullmatch(code) or zero or not 1 <= fee <= AMOUNT_MAX:
            return False
        places.append((field, day))
    return places == sorted(set(places))


def read_items(tail: bytes) -> tuple[TariffItem, ...]:
    """The tariff behind a service's record."""
    lines = [
        ITEM.unpack_from(tail, SERVICE_SIZE + number * ITEM.size)
        for number in range(tail[88])
    ]
    return tuple(
        TariffItem(code.rstrip(b"\0"), fee, day) for code, fee, day, _ in lines
    )


def read_service(tail: bytes) -> Service:
    """A service from its record."""
    _, amount_rule, mode, duplicate_rule, key_rule, policy, active, heads = tail[:8]
    numbers = struct.unpack_from("<QQIII", tail, 24)
    amount_min, amount_max, hours, deadline_s, biller = numbers
    return Service(
        code=tail[8:24].rstrip(b"\0"),
        amount_rule=amount_rule,
        mode=mode,
        duplicate_rule=duplicate_rule,
        key_rule=key_rule,
        active=active,
        amount_min=amount_min,
        amount_max=amount_max,
        duplicate_hours=hours,
        biller=biller,
        heads=struct.unpack_from(f"<{heads}I", tail, 52),
        deadline_s=deadline_s,
        deadline_policy=policy,
        price_rule=tail[84],
        letters=tail[85],
        ignored=tail[86],
        check_digit=tail[87],
        series=int.from_bytes(tail[90:92], "little"),
        amount_step=int.from_bytes(tail[96:104], "little"),
        pattern=tail[128:192].rstrip(b"\0"),
        items=read_items(tail),
    )


def rules_of(service: Service) -> tuple[int | bytes, ...]:
    """What makes bills of a service."""
    return (
        service.biller,
        service.duplicate_rule,
        service.series,
        *form_of(service),
    )


def is_in_parts(service: Service) -> bool:
    """Whether bills of a direct service would be paid in parts."""
    is_bill = service.price_rule == PriceRule.BILL
    direct = service.mode == Mode.DIRECT
    return direct and is_bill and service.amount_rule == AmountRule.EXACT_AND_BELOW


def form_of(service: Service) -> tuple[int | bytes, ...]:
    """What services of one series have alike: price and form of references."""
    return (
        service.price_rule,
        service.key_rule,
        service.letters,
        service.ignored,
        service.check_digit,
        service.pattern,
    )
