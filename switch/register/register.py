"""The register as the ledger has it: participants, accounts and services by name.

May use the core, `templates` and `specs`. It holds what the journal's `register` and
`open` rows say and follows them; it never sees a payment and commits nothing. What a
`register` row's tail looks like is written here too, beside what reads it.
"""

import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np
import numpy.typing as npt

from switch._core import (
    ACCOUNT_RECORD,
    PARTICIPANT_RECORD,
    SERVICE_RECORD,
    TARIFF_ITEM,
    Ledger,
)
from switch.codes import (
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
from switch.ledger.templates import get_bytes, people_json, put_bytes
from switch.register.banks import Banks
from switch.register.budgets import Override, read_budget
from switch.register.certificates import (
    Pinned,
    Revocation,
    read_confirmation,
    read_pins,
    read_revocation,
)
from switch.register.people import Person, Thresholds, person_of, thresholds_of
from switch.signed import SIGNATURE_SIZE, read_texts
from switch.specs import TREASURY, NetworkError, ParticipantSpec, Problem, ServiceSpec
from switch.tariffs import DAY_LAST, Fee, day_text

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
    """Without heads and limits: these are the accounts'."""


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
            # Only now: what could not be read is tried again the next time.
            self._seen.update(now)
            changed = any(changes.values())
            self.version += changed
        if changed:
            for listener in self._listeners:
                listener()
        return changed

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
        row, tail = self.ledger.row(sequence), self.ledger.tail(sequence)
        return tail[:-SIGNATURE_SIZE] if row.operator and not row.total else tail

    def _take_participant(self, index: int, sequence: int) -> None:
        tail = self.record(sequence)
        record = np.frombuffer(tail, PARTICIPANT_RECORD, 1)[0]
        texts = _texts(tail, PARTICIPANT_RECORD)
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
            _texts(tail, ACCOUNT_RECORD).get("head", ""),
        )
        self._accounts[index] = account
        self._by_owner[account.participant, account.purpose] = account
        if account.kind is AccountKind.BILLER:
            # Of several with one name the first, as it always was.
            self._by_head.setdefault((account.participant, account.head), account)

    def _take_service(self, index: int, sequence: int) -> None:
        tail = self.record(sequence)
        record = np.frombuffer(tail, SERVICE_RECORD, 1)[0]
        texts = _texts(tail, SERVICE_RECORD, _tariff_size(tail))
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
        )
        service = Service(index, sequence, biller, tuple(heads), spec)
        self._services[index] = service
        self._by_code[spec.code] = service

    def _take_revocation(self, index: int, sequence: int) -> None:
        row, tail = self.ledger.row(sequence), self.ledger.tail(sequence)
        one = read_revocation(tail, index, sequence, row.timestamp, row.participant)
        self._revocations[index] = one
        self._revoked.setdefault((one.participant, one.authority, one.serial), index)

    def _take_confirmation(self, sequence: int) -> None:
        index = read_confirmation(self.ledger.tail(sequence))
        by = self.ledger.row(sequence).participant
        self._revocations[index] = replace(self._revocations[index], confirmed_by=by)

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


def record_texts(tail: bytes, record: Record) -> dict[str, str]:
    """The texts for people in the tail of a `register` row; empty ones are left out."""
    if record is Record.SERVICE:
        return _texts(tail, SERVICE_RECORD, _tariff_size(tail))
    return _texts(tail, PARTICIPANT_RECORD)


def _texts(tail: bytes, dtype: np.dtype[np.void], more: int = 0) -> dict[str, str]:
    """What follows the record, and `more` bytes, in a tail: the texts for people."""
    try:
        return read_texts(tail[dtype.itemsize + more :])
    except ValueError:
        # The ledger takes any bytes here. Nobody is to end a switch by a name.
        return {}


def _item_text(at: int, language: str) -> str:
    """What the name of a tariff's line is called among the texts."""
    return f"tariff_{at}_{language}"


def _tariff_size(tail: bytes) -> int:
    """Bytes of the tariff between a service's record and its texts."""
    record = np.frombuffer(tail, SERVICE_RECORD, 1)[0]
    return int(record["items_count"]) * TARIFF_ITEM.itemsize


def record_tariff(tail: bytes) -> tuple[Fee, ...]:
    """The lines of a tariff in the tail of a service's `register` row, with names."""
    texts = record_texts(tail, Record.SERVICE)
    count = _tariff_size(tail) // TARIFF_ITEM.itemsize
    lines = np.frombuffer(tail, TARIFF_ITEM, count, SERVICE_RECORD.itemsize)
    return tuple(
        Fee(
            code=line["code"].tobytes().rstrip(b"\0").decode("ascii"),
            amount=int(line["fee"]),
            # The ledger knows days that no calendar has.
            valid_from=day_text(min(int(line["valid_from"]), DAY_LAST)),
            name_en=texts.get(_item_text(at, "en"), ""),
            name_bn=texts.get(_item_text(at, "bn"), ""),
        )
        for at, line in enumerate(lines)
    )


def _tariff_items(tariff: tuple[Fee, ...]) -> bytes:
    """The lines of a tariff, by code and day, as they stand behind the record."""
    lines = np.zeros(len(tariff), TARIFF_ITEM)
    for at, fee in enumerate(tariff):
        put_bytes(lines[at : at + 1], "code", fee.code.encode())
        lines["fee"][at] = fee.amount
        lines["valid_from"][at] = fee.day
    return lines.tobytes()


# --- the tails of `register` rows -------------------------------------------------


def participant_tail(spec: ParticipantSpec) -> bytes:
    """The tail of a participant's `register` row: the record, then the texts."""
    record = np.zeros(1, PARTICIPANT_RECORD)
    record["record"] = int(Record.PARTICIPANT)
    record["role"] = int(spec.role)
    record["active"] = int(spec.active)
    record["may_state_dues"] = int(spec.may_state_dues)
    record["never_credits_late"] = int(spec.never_credits_late)
    put_bytes(record, "code", spec.id.encode())
    texts = {
        "name_en": spec.name_en,
        "name_bn": spec.name_bn,
        "code": spec.code,
        "district": spec.district,
        "host_kind": spec.host_kind,
    }
    return record.tobytes() + people_json(texts)


def service_tail(spec: ServiceSpec, register: Register) -> bytes:
    """The tail of a service's `register` row: the record, its tariff, then the texts.

    Raises NetworkError if the biller, a head of it or the series is not registered.
    """
    biller = register.find_participant(spec.biller)
    heads = [register.find_head(spec.biller, head) for head in spec.heads]
    found = [head.index for head in heads if head]
    if biller is None or len(found) != len(heads):
        text = f"service {spec.code}: its biller or a head is not there"
        raise NetworkError(text, [Problem("services", text)])
    series = register.find_service(spec.series) if spec.series else None
    if spec.series and series is None:
        text = f"service {spec.code}: there is no service {spec.series}"
        raise NetworkError(text, [Problem("services", text)])
    record = np.zeros(1, SERVICE_RECORD)
    values = {
        "record": int(Record.SERVICE),
        "amount_rule": int(spec.amount_rule),
        "mode": int(spec.mode),
        "duplicate_rule": int(spec.duplicate_rule),
        "key_rule": 0 if spec.key_rule is None else int(spec.key_rule),
        "deadline_policy": int(spec.deadline_policy),
        "active": int(spec.active),
        "heads_count": len(found),
        "amount_min": spec.amount_min,
        "amount_max": spec.amount_max,
        "duplicate_hours": spec.duplicate_hours,
        "deadline_s": spec.deadline_s,
        "biller": biller.index,
        "letters": int(spec.letters),
        "ignored": int(spec.ignored),
        "check_digit": int(spec.check_digit),
        "series": series.index if series else 0,
        "price_rule": int(spec.price_rule),
        "items_count": len(spec.tariff),
        "amount_step": spec.amount_step,
    }
    for name, value in values.items():
        record[name] = value
    record["heads"][0, : len(found)] = found
    put_bytes(record, "code", spec.code.encode())
    put_bytes(record, "pattern", spec.pattern.encode("ascii"))
    texts = {
        "name_en": spec.name_en,
        "name_bn": spec.name_bn,
        "department_en": spec.department_en,
        "department_bn": spec.department_bn,
    }
    for at, fee in enumerate(spec.tariff):
        texts[_item_text(at, "en")] = fee.name_en
        texts[_item_text(at, "bn")] = fee.name_bn
    return record.tobytes() + _tariff_items(spec.tariff) + people_json(texts)
