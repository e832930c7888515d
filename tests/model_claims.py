"""The oracle's claims: what makes a bill payable once, and a reference not twice by
mistake.

Part of tests/model.py, which see.
"""

from switch.codes import DuplicateRule, Kind, PriceRule, Result
from tests.flags import RowFlag
from tests.model_doubts import Doubts
from tests.model_state import SECOND_NS, Answer, ClaimKey, Service
from tests.records import Row

HOUR_NS = 3_600 * SECOND_NS
TAKERS_MAX = 16


def utr_key(reference: bytes) -> ClaimKey:
    """The claim of what a bank calls a transfer, however that is typed."""
    return "utr", 0, reference.replace(b" ", b"").upper(), 0


class Claims(Doubts):
    """Both kinds of claims."""

    def bill_key(self, row: Row) -> ClaimKey | None:
        """The bill claim of a payment, if its service has such."""
        service = self.services[row.service - 1]
        if service.duplicate_rule != DuplicateRule.ONCE:
            return None
        return "bill", service.biller, row.reference, service.series or row.service

    def claims_reference(self, row: Row) -> bool:
        """Whether a payment takes a reference claim."""
        service = self.services[row.service - 1]
        quoted = service.price_rule == PriceRule.BILL and not (
            row.flags & RowFlag.STATED
        )
        return quoted or service.duplicate_rule == DuplicateRule.WITHIN

    def reference_key(self, row: Row) -> tuple[int, bytes]:
        """The reference claim of a payment: bills are those of a whole series."""
        service = self.services[row.service - 1]
        whole = service.series if service.price_rule == PriceRule.BILL else 0
        return whole or row.service, row.cited

    def takers_of(self, row: Row) -> list[Row]:
        """Who took a payment's reference claim, the newest first; behind them those of
        a basket that is only tried.
        """
        found = self.takers.get(self.reference_key(row), ())[::-1]
        there = len(self.rows) if self.tried is None else self.tried
        done = [sequence for sequence in found if sequence <= there][:TAKERS_MAX]
        tried = [sequence for sequence in found if sequence > there]
        return [self.rows[sequence - 1] for sequence in done + tried]

    def take_claims(self, row: Row) -> None:
        """Claim the bill and the reference, as the service says."""
        sequence = len(self.rows) + 1
        bill = self.bill_key(row)
        if bill:
            self.claims[bill] = sequence
            self.claimants[bill] = (*self.claimants.get(bill, ()), sequence)
            row.flags |= RowFlag.CLAIM
        if self.claims_reference(row):
            key = self.reference_key(row)
            before = self.takers.get(key, ())
            self.takers[key] = (*before, sequence)[-2 * TAKERS_MAX :]
            row.flags |= RowFlag.RECENT

    def release_claim(self, row: Row, taker: Row) -> None:
        """Give up the bill that `taker` claimed, unless a later row has it by now.

        One that was paid in parts and is free is given up again by a refund.
        """
        if not taker.flags & RowFlag.CLAIM:
            return
        key = self.bill_key(taker)
        if key and self.claims.get(key, taker.sequence) == taker.sequence:
            self.claims.pop(key, None)
            self.released[key] = self.clock()
            row.flags |= RowFlag.RELEASE

    def credited_after_all(self, key: ClaimKey) -> int:
        """Who had a claim that is free, gave it back, and may be paid all the same."""
        for taker in self.claimants_of(key):
            paid = self.correction_of(taker)
            whole = paid is not None and not paid.flags & RowFlag.PARTIAL
            if self.late_case(taker) or self.dispute(taker) or whole:
                return taker.sequence
        return 0

    def claimants_of(self, key: ClaimKey) -> list[Row]:
        """Who took the claim of a bill, the newest first; so many are looked at."""
        newest = self.claimants.get(key, ())[: -TAKERS_MAX - 1 : -1]
        return [self.rows[sequence - 1] for sequence in newest]

    # --- what has become of those before ----------------------------------------------

    def fate(self, taker: Row) -> tuple[bool, bool, int]:
        """Whether a payment is unresolved, whether it is paid, and when it ended."""
        if taker.kind == Kind.PAY:
            return False, not self.is_given_back(taker), taker.timestamp
        end = self.end_of(taker)
        if end is None or self.in_question(taker) or self.dispute(taker):
            return True, False, taker.timestamp
        if end.kind == Kind.POST:
            return False, not self.is_given_back(end), end.timestamp
        paid = self.correction_of(taker)
        if paid is not None:
            return False, True, paid.timestamp
        verified = self.verified_by(taker)
        ended = max(verified, end.sequence if end.kind == Kind.VOID else 0)
        return False, False, self.rows[ended - 1].timestamp

    def counts(self, taker: Row, service: Service, at: int) -> bool:
        """Whether a payment may be in the way of one at this time."""
        unresolved, paid, ended = self.fate(taker)
        return unresolved or (paid and at - ended < service.duplicate_hours * HOUR_NS)

    def check_claims(self, row: Row, service: Service, at: int) -> Answer:
        """The bill is nobody's, and the reference was not paid lately."""
        bill = self.bill_key(row)
        taken = 0
        if bill:
            taken = self.claims.get(bill, 0) or self.credited_after_all(bill)
        if taken:
            return Answer(Result.BILL_ALREADY_CLAIMED, taken)
        return self.paid_recently(row, service, at)

    def paid_recently(self, row: Row, service: Service, at: int) -> Answer:
        """What the payments of the same reference say, the newest first: the first that
        decides is the answer.
        """
        named = False
        for taker in self.takers_of(row) if self.claims_reference(row) else ():
            if named and taker.sequence <= (self.tried or taker.sequence):
                continue
            counts = self.counts(taker, service, at)
            if service.duplicate_rule == DuplicateRule.ONCE:
                another = taker.reference != row.reference
                if counts and another and taker.timestamp < row.fetched:
                    return Answer(Result.PAID_RECENTLY, taker.sequence)
            elif counts and row.resolves == taker.sequence:
                named = True  # older ones are not looked at
            elif counts:
                return Answer(Result.PAID_RECENTLY, taker.sequence)
            elif row.fetched and self.fate(taker)[2] >= row.fetched:
                return Answer(Result.QUOTATION_EXPIRED)
        return Answer()

    def is_superseded(self, row: Row, service: Service, at: int) -> bool:
        """Whether what is due may be another amount since the bill was fetched."""
        bill = self.bill_key(row)
        if bill and self.released.get(bill, -1) >= row.fetched:
            return bill not in self.claims
        if bill and bill not in self.claims and not self.credited_after_all(bill):
            takers = self.claimants_of(bill)
            if any(self.settled_at(taker) >= row.fetched for taker in takers):
                return True
        return self.check_claims(row, service, at).result == Result.QUOTATION_EXPIRED

    def in_the_way(self, index: int, reference: bytes, cited: bytes, now: int) -> int:
        """What would be in the way of a bill of a service that is fetched now."""
        row = Row(Kind.PAY, service=index, reference=reference)
        row.cited, row.fetched = cited, now
        return self.check_claims(row, self.services[index - 1], now).other
