"""Payments that present quotations of their bills, as bytes of the wire.

A centre has its quotations from the switch, before it pays. Fetching them is other
work: a question to a biller each. So they are sealed here with the ledger's own key, in
C, and outside the clock. What is kept of them till they are sent is the seals, 16 bytes
each; everything else in a quotation follows from the payment and is filled in with it.
"""

import time
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks._client import CheckError
from benchmarks._drive import seal_tokens
from benchmarks.messages import (
    EVEN,
    QUOTED_PAYMENT,
    Bytes,
    Drawn,
    Layout,
    Maker,
    Shares,
)
from benchmarks.network import CENTRES, FIRST_CENTRE, FIRST_SERVICE
from switch import _core as core
from switch.codes import AmountRule
from switch.ledger.quotation_keys import read_keys

SEAL_SIZE = 16
KEY_NUMBER = 1
"""Of a ledger's first key, which is all that a fresh one has."""
FORMAT = 1
LIFE_NS = 86_400_000_000_000
"""A day: as long as a quotation can be valid."""
REFERENCE_SIZE = 15
"""Digits of a bill, and of its citizen's reference."""


class Sealer:
    """Seals quotations as one ledger does."""

    def __init__(self, secret: bytes, instance: bytes) -> None:
        """Its first key, and whose it is."""
        self._secret = secret
        self._instance = instance

    @classmethod
    def of(cls, directory: Path, instance: bytes) -> "Sealer":
        """That of a fresh ledger. Raises CheckError if its keys have been changed."""
        keys = read_keys(directory)
        if [key.number for key in keys] != [KEY_NUMBER]:
            raise CheckError(f"{directory} has other keys than its first")
        return cls(keys[0].secret, instance)

    def seals(self, quotations: npt.NDArray[np.void]) -> Bytes:
        """The seal of each quotation. Raises CheckError if one cannot be sealed."""
        tokens = np.ascontiguousarray(quotations).view(np.uint8)
        tokens = tokens.reshape(len(quotations), core.QUOTATION.itemsize)
        before = tokens[:, :-SEAL_SIZE].copy()
        if seal_tokens(tokens, self._secret, self._instance) != len(tokens):
            raise CheckError("a quotation is none")
        if not np.array_equal(before, tokens[:, :-SEAL_SIZE]):
            # Nor would the quotation that is sent later be the one that was sealed.
            raise CheckError("a quotation was changed when it was sealed")
        return tokens[:, -SEAL_SIZE:]


class QuotedMaker(Maker):
    """Makes payments of bills; the amount is what is due."""

    layout: Layout = QUOTED_PAYMENT

    def __init__(
        self,
        payload: int,
        ids: str,
        *,
        sealer: Sealer,
        ahead: int = 0,
        seed: int = 2026,
        first: int = 1,
        shares: Shares = EVEN,
        centres: int = CENTRES,
    ) -> None:
        """`ahead`: payments whose quotations are sealed now, and there are no more.

        0: each is sealed when its payment is made.
        """
        super().__init__(
            payload, ids, seed=seed, first=first, shares=shares, centres=centres
        )
        self._sealer = sealer
        self._used = 0
        self._seals: Bytes | None = None
        if ahead:
            self._seals = self._seal_ahead(ahead)

    def _settle(self, template: npt.NDArray[np.void]) -> None:
        quotation = template["quotation"]
        quotation["format"] = FORMAT
        quotation["key"] = KEY_NUMBER
        quotation["amount_rule"] = AmountRule.EXACT
        quotation["fetched"] = time.time_ns()
        quotation["valid_until"] = quotation["fetched"] + np.uint64(LIFE_NS)

    def _seal_ahead(self, ahead: int) -> Bytes:
        """The seals of the next payments, which are then made once more, the same."""
        first = self._next
        count = self.block_payments
        seals = np.empty((-(-ahead // count) * count, SEAL_SIZE), np.uint8)
        for start in range(0, len(seals), count):
            made = self._payments(count)
            seals[start : start + count] = made["quotation"]["seal"]
        self._next = first
        return seals

    def _quote(self, rows: npt.NDArray[np.void], drawn: Drawn) -> None:
        quotations = rows["quotation"]
        quotations["centre"] = FIRST_CENTRE + drawn["centre"].astype(np.uint32)
        quotations["service"] = FIRST_SERVICE + drawn["service"]
        quotations["series"] = quotations["service"]
        digits = np.ascontiguousarray(rows["reference"]).view(np.uint8)
        digits = digits.reshape(-1, REFERENCE_SIZE)
        quotations["reference"][:, :REFERENCE_SIZE] = digits
        # A bill's id need not be its citizen's reference; here one number is both.
        quotations["bill"][:, :REFERENCE_SIZE] = digits
        quotations["amount_due"] = drawn["amount"]
        if self._seals is None:
            quotations["seal"] = self._sealer.seals(quotations)
        else:
            quotations["seal"] = self._take_seals(self._seals, len(rows))

    def _take_seals(self, seals: Bytes, count: int) -> Bytes:
        """Those of the next payments. Raises CheckError if there are none left."""
        start, self._used = self._used, self._used + count
        if self._used > len(seals):
            raise CheckError(
                f"more was paid than the {len(seals)} sealed beforehand: "
                "QUOTED_PER_S of benchmarks.load is less than this machine pays"
            )
        return seals[start : self._used]
