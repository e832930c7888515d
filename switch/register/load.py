"""Bringing a ledger's register to a given state: centres, billers, services.

May use the core, `register`, `templates` and `specs`. It adds what is missing and
replaces what differs; it takes nothing away, and a network that is as given already
commits nothing.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

from switch._core import TAIL_MAX, Ledger, Request, Rows
from switch.codes import (
    NO_AMOUNT_LIMIT,
    NO_COUNT_LIMIT,
    AccountKind,
    Kind,
    Mode,
    Policy,
    Result,
    Role,
)
from switch.ledger.templates import (
    Templates,
    derived_id,
    join,
    open_account,
    set_limit,
    template,
)
from switch.register.merge import (
    ParticipantRecord,
    ServiceRecord,
    describe,
    merge_participants,
    merge_services,
)
from switch.register.operators import Operator, differing, operators_of
from switch.register.register import (
    PURPOSE_FLOAT,
    PURPOSE_SETTLEMENT,
    PURPOSE_SUSPENSE,
    PURPOSE_WALLET,
    Account,
    Participant,
    Register,
    Service,
)
from switch.register.tails import participant_tail, service_tail
from switch.specs import (
    FOR_EVER,
    FORM,
    TREASURY,
    NetworkError,
    ParticipantSpec,
    Problem,
    ServiceSpec,
    Specs,
    check_specs,
    enum_text,
    is_in_parts,
    spec_problems,
    specs_from_json,
    specs_to_json,
)

__all__ = [
    "PURPOSE_FLOAT",
    "PURPOSE_SETTLEMENT",
    "PURPOSE_SUSPENSE",
    "PURPOSE_WALLET",
    "TREASURY",
    "Account",
    "Commit",
    "LoadCounts",
    "NetworkError",
    "Participant",
    "ParticipantSpec",
    "Problem",
    "Register",
    "Service",
    "ServiceSpec",
    "Specs",
    "check_specs",
    "committing",
    "describe",
    "load_network",
    "network_counts",
    "network_requests",
    "next_phase",
    "spec_problems",
    "specs_from_json",
    "specs_to_json",
]

LOAD_ROWS_MAX = 1_024
"""Rows that a load puts in one request, so that payments do not wait long for it."""
PHASES = 7
"""Participants, accounts, limits, operators, centres that sign on from now on,
services, services of a series that another has: each needs one before."""

_TAIL_ITEM_EXTRA = 16
"""Bytes that a tail item can take beside its own: its head and its padding."""

Commit = Callable[[Request], bytes | Rows]
"""Makes one request durable and gives its reply: `Committer.commit_now` is one."""


class LoadCounts(NamedTuple):
    """How a load found the participants and services it was given."""

    added: int
    replaced: int
    unchanged: int


def committing(ledger: Ledger) -> Commit:
    """A `Commit` for a ledger that has no committer in front of it."""

    def commit(request: Request) -> bytes | Rows:
        return ledger.commit([request], time.time_ns())[0]

    return commit


def load_network(
    register: Register,
    commit: Commit,
    participants: Sequence[ParticipantRecord],
    services: Sequence[ServiceRecord],
    *,
    sender: int = 0,
) -> LoadCounts:
    """Bring the register to the state given and say what that took.

    What a record does not say is added anew before each phase, as the register has it.

    A ledger without a treasury gets one. Nothing is taken away: heads that a
    biller has beside those given stay. `sender` is the participant index that asked
    for it. Durable on return; after an error call it again. Raises NetworkError if
    the specs cannot be, the ledger has people and something is missing, or the ledger
    refuses, and what `commit` raises.
    """
    register.refresh()
    counts = network_counts(register, participants, services)
    for _ in range(PHASES):
        requests = network_requests(register, participants, services, sender=sender)
        if requests and register.has_people:
            text = (
                "this ledger has people, two of whom must want this: "
                "`payswitch network propose FILE --person NUMBER --key KEY-FILE`"
            )
            raise _problem("participants", text)
        try:
            for request in requests:
                _check_outcomes(commit(request))
        finally:
            # Also what came before an error is in the ledger, and is to be served.
            register.refresh()
        if not requests:
            return counts
    if network_requests(register, participants, services, sender=sender):
        text = "the register was changed by someone else at the same time"
        raise NetworkError(text, [Problem("participants", text)])
    return counts


def network_requests(
    register: Register,
    participants: Sequence[ParticipantRecord],
    services: Sequence[ServiceRecord],
    *,
    sender: int = 0,
) -> list[Request]:
    """What must be committed next; empty if the register is as given.

    Commit them, refresh the register and ask again, at most `PHASES` times. Raises
    NetworkError if the specs cannot be.
    """
    return list(_requests(next_phase(register, participants, services, sender=sender)))


def next_phase(
    register: Register,
    participants: Sequence[ParticipantRecord],
    services: Sequence[ServiceRecord],
    *,
    sender: int = 0,
) -> list[Templates]:
    """The rows that must be there next, before any others can; empty if all are.

    Raises NetworkError if the specs cannot be.
    """
    # What no record says stays as these images have it: whoever sets a limit meanwhile
    # is not undone.
    images, _ = register.ledger.accounts()
    merged = merge_participants(register, participants, images)
    payable = merge_services(register, services)
    check_specs(merged, payable)
    wanted = _with_treasury(register, merged)
    _check_against(register, merged, payable)
    for phase in (
        _participants(register, wanted, sender),
        _accounts(register, wanted, sender),
        _limits(register, wanted, images, sender),
        _operators(register, wanted, sender),
        _services(register, [one for one in payable if not one.series], sender),
        _services(register, [one for one in payable if one.series], sender),
    ):
        rows = list(phase)
        if rows:
            return rows
    return []


def _with_treasury(
    register: Register, participants: Sequence[ParticipantSpec]
) -> list[ParticipantSpec]:
    """The specs, and the treasury if they leave it out: it must have its accounts."""
    if any(spec.id == TREASURY for spec in participants):
        return list(participants)
    known = register.find_participant(TREASURY)
    new = ParticipantSpec(id=TREASURY, role=Role.TREASURY, name_en="Treasury")
    return [known.spec if known else new, *participants]


def _check_against(
    register: Register,
    participants: Sequence[ParticipantSpec],
    services: Sequence[ServiceSpec],
) -> None:
    """What the specs cannot know by themselves. Raises NetworkError.

    Said before anything is committed: a refusal in the ledger is for ever.
    """
    given = {spec.id: spec for spec in participants}
    heads_of: dict[str, set[str]] = {}
    for at, spec in enumerate(participants):
        known = register.find_participant(spec.id)
        if known and known.spec.role is not spec.role:
            text = f"{spec.id} is a {known.spec.role.name.lower()} for ever"
            raise _problem(f"participants[{at}].role", f"participant {text}")
        _check_signs_on(register, known, spec, f"participants[{at}].signs_on")
    for at, service in enumerate(services):
        place = f"services[{at}]"
        biller = given.get(service.biller)
        known = register.find_participant(service.biller)
        role = biller.role if biller else known.spec.role if known else None
        if role is not Role.BILLER:
            text = f"service {service.code}: there is no biller {service.biller}"
            raise _problem(f"{place}.biller", text)
        _check_release(place, service, biller or (known.spec if known else None))
        before = register.find_service(service.code)
        if is_in_parts(service) and not (before and is_in_parts(before.spec)):
            text = (
                "a direct service has no bills in parts: nobody would release the rest"
            )
            raise _problem(f"{place}.amount_rule", f"service {service.code}: {text}")
        if before:
            _check_fixed(place, before.spec, service)
            _check_amount_rule(register, place, before, service)
        if service.biller not in heads_of:
            heads = set(biller.heads if biller else ())
            if known:
                heads.update(one.head for one in register.accounts_of(known.index))
            heads_of[service.biller] = heads
        heads = heads_of[service.biller]
        missing = [head for head in service.heads if head not in heads]
        if missing:
            text = f"service {service.code}: {service.biller} has no head {missing[0]}"
            raise _problem(f"{place}.heads", text)
    _check_series(register, services)


def _problem(field: str, text: str) -> NetworkError:
    """What keeps a network from being, said of one field."""
    return NetworkError(f"{field}: {text}", [Problem(field, text)])


def _check_signs_on(
    register: Register, known: Participant | None, spec: ParticipantSpec, field: str
) -> None:
    """Raise NetworkError if a centre that works would be locked out of its counter."""
    if known is None or known.spec.signs_on or not spec.signs_on:
        return
    given = {operator.number: operator for operator in spec.operators}
    there = {one.number: one.spec for one in operators_of(register.ledger, known.index)}
    if not any(operator.active for operator in (there | given).values()):
        text = f"{spec.id} has no active operator: give its `operators` as well"
        raise _problem(field, text)


def _check_release(
    place: str, service: ServiceSpec, biller: ParticipantSpec | None
) -> None:
    """Money that may have been credited is not given back. Raises NetworkError."""
    promised = biller is not None and biller.never_credits_late
    releases = service.deadline_policy is Policy.RELEASE
    if service.mode is Mode.CONFIRMED and releases and not promised:
        raise _problem(
            f"{place}.deadline_policy",
            f"service {service.code}: deadline_policy may be release only if "
            f"{service.biller} has never_credits_late",
        )


def _check_fixed(place: str, before: ServiceSpec, service: ServiceSpec) -> None:
    """Claims are for ever, and so is what makes them. Raises NetworkError."""
    if before.biller != service.biller:
        # Its open holds are the old biller's to answer, and so are their bills.
        text = f"service {service.code} is of {before.biller} for ever"
        raise _problem(f"{place}.biller", text)
    if service.heads[: len(before.heads)] != before.heads:
        # A bill that was fetched for one is paid by the head's place.
        raise _problem(
            f"{place}.heads",
            f"service {service.code} has {', '.join(before.heads)}: heads stay, in "
            "this order, and new ones go behind; without one it is another service",
        )
    changed = [
        name for name in FOR_EVER if getattr(before, name) != getattr(service, name)
    ]
    if changed:
        raise _problem(
            f"{place}.{changed[0]}",
            f"service {service.code}: {', '.join(changed)} cannot change, as its bills "
            "are for ever; another rule is another service code",
        )


def _check_amount_rule(
    register: Register, place: str, before: Service, service: ServiceSpec
) -> None:
    """Files of bills said what is due by this rule. Raises NetworkError."""
    rule = before.spec.amount_rule
    if service.amount_rule is not rule and register.ledger.bills(before.index):
        raise _problem(
            f"{place}.amount_rule",
            f"service {service.code}: amount_rule stays {enum_text(rule)}, as files "
            "of its bills were put in; another rule is another service code",
        )


def _check_series(register: Register, services: Sequence[ServiceSpec]) -> None:
    """A series is a service of the same biller, of its own, whose references have the
    same form. Raises NetworkError.
    """
    given = {one.code: one for one in services}
    for at, service in enumerate(services):
        if not service.series:
            continue
        place = f"services[{at}].series"
        known = register.find_service(service.series)
        other = given.get(service.series) or (known.spec if known else None)
        if other is None or other.biller != service.biller or other.series:
            raise _problem(
                place,
                f"service {service.code}: series {service.series} is no service of "
                f"{service.biller} with a series of its own",
            )
        others = [n for n in FORM if getattr(other, n) != getattr(service, n)]
        if others:
            raise _problem(
                place,
                f"service {service.code}: {', '.join(others)} must be as those of its "
                f"series {service.series}, or one bill would be two",
            )


# --- the phases ------------------------------------------------------------------


def _participants(
    register: Register, specs: Sequence[ParticipantSpec], sender: int
) -> Iterator[Templates]:
    for spec in specs:
        known = register.find_participant(spec.id)
        if (
            known
            and (spec.signs_on and not known.spec.signs_on)
            and any(differing(register.ledger, known.index, spec.operators))
        ):
            # Its operators first, or nobody could do anything there until they are.
            spec = replace(spec, signs_on=False)
        tail = participant_tail(spec)
        if known is None or participant_tail(known.spec) != tail:
            yield _registration(known, tail, sender)


def _services(
    register: Register, specs: Sequence[ServiceSpec], sender: int
) -> Iterator[Templates]:
    for spec in specs:
        known = register.find_service(spec.code)
        if known is None or known.spec != spec:
            yield _registration(known, service_tail(spec, register), sender)


def _registration(
    known: Participant | Service | Operator | None, tail: bytes, sender: int
) -> Templates:
    # An id stands for one content for ever. With the entry's last sequence in it,
    # going back to an earlier content is a new id, and a repeated load the same.
    sequence = known.sequence if known else 0
    row_id = derived_id(Kind.REGISTER, sequence, tail)
    return template(Kind.REGISTER, row_id=row_id, sender=sender, tail=tail)


def _missing_accounts(
    register: Register, spec: ParticipantSpec, index: int
) -> Iterator[tuple[int, AccountKind, str]]:
    """(purpose, kind, head) of the accounts that a participant still needs."""
    if spec.id == TREASURY:
        needed = [
            (PURPOSE_FLOAT, AccountKind.FLOAT, ""),
            (PURPOSE_SUSPENSE, AccountKind.SUSPENSE, ""),
            (PURPOSE_SETTLEMENT, AccountKind.SETTLEMENT, ""),
        ]
    elif spec.role is Role.CENTRE:
        needed = [(PURPOSE_WALLET, AccountKind.WALLET, "")]
    else:
        # A head is found by its text; what is new goes behind what is there.
        accounts = list(register.accounts_of(index))
        there = {account.head for account in accounts}
        added = [head for head in spec.heads if head not in there]
        needed = [
            (purpose, AccountKind.BILLER, head)
            for purpose, head in enumerate(added, len(accounts))
        ]
    for purpose, kind, head in needed:
        if register.find_account(index, purpose) is None:
            yield purpose, kind, head


def _accounts(
    register: Register, specs: Sequence[ParticipantSpec], sender: int
) -> Iterator[Templates]:
    for spec in specs:
        known = register.find_participant(spec.id)
        if known is None:
            continue
        for purpose, kind, head in _missing_accounts(register, spec, known.index):
            row_id = derived_id(Kind.OPEN, known.index, purpose, kind, head.encode())
            yield open_account(
                known.index, purpose, kind, row_id=row_id, sender=sender, head=head
            )


def _limits(
    register: Register, specs: Sequence[ParticipantSpec], images: Rows, sender: int
) -> Iterator[Templates]:
    for spec in specs:
        wallet = register.find_wallet(spec.id)
        if wallet is None or not _limit_differs(images, wallet, spec):
            continue
        limits = [spec.day_amount_max, spec.day_count_max, spec.payment_max]
        if spec.low_balance:
            limits.append(spec.low_balance)
        # `changed` tells this change apart from an earlier one to the same limit.
        changed = int(images[wallet.index]["changed"])
        row_id = derived_id(Kind.LIMIT, wallet.index, changed, *limits)
        yield set_limit(wallet.index, *limits, row_id=row_id, sender=sender)


def _operators(
    register: Register, specs: Sequence[ParticipantSpec], sender: int
) -> Iterator[Templates]:
    for spec in specs:
        known = register.find_participant(spec.id)
        if known is None:
            continue
        for one, tail in differing(register.ledger, known.index, spec.operators):
            yield _registration(one, tail, sender)


def _limit_differs(images: Rows, wallet: Account, spec: ParticipantSpec) -> bool:
    if wallet.index >= len(images):
        # It was opened since: the next phase knows it.
        return False
    image = images[wallet.index]
    names = "day_amount_max", "day_count_max", "payment_max", "low_balance"
    return tuple(int(image[name]) for name in names) != (
        spec.day_amount_max or NO_AMOUNT_LIMIT,
        spec.day_count_max or NO_COUNT_LIMIT,
        spec.payment_max or NO_AMOUNT_LIMIT,
        spec.low_balance,
    )


# --- requests and counts ---------------------------------------------------------


def _requests(parts: Sequence[Templates]) -> Iterator[Request]:
    """The templates in requests that fit in a group."""
    waiting: list[Templates] = []
    size = 0
    for part in parts:
        more = sum(len(tail) + _TAIL_ITEM_EXTRA for tail in part.tails)
        if waiting and (len(waiting) == LOAD_ROWS_MAX or size + more > TAIL_MAX):
            yield join(waiting).request()
            waiting, size = [], 0
        waiting.append(part)
        size += more
    if waiting:
        yield join(waiting).request()


def _check_outcomes(reply: bytes | Rows) -> None:
    assert not isinstance(reply, bytes)
    refused = reply[reply["result"] != Result.OK]
    if len(refused):
        names = sorted({Result(int(one)).name for one in refused["result"]})
        text = f"the ledger refused {len(refused)} entries: {', '.join(names)}"
        field = "participants"
        if Result.RULE_FIXED.name in names:
            field = "services"
            text += "; another rule is another service code"
        raise _problem(field, text)


def network_counts(
    register: Register,
    participants: Sequence[ParticipantRecord],
    services: Sequence[ServiceRecord],
) -> LoadCounts:
    """How the register stands to these participants and services. NetworkError."""
    added = replaced = 0
    images, _ = register.ledger.accounts()
    for spec in merge_participants(register, participants, images):
        known = register.find_participant(spec.id)
        wallet = register.find_wallet(spec.id)
        if known is None:
            added += 1
        elif (
            participant_tail(known.spec) != participant_tail(spec)
            or any(_missing_accounts(register, spec, known.index))
            or (wallet and _limit_differs(images, wallet, spec))
            or any(differing(register.ledger, known.index, spec.operators))
        ):
            replaced += 1
    for service in merge_services(register, services):
        there = register.find_service(service.code)
        if there is None:
            added += 1
        elif there.spec != service:
            replaced += 1
    total = len(participants) + len(services)
    return LoadCounts(added, replaced, total - added - replaced)
