"""What a simulated biller has credited or refused: once each payment, kept in a file.

The file is append-only text, one line a payment: biller, id, amount, service,
reference, number of the question and the payment's time. Of a payment that is refused
for ever the amount is `-`; a credit that is taken back has a second line, with 0. By a
line without an id all payments up to its time are refused that are not decided before
it. A line is written before the answer that tells of it, so that a simulator that was
killed and started again credits nothing a second time. (It outlives the process, not
the machine: it is not synced.)
"""

import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from switch.errors import ConfigError
from switch.simulator.bills import bill_key, may_be_paid_in_parts

REFUSED = -1
"""Instead of an amount."""
TAKEN_BACK = 0
"""Instead of the amount that was credited before."""


class Credit(NamedTuple):
    """One payment that was credited, or refused: then its amount is REFUSED."""

    id: bytes
    amount: int
    service: str
    reference: str
    number: int = 0
    """Of its question: a basket's payments have the first one's."""
    time_ns: int = 0
    """When the counter's payment was accepted."""


@dataclass(frozen=True, slots=True)
class Totals:
    """What one biller has credited in all."""

    payments: int
    amount: int
    bills_paid_again: int
    """Payments of a bill that another payment had credited before, and that is not
    paid in parts."""


class Books:
    """The credits of one or many billers."""

    def __init__(self, path: Path | None = None) -> None:
        """Go on where the file ended; `path` None keeps no file.

        Raises ConfigError if the file cannot be used.
        """
        self._known: dict[str, dict[bytes, int]] = {}
        self._sums: dict[str, tuple[int, int]] = {}
        self._bills: dict[str, dict[tuple[str, str], int]] = {}
        self._again: Counter[str] = Counter()
        self._closed_ns: dict[str, int] = {}
        self._lines: list[str] = []
        self._file = -1
        self.resumed = 0
        """Credits that the file had."""
        if path is not None:
            self._open(path)

    def _open(self, path: Path) -> None:
        try:
            content = path.read_bytes() if path.exists() else b""
            self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            # The last line may be cut short by a kill; nobody was told of it.
            whole = content.rpartition(b"\n")[0]
            os.truncate(self._file, len(whole) + bool(whole))
            for line in whole.decode("ascii").splitlines():
                self._learn(*_read(line))
                self.resumed += 1
        except OSError as error:
            raise ConfigError(f"cannot use {path}: {error.strerror}") from error
        except ValueError as error:
            raise ConfigError(f"{path} is no record of credits: {error}") from error

    def find(self, biller: str, payment_id: bytes, time_ns: int = 0) -> int | None:
        """The amount credited for a payment, REFUSED, TAKEN_BACK, or None if it is not
        decided.

        `time_ns` is the payment's: it may be of those that are all refused.
        """
        known = self._known.get(biller)
        amount = None if known is None else known.get(payment_id)
        if amount is None and 0 < time_ns <= self._closed_ns.get(biller, 0):
            return REFUSED
        return amount

    def write(self, biller: str, credit: Credit) -> None:
        """Credit or refuse what is not decided, or take back what is credited.

        `flush` writes it.
        """
        before = self.find(biller, credit.id)
        assert before is None if credit.amount else (before or 0) > 0
        self._note(biller, credit)

    def close(self, biller: str, time_ns: int) -> None:
        """Refuse all payments up to a time that are not decided. `flush` writes it."""
        self._note(biller, Credit(b"", REFUSED, "", "", 0, time_ns))

    def _note(self, biller: str, credit: Credit) -> None:
        self._learn(biller, credit)
        if self._file >= 0:
            text = "-" if credit.amount == REFUSED else str(credit.amount)
            id_, _, *rest = credit
            words = (biller, id_.hex(), text, *map(str, rest))
            self._lines.append("\t".join(words) + "\n")

    def flush(self) -> None:
        """Write what was credited; to be called before an answer tells of it."""
        if self._lines:
            data = "".join(self._lines).encode("ascii")
            self._lines.clear()
            while data:
                data = data[os.write(self._file, data) :]

    def paid(self, biller: str, service: str, reference: str) -> int:
        """Paise credited for one bill, under whichever of its ids."""
        bills = self._bills.get(biller, {})
        return bills.get((service, bill_key(service, reference)), 0)

    def totals(self, biller: str) -> Totals:
        """What a biller has credited in all."""
        credited, amount = self._sums.get(biller, (0, 0))
        return Totals(credited, amount, self._again[biller])

    def _learn(self, biller: str, credit: Credit) -> None:
        if not credit.id:
            closed_ns = self._closed_ns.get(biller, 0)
            self._closed_ns[biller] = max(closed_ns, credit.time_ns)
            return
        known = self._known.setdefault(biller, {})
        before = known.get(credit.id, 0)
        known[credit.id] = credit.amount
        if credit.amount == REFUSED:
            return
        change = credit.amount - before
        payments, amount = self._sums.get(biller, (0, 0))
        step = 1 if credit.amount else -1
        self._sums[biller] = (payments + step, amount + change)
        bills = self._bills.setdefault(biller, {})
        bill = (credit.service, bill_key(credit.service, credit.reference))
        paid = bills.get(bill, 0)
        if paid and credit.amount and not may_be_paid_in_parts(credit.service):
            self._again[biller] += 1
        bills[bill] = paid + change

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._file >= 0:
            self.flush()
            os.close(self._file)
            self._file = -1


def _read(line: str) -> tuple[str, Credit]:
    """A biller and its credit. Raises ValueError."""
    biller, id_, text, service, reference, number, time_ns = line.split("\t")
    amount = REFUSED if text == "-" else int(text)
    words = bytes.fromhex(id_), amount, service, reference, int(number), int(time_ns)
    return biller, Credit(*words)


def read_billers(path: Path) -> dict[str, dict[bytes, Credit]]:
    """Biller → payment's id → what is credited for it, as a file has it.

    Raises ValueError if a payment is decided in it twice.
    """
    found: dict[str, dict[bytes, Credit]] = {}
    # What is being written while this is read is not decided yet.
    for line in path.read_text("ascii").rpartition("\n")[0].splitlines():
        biller, credit = _read(line)
        if not credit.id:
            continue
        known = found.setdefault(biller, {})
        before = known.get(credit.id)
        if before is not None and (credit.amount != TAKEN_BACK or before.amount <= 0):
            raise ValueError(f"payment {credit.id.hex()} was decided twice")
        known[credit.id] = credit
    return {
        biller: {id_: one for id_, one in known.items() if one.amount > 0}
        for biller, known in found.items()
    }


def read_credits(path: Path) -> dict[bytes, Credit]:
    """Payment's id → what is credited for it, of all billers of a file.

    Raises ValueError if a payment is decided in it twice.
    """
    billers = read_billers(path).values()
    return {id_: credit for known in billers for id_, credit in known.items()}
