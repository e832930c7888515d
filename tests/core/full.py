"""A ledger that is filled up to a table's bound, for the tests of what is beyond."""

from pathlib import Path
from typing import Any

import numpy as np

from switch import _core as core
from switch.codes import DuplicateRule, Kind, Result, RowFlag
from tests.core.network import NOW, Network, make_network, top_up
from tests.core.pair import rows_request
from tests.records import ServiceRecord


class Full:
    """A ledger that is filled up row by row, in groups as large as they may be."""

    def __init__(self, path: Path, **options: Any) -> None:
        self.path = path
        self.options = {"map_size": 1 << 32, **options}
        self.net: Network = make_network()
        heads = tuple(self.net.heads[0])
        self.service = self.net.service(
            ServiceRecord(
                b"ANY",
                self.net.billers[0],
                heads,
                duplicate_rule=DuplicateRule.NONE,
                key_rule=0,
            )
        )
        self.number = 1 << 32
        self.open()
        self.ledger.commit([rows_request(self.net.rows)], NOW)
        money = top_up(self.net, self.net.wallets[0], 10**9, b"UTR 1")
        self.ledger.commit([rows_request([money])], NOW)

    def open(self) -> None:
        self.ledger = core.Ledger(str(self.path), **self.options)

    def reopen(self) -> None:
        self.ledger.close()
        self.open()

    def rows(self, kind: Kind, count: int, participant: int) -> core.Rows:
        """Templates with ids of their own."""
        rows = np.zeros(count, core.ROW)
        rows["kind"] = kind
        rows["participant"] = participant
        numbers = np.arange(self.number, self.number + count, dtype=">u8")
        rows["id"][:, 8:] = numbers.view(np.uint8).reshape(count, 8)
        self.number += count
        return rows

    def commit(self, rows: core.Rows, tails: list[bytes] | None = None) -> core.Rows:
        """All of them; what became of each."""
        found = []
        for start in range(0, len(rows), core.GROUP_MAX):
            end = start + core.GROUP_MAX
            request = core.Request.rows(rows[start:end], (tails or [])[start:end])
            [outcomes] = self.ledger.commit([request], NOW)
            assert isinstance(outcomes, np.ndarray)
            found.append(outcomes)
        return np.concatenate(found)

    def register(self, tails: list[bytes]) -> core.Rows:
        rows = self.rows(Kind.REGISTER, len(tails), self.net.treasury)
        rows["flags"] = int(RowFlag.TAIL)
        return self.commit(rows, tails)

    def pay(self, count: int) -> core.Rows:
        """The sequences of payments of a rupee."""
        rows = self.rows(Kind.PAY, count, self.net.centres[0])
        rows["debit"] = self.net.wallets[0]
        rows["service"] = self.service
        rows["amount"] = rows["total"] = 100
        rows["reference"][:, 0] = ord("R")
        outcomes = self.commit(rows)
        assert set(outcomes["result"].tolist()) == {Result.OK}
        sequences: core.Rows = outcomes["sequence"]
        return sequences

    def complain(self, payments: core.Rows) -> core.Rows:
        rows = self.rows(Kind.COMPLAINT, len(payments), self.net.centres[0])
        rows["resolves"] = payments
        rows["total"] = 1
        return self.commit(rows)


def results(outcomes: core.Rows, room: int) -> bool:
    """Whether as many have been taken as there was room for, and all others refused."""
    expected = [Result.OK] * room + [Result.TABLE_FULL] * (len(outcomes) - room)
    return bool(outcomes["result"].tolist() == expected)
