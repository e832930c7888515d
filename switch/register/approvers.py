"""Who may approve, and which records make them more, as the register is now.

For those who look at what waits. Whether a row may be made the ledger decides.
"""

from typing import Final

from switch.codes import (
    APPROVER_WAIT_DAYS,
    APPROVERS_ENOUGH,
    Kind,
    PersonRole,
    Record,
    Role,
)
from switch.register.people import Person
from switch.register.register import Register
from switch.signed import (
    PersonRecord,
    read_line,
    read_person,
    read_thresholds,
    record_of,
)
from switch.specs import ParticipantSpec

PEOPLE_MAX: Final = 4_096
"""The ledger has no more."""
DAY_NS: Final = 86_400 * 10**9
_CODE: Final = slice(8, 40)
_ROLE_AT, _ACTIVE_AT = 1, 2


def acts(spec: ParticipantSpec) -> bool:
    """Whether people act for such a participant."""
    return spec.role is Role.TREASURY and spec.active


def _people(register: Register) -> list[Person]:
    return register.people_after(0, PEOPLE_MAX)


def _checks(register: Register, person: Person) -> bool:
    """Whether somebody may approve by now."""
    owner = register.participant(person.participant)
    return _is_checker(person) and acts(owner.spec)


def _is_checker(person: Person) -> bool:
    return person.active and person.role is PersonRole.CHECKER


def count_approvers(register: Register) -> int:
    """How many may approve."""
    return sum(_checks(register, one) for one in _people(register))


def wait_days(register: Register) -> int:
    """How long what two people want waits, if more may approve by it."""
    known = register.thresholds
    return known.approver_days if known else APPROVER_WAIT_DAYS


def recovers(spec: ParticipantSpec) -> bool:
    """Whether recoverers of such a participant can recover."""
    return spec.role is Role.AUDITOR and spec.active


def _is_recoverer(person: Person) -> bool:
    return person.active and person.role is PersonRole.RECOVERER


def count_recoverers(register: Register) -> int:
    """How many can recover."""
    return sum(
        _is_recoverer(one) and recovers(register.participant(one.participant).spec)
        for one in _people(register)
    )


def has_recoverer(register: Register, participant: int) -> bool:
    """Whether a participant, by its index, has an active recoverer."""
    people = _people(register)
    return any(_is_recoverer(one) and one.participant == participant for one in people)


def widens(register: Register, packed: bytes) -> bool:
    """Whether by a line of a proposal more may approve than now, or sooner; or whether
    it is of who recovers.
    """
    line = read_line(packed)
    if line.kind is not Kind.REGISTER:
        return False
    tail, record = line.tail, record_of(line.tail)
    if record is Record.PERSON:
        return _widens_by_person(register, read_person(tail))
    if record is Record.PARTICIPANT:
        return _widens_by_participant(register, tail)
    if record is Record.THRESHOLDS:
        days = read_thresholds(tail).wait_days or APPROVER_WAIT_DAYS
        return days < wait_days(register)
    return False


def _widens_by_person(register: Register, new: PersonRecord) -> bool:
    known = register.find_person(new.participant, new.number)
    roles = {new.role, known.role if known else new.role}
    if PersonRole.RECOVERER in roles:
        return True
    try:
        owner = register.participant(new.participant)
    except LookupError:
        return False
    if not acts(owner.spec):
        return False
    same = known is not None and _checks(register, known) and known.key == new.key
    return new.active and new.role is PersonRole.CHECKER and not same


def _widens_by_participant(register: Register, tail: bytes) -> bool:
    """Whether people act by its record who do not now; or recoverers can recover who
    cannot now, or the other way round.
    """
    code = tail[_CODE].rstrip(b"\0").decode("ascii", "replace")
    before = register.find_participant(code)
    if before is None:
        return False
    is_active = bool(tail[_ACTIVE_AT])
    can = tail[_ROLE_AT] == Role.AUDITOR and is_active
    if can != recovers(before.spec) and has_recoverer(register, before.index):
        return True
    will_act = tail[_ROLE_AT] == Role.TREASURY and is_active
    if not will_act or acts(before.spec):
        return False
    people = _people(register)
    return any(_is_checker(one) and one.participant == before.index for one in people)


def waits_until_ns(register: Register, approved_ns: int) -> int:
    """From when on what widens may be done that two have approved then; 0 while three
    may approve: then three must want it.
    """
    if count_approvers(register) >= APPROVERS_ENOUGH:
        return 0
    return approved_ns + wait_days(register) * DAY_NS
