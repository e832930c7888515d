"""Desks go by a time that passes only where a test waits for it."""

import pytest

from switch.simulator import desk, outbox
from tests.simulator.desks import time


@pytest.fixture(autouse=True)
def _time(monkeypatch: pytest.MonkeyPatch) -> None:
    time.begin()
    for module in (desk, outbox):
        monkeypatch.setattr(module, "time", time)
