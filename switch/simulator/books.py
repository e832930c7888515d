"""What a simulated biller has credited or refused: once each payment, kept in a file.

The file is append-only text, one line a payment: biller, id, amount, service and
reference; of a payment that is refused for ever the amount is `-`. A line is written
before the answer that tells of it, so that a simulator that was killed and started
again credits nothing a second time. (It outlives the process, not the machine: it is
not synced.)
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


class Credit(NamedTuple):
    """One payment that was credited, or refused: then its amount is REFUSED."""

    id: bytes
    amount: int
    service: str
    reference: str


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

    def find(self, biller: str, payment_id: bytes) -> int | None:
        """The amount credited for a payment, REFUSED, or None if it is not decided."""
        known = self._known.get(biller)
        return None if known is None else known.get(payment_id)

    def write(self, biller: str, credit: Credit) -> None:
        """Credit or refuse a payment that is not decided yet. `flush` writes it."""
        assert self.find(biller, credit.id) is None
        self._learn(biller, credit)
        if self._file >= 0:
            id_, amount, service, reference = credit
            text = "-" if amount == REFUSED else str(amount)
            self._lines.append(
                f"{biller}\t{id_.hex()}\t{text}\t{service}\t{reference}\n"
            )

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
        self._known.setdefault(biller, {})[credit.id] = credit.amount
        if credit.amount == REFUSED:
            return
        payments, amount = self._sums.get(biller, (0, 0))
        self._sums[biller] = (payments + 1, amount + credit.amount)
        bills = self._bills.setdefault(biller, {})
        bill = (credit.service, bill_key(credit.service, credit.reference))
        if bill in bills and not may_be_paid_in_parts(credit.service):
            self._again[biller] += 1
        bills[bill] = bills.get(bill, 0) + credit.amount

    def close(self) -> None:
        """Write what is left and close the file. Idempotent."""
        if self._file >= 0:
            self.flush()
            os.close(self._file)
            self._file = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _read(line: str) -> tuple[str, Credit]:
    """A biller and its credit. Raises ValueError."""
    biller, id_, text, service, reference = line.split("\t")
    amount = REFUSED if text == "-" else int(text)
    return biller, Credit(bytes.fromhex(id_), amount, service, reference)


def read_credits(path: Path) -> dict[bytes, Credit]:
    """Payment's id → what was credited for it, of all billers of a file.

    Raises ValueError if a payment is in it twice.
    """
    found: dict[bytes, Credit] = {}
    for line in path.read_text("ascii").splitlines():
        _, credit = _read(line)
        if credit.id in found:
            raise ValueError(f"payment {credit.id.hex()} was decided twice")
        found[credit.id] = credit
    return {id_: one for id_, one in found.items() if one.amount != REFUSED}
