"""Proves what a replayed day did with its bank: the bank's own book against the ledger.

May use the client's messages and the simulated bank.
"""

from switch.day.bank import Banked, Mistake
from switch.day.proof import Books, Proof
from switch.simulator.bank import SimulatedBank
from switch.v1 import admin_pb2, banks_pb2

_BANK = admin_pb2.ACCOUNT_KIND_BANK
_SUSPENSE = admin_pb2.ACCOUNT_KIND_BANK_SUSPENSE
_TRANSIT = admin_pb2.ACCOUNT_KIND_BANK_TRANSIT


def prove_mirror(
    bank: SimulatedBank, account: banks_pb2.BankAccount, after: Books
) -> Proof:
    """The ledger's account, and its last statement, have the balance of the bank."""
    ok = (
        account.before + account.balance == bank.balance
        and account.balance == after.banked
        and account.statement.closing == bank.sheets[-1].closing == bank.balance
        and account.statement.number == bank.sheets[-1].number
        and account.unlisted == 0
    )
    return Proof(
        "the ledger's bank account is what the bank says",
        ok,
        f"{account.balance} paise here, {bank.balance} at the bank, whose statement "
        f"{account.statement.number} is the last",
    )


def prove_lines(before: Books, after: Books, banked: Banked) -> Proof:
    """Nothing has come in or gone out but what is a line of the bank."""
    wanted = [0, 0]
    for one in banked.movements:
        wanted[one.change < 0] += abs(one.change)
    came, went = (
        now - then for now, then in zip(_totals(after), _totals(before), strict=True)
    )
    by_hand = after.topped_up - before.topped_up
    ok = [came, went] == wanted and not by_hand
    ok = ok and banked.lines == len(banked.movements)
    return Proof(
        "every rupee that came in stands on a line of the bank",
        ok,
        f"{came} paise in, {went} out; {wanted[0]} and {wanted[1]} on "
        f"{len(banked.movements)} lines of the bank",
    )


def _totals(books: Books) -> tuple[int, int]:
    """What ever came into accounts at banks, and what went out."""
    ours = [one for one in books.accounts if one.kind == _BANK]
    return (
        sum(one.debits_posted for one in ours),
        sum(one.credits_posted for one in ours),
    )


def prove_explained(banked: Banked, after: Books, open_count: int) -> Proof:
    """Each request was paid by evidence but those whose transfers were wrong; two
    people have ended the rest, and nothing waits for anybody.
    """
    wrong = banked.mistakes.total()
    # Who pays twice has paid once, and a stranger has not asked.
    unpaid = wrong - banked.mistakes[Mistake.TWICE] - banked.mistakes[Mistake.STRANGER]
    waits = sum(map(abs, _left(after)))
    ok = (
        banked.by_evidence == banked.requested - unpaid
        and banked.to_wallets + banked.returned == banked.cannot_ask + wrong
        and not open_count
        and not waits
    )
    return Proof(
        "wallets are credited by evidence, and by two people what nothing explains",
        ok,
        f"{banked.by_evidence} of {banked.requested} requests; {banked.to_wallets} "
        f"given to wallets, {banked.returned} returned; {open_count} wait, "
        f"{waits} paise",
    )


def _left(books: Books) -> list[int]:
    return [
        paise
        for kind in (_SUSPENSE, _TRANSIT)
        for paise in books.balances(kind).values()
    ]


def prove_again(banked: Banked) -> Proof:
    """A statement that was sent twice has changed nothing."""
    again = banked.again
    ok = again is not None and not any(again[:3]) and not again.refused
    return Proof(
        "the same statement again changes nothing",
        ok and not banked.again_rows,
        f"{banked.again_rows} rows",
    )
