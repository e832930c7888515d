"""Goal: nobody who may only read keeps a reading thread from all others by rules 10's
lists.

Method: a ledger whose windows list more lines than one page looks up; its pages are
read one after the other.
"""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from server.services import windows
from switch.v1 import schedules_pb2 as pb
from tests.core.scheduled import DAY, START, Scheduled, schedule


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
