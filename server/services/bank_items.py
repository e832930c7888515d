"""What a bank has booked as a message: its entry, and the bank's own words about it.

The list of what waits for people has these, and each line of a proposal that says what
such an item was: who proposes it and who approves it read the same words.
"""

from typing import cast

from server.actors import named
from server.node import Node
from server.services.bank_wishes import parts
from switch.bank_numbers import Letter, make_number
from switch.bank_rows import read_booked
from switch.codes import AccountKind, Kind, Result, RowFlag
from switch.entries import Entry
from switch.errors import CorruptionError
from switch.ledger.bank_matters import BankItem, BankItemKind
from switch.register.banks import BankAccount
from switch.register.register import Register
from switch.signed import Line
from switch.v1 import banks_pb2 as pb

_REVERSAL = int(RowFlag.REVERSAL)


def item_message(
    node: Node, item: BankItem, said: tuple[Entry, bytes] | None
) -> pb.BankItem:
    """An item; `said` is its entry with its tail, None if these are damaged."""
    ledger, register = node.ledger, node.register
    account = named(register, register.account, item.account)
    bank = register.banks.owner_of(account.participant, account.purpose)
    message = pb.BankItem(
        kind=cast("pb.BankItemKind.ValueType", int(item.kind)),
        sequence=item.sequence,
        account=bank.number if bank is not None else "",
        amount=item.amount,
    )
    if said is None:
        return message
    entry, tail = said
    message.time_ns = entry.timestamp
    message.reference = entry.reference_text
    message.named_sequence = entry.resolves
    if entry.kind != Kind.BOOKED:
        message.number = make_number(Letter.RELEASE, ledger.instance, item.sequence)
        return message
    message.debit = entry.credit == _bank_side(register, bank)
    message.reversal = bool(int(entry.flags) & _REVERSAL)
    texts = read_booked(tail)
    message.booked, message.line_kind = texts.booked, texts.kind
    message.charges = texts.charges
    message.texts.extend(texts.texts)
    message.texts_cut = texts.is_cut
    return message


def explained_item(node: Node, line: Line) -> pb.BankItem | None:
    """The booked item that a line of a proposal explains, open or not any more; None of
    any other line, and of an entry that is damaged or not there yet.
    """
    ledger, register = node.ledger, node.register
    sequence = line.resolves
    if line.kind is not Kind.TRANSFER or not 0 < sequence <= ledger.sequence:
        return None
    try:
        entry = ledger.row(sequence)
        if entry.kind != Kind.BOOKED or entry.result != Result.OK:
            return None
        tail = ledger.tail(sequence)
        is_credit = register.account(entry.debit).kind is AccountKind.BANK
    except (CorruptionError, LookupError):
        return None
    kind = BankItemKind.CREDIT if is_credit else BankItemKind.DEBIT
    account = entry.credit if is_credit else entry.debit
    item = BankItem(sequence, kind, account, entry.amount)
    return item_message(node, item, (entry, tail))


def _bank_side(register: Register, bank: BankAccount | None) -> int:
    """The index of a bank account's mirror."""
    if bank is None:
        return 0
    return next(parts(register, bank))
