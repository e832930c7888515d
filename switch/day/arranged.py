"""What the treasury arranges before a replayed day, and what is seen of it at its end:
to whom billers' money is paid out, when windows close, and which wallets are low.

May use the client and `council`.
"""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from switch.calendar import IST_OFFSET_S, NS_IN_S, format_ist
from switch.client import Client, balance_of
from switch.codes import AMOUNT_MAX
from switch.day.council import Council
from switch.day.proof import Books, Proof
from switch.sample import load_sample
from switch.schedule_rows import DAY_MINUTES, WEEKDAYS
from switch.v1 import admin_pb2, banks_pb2, schedules_pb2
from switch.v1 import people_pb2 as pb

WAIT_S = 1
"""Until money is paid out to a new beneficiary: the day is some hundred times faster
than one, and a day would be too long."""
LOW = 1_000_00
"""Paise below which a centre with a certificate of its own is low."""
IFSC = "SIMB0000001"


@dataclass(slots=True)
class Arranged:
    """What was seen of it at the end of the day."""

    beneficiaries: int = 0
    payouts: int = 0
    """Lines that release money, as their approver sees them."""
    wrong: tuple[str, ...] = ()
    """Billers whose money did not go to their own beneficiary."""
    low: tuple[str, ...] = ()
    """Centres, in the order in which they became low."""
    lacking: int = 0
    """Paise that these should have and have not."""
    cutoff_ns: int = 0
    """When the window of the next day closes by itself."""


def arrange(treasury: Client, council: Council, centres: Iterable[str]) -> None:
    """Have all of it proposed and done, as far as it is not so already."""
    wishes = []
    if treasury.people().thresholds is None:
        most = dict.fromkeys(("single", "batch", "day"), AMOUNT_MAX)
        wishes.append(pb.Wish(thresholds=pb.Thresholds(**most, wait_s=WAIT_S)))
    numbers = _numbers()
    for biller in load_sample().billers:
        one = pb.BeneficiaryWish(
            biller=biller.id,
            head=biller.head,
            number=numbers[biller.id],
            ifsc=IFSC,
            active=True,
            name=biller.name_en,
        )
        wishes.append(pb.Wish(beneficiary=one))
    # Half a day away: the window of this replay is closed by its own office.
    minute = (int(time.time()) + IST_OFFSET_S) // 60 + DAY_MINUTES // 2
    schedule = schedules_pb2.Schedule(
        weekdays=range(1, len(WEEKDAYS) + 1), minutes=[minute % DAY_MINUTES]
    )
    wishes.append(pb.Wish(schedule=pb.ScheduleWish(schedule=schedule)))
    limits = (pb.LimitWish(centre=centre, low_balance=LOW) for centre in centres)
    wishes += [pb.Wish(limit=one) for one in limits]
    council.do_all(wishes, "arrangements")


def _numbers() -> dict[str, str]:
    """Biller → its account at the bank."""
    return {one.id: f"{at:012d}" for at, one in enumerate(load_sample().billers, 1)}


def wait_for(beneficiaries: Sequence[banks_pb2.Beneficiary]) -> None:
    """Until money may be paid out to all of them."""
    usable_ns = max((one.usable_from_ns for one in beneficiaries), default=0)
    time.sleep(max(usable_ns - time.time_ns(), 0) / NS_IN_S)


def look(treasury: Client, payouts: int) -> Arranged:
    """What there is of it; `payouts` is the proposal that releases what was settled."""
    found = Arranged(beneficiaries=sum(1 for _ in treasury.beneficiaries()))
    if payouts:
        lines = treasury.proposal(payouts).lines
        found.payouts = len(lines)
        numbers = _numbers()
        found.wrong = tuple(
            one.text
            for one in lines
            if f'"payout {one.beneficiary.biller}"' not in one.text
            or numbers.get(one.beneficiary.biller) != one.beneficiary.number
        )
    low, _ = treasury.low_balances()
    found.low = tuple(one.centre for one in low)
    found.lacking = sum(max(one.low_balance - one.available, 0) for one in low)
    found.cutoff_ns = next((one.time_ns for one in treasury.schedule(1).cutoffs), 0)
    return found


def prove_beneficiaries(arranged: Arranged, payouts: int) -> Proof:
    """All that was settled was released to the account of just its biller."""
    ok = not arranged.wrong and arranged.payouts == payouts
    detail = f"{arranged.payouts} payouts, {arranged.beneficiaries} beneficiaries"
    if arranged.wrong:
        detail = f"{len(arranged.wrong)} go elsewhere, such as {arranged.wrong[0]}"
    return Proof("each biller is paid to its own account at a bank", ok, detail)


def prove_low(arranged: Arranged, centres: Iterable[str], after: Books) -> Proof:
    """Who is low is who has less than it should, by the books."""
    watched = set(centres)
    wanted = {
        one.participant
        for one in after.accounts
        if one.kind == admin_pb2.ACCOUNT_KIND_WALLET
        and one.participant in watched
        and balance_of(one) - one.debits_pending < LOW
    }
    told = watched.intersection(arranged.low)
    detail = f"{len(told)} of {len(watched)}"
    if told != wanted:
        detail = f"{sorted(told ^ wanted)[:5]} are told otherwise"
    return Proof("who has too little is told", told == wanted, detail)


def plain(arranged: Arranged) -> dict[str, object]:
    """For machines."""
    return {
        "beneficiaries": arranged.beneficiaries,
        "low": len(arranged.low),
        "lacking_paise": arranged.lacking,
        "next_cutoff": format_ist(arranged.cutoff_ns),
    }
