"""Lines of a proposal as messages: their bytes, and what is in them is called.

Names are the register's; all else a client reads from the bytes, as it signs them.
"""

from collections.abc import Callable, Sequence

from server import arguments, convert
from server.actors import named
from server.node import Node
from server.services.bank_items import explained_item
from server.services.bank_wishes import release_of
from server.services.replaced import changes_text, replaced_line, value_text
from switch.bank_rows import read_beneficiary
from switch.codes import AccountKind, Kind, Record, Result
from switch.entries import Entry
from switch.errors import CorruptionError
from switch.money import format_amount
from switch.register.banks import Beneficiary
from switch.register.register import Register
from switch.said import BANK_PREFIX, payee_text, say
from switch.signed import Line, read_line, speaks_of
from switch.v1 import banks_pb2, proposals_pb2
from switch.v1 import people_pb2 as pb

FIRST_LINE_MAX = 400
"""Characters of what a list of proposals says of each one's first line."""


def proposed_lines(
    node: Node,
    lines: Sequence[bytes],
    first: int = 0,
    end: int | None = None,
    done: Callable[[int], int] = lambda _: 0,
) -> list[pb.ProposedLine]:
    """Some packed lines of a proposal as messages, in order; `done` says by which entry
    a line is, or 0.
    """
    found = []
    before: dict[int, int] = {}
    for number, packed in enumerate(lines[:end]):
        is_told = number >= first
        if not is_told and packed[0] != Kind.TRANSFER:
            continue
        line = read_line(packed)
        message = _message(line, packed, node.register)
        done_by = done(number)
        if is_told and not done_by:
            _say_replaced(node.register, line, message)
        if message.HasField("beneficiary"):
            account = message.beneficiary.account
            if is_told:
                _say_standing(node, account, before.get(account, 0), message)
            if not done_by:
                before[account] = before.get(account, 0) + line.amount
        if is_told:
            message.done_sequence = done_by
            item = explained_item(node, line)
            if item is not None:
                message.bank_item.CopyFrom(item)
            found.append(message)
    return found


def _say_replaced(register: Register, line: Line, message: pb.ProposedLine) -> None:
    """What a line that is not done replaces, and what it changes of that."""
    message.replaced = replaced_line(register, line)
    if message.replaced:
        message.text += f", changes: {changes_text(line, message.replaced)}"


def _say_standing(
    node: Node, account: int, before: int, message: pb.ProposedLine
) -> None:
    """What stands behind a payout; nothing, if something is damaged."""
    found = node.exceptions.paid_out(account)
    if found is not None:
        standing = message.standing
        standing.settled, standing.paid_out = found
        standing.in_lines_before = before


def _message(line: Line, packed: bytes, register: Register) -> pb.ProposedLine:
    message = pb.ProposedLine(
        line=packed,
        debit=_account(line.debit, register),
        credit=_account(line.credit, register),
        participant=whom(line.kind, line.tail, register),
    )
    if line.kind is Kind.TRANSFER and line.resolves:
        to = _paid_to(line, register)
        if to is not None:
            message.beneficiary.CopyFrom(to)
        if message.debit.startswith(BANK_PREFIX) and (
            release := _release(line.resolves, register)
        ):
            message.release.CopyFrom(convert.entry(release, register.ledger, register))
    message.text = _text(line, message)
    return message


def say_first_line(node: Node, packed: bytes, proposal: proposals_pb2.Proposal) -> None:
    """What the first line of a proposal says, in a list of proposals."""
    line = read_line(packed)
    text = _message(line, packed, node.register).text
    is_long = len(text) > FIRST_LINE_MAX
    proposal.first_line = f"{text[: FIRST_LINE_MAX - 1]}…" if is_long else text
    item = explained_item(node, line)
    if item is not None:
        proposal.bank_item.CopyFrom(item)


def _account(index: int, register: Register) -> str:
    if not index:
        return ""
    try:
        account = named(register, register.account, index)
    except LookupError:
        return f"account {index}"
    owner = named(register, register.participant, account.participant).spec.id
    if account.kind is AccountKind.WALLET:
        return owner
    head = arguments.account_head(register, account)
    if head.startswith(BANK_PREFIX):
        return head
    return f"{owner} {head or f'account {index}'}"


def _paid_to(line: Line, register: Register) -> banks_pb2.Beneficiary | None:
    """To whom a payout goes; None of any other transfer.

    Read from the entry that it names, which a newer one may have followed.
    """
    ledger = register.ledger
    try:
        entry = ledger.row(line.resolves)
        tail = ledger.tail(line.resolves) if entry.kind is Kind.REGISTER else b""
    except (LookupError, CorruptionError):
        return None
    if not tail or tail[0] != Record.BENEFICIARY or entry.result != Result.OK:
        return None
    one = read_beneficiary(tail)
    known = register.banks.beneficiary_of(one.account)
    return beneficiary(
        Beneficiary(
            known.index if known else 0,
            line.resolves,
            entry.timestamp,
            one.account,
            one.number,
            one.ifsc,
            one.active,
            known.name if known else "",
        ),
        register,
    )


def _release(sequence: int, register: Register) -> Entry | None:
    try:
        return release_of(register, sequence)
    except CorruptionError:
        return None


def beneficiary(one: Beneficiary, register: Register) -> banks_pb2.Beneficiary:
    """A beneficiary as a message."""
    account = named(register, register.account, one.account)
    owner = named(register, register.participant, account.participant)
    return banks_pb2.Beneficiary(
        index=one.index,
        sequence=one.sequence,
        time_ns=one.time_ns,
        biller=owner.spec.id,
        head=account.head,
        account=one.account,
        number=one.number,
        ifsc=one.ifsc,
        active=one.active,
        name=one.name,
        usable_from_ns=register.usable_from_ns(one),
    )


def whom(kind: Kind, tail: bytes, register: Register) -> str:
    """The participant that a record speaks of by its index; empty for none."""
    index = 0
    if kind is Kind.REGISTER and tail and tail[0] == Record.BENEFICIARY:
        return _account(read_beneficiary(tail).account, register)
    if kind is Kind.REGISTER:
        if tail and tail[0] == Record.SERVICE:
            index = int.from_bytes(tail[48:52], "little")
        else:
            index = speaks_of(tail)
    elif kind is Kind.OPEN:
        index = int.from_bytes(tail[:4], "little")
    if not index:
        return ""
    try:
        return named(register, register.participant, index).spec.id
    except LookupError:
        return f"participant {index}"


def _text(line: Line, names: pb.ProposedLine) -> str:
    """What a line says, in one sentence of English."""
    to = names.beneficiary
    payee = payee_text(to.biller, to.head, to.number, to.ifsc)
    said = say(line, names.debit, names.credit, payee)
    words = [said.what]
    if names.participant:
        words.append(f"of {names.participant}")
    if line.amount:
        words.append(format_amount(line.amount))
    if names.debit and names.credit:
        words.append(f"from {names.debit} to {names.credit}")
    elif names.debit or names.credit:
        words.append(names.debit or names.credit)
    if line.text:
        words.append(f'"{line.text}"')
    for name, value in said.facts:
        words.append(f"{name}: {value_text(name, value)}")
    return ", ".join(words)
