"""The register's texts as they were at a sequence.

A part of `register`; may use the core, `ledger` and `tails`.
"""

from bisect import bisect_right
from collections.abc import Iterable

from switch._core import Rows, entries_of
from switch.codes import Kind, Record, Result
from switch.ledger.follower import Follower
from switch.ledger.payment_tails import read_tails
from switch.register.register import Register
from switch.register.tails import record_tariff, record_texts
from switch.tariffs import Fee


class PastNames:
    """The register's texts as they were at a sequence. Any thread may ask.

    What has not been replaced since is known at once. The first question about what
    has, follows the journal from its beginning for `register` rows, once; later ones go
    on from there.
    """

    def __init__(self, register: Register) -> None:
        """Nothing is read before it is needed."""
        self._register = register
        self._follower = Follower(register.ledger, self._take)
        # Sequences of the register rows of each (record, index), ascending.
        self._rows: dict[tuple[int, int], list[int]] = {}

    def texts(self, record: Record, index: int, sequence: int) -> dict[str, str]:
        """Texts of participant or service `index` as registered at `sequence`.

        Raises LookupError if it was not registered then, CorruptionError, and
        OverloadError while another call reads the journal for the first time.
        """
        return record_texts(self._tail(record, index, sequence), record)

    def read_ahead(
        self, record: Record, indexes: Iterable[int], sequence: int
    ) -> dict[int, dict[str, str]]:
        """`texts` of many at a time: of those that were registered together each alone
        would be searched for. Raises likewise.
        """
        at = {index: self._at(record, index, sequence) for index in indexes}
        ledger = self._register.ledger
        tails = read_tails(ledger, at.values())
        found = {}
        for index, one in at.items():
            tail = tails[one]
            row = ledger.row(one)
            if row.operator and not row.total:
                tail = self._register.record(one)
            found[index] = record_texts(tail, record)
        return found

    def tariff(self, service: int, sequence: int) -> tuple[Fee, ...]:
        """The tariff of a service as registered at `sequence`. Raises likewise."""
        return record_tariff(self._tail(Record.SERVICE, service, sequence))

    def _tail(self, record: Record, index: int, sequence: int) -> bytes:
        return self._register.record(self._at(record, index, sequence))

    def _at(self, record: Record, index: int, sequence: int) -> int:
        """The register row that held then."""
        current = self._current(record, index)
        if current > sequence:
            self._follower.read_on()
            known = self._rows.get((int(record), index), [])
            at = bisect_right(known, sequence)
            if not at:
                raise LookupError(f"{record.name} {index} is younger than {sequence}")
            current = known[at - 1]
        return current

    def _current(self, record: Record, index: int) -> int:
        is_service = record is Record.SERVICE
        find = self._register.service if is_service else self._register.participant
        try:
            return find(index).sequence
        except LookupError:
            self._register.refresh()
            return find(index).sequence

    def _take(self, rows: Rows) -> None:
        wanted = (rows["kind"] == Kind.REGISTER) & (rows["result"] == Result.OK)
        for entry in entries_of(rows[wanted]):
            at = entry.sequence
            tail = self._register.ledger.tail(at)
            self._rows.setdefault((tail[0], entry.debit), []).append(at)
