"""How many bytes of files of bills each biller has put in today.

In a cluster each file stays in the log's database, whatever takes its place: who puts
in full ones without end fills disks. Counted by one process, from its start on.
"""

from collections.abc import Iterator

from switch.calendar import day_date, day_number, day_start_ns
from switch.errors import FilesSpentError


class FileBudget:
    """Of all billers. Any thread; one biller's files come one after the other."""

    def __init__(self) -> None:
        """Nothing was put in yet."""
        self._spent: dict[str, tuple[int, int]] = {}
        """By biller: a day, and the bytes of that day."""

    def check(self, biller: str, size: int, most: int, now_ns: int) -> None:
        """Raise FilesSpentError if so many bytes more would be too many today."""
        today = day_number(now_ns)
        if self._of(biller, today) + size <= most:
            return
        left_ns = day_start_ns(day_date(today + 1)) - now_ns
        raise FilesSpentError(
            f"file: more than {most:,} bytes of files on one day", left_ns // 10**6 + 1
        )

    def spend(self, biller: str, size: int, most: int, now_ns: int) -> None:
        """A file of this size comes in. Raises FilesSpentError."""
        self.check(biller, size, most, now_ns)
        today = day_number(now_ns)
        self._spent[biller] = today, self._of(biller, today) + size

    def spent(self, now_ns: int) -> Iterator[tuple[str, int]]:
        """Each biller that has put in anything since the start, and its bytes today."""
        today = day_number(now_ns)
        for biller in list(self._spent):
            yield biller, self._of(biller, today)

    def _of(self, biller: str, today: int) -> int:
        day, size = self._spent.get(biller, (today, 0))
        return size if day == today else 0
