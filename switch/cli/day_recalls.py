"""What must not go to a bank any more: a part of `payswitch close-day`.

Over the wire, and in a folder. An instruction is what was released in its window, for
ever. Who recalls a payout behind it, as one that no bank was told, has it in a file
that may be written and sent after that; then it would be paid, and paid anew.
"""

from collections.abc import Iterator
from pathlib import Path

from switch.bank.payees import read_payees
from switch.cli.matching import bytes_of
from switch.client import Client, Point
from switch.matching.breaks import FILE_MAX
from switch.matching.payouts import Payout
from switch.said import BANK_PREFIX, BANK_TRANSIT
from switch.v1 import explain_pb2, types_pb2


def releases_of(instruction: Path) -> set[int]:
    """The entries of its payouts. Raises StatementError, ListError, ConfigError."""
    return {
        Payout(one.reference, one.amount, one.day).entry
        for one in read_payees(bytes_of(instruction, FILE_MAX), str(instruction))
    }


def recalled_of(client: Client, instruction: Path) -> list[int]:
    """Those of its payouts that people have taken back.

    Raises what the client raises, StatementError, ListError, ConfigError.
    """
    releases = releases_of(instruction)
    after = Point(sequence=min(releases))
    return sorted(releases & set(_recalled(client, after)))


def _recalled(client: Client, after: Point) -> Iterator[int]:
    """All transfers from banks' transit accounts are that."""
    kind, side = types_pb2.ENTRY_KIND_TRANSFER, explain_pb2.SIDE_DEBIT
    for bank in client.bank_accounts().accounts:
        head = f"{BANK_PREFIX}{bank.number}{BANK_TRANSIT}"
        for entry in client.movements(bank.participant, head, kind, side, after):
            yield entry.resolves
