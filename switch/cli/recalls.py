"""Releases that people have taken back, as the switch tells them: a part of commands.

Over the wire.
"""

from collections.abc import Iterator

from switch.client import Client
from switch.said import BANK_PREFIX, BANK_TRANSIT
from switch.v1 import banks_pb2, explain_pb2, types_pb2


def recalls_of(
    client: Client, bank: banks_pb2.BankAccount
) -> Iterator[types_pb2.Entry]:
    """The recalls of a bank account's releases: all transfers from its transit account
    are that.
    """
    head = f"{BANK_PREFIX}{bank.number}{BANK_TRANSIT}"
    kind, side = types_pb2.ENTRY_KIND_TRANSFER, explain_pb2.SIDE_DEBIT
    yield from client.movements(bank.participant, head, kind, side)
