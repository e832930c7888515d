"""AdminService: the list of exceptions."""

import time
from collections.abc import Iterator

import numpy as np

from server import arguments, convert
from server.node import Node
from server.page_tokens import make_token, read_token
from server.status import ArgumentError
from switch._core import entries_of
from switch.codes import Role
from switch.errors import shown
from switch.ledger.exceptions import (
    GATHER_MAX,
    Items,
    Wanted,
    are_overdue,
    decide_until_ns,
    owners,
)
from switch.ledger.open_matters import Numbers
from switch.register.identity import Identity
from switch.register.register import Register
from switch.v1 import exceptions_pb2 as pb
from switch.v1 import types_pb2

DAMAGED_MAX = 1_000
"""Damaged entries that one answer names."""
HISTORY_MAX = 32
"""Entries of one history."""
HISTORIES_MAX = 100
"""Exceptions of a page with histories."""
AMOUNT_MAX = 2**64 - 1
"""A sum that is greater, as of proposals that nobody can approve, is this."""


async def list_exceptions(
    node: Node, request: pb.ListExceptionsRequest, caller: Identity
) -> pb.ListExceptionsResponse:
    """What is open, by sequence."""
    found = node.dispatch.damaged()
    return await node.read(_list, node, request, caller, found)


def _list(
    node: Node, request: pb.ListExceptionsRequest, caller: Identity, found: Numbers
) -> pb.ListExceptionsResponse:
    exceptions, now_ns = node.exceptions, time.time_ns()
    exceptions.note_damaged(found)
    wanted = _wanted(request, node.register)
    size = arguments.page_size(request.page_size, node.config)
    if request.with_history:
        size = min(size, HISTORIES_MAX)
    after = read_token(request, caller)
    while True:
        items, as_of, more = exceptions.find(wanted, now_ns)
        first = int(np.searchsorted(items["sequence"], after, "right"))
        page = items[first : first + size]
        if exceptions.are_whole(page):
            break
    has_more = len(items) > first + size
    damaged = exceptions.damaged().tolist()
    return pb.ListExceptionsResponse(
        exceptions=_messages(node, page, now_ns, with_history=request.with_history),
        totals=[] if after else _totals(items),
        next_page_token=make_token(
            request, caller, int(page["sequence"][-1]) if has_more else 0
        ),
        as_of_sequence=as_of,
        damaged_sequences=[] if after else damaged[:DAMAGED_MAX],
        damaged_count=len(damaged),
        more_count=0 if after else more,
    )


def _wanted(request: pb.ListExceptionsRequest, register: Register) -> Wanted:
    known = pb.ExceptionKind.values()
    for at, kind in enumerate(request.kinds):
        if kind not in known or not kind:
            raise ArgumentError(f"kinds[{at}]", f"{kind} stands for nothing there")
    if request.owner not in pb.ExceptionOwner.values():
        raise ArgumentError("owner", f"{request.owner} stands for nothing there")
    debits = credits = None
    if request.centre:
        wallet = arguments.centre_wallet(register, request.centre)
        debits = frozenset({wallet.index})
    if request.biller:
        biller = arguments.participant(register, request.biller, "biller")
        if biller.spec.role is not Role.BILLER:
            raise ArgumentError("biller", f"{shown(request.biller)} is no biller")
        heads = register.accounts_of(biller.index)
        credits = frozenset(account.index for account in heads)
    return Wanted(
        frozenset(request.kinds),
        debits,
        credits,
        int(request.owner),
        request.overdue_only,
    )


def _totals(items: Items) -> Iterator[pb.ExceptionTotal]:
    for kind in np.unique(items["kind"]):
        of_kind = items[items["kind"] == kind]
        yield pb.ExceptionTotal(
            kind=int(kind),  # type: ignore[arg-type]
            count=len(of_kind),
            amount=min(sum(of_kind["amount"].tolist()), AMOUNT_MAX),
            oldest_since_ns=int(of_kind["since"].min()),
        )


def _messages(
    node: Node, items: Items, now_ns: int, *, with_history: bool
) -> list[pb.Exception]:
    """Items as messages, in order."""
    payments = sorted({one for one in items["payment"].tolist() if one})
    rows = {payment: [payment] for payment in payments}
    if with_history:
        rows = node.exceptions.histories(payments)
    wanted = {
        one for payment in payments for one in [payment, *rows[payment][:HISTORY_MAX]]
    }
    entries = _entries(node, sorted(wanted))
    found = []
    marks = zip(items, owners(items, now_ns), are_overdue(items, now_ns), strict=True)
    for item, owner, is_overdue in marks:
        payment = int(item["payment"])
        message = pb.Exception(
            kind=int(item["kind"]),  # type: ignore[arg-type]
            sequence=int(item["sequence"]),
            payment=entries.get(payment),
            amount=int(item["amount"]),
            reported_amount=int(item["reported"]),
            since_ns=int(item["since"]),
            decide_until_ns=decide_until_ns(int(item["paid"])) if payment else 0,
            overdue=bool(is_overdue),
            owner=int(owner),  # type: ignore[arg-type]
            proposal_kind=int(item["asks"]),  # type: ignore[arg-type]
            proposal_sequence=int(item["proposal"]),
        )
        if with_history and payment:
            history = rows[payment]
            message.history.extend(
                entries[one] for one in history[:HISTORY_MAX] if one in entries
            )
            message.history_cut = len(history) > HISTORY_MAX
        found.append(message)
    return found


def _entries(node: Node, sequences: list[int]) -> dict[int, types_pb2.Entry]:
    """Entries by sequence, without those that are damaged."""
    found: dict[int, types_pb2.Entry] = {}
    for first in range(0, len(sequences), GATHER_MAX):
        part = np.array(sequences[first : first + GATHER_MAX], np.uint64)
        rows, damaged = node.ledger.gather_whole(part)
        node.exceptions.note_damaged(damaged)
        for one in convert.entries(
            entries_of(rows), node.ledger, node.register, around_damage=True
        ):
            found[one.sequence] = one
    return found
