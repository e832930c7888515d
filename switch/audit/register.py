"""Rows without money: accounts, limits, states, participants, services, windows.

They are few, so they are taken one by one. Money rows between two of them are taken
together by `books`.
"""

import mmap
from collections.abc import Iterator
from typing import Final

import numpy as np

from switch.audit.accounts import Accounts
from switch.audit.banks import BANK_KINDS, BANKS_RULES, Banks
from switch.audit.banks import LAYOUTS as BANKS
from switch.audit.banks import broken as broken_bank
from switch.audit.beneficiaries import Beneficiaries
from switch.audit.beneficiaries import broken as broken_beneficiary
from switch.audit.budgets import Budgets
from switch.audit.budgets import broken as broken_budget
from switch.audit.certificates import LAYOUTS, TREASURIES_RULES, Certificates, broken
from switch.audit.cutoffs import Schedules
from switch.audit.cutoffs import broken as broken_schedule
from switch.audit.findings import Findings
from switch.audit.layout import (
    ACCOUNT_RECORD,
    ACCOUNTS_MAX,
    CANCEL_RULES,
    CORRECT_RULES,
    COUNTER_RULES,
    DECIDED_RULES,
    EMPTY_RULES,
    HEADS_RULES,
    PARTICIPANT_RECORD,
    PAYOUT_RULES,
    PERSON_RECORD,
    RECALL_RULES,
    RULES_RECORD,
    SERVICE_RECORD,
    SERVICES_MAX,
    TARIFF_ITEM,
    Rows,
)
from switch.audit.limits import broken as broken_limit
from switch.audit.limits import take_limit
from switch.audit.margins import Margins
from switch.audit.operators import Operator, Operators
from switch.audit.operators import broken as broken_operator
from switch.audit.participants import Participants, broken_participant
from switch.audit.persons import LAYOUTS as PEOPLES
from switch.audit.persons import Person, Persons
from switch.audit.persons import broken as broken_person
from switch.audit.services import (
    Files,
    broken_rules,
    broken_tariff,
    changes,
    joins_series,
    other_form,
    read_tariff,
)
from switch.audit.spelling import Spelling, Spellings
from switch.audit.windows import differences, is_empty, lines_stated, window_lines
from switch.codes import (
    NO_AMOUNT_LIMIT,
    NO_COUNT_LIMIT,
    RULES_VERSION,
    AccountKind,
    AccountState,
    KeyRule,
    Kind,
    Mode,
    Policy,
    PriceRule,
    Record,
    Result,
    Role,
    RowFlag,
)

STILL_MOVES: Final = (
    (("period_debits", "period_credits", "carried"), "an open window"),
    (("cases_count",), "payments in question, or advances"),
    (("refundable",), "payments that can be refunded"),
)
"""What keeps an account from being closed, beside holds and a balance."""
CHECKED: Final = {
    **dict.fromkeys(LAYOUTS, "certificates"),
    Record.BUDGET: "budgets",
    **dict.fromkeys(PEOPLES, "people"),
    **dict.fromkeys(BANKS, "banks"),
    Record.BENEFICIARY: "payouts",
    Record.SCHEDULE: "windows",
    Record.OPERATOR: "people",
}
"""Records that the rows before them show all about, each with the check it belongs to;
those of participants, services and rules are judged apart."""
ACCOUNT_KINDS: Final = frozenset(int(kind) for kind in AccountKind)
NOT_YET: Final = 2**64 - 1
"""The sequence of a row that has not come."""


class Register:
    """The state that rows without money build, beside the accounts' own fields."""

    def __init__(self, accounts: Accounts, findings: Findings) -> None:
        """`accounts` are shared with the money rows."""
        self.accounts = accounts
        self.findings = findings
        self.owned: dict[tuple[int, int], int] = {}
        self.parties = Participants()
        self.participants = self.parties.codes
        self.codes: dict[bytes, int] = {}
        # 16 MiB of zeros, of which the system gives only what is written.
        none = mmap.mmap(-1, (SERVICES_MAX + 1) * SERVICE_RECORD.itemsize)
        self.services = np.frombuffer(none, dtype=SERVICE_RECORD)
        # By service: the one that names its series; how references are spelled, of
        # bills those of citizens and the bills' own; the items of its tariff.
        self.series = np.zeros(SERVICES_MAX + 1, dtype=np.uint16)
        self.spellings, self.citizens, self.bills = (Spellings() for _ in range(3))
        self.tariffs: dict[int, Rows] = {}
        self.files = Files()
        self.sequences: dict[tuple[int, int], int] = {}
        self.freezes: dict[int, int] = {}
        self.limits: dict[int, int] = {}
        self.closes: dict[int, int] = {}
        self.restricted: set[int] = set()
        self.last_window = 0
        self.payable: dict[tuple[int, int], int] = {}
        self.settled: dict[tuple[int, int], int] = {}
        self.certificates = Certificates()
        self.budgets = Budgets()
        self.persons = Persons(self.certificates.treasuries)
        self.operators = Operators(self.parties, self.persons.keys)
        self.persons.others = self.operators.keys
        self.banks = Banks(accounts, self.owned)
        self.beneficiaries = Beneficiaries(accounts)
        self.schedules = Schedules()
        self.margins = Margins()
        self.rules: list[tuple[int, int]] = []
        """Sequence and version of each rules row: from there on these rules run."""

    def apply(self, row: np.void, tail: bytes | None) -> None:
        """Apply one accepted row that moves no money."""
        kind = int(row["kind"])
        if kind == Kind.REGISTER:
            self._register(row, tail or b"")
        elif kind == Kind.OPEN:
            self._open(row, tail or b"")
        elif kind == Kind.WINDOW:
            self._window(row, tail or b"")
        elif not 1 <= int(row["debit"]) <= self.accounts.count:
            self._add("accounts", row, f"there is no account {row['debit']}")
        elif kind == Kind.LIMIT:
            self._limit(row, tail or b"")
        elif kind == Kind.FREEZE:
            self._freeze(row)
        elif kind == Kind.CLOSE:
            self._close(row)

    def _add(self, check: str, row: np.void, text: str) -> None:
        self.findings.add(check, int(row["sequence"]), text)

    def _open(self, row: np.void, tail: bytes) -> None:
        if len(tail) < ACCOUNT_RECORD.itemsize:
            self._add("accounts", row, "the account's record is too short")
            record = np.zeros((), dtype=ACCOUNT_RECORD)
        else:
            record = np.frombuffer(tail, dtype=ACCOUNT_RECORD, count=1)[0]
        accounts = self.accounts
        if accounts.count + 1 >= ACCOUNTS_MAX:
            self._add("accounts", row, "there are more accounts than there may be")
            return
        index = accounts.open()
        if int(row["debit"]) != index:
            self._add("accounts", row, f"it opens account {row['debit']}, not {index}")
        owner, purpose = int(record["participant"]), int(record["purpose"])
        kind = int(record["kind"])
        other = self.owned.setdefault((owner, purpose), index)
        if other != index:
            text = f"participant {owner} has account {other} for purpose {purpose}"
            self._add("accounts", row, text)
        known = kind in ACCOUNT_KINDS
        if not known or (kind in BANK_KINDS and not self.know_banks):
            self._add("accounts", row, f"{kind} is no kind of account")
        if not 1 <= owner <= len(self.participants):
            self._add("accounts", row, f"there is no participant {owner}")
        sequence = int(row["sequence"])
        for name, value in (
            ("participant", owner),
            ("purpose", purpose),
            ("kind", kind if known else 0),
            ("state", int(AccountState.OPEN)),
            ("opened", sequence),
            ("changed", sequence),
            ("day_amount_max", NO_AMOUNT_LIMIT),
            ("day_count_max", NO_COUNT_LIMIT),
            ("payment_max", NO_AMOUNT_LIMIT),
        ):
            accounts[name][index] = value
        self.sequences[0, index] = sequence

    def _limit(self, row: np.void, tail: bytes) -> None:
        index = int(row["debit"])
        if wrong := broken_limit(tail, self.version):
            self._add("accounts", row, f"the limit's record {wrong}")
        if self.accounts["kind"][index] != AccountKind.WALLET:
            self._add("accounts", row, f"account {index} is no wallet")
        take_limit(self.accounts, index, tail, int(row["sequence"]))
        if self.has(DECIDED_RULES):
            self.limits[index] = int(row["sequence"])

    def _freeze(self, row: np.void) -> None:
        index = int(row["debit"])
        if self.accounts["state"][index] == AccountState.CLOSED:
            self._add("accounts", row, f"account {index} is closed")
        thaw = int(row["flags"]) & RowFlag.UNFREEZE
        state = AccountState.OPEN if thaw else AccountState.FROZEN
        self._set_state(index, state, row)
        if not thaw:
            self.freezes[index] = int(row["sequence"])

    def _close(self, row: np.void) -> None:
        index, accounts = int(row["debit"]), self.accounts
        if accounts["state"][index] == AccountState.CLOSED:
            self._add("accounts", row, f"account {index} is closed already")
        if accounts["holds_count"][index]:
            self._add("accounts", row, f"account {index} has open holds")
        if accounts["credits_posted"][index] != accounts["debits_posted"][index]:
            self._add("accounts", row, f"the balance of account {index} is not zero")
        if accounts["kind"][index] not in (AccountKind.WALLET, AccountKind.BILLER):
            self._add("accounts", row, f"account {index} is one of the treasury's own")
        for names, text in STILL_MOVES:
            if any(accounts[name][index] for name in names):
                self._add("accounts", row, f"account {index} has {text}")
        self._set_state(index, AccountState.CLOSED, row)
        self.closes.setdefault(index, int(row["sequence"]))

    def _set_state(self, index: int, state: AccountState, row: np.void) -> None:
        self.accounts["state"][index] = int(state)
        self.accounts["changed"][index] = row["sequence"]
        if state == AccountState.OPEN:
            self.restricted.discard(index)
        else:
            self.restricted.add(index)

    def _register(self, row: np.void, tail: bytes) -> None:
        record, sequence = tail[0] if tail else 0, int(row["sequence"])
        self.beneficiaries.registered(sequence)
        if record == Record.PARTICIPANT and len(tail) >= PARTICIPANT_RECORD.itemsize:
            self._participant(row, tail)
        elif record == Record.SERVICE and len(tail) >= SERVICE_RECORD.itemsize:
            self._service(row, tail)
        elif record == Record.RULES and len(tail) >= RULES_RECORD.itemsize:
            self._rules(row, tail)
        elif record == Record.MARGIN:
            for text in self.margins.apply(row, tail, self.version):
                self._add("margins", row, text)
        elif record in CHECKED:
            check, wrong, wanted = self.asked(row, tail)
            if wrong:
                self._add(check, row, f"its record {wrong}")
                return
            if wanted != Result.OK:
                self._add(check, row, f"it should be {wanted.name}")
            for text in self._noted(row, tail):
                self._add(check, row, text)
            self.sequences[record, int(row["debit"])] = sequence
        elif record != Record.CLOCK:
            self._add("services", row, "the register's record is not known")

    @property
    def version(self) -> int:
        """Of the rules that run by now; 0 before the first row that says so."""
        return self.rules[-1][1] if self.rules else 0

    @property
    def know_banks(self) -> bool:
        """Whether the rules that run by now know what banks say."""
        return not 0 < self.version < BANKS_RULES

    @property
    def know_payouts(self) -> bool:
        """Whether they know to whom is paid out, and all else that came with that."""
        return not 0 < self.version < PAYOUT_RULES

    @property
    def know_recalls(self) -> bool:
        """Whether they know that what was released to a bank is recalled."""
        return not 0 < self.version < RECALL_RULES

    @property
    def know_counters(self) -> bool:
        """Whether they know who sits at a counter, and all else that came with that."""
        return not 0 < self.version < COUNTER_RULES

    @property
    def know_cancels(self) -> bool:
        """Whether by them a void says who has cancelled."""
        return not 0 < self.version < CANCEL_RULES

    def has(self, rules: int) -> bool:
        """Whether they are of this version, or newer."""
        return not 0 < self.version < rules

    def asked(self, row: np.void, tail: bytes) -> tuple[str, str, Result]:
        """Of a row with one of the records `CHECKED`: the check that it belongs to,
        what is wrong with its record by itself, and if nothing is, the result that it
        must have.
        """
        record, rules, count = tail[0], self.version, len(self.participants)
        wrong, wanted = "", Result.OK
        if record in LAYOUTS:
            if not (wrong := broken(tail)):
                people = self.persons.some and self.know_payouts
                wanted = self.certificates.answer(
                    row, tail, self.parties.roles, count, people=people
                )
        elif record == Record.BUDGET:
            if not (wrong := broken_budget(row, tail, rules)):
                wanted = self.budgets.answer(tail, count)
        elif record in PEOPLES:
            if not (wrong := broken_person(tail, rules)):
                banks = len(self.banks.known)
                wanted = self.persons.answer(tail, count, self.accounts.count, banks)
        elif record in BANKS:
            wrong = broken_bank(tail, rules)
            if not wrong and record == Record.BANK_ACCOUNT:
                wanted = self.banks.answer(tail, count)
        elif record == Record.BENEFICIARY:
            if not (wrong := broken_beneficiary(tail, rules)):
                wanted = self.beneficiaries.answer(tail)
        elif record == Record.OPERATOR:
            if not (wrong := broken_operator(tail, rules)):
                wanted = self.operators.answer(tail)
        else:
            wrong = broken_schedule(tail, rules)
        return CHECKED[Record(record)], wrong, wanted

    def _noted(self, row: np.void, tail: bytes) -> Iterator[str]:
        """Note an accepted row whose record is whole; what is wrong with its place."""
        record = tail[0]
        if record in LAYOUTS:
            return self.certificates.apply(row, tail)
        if record == Record.BUDGET:
            return self.budgets.apply(row, tail)
        if record in PEOPLES:
            return self.persons.apply(row, tail)
        if record in BANKS:
            return self.banks.apply(row, tail)
        if record == Record.BENEFICIARY:
            return self.beneficiaries.apply(row, tail)
        if record == Record.OPERATOR:
            return self.operators.apply(row, tail)
        return self.schedules.apply(row)

    def newest(self, tail: bytes) -> int:
        """The newest row about whom a record is, of a participant, a service, a person,
        an operator, a bank account or a beneficiary, or about the thresholds or the
        schedule; 0 for none.
        """
        place, record = 0, tail[0] if tail else 0
        if record == Record.PARTICIPANT:
            place = self.participants.get(tail[8:40].rstrip(b"\0"), 0)
        elif record == Record.SERVICE:
            place = self.codes.get(tail[8:24].rstrip(b"\0"), 0)
        elif record == Record.PERSON and not broken_person(tail, 0):
            place = self.persons.places.get(Person.of(tail).who, 0)
        elif record == Record.OPERATOR and not broken_operator(tail, 0):
            place = self.operators.places.get(Operator.of(tail).who, 0)
        elif record == Record.BANK_ACCOUNT:
            place = self.banks.places.get(tail[16:56].rstrip(b"\0"), 0)
        elif record == Record.BENEFICIARY:
            account = int.from_bytes(tail[4:8], "little")
            place = self.beneficiaries.places.get(account, 0)
        elif record in (Record.THRESHOLDS, Record.SCHEDULE):
            place = 1
        return self.sequences.get((record, place), 0)

    def switches_off(self, tail: bytes) -> bool:
        """Whether a register's record leaves what it is of as it was, but not active
        where it was active.
        """
        record = tail[0] if tail else 0
        if record == Record.PARTICIPANT and len(tail) >= PARTICIPANT_RECORD.itemsize:
            index = self.participants.get(tail[8:40].rstrip(b"\0"), 0)
            auditor = index in self.persons.auditors
            if auditor and self.persons.recoverers(index):
                return False
            return self.parties.switches_off(tail)
        if record == Record.SERVICE and len(tail) >= SERVICE_RECORD.itemsize:
            return self._service_off(tail)
        if record == Record.PERSON and len(tail) >= PERSON_RECORD.itemsize:
            return self.persons.switches_off(tail)
        if record == Record.OPERATOR and not broken_operator(tail, 0):
            return self.operators.switches_off(tail)
        return False

    def _service_off(self, tail: bytes) -> bool:
        said = np.frombuffer(tail, dtype=SERVICE_RECORD, count=1)[0].copy()
        index = self.codes.get(bytes(said["code"]), 0)
        if not index or not self.services[index]["active"] or said["active"]:
            return False
        said["active"] = 1
        items = read_tariff(said, tail)
        same = items is not None and items.tobytes() == self.tariffs[index].tobytes()
        return same and said.tobytes() == self.services[index].tobytes()

    def _rules(self, row: np.void, tail: bytes) -> None:
        record = np.frombuffer(tail, dtype=RULES_RECORD, count=1)[0]
        version = int(record["version"])
        before = self.version
        update = bool(int(row["flags"]) & RowFlag.UPDATE)
        if int(row["debit"]) != 1 or update != bool(self.rules):
            self._add("services", row, "it is no row of the rules")
        if version > RULES_VERSION:
            self._add("services", row, f"rules {version} are not known to this auditor")
        if not version or version < before or any(bytes(record["reserved"])):
            self._add("services", row, f"rules {version} come after rules {before}")
        self.rules.append((int(row["sequence"]), version))
        self.sequences[int(Record.RULES), 1] = int(row["sequence"])

    def rules_since(self, version: int) -> int:
        """The row from which on rules of this version, or of a newer one, run. A ledger
        whose rules nobody has written down was never served: all of it is judged by
        the newest.
        """
        if not self.rules:
            return 0
        return next((at for at, one in self.rules if one >= version), NOT_YET)

    def _participant(self, row: np.void, tail: bytes) -> None:
        record = np.frombuffer(tail, dtype=PARTICIPANT_RECORD, count=1)[0]
        if self._placed(row, bytes(record["code"]), self.participants):
            index = int(row["debit"])
            self.sequences[int(Record.PARTICIPANT), index] = int(row["sequence"])
            role = int(record["role"])
            judged = self.version >= TREASURIES_RULES
            if judged and self.certificates.takes_last(index, tail):
                text = "it takes one of the last two treasuries"
                self._add("certificates", row, text)
            stays = record["role"] == Role.TREASURY and record["active"] == 1
            if not stays and self.persons.takes_all_of(index):
                text = "it leaves fewer than two people who may approve"
                self._add("people", row, text)
            active = bool(record["active"] == 1)
            self.certificates.note_participant(index, role, active=active)
            self.persons.note_participant(index, role, active=active)
            self.parties.take(index, record)
            self.persons.moved(index, int(row["sequence"]))
        for name in broken_participant(record, self.version):
            self._add("services", row, f"its record's {name} is not one")

    def _service(self, row: np.void, tail: bytes) -> None:
        record = np.frombuffer(tail, dtype=SERVICE_RECORD, count=1)[0]
        index = int(row["debit"])
        if index > SERVICES_MAX:
            self._add("services", row, "there are more services than there may be")
            return
        if not self._placed(row, bytes(record["code"]), self.codes):
            return
        for text in self.service_problems(record, index):
            self._add("services", row, text)
        if broken_tariff(record, tail):
            self._add("services", row, "the items of its tariff are not ones")
        if not self.series[index]:
            # Fixed: what an update says of them is wrong or the same.
            self.series[index] = record["series"] or index
            self._spell(index, record)
        self.services[index] = record
        items = read_tariff(record, tail)
        self.tariffs[index] = np.zeros(0, TARIFF_ITEM) if items is None else items
        self.sequences[int(Record.SERVICE), index] = int(row["sequence"])

    def _spell(self, index: int, record: np.void) -> None:
        """Have what is paid through a service spelled as its record says, for ever."""
        periodic = bool(record["key_rule"] == KeyRule.REFERENCE_PERIOD)
        self.spellings.register(index, Spelling.of(record, period=periodic))
        if record["price_rule"] == PriceRule.BILL:
            self.citizens.register(index, Spelling.of(record, period=False))
            series = int(self.series[index])
            named = record if series == index else self.services[series]
            letters, ignored = int(named["letters"]), int(named["ignored"])
            bills = Spelling(letters, ignored, 0, b"", period=False)
            self.bills.register(index, bills)

    def service_problems(self, record: np.void, index: int) -> Iterator[str]:
        """What is wrong with an accepted record of the service `index`."""
        biller = int(record["biller"])
        for name in broken_rules(record):
            yield f"its record's {name} is not one"
        if not 1 <= biller <= len(self.participants):
            yield f"there is no participant {biller}"
        for head in self.alien_heads(record):
            yield f"its head, account {head}, is not biller {biller}'s"
        if not self.promised(record):
            yield "it releases, and its biller has not promised to credit nothing late"
        if not joins_series(record, self.services, index):
            yield f"service {record['series']} is no series that it may join"
        yield from self.fixed_problems(record)

    def fixed_problems(self, record: np.void) -> Iterator[str]:
        """What a record of a service would be refused for as RULE_FIXED."""
        for name in other_form(record, self.services):
            yield f"its {name} is not that of its series, whose bills have one form"
        known = self.codes.get(bytes(record["code"]), 0)
        yield from changes(
            self.services[known],
            record,
            more=self.files.fixed(known, self.version),
            heads=self.has(HEADS_RULES),
            parts=self.has(CORRECT_RULES),
        )

    def promised(self, record: np.void) -> bool:
        """Whether the biller of a service that releases has promised what that needs;
        of any other service nothing is needed.
        """
        releases = record["mode"] == Mode.CONFIRMED
        releases &= record["deadline_policy"] == Policy.RELEASE
        biller = self.parties.place(int(record["biller"]))
        return bool(not releases or self.parties.promises[biller])

    def alien_heads(self, record: np.void) -> list[int]:
        """The heads of a service's record that are no accounts of its biller."""
        heads = record["heads"][: int(record["heads_count"])]
        known = np.where(heads <= self.accounts.count, heads, 0)
        mine = self.accounts["kind"][known] == AccountKind.BILLER
        mine &= self.accounts["participant"][known] == record["biller"]
        alien: list[int] = heads[~mine].tolist()
        return alien

    def _placed(self, row: np.void, code: bytes, known: dict[bytes, int]) -> bool:
        """Whether a register row names the next index, or its own code's."""
        index = int(row["debit"])
        other = known.get(code, 0)
        expected = other or len(known) + 1
        update = bool(int(row["flags"]) & RowFlag.UPDATE)
        if index != expected or update != bool(other):
            text = f"{code.decode('ascii', 'replace')!r} is number {expected}"
            self._add("services", row, f"{text}, the row says {index}")
            return False
        known[code] = index
        return True

    def _window(self, row: np.void, tail: bytes) -> None:
        """Compare a window's lines with what was posted since the one before."""
        sequence, accounts = int(row["sequence"]), self.accounts
        if int(row["resolves"]) != self.last_window:
            text = (
                f"it follows window {row['resolves']}, the last is {self.last_window}"
            )
            self._add("windows", row, text)
        self.last_window = sequence
        lines = window_lines(accounts)
        asked = row["participant"] and self.has(EMPTY_RULES)
        if asked and is_empty(accounts, lines, row["resolves"]):
            self._add("windows", row, "it was asked for, and nothing is in it")
        stated = lines_stated(tail, signed=bool(asked) and self.persons.some)
        if stated is None:
            self._add("windows", row, "its lines are cut off")
            stated = lines[:0]
        for text in differences(stated, lines):
            self._add("windows", row, text)
        index = lines["account"].astype(np.intp)
        owed = lines["debits"] + lines["carried"]
        accounts["carried"][index] = np.where(
            owed > lines["credits"], owed - lines["credits"], np.uint64(0)
        )
        accounts["period_debits"][index] = 0
        accounts["period_credits"][index] = 0
        accounts["changed"][index] = sequence
        for account, payable in zip(
            lines["account"].tolist(), lines["payable"].tolist(), strict=True
        ):
            if payable:
                self.payable[sequence, account] = payable

    def paid(self, row: np.void) -> tuple[Result, int]:
        """What a payout must be told of its beneficiary, and the row in the way."""
        bounds = self.persons.thresholds
        return self.beneficiaries.told(row, bounds.wait_s if bounds else 0)

    def settle(self, row: np.void) -> None:
        """Check an accepted settle row against the window it settles."""
        key = int(row["resolves"]), int(row["debit"])
        before = self.settled.setdefault(key, int(row["sequence"]))
        amount = int(row["amount"])
        if before != int(row["sequence"]):
            text = f"account {key[1]} in window {key[0]} was settled by {before}"
            self._add("settles", row, text)
        elif self.payable.get(key, 0) != amount:
            text = f"window {key[0]} owes account {key[1]} {self.payable.get(key, 0)}"
            self._add("settles", row, f"{text} paise, not {amount}")
