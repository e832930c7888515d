"""The register as the ledger has it: participants, accounts and services by name.

May use the core, `templates` and `specs`. It holds what the journal's `register` and
`open` rows say and follows them; it never sees a payment and commits nothing. What a
`register` row's tail looks like is written beside it, in `tails` and others.
"""

import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np
import numpy.typing as npt

from switch._core import (
    ACCOUNT_RECORD,
    PARTICIPANT_RECORD,
    SERVICE_RECORD,
    Ledger,
)
from switch.calendar import NS_IN_S
from switch.catalogue import read_called, read_documents, read_fields, read_free
from switch.codes import (
    BENEFICIARY_WAIT_S,
    AccountKind,
    AmountRule,
    Budget,
    CheckDigit,
    DuplicateRule,
    Ignored,
    KeyRule,
    Letters,
    Mode,
    Policy,
    PriceRule,
    Record,
    Role,
)
from switch.ledger.templates import get_bytes
from switch.operator_rows import read_operator
from switch.register.banks import Banks, Beneficiary
from switch.register.budgets import Override, read_budget
from switch.register.certificates import (
    Pinned,
    Revocation,
    read_confirmation,
    read_pins,
    read_revocation,
)
from switch.register.margins import Margins
from switch.register.people import Person, Thresholds, person_of, thresholds_of
from switch.register.tails import record_tariff, tariff_size, texts_of
from switch.schedule_rows import ScheduleRecord, read_schedule
from switch.signed import SIGNATURE_SIZE
from switch.specs import TREASURY, ParticipantSpec, ServiceSpec

PURPOSE_FLOAT = 0
PURPOSE_SUSPENSE = 1
PURPOSE_SETTLEMENT = 2
PURPOSE_WALLET = 0

_OPENS = 0
"""What `Ledger.records` takes for the `open` rows."""

Sequences = npt.NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class Participant:
    """A participant as registered last."""

    index: int
    """Dense, from 1; 0 is the switch itself."""
    sequence: int
    """Of the row that says so."""
    spec: ParticipantSpec
    """Without heads and limits, which are the accounts', and without operators."""


@dataclass(frozen=True, slots=True)
class Account:
    """Whose an account is, and what for. Its totals are the ledger's to tell."""

    index: int
    participant: int
    purpose: int
    kind: AccountKind
    head: str
    """Head of account of a biller account, empty for any other."""


@dataclass(frozen=True, slots=True)
class Registered:
    """The schedule as it was said last."""

    sequence: int
    time_ns: int
    schedule: ScheduleRecord


@dataclass(frozen=True, slots=True)
class Service:
    """A service as registered last."""

    index: int
    sequence: int
    biller: int
    """Participant index."""
    heads: tuple[int, ...]
    """Account indices in the order of the spec's heads."""
    spec: ServiceSpec


class Register:
    """The network by name and by index. Any thread may read it.

    It shows what was durable at the last `refresh`; look up, and refresh if a name
    is not found that should be there.
    """

    def __init__(self, ledger: Ledger) -> None:
        """Read the register of `ledger`. Raises CorruptionError."""
        self.ledger = ledger
        self.version = 0
        """Grows whenever something was taken in."""
        self._lock = threading.Lock()
        self._listeners: list[Callable[[], None]] = []
        self._of_centres: list[Callable[[Collection[int]], None]] = []
        self._seen: dict[int, Sequences] = {}
        self._participants: dict[int, Participant] = {}
        self._by_id: dict[str, Participant] = {}
        self._accounts: dict[int, Account] = {}
        self._by_owner: dict[tuple[int, int], Account] = {}
        self._by_head: dict[tuple[int, str], Account] = {}
        self._services: dict[int, Service] = {}
        self._by_code: dict[str, Service] = {}
        self._revocations: dict[int, Revocation] = {}
        # By participant, authority and serial: the index of the first.
        self._revoked: dict[tuple[int, bytes, int], int] = {}
        self._pins: dict[int, Pinned] = {}
        self._pins_of: dict[int, tuple[bytes, ...]] = {}
        self._overrides: dict[int, Override] = {}
        self._people: dict[int, Person] = {}
        self._by_number: dict[tuple[int, int], Person] = {}
        self.thresholds: Thresholds | None = None
        """From where on a third person is needed; None before the first."""
        self.schedule: Registered | None = None
        """When windows close by themselves; None before the first."""
        self.margins = Margins()
        """How long before its deadline nobody credits a payment any more, and since
        when."""
        self.banks = Banks()
        # By participant; what is there for others to read is never changed.
        self._budgets: dict[int, Mapping[Budget, int]] = {}
        self.refresh()

    def refresh(self) -> bool:
        """Take in what was registered since. True if there was anything.

        Its cost grows with the size of the register, not with the journal's.
        Raises CorruptionError.
        """
        with self._lock:
            # What a service names is older than the service; so services are looked up
            # first and taken in last, or one might name an account not yet seen.
            now = {
                kind: self.ledger.records(kind)
                for kind in (
                    # A confirmation speaks of a revocation, which is older.
                    *(Record.CONFIRMATION, Record.REVOCATION, Record.PINS),
                    *(Record.PERSON, Record.THRESHOLDS, Record.BUDGET),
                    # And a statement of a bank account.
                    *(Record.STATEMENT, Record.BANK_ACCOUNT),
                    # Operators are asked for one by one; that one changed is told.
                    *(Record.SCHEDULE, Record.BENEFICIARY, Record.OPERATOR),
                    *(Record.SERVICE, _OPENS, Record.PARTICIPANT),
                )
            }
            changes = {kind: self._changes(kind, now[kind]) for kind in now}
            for index, sequence in changes[Record.PARTICIPANT]:
                self._take_participant(index, sequence)
            for index, sequence in changes[_OPENS]:
                self._take_account(index, sequence)
            for index, sequence in changes[Record.SERVICE]:
                self._take_service(index, sequence)
            for index, sequence in changes[Record.REVOCATION]:
                self._take_revocation(index, sequence)
            for _, sequence in changes[Record.CONFIRMATION]:
                self._take_confirmation(sequence)
            for index, sequence in changes[Record.PINS]:
                self._take_pins(index, sequence)
            for index, sequence in changes[Record.BUDGET]:
                self._take_budget(index, sequence)
            for index, sequence in changes[Record.PERSON]:
                self._take_person(index, sequence)
            for _, sequence in changes[Record.THRESHOLDS]:
                self.thresholds = thresholds_of(self.ledger.tail(sequence), sequence)
            for index, sequence in changes[Record.BANK_ACCOUNT]:
                self.banks.take_account(self.record(sequence), index, sequence)
            for index, sequence in changes[Record.STATEMENT]:
                time_ns = self.ledger.row(sequence).timestamp
                tail = self.ledger.tail(sequence)
                self.banks.take_statement(tail, index, sequence, time_ns)
            for index, sequence in changes[Record.BENEFICIARY]:
                time_ns = self.ledger.row(sequence).timestamp
                tail = self.ledger.tail(sequence)
                self.banks.take_beneficiary(tail, index, sequence, time_ns)
            for _, sequence in changes[Record.SCHEDULE]:
                time_ns = self.ledger.row(sequence).timestamp
                said = read_schedule(self.ledger.tail(sequence))
                self.schedule = Registered(sequence, time_ns, said)
            self.margins = self.margins.refreshed(self.ledger)
            # Only now: what could not be read is tried again the next time.
            self._seen.update(now)
            changed = any(changes.values())
            self.version += changed
            centres = self._centres_of(changes) if self._of_centres else set()
        if changed:
            for listener in self._listeners:
                listener()
        if centres:
            for of_centres in self._of_centres:
                of_centres(centres)
        return changed

    def _centres_of(self, changes: Mapping[int, list[tuple[int, int]]]) -> set[int]:
        """Participants that changed, or whose operators did."""
        found = {index for index, _ in changes[Record.PARTICIPANT]}
        for _, sequence in changes[Record.OPERATOR]:
            found.add(read_operator(self.record(sequence)).participant)
        return found

    def listen_centres(self, listener: Callable[[Collection[int]], None]) -> None:
        """Call `listener` with those that changed, or whose operators did."""
        self._of_centres.append(listener)

    def listen(self, listener: Callable[[], None]) -> None:
        """Call `listener` after each change, in the thread that took it in."""
        self._listeners.append(listener)

    def _changes(self, kind: int, now: Sequences) -> list[tuple[int, int]]:
        """(index, sequence) of what is new or newer, ascending by index."""
        seen = np.zeros(len(now), np.uint64)
        before = self._seen.get(kind, seen[:0])
        seen[: len(before)] = before
        return [(int(at), int(now[at])) for at in np.flatnonzero(now != seen)]

    def record(self, sequence: int) -> bytes:
        """The tail item of a register row, without the signature of one that is signed:
        what one person has switched off is no line, and names that person.
        """
        tail = self.ledger.tail(sequence)
        return tail[:-SIGNATURE_SIZE] if self._is_stop(sequence) else tail

    def _is_stop(self, sequence: int) -> bool:
        """Whether a row is one person's alone, who has switched something off."""
        row = self.ledger.row(sequence)
        return bool(row.operator and not row.total)

    def _take_participant(self, index: int, sequence: int) -> None:
        tail = self.record(sequence)
        record = np.frombuffer(tail, PARTICIPANT_RECORD, 1)[0]
        texts = texts_of(tail, PARTICIPANT_RECORD)
        spec = ParticipantSpec(
            id=get_bytes(tail, PARTICIPANT_RECORD, "code").decode("ascii"),
            role=Role(int(record["role"])),
            active=bool(record["active"]),
            name_en=texts.get("name_en", ""),
            name_bn=texts.get("name_bn", ""),
            code=texts.get("code", ""),
            district=texts.get("district", ""),
            host_kind=texts.get("host_kind", ""),
            may_state_dues=bool(record["may_state_dues"]),
            never_credits_late=bool(record["never_credits_late"]),
            signs_on=bool(record["signs_on"]),
            answer_hours=int(record["answer_hours"]),
            free_services=read_free(texts),
            day_list="" if self._is_stop(sequence) else texts.get("day_list", ""),
        )
        participant = Participant(index, sequence, spec)
        self._participants[index] = participant
        self._by_id[spec.id] = participant

    def _take_account(self, index: int, sequence: int) -> None:
        tail = self.ledger.tail(sequence)
        record = np.frombuffer(tail, ACCOUNT_RECORD, 1)[0]
        account = Account(
            index,
            int(record["participant"]),
            int(record["purpose"]),
            AccountKind(int(record["kind"])),
            texts_of(tail, ACCOUNT_RECORD).get("head", ""),
        )
        self._accounts[index] = account
        self._by_owner[account.participant, account.purpose] = account
        if account.kind is AccountKind.BILLER:
            # Of several with one name the first, as it always was.
            self._by_head.setdefault((account.participant, account.head), account)

    def _take_service(self, index: int, sequence: int) -> None:
        tail = self.record(sequence)
        record = np.frombuffer(tail, SERVICE_RECORD, 1)[0]
        texts = texts_of(tail, SERVICE_RECORD, tariff_size(tail))
        biller = int(record["biller"])
        heads = record["heads"].tolist()[: int(record["heads_count"])]
        key_rule = int(record["key_rule"])
        series = int(record["series"])
        spec = ServiceSpec(
            code=get_bytes(tail, SERVICE_RECORD, "code").decode("ascii"),
            biller=self._participants[biller].spec.id,
            heads=tuple(self._accounts[head].head for head in heads),
            amount_rule=AmountRule(int(record["amount_rule"])),
            mode=Mode(int(record["mode"])),
            duplicate_rule=DuplicateRule(int(record["duplicate_rule"])),
            active=bool(record["active"]),
            name_en=texts.get("name_en", ""),
            name_bn=texts.get("name_bn", ""),
            department_en=texts.get("department_en", ""),
            department_bn=texts.get("department_bn", ""),
            amount_min=int(record["amount_min"]),
            amount_max=int(record["amount_max"]),
            duplicate_hours=int(record["duplicate_hours"]),
            key_rule=KeyRule(key_rule) if key_rule else None,
            deadline_s=int(record["deadline_s"]),
            # A direct service has no deadlines: its record may say nothing of them.
            deadline_policy=Policy(int(record["deadline_policy"]) or Policy.RELEASE),
            letters=Letters(int(record["letters"])),
            ignored=Ignored(int(record["ignored"])),
            check_digit=CheckDigit(int(record["check_digit"])),
            pattern=get_bytes(tail, SERVICE_RECORD, "pattern").decode("ascii"),
            series=self._code_of(series) if series else "",
            price_rule=PriceRule(int(record["price_rule"])),
            amount_step=int(record["amount_step"]),
            tariff=record_tariff(tail),
            called_en=read_called("en", texts),
            called_bn=read_called("bn", texts),
            fields=read_fields(texts),
            documents=read_documents(texts),
        )
        service = Service(index, sequence, biller, tuple(heads), spec)
        self._services[index] = service
        self._by_code[spec.code] = service

    def _take_revocation(self, index: int, sequence: int) -> None:
        row, tail = self.ledger.row(sequence), self.record(sequence)
        by = (row.participant, row.operator)
        one = read_revocation(tail, index, sequence, row.timestamp, by)
        self._revocations[index] = one
        self._revoked.setdefault((one.participant, one.authority, one.serial), index)

    def _take_confirmation(self, sequence: int) -> None:
        index = read_confirmation(self.ledger.tail(sequence))
        row = self.ledger.row(sequence)
        self._revocations[index] = replace(
            self._revocations[index],
            confirmed_by=row.participant,
            confirmer=row.operator,
        )

    def _take_pins(self, index: int, sequence: int) -> None:
        row, tail = self.ledger.row(sequence), self.ledger.tail(sequence)
        one = read_pins(tail, index, sequence, row.timestamp, row.participant)
        self._pins[index] = one
        self._pins_of[one.participant] = one.keys

    def _take_budget(self, index: int, sequence: int) -> None:
        row, tail = self.ledger.row(sequence), self.ledger.tail(sequence)
        one = read_budget(tail, index, sequence, row.timestamp, row.participant)
        self._overrides[index] = one
        mine = {**self.budgets_of(one.participant), one.budget: one.value}
        self._budgets[one.participant] = {
            budget: value for budget, value in mine.items() if value
        }

    def _take_person(self, index: int, sequence: int) -> None:
        time_ns = self.ledger.row(sequence).timestamp
        one = person_of(self.ledger.tail(sequence), index, sequence, time_ns)
        self._people[index] = one
        self._by_number[one.participant, one.number] = one

    def _code_of(self, index: int) -> str:
        """The code of a service, which is for ever, also of one not yet taken in."""
        known = self._services.get(index)
        if known is not None:
            return known.spec.code
        sequence = int(self.ledger.records(Record.SERVICE)[index])
        tail = self.ledger.tail(sequence)
        return get_bytes(tail, SERVICE_RECORD, "code").decode("ascii")

    # --- participants --------------------------------------------------------------

    def participants(self) -> list[Participant]:
        """All of them, by index."""
        return list(self._participants.values())

    def participant(self, index: int) -> Participant:
        """The participant with this index. LookupError if there is none."""
        return self._participants[index]

    def find_participant(self, participant_id: str) -> Participant | None:
        """The participant with this id."""
        return self._by_id.get(participant_id)

    # --- certificates --------------------------------------------------------------

    def revocations(self) -> list[Revocation]:
        """All of them, by index."""
        return list(self._revocations.values())

    def revocations_after(self, index: int, count: int) -> list[Revocation]:
        """Up to `count` of those behind this index, by index, which has no gaps."""
        last = min(index + count, len(self._revocations))
        return [self._revocations[one] for one in range(index + 1, last + 1)]

    def find_revocation(
        self, participant: int, authority: bytes, serial: int
    ) -> Revocation | None:
        """The revocation of a certificate of this participant index."""
        index = self._revoked.get((participant, authority, serial), 0)
        return self._revocations.get(index)

    def let_through(self, biller: int) -> str:
        """The list of a day that two people let through for a biller, or nothing: its
        record says one, and is a line of a proposal.
        """
        known = self.participant(biller)
        row = self.ledger.row(known.sequence)
        return known.spec.day_list if row.total and row.checker else ""

    def pins(self, participant: int) -> tuple[bytes, ...]:
        """The keys that the certificates of a participant index may have; none: any."""
        return self._pins_of.get(participant, ())

    def pins_after(self, index: int, count: int) -> list[Pinned]:
        """Up to `count` participants' keys behind this index, by index."""
        last = len(self._pins)
        found = (self._pins[one] for one in range(index + 1, last + 1))
        return list(islice((one for one in found if one.keys), count))

    # --- people --------------------------------------------------------------------

    @property
    def has_people(self) -> bool:
        """Whether what the treasury does needs people who sign."""
        return bool(self._people)

    def people_after(self, index: int, count: int) -> list[Person]:
        """Up to `count` people behind this index, by index, which has no gaps."""
        last = min(index + count, len(self._people))
        return [self._people[one] for one in range(index + 1, last + 1)]

    def find_person(self, participant: int, number: int) -> Person | None:
        """The person of a participant index with this number."""
        return self._by_number.get((participant, number))

    def person(self, index: int) -> Person:
        """The person with this index among all. LookupError if there is none."""
        return self._people[index]

    @property
    def beneficiary_wait_s(self) -> int:
        """Seconds from a beneficiary's newest row to a payout, as they hold."""
        known = self.thresholds
        return BENEFICIARY_WAIT_S if known is None else known.waits_s

    def usable_from_ns(self, known: Beneficiary) -> int:
        """From when on money may be paid out to it, as thresholds are now."""
        return known.time_ns + self.beneficiary_wait_s * NS_IN_S

    # --- budgets -------------------------------------------------------------------

    def budgets_of(self, participant: int) -> Mapping[Budget, int]:
        """What was set for a participant index; for all else the settings hold."""
        return self._budgets.get(participant, {})

    def overrides_after(self, index: int, count: int) -> list[Override]:
        """Up to `count` of the budgets that are set behind this index, by index."""
        last = len(self._overrides)
        found = (self._overrides[one] for one in range(index + 1, last + 1))
        return list(islice((one for one in found if one.value), count))

    # --- accounts ------------------------------------------------------------------

    def accounts(self) -> list[Account]:
        """All of them, by index."""
        return list(self._accounts.values())

    def account(self, index: int) -> Account:
        """The account with this index. LookupError if there is none."""
        return self._accounts[index]

    def find_account(self, participant: int, purpose: int) -> Account | None:
        """The account of a participant index for a purpose."""
        return self._by_owner.get((participant, purpose))

    def accounts_of(self, participant: int) -> Iterator[Account]:
        """The accounts of a participant index, by purpose."""
        purpose = 0
        while account := self._by_owner.get((participant, purpose)):
            yield account
            purpose += 1

    def find_wallet(self, centre_id: str) -> Account | None:
        """The wallet of the centre with this participant id."""
        participant = self._by_id.get(centre_id)
        if participant is None or participant.spec.role is not Role.CENTRE:
            return None
        return self.find_account(participant.index, PURPOSE_WALLET)

    def find_head(self, biller_id: str, head: str) -> Account | None:
        """The account of a biller's head."""
        biller = self._by_id.get(biller_id)
        if biller is None:
            return None
        return self._by_head.get((biller.index, head))

    def treasury_account(self, purpose: int) -> Account:
        """Float, suspense or settlement (`PURPOSE_*`).

        Raises LookupError as long as no network has been loaded.
        """
        treasury = self._by_id.get(TREASURY)
        if treasury is None:
            raise LookupError("there is no treasury yet: load the network first")
        return self._by_owner[treasury.index, purpose]

    # --- services ------------------------------------------------------------------

    def services(self) -> list[Service]:
        """All of them, by index."""
        return list(self._services.values())

    def services_after(self, index: int, count: int) -> list[Service]:
        """Up to `count` of those behind this index, by index, which has no gaps."""
        last = min(index + count, len(self._services))
        return [self._services[one] for one in range(index + 1, last + 1)]

    def service(self, index: int) -> Service:
        """The service with this index. LookupError if there is none."""
        return self._services[index]

    def find_service(self, code: str) -> Service | None:
        """The service with this code."""
        return self._by_code.get(code)
