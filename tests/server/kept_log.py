"""A security log without a thread, whose clock and disk the test has in its hand."""

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from server.security_log import SecurityLog

NOON = datetime(2026, 11, 26, 12, 0, 5, tzinfo=UTC)


class Kept:
    """A log without a thread, and its clock."""

    def __init__(self, path: Path, *, days: int = 366, most: int = 1 << 20) -> None:
        self.now = NOON.timestamp()
        self.path = path
        self.log = SecurityLog(
            path, days=days, day_bytes_max=most, wall=lambda: self.now
        )

    def lines(self) -> list[dict[str, Any]]:
        """What stands in all its files."""
        return read_lines(self.path)

    def pass_minute(self) -> None:
        self.now += 60
        self.log.write()


def read_lines(directory: Path) -> list[dict[str, Any]]:
    files = sorted(directory.glob("security-*.jsonl"))
    texts = [file.read_text() for file in files]
    assert all(text.endswith("\n") for text in texts if text)
    return [json.loads(line) for text in texts for line in text.splitlines()]


class Full:
    """A disk that takes some bytes, and then has no room."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, room: int) -> None:
        self.room = room
        self._write = os.write
        monkeypatch.setattr(os, "write", self.write)

    def write(self, file: int, data: Any) -> int:
        if not self.room:
            raise OSError(28, "No space left on device")
        taken = self._write(file, bytes(data)[: self.room])
        self.room -= taken
        return taken
