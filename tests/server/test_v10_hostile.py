"""Goal: rules 10's lists keep no reading thread from all others, and name nobody for
ever.

Method: a ledger whose windows list more lines than one page looks up, its pages read
one after the other; and a wallet that is low as it is closed.
"""

import struct
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from server.figures import wallet_figures
from server.services import windows
from server.services.wallets import WalletService
from switch.codes import Kind, Result, Role
from switch.v1 import schedules_pb2 as pb
from switch.v1 import wallets_pb2
from tests.core.scheduled import DAY, START, TREASURY, WALLET, Scheduled, schedule


def test_a_page_of_windows_has_so_many_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = Scheduled(tmp_path / "ledger", heads=3)
    house.register(schedule((600,)))
    for day in range(7):
        moves = [house.move(1 + day, credit=head) for head in house.heads]
        house.commit(*moves, now=START + day * DAY + DAY // 2)
    monkeypatch.setattr(windows, "PAGE_LINES_MAX", 6)
    config = SimpleNamespace(page_size_default=100, page_size_max=1_000)
    node: Any = SimpleNamespace(ledger=house.ledger, config=config)
    caller: Any = SimpleNamespace(index=1)
    request = pb.ListWindowsRequest(page_size=1_000)
    pages: list[list[int]] = []
    while not pages or request.page_token:
        reply = windows.list_windows(node, request, caller)
        pages.append([one.sequence for one in reply.windows])
        request.page_token = reply.next_page_token
    assert [one for page in pages for one in page] == house.windows()[::-1]
    assert [len(page) for page in pages] == [2, 2, 2]
    house.close()


def test_a_wallet_that_is_closed_is_not_low(tmp_path: Path) -> None:
    house = Scheduled(tmp_path / "ledger")
    most = 2**64 - 1
    tail = struct.pack("<QIB3xQQ", most, 2**32 - 1, 2, most, 100)
    [told] = house.commit(house.row(Kind.LIMIT, debit=WALLET, tail=tail))
    config = SimpleNamespace(page_size_default=100, page_size_max=1_000)
    node: Any = SimpleNamespace(ledger=house.ledger, config=config, register=None)
    assert wallet_figures(node)[0].samples[0][2] == 1
    [told] = house.commit(house.row(Kind.CLOSE, debit=WALLET, reference=b"gone"))
    assert told.result == Result.OK
    assert int(house.ledger.account(WALLET)[0]["low_since"]) != 0
    assert wallet_figures(node)[0].samples[0][2] == 0
    caller: Any = SimpleNamespace(index=TREASURY, role=Role.TREASURY)
    listed = WalletService(node)._list_low(wallets_pb2.ListLowBalancesRequest(), caller)
    assert not listed.wallets
    house.close()
