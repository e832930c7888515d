"""What is wanted about banks, as lines: their accounts, and what they have booked.

In a reading thread. Whether a line may be the ledger says; here what is named is found,
and what cannot be is told before anybody signs it.
"""

import time
from collections.abc import Iterator

from server import arguments
from server.node import Node
from server.services.wished import About, amount_of, plain
from server.status import ArgumentError, NotFoundError, PreconditionError
from switch.bank_rows import (
    ACCOUNT_SIZE_MAX,
    BankAccountRecord,
    BeneficiaryRecord,
    bank_account_tail,
    beneficiary_tail,
    is_account_number,
    is_ifsc,
)
from switch.calendar import format_ist
from switch.codes import BANK_ACCOUNTS_MAX as ACCOUNTS_MAX
from switch.codes import AccountKind, Kind, Link, Result, Role, RowFlag
from switch.entries import Entry
from switch.errors import shown
from switch.ledger import moves
from switch.ledger.templates import Templates, open_account, people_json, template
from switch.register.banks import SUSPENSE, TRANSIT, BankAccount
from switch.register.register import (
    PURPOSE_SETTLEMENT,
    PURPOSE_SUSPENSE,
    Account,
    Register,
)
from switch.specs import TREASURY
from switch.v1 import people_pb2 as pb

_KINDS = (AccountKind.BANK, AccountKind.BANK_SUSPENSE, AccountKind.BANK_TRANSIT)
"""A bank account's three, by how far their purpose is behind its own."""
_PURPOSES_LOOKED_AT = 512
"""Some of them may have been opened, and not registered, by lines that were refused."""
NAME_MAX = 200
"""Characters of what a bank account is called."""

_ALREADY = None


def bank_account(node: Node, wish: pb.BankAccountWish) -> About | None:
    """A bank account, new or changed; of a new one its accounts first."""
    register = node.register
    number = wish.number
    _check_number(number, wish.name)
    known = register.banks.find(number)
    if known is not None:
        return _changed(register, known, wish)
    owner = wish.participant or TREASURY
    whose = arguments.participant(register, owner, "participant")
    if whose.spec.role is not Role.TREASURY:
        raise ArgumentError("participant", "must be one of the treasury")
    for purpose in register.banks.first_free(whose.index, _PURPOSES_LOOKED_AT):
        opened = _opened(register, whose.index, purpose)
        if opened is not None:
            break
    else:
        raise PreconditionError("TABLE_FULL", "there is no room for another")
    record = BankAccountRecord(wish.active, whose.index, purpose, number)
    return _registered(record, wish.name, opened)


def _check_number(number: str, name: str) -> None:
    if not is_account_number(number):
        text = f"must be 1 to {ACCOUNT_SIZE_MAX} capitals and digits"
        raise ArgumentError("number", text)
    if len(name) > NAME_MAX:
        raise ArgumentError("name", f"must be at most {NAME_MAX} characters")


def _changed(
    register: Register, known: BankAccount, wish: pb.BankAccountWish
) -> About | None:
    whose = register.participant(known.participant).spec.id
    if wish.participant not in ("", whose):
        raise ArgumentError("participant", f"is {shown(whose)} for ever")
    name = wish.name or known.name
    if (known.active, known.name) == (wish.active, name):
        return _ALREADY
    record = BankAccountRecord(
        wish.active, known.participant, known.purpose, known.number
    )
    return _registered(record, name)


def _registered(
    record: BankAccountRecord, name: str, before: tuple[Templates, ...] = ()
) -> About:
    tail = bank_account_tail(record) + people_json({"name": name})
    row = template(Kind.REGISTER, tail=tail)
    return About(row, ("bank account", record.account), before)


def _opened(
    register: Register, participant: int, purpose: int
) -> tuple[Templates, ...] | None:
    """What opens the accounts that lack of three; None if one is something else."""
    rows = []
    for part, kind in enumerate(_KINDS):
        there = register.find_account(participant, purpose + part)
        if there is None:
            rows.append(open_account(participant, purpose + part, kind, row_id=b""))
        elif there.kind is not kind:
            return None
    return tuple(rows)


# --- to whom money is paid out -------------------------------------------------------


def beneficiary(node: Node, wish: pb.BeneficiaryWish) -> About | None:
    """A beneficiary, new or changed."""
    register = node.register
    account = arguments.biller_head(register, wish.biller, wish.head).index
    known = register.banks.beneficiary_of(account)
    number = wish.number or (known.number if known else "")
    ifsc = wish.ifsc or (known.ifsc if known else "")
    name = wish.name or (known.name if known else "")
    _check_number(number, name)
    if not is_ifsc(ifsc):
        text = "must be four capitals, 0 and six capitals or digits"
        raise ArgumentError("ifsc", text)
    wanted = (number, ifsc, wish.active, name)
    if known and wanted == (known.number, known.ifsc, known.active, known.name):
        return _ALREADY
    record = BeneficiaryRecord(wish.active, account, number, ifsc)
    tail = beneficiary_tail(record) + people_json({"name": name})
    return About(template(Kind.REGISTER, tail=tail), ("beneficiary", account))


def _paid_to(register: Register, wish: pb.Payout) -> int:
    """The row that a payout names: the newest about its beneficiary, or 0."""
    banks = register.banks
    if wish.biller or wish.head:
        account = arguments.biller_head(register, wish.biller, wish.head).index
        known = banks.beneficiary_of(account)
        if known is None:
            whose = f"{shown(wish.biller)} {shown(wish.head)}"
            raise NotFoundError(f"head: {whose} has no beneficiary")
    elif not banks.has_beneficiaries:
        return 0
    else:
        active = banks.active_beneficiaries()
        if len(active) != 1:
            text = "must name one: there are several beneficiaries, or none is active"
            raise ArgumentError("biller", text)
        [known] = active
    if not known.active:
        text = f"the beneficiary {known.number} at {known.ifsc} is switched off"
        raise PreconditionError("BENEFICIARY_WRONG", text)
    until_ns = register.usable_from_ns(known)
    if time.time_ns() < until_ns:
        text = (
            f"the beneficiary {known.number} at {known.ifsc} may be used from "
            f"{format_ist(until_ns)} on"
        )
        raise PreconditionError("BENEFICIARY_WAITS", text)
    return known.sequence


# --- what becomes of a line ----------------------------------------------------------


def ending(node: Node, wish: pb.EndingWish) -> About:
    """A transfer that says what a booked line was, or that releases money, or takes a
    release back.
    """
    what = wish.WhichOneof("what")
    if what is None:
        raise ArgumentError("what", "must say what becomes of it")
    reason = plain("reason", wish.reason)
    if what == "payout":
        if wish.item:
            raise ArgumentError("item", "must be left out: nothing is ended")
        return About(_payout(node, wish.payout, reason))
    if wish.owed and what != "from_wallet":
        raise ArgumentError("owed", "is only of a wallet that has paid a debit")
    if what == "recall":
        return _recall(node, wish.item, reason)
    item = _item(node, wish.item)
    credit, debit = _accounts(node.register, item, what, wish)
    row = moves.ending(b"", item, debit, credit, reason, sender=0, owed=wish.owed)
    return About(row, ("ending", item.sequence))


def _payout(node: Node, wish: pb.Payout, reason: str) -> Templates:
    register = node.register
    bank = register.banks.find(wish.account)
    if not wish.account:
        active = [one for one in register.banks.after(0, ACCOUNTS_MAX) if one.active]
        if len(active) != 1:
            raise ArgumentError("account", "must name one: there are several, or none")
        [bank] = active
    if bank is None:
        raise NotFoundError(f"account: there is no bank account {shown(wish.account)}")
    return moves.payout(
        b"",
        register.treasury_account(PURPOSE_SETTLEMENT).index,
        _part(register, bank, TRANSIT),
        amount_of(wish.amount),
        _paid_to(register, wish),
        reason,
        sender=0,
    )


def _recall(node: Node, sequence: int, reason: str) -> About:
    """A release that comes back: a payout to settlement, a return to suspense."""
    register, ledger = node.register, node.ledger
    arguments.durable_sequence(ledger, sequence, "item")
    entry = release_of(register, sequence)
    if entry is None:
        raise NotFoundError(f"item: entry {sequence} is no release to a bank")
    ended_by = ledger.link(sequence, Link.MATCHED)
    if ended_by:
        what = "recalled" if ledger.row(ended_by).kind == Kind.TRANSFER else "booked"
        raise NotFoundError(f"item: entry {ended_by} has {what} {sequence}")
    back = entry.debit
    if register.account(back).kind is AccountKind.BANK_SUSPENSE:
        back = register.treasury_account(PURPOSE_SUSPENSE).index
    row = moves.ending(b"", entry, entry.credit, back, reason, sender=0)
    return About(row, ("recall", sequence))


def release_of(register: Register, sequence: int) -> Entry | None:
    """The release to a bank that an entry is; None if it is none, or is not there yet.

    Raises CorruptionError.
    """
    ledger = register.ledger
    if not 0 < sequence <= ledger.sequence:
        return None
    entry = ledger.row(sequence)
    if entry.kind != Kind.TRANSFER or entry.result != Result.OK:
        return None
    if register.account(entry.credit).kind is not AccountKind.BANK_TRANSIT:
        return None
    named = ledger.row(entry.resolves).kind if entry.resolves else None
    is_return = register.account(entry.debit).kind is AccountKind.BANK_SUSPENSE
    # What a debit was paid by went to no bank.
    return entry if is_return or named != Kind.BOOKED else None


def _item(node: Node, sequence: int) -> Entry:
    """A line that is open."""
    ledger = node.ledger
    entry = ledger.row(arguments.durable_sequence(ledger, sequence, "item"))
    is_booked = entry.kind == Kind.BOOKED and entry.result == Result.OK
    if not is_booked or RowFlag.MATCHED in entry.flags:
        raise NotFoundError(f"item: entry {sequence} is no line that waits for people")
    ended_by = ledger.link(sequence, Link.ENDING)
    if ended_by:
        raise NotFoundError(f"item: entry {ended_by} has ended {sequence}")
    return entry


def _accounts(
    register: Register, item: Entry, what: str, wish: pb.EndingWish
) -> tuple[int, int]:
    """Where the money goes, and where it is from."""
    debited, credited = (register.account(one) for one in (item.debit, item.credit))
    if debited.kind is AccountKind.BANK:
        return _of_credit(register, credited, what, wish), credited.index
    return debited.index, _of_debit(register, what, wish)


def _of_credit(
    register: Register, suspense: Account, what: str, wish: pb.EndingWish
) -> int:
    if what == "credit_wallet":
        return arguments.centre_wallet(register, wish.credit_wallet, what).index
    if what == "to_settlement":
        return register.treasury_account(PURPOSE_SETTLEMENT).index
    if what == "to_suspense":
        return register.treasury_account(PURPOSE_SUSPENSE).index
    bank = register.banks.owner_of(suspense.participant, suspense.purpose)
    if what != "send_back" or bank is None:
        raise ArgumentError(what, "cannot be of a credit")
    return _part(register, bank, TRANSIT)


def _of_debit(register: Register, what: str, wish: pb.EndingWish) -> int:
    if what == "from_wallet":
        return arguments.centre_wallet(register, wish.from_wallet, what).index
    if what == "from_settlement":
        return register.treasury_account(PURPOSE_SETTLEMENT).index
    if what == "from_suspense":
        return register.treasury_account(PURPOSE_SUSPENSE).index
    raise ArgumentError(what, "cannot be of a debit")


def _part(register: Register, bank: BankAccount, part: int) -> int:
    found = register.find_account(bank.participant, bank.purpose + part)
    if found is None:
        raise LookupError(f"bank account {bank.number} lacks an account")
    return found.index


def parts(register: Register, bank: BankAccount) -> Iterator[int]:
    """The indices of a bank account's three accounts, in their order."""
    for part in (0, SUSPENSE, TRANSIT):
        yield _part(register, bank, part)
