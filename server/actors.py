"""Who is behind an entry: who sent it, or cancelled what it ends, and which two people
have wanted it.

Indices become the register's permanent names. A name that is missing means that the
register is behind the entry; it is then refreshed once and must be there.
"""

from collections.abc import Callable
from typing import TypeVar

from switch._core import Ledger
from switch.codes import Kind, Result
from switch.entries import Entry
from switch.register.register import Register
from switch.traits import Trait, kinds_with
from switch.v1 import types_pb2

T = TypeVar("T")

# What became of a hold: its row names who sent that.
_OF_HOLD = frozenset({*kinds_with(Trait.RESOLVES), Kind.VERIFY, Kind.CASE})
_ANSWERS = (Kind.APPROVE, Kind.WITHDRAW)


def named(register: Register, find: Callable[[int], T], index: int) -> T:
    """What the register has of an index that an entry names: refreshed if need be."""
    try:
        return find(index)
    except LookupError:
        register.refresh()
        return find(index)


def approvals_of(ledger: Ledger, proposal: int) -> list[Entry]:
    """The approvals of a proposal or shift, in order; also of one that was withdrawn
    since.
    """
    answered_by, _ = ledger.resolution(proposal)
    answer = ledger.row(answered_by) if answered_by else None
    if answer is not None and answer.kind == Kind.WITHDRAW:
        before = [ledger.row(one) for one in ledger.replies(proposal)[1:2].tolist()]
        answer = before[0] if before else None
    if answer is None:
        return []
    return [*([ledger.row(answer.total)] if answer.total else []), answer]


def say_who(
    result: types_pb2.Entry, said: Entry, ledger: Ledger, register: Register
) -> None:
    """Who sent an entry, and which two people stand behind it."""
    kind = said.kind
    if said.participant and kind not in _OF_HOLD:
        _act(result.sender, said, register)
    if said.result != Result.OK:
        return
    if kind == Kind.VOID and said.total and not said.checker:
        # Nobody's word made it: an operator of the wallet's centre has cancelled.
        owner = named(register, register.account, said.debit).participant
        result.sender.participant = named(register, register.participant, owner).spec.id
        result.sender.operator = said.total
    elif kind == Kind.PROPOSE:
        _act(result.maker, said, register)
    elif kind in _ANSWERS:
        # Of a proposal, or of a shift that an operator has handed in.
        _act(result.maker, ledger.row(said.resolves), register)
        if kind == Kind.APPROVE:
            _act(result.checker, said, register)
    elif said.checker and said.total and kind != Kind.REFUND:
        _act(result.maker, ledger.row(said.total), register)
        for approval in approvals_of(ledger, said.total)[-1:]:
            _act(result.checker, approval, register)
    elif said.checker:
        # It does not name its proposal: whose that was is its sender.
        _act(result.maker, said, register)
        checker = named(register, register.participant, said.checker)
        result.checker.participant = checker.spec.id


def _act(actor: types_pb2.Actor, said: Entry, register: Register) -> None:
    """Name who is behind an entry of their own."""
    by = named(register, register.participant, said.participant)
    actor.participant = by.spec.id
    actor.operator = said.operator
