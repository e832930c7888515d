"""A payment's numbered acknowledgement: that the switch has it, and how it stands.

May use `calendar`, `payment_states`, `papers` and until when doubts are decided. It is
for who has no receipt yet, or never will. What it says of the payment is fixed; how
that stands is said as of a time.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass

from switch.calendar import day_date, day_number, format_financial_year, format_ist
from switch.counter.papers import RULE, Paper, Printer, paper_json, paper_text
from switch.ledger.overdue import DECIDE_DAYS
from switch.paper_words import ACKNOWLEDGEMENT_WORDS
from switch.payment_states import Standing


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledgement(Paper):
    """What the ledger says of one payment that a biller confirms.

    `sequence` is its hold's, for ever.
    """

    standing: Standing
    as_of_ns: int
    """When it stood so."""
    receipt: int = 0
    """Number of its receipt, 0 while there is none."""
    receipt_year: int = 0
    paid: int = 0
    """Paise that became the biller's."""
    refunded: int = 0
    """Paise of them that were given back."""

    @property
    def full_number(self) -> str:
        """The number as people write it: `bsk-00001/A/81234`."""
        return f"{self.centre}/A/{self.sequence}"

    @property
    def full_receipt(self) -> str:
        """The receipt's number as people write it, or empty."""
        if not self.receipt:
            return ""
        year = format_financial_year(self.receipt_year)
        return f"{self.centre}/{year}/{self.receipt:06d}"

    @property
    def decided_by(self) -> str:
        """The last day, `YYYY-MM-DD`, on which what is in doubt is decided.

        Empty where nothing is, or when that day is over.
        """
        last = day_number(self.accepted_ns) + DECIDE_DAYS
        is_open = self.standing in _IN_DOUBT and day_number(self.as_of_ns) <= last
        return day_date(last).isoformat() if is_open else ""


_IN_DOUBT = frozenset(
    {
        Standing.KEPT,
        Standing.UNVERIFIED,
        *(one for one in Standing if one.name.endswith("_DISPUTED")),
    }
)

_WAITS = (
    "Do not pay again: the money is reserved, and the department is being asked.",
    "আবার দেবেন না: টাকা আটক আছে, বিভাগকে জিজ্ঞাসা করা হচ্ছে।",
)
_PAID = (("paid", "দেওয়া হয়েছে"), ("Ask for the receipt.", "রসিদ চেয়ে নিন।"))
_DISPUTED = (
    (
        "the money is back with the centre; the department says that it has it",
        "টাকা কেন্দ্রে ফিরেছে; বিভাগ বলছে তাদের কাছে জমা হয়েছে",
    ),
    (
        "The treasury decides. The bill cannot be paid meanwhile.",
        "ট্রেজারি সিদ্ধান্ত নেবে। ততদিন এই বিল দেওয়া যাবে না।",
    ),
)
_NOT_CREDITED = (
    (
        "not credited by the department; the money is back with the centre",
        "বিভাগে জমা হয়নি; টাকা কেন্দ্রে ফিরেছে",
    ),
    (
        "The centre gives the money back if it has not. The bill can be paid again.",
        "ফেরত না পেয়ে থাকলে কেন্দ্র থেকে টাকা ফেরত নিন। বিলটি আবার দেওয়া যাবে।",
    ),
)
_CORRECTED = (
    (
        "paid after all: the department has the money",
        "শেষ পর্যন্ত দেওয়া হয়েছে: টাকা বিভাগের কাছে আছে",
    ),
    (
        "Do not pay again. Money that was given back is owed to the centre.",
        "আবার দেবেন না। টাকা ফেরত নিয়ে থাকলে তা কেন্দ্রকে দিতে হবে।",
    ),
)

_WORDS: dict[Standing, tuple[tuple[str, str], tuple[str, str]]] = {
    Standing.HELD: (
        ("waiting for the department's answer", "বিভাগের উত্তরের অপেক্ষায়"),
        _WAITS,
    ),
    Standing.UNKNOWN: (
        ("the department has not answered yet", "বিভাগ এখনও উত্তর দেয়নি"),
        _WAITS,
    ),
    Standing.KEPT: (
        (
            "the money is reserved; the department has not confirmed the payment",
            "টাকা আটক আছে; বিভাগ টাকা পেয়েছে কি না এখনও ঠিক জানায়নি",
        ),
        (
            "Do not pay again. No money goes back until it is decided.",
            "আবার দেবেন না। সিদ্ধান্ত না হওয়া পর্যন্ত টাকা ফেরত হবে না।",
        ),
    ),
    Standing.UNVERIFIED: (
        (
            "the money is back with the centre; the department has not said yet",
            "টাকা কেন্দ্রে ফিরেছে; জমা হয়েছে কি না বিভাগ এখনও জানায়নি",
        ),
        (
            (
                "The centre gives the money back. The bill cannot be paid until the "
                "department says."
            ),
            "কেন্দ্র থেকে টাকা ফেরত নিন। বিভাগ না জানালে এই বিল দেওয়া যাবে না।",
        ),
    ),
    **dict.fromkeys((Standing.COMPLETED, Standing.COMPLETED_DIFFERS), _PAID),
    Standing.REFUNDED: (
        ("paid, and given back since", "দেওয়া হয়েছে, পরে ফেরত এসেছে"),
        ("The centre gives the money back for it.", "যা ফেরত এসেছে তা কেন্দ্র থেকে নিন।"),
    ),
    **dict.fromkeys(
        (Standing.EXPIRED, Standing.REVERSED, Standing.RETURNED), _NOT_CREDITED
    ),
    **dict.fromkeys(
        (
            Standing.UNVERIFIED_DISPUTED,
            Standing.EXPIRED_DISPUTED,
            Standing.REVERSED_DISPUTED,
            Standing.RETURNED_DISPUTED,
            Standing.REFUNDED_DISPUTED,
        ),
        _DISPUTED,
    ),
    **dict.fromkeys(
        (Standing.EXPIRED_CORRECTED, Standing.REVERSED_CORRECTED), _CORRECTED
    ),
}
"""How an accepted payment stands, and what that means → English, Bengali."""


def acknowledgement_text(paper: Acknowledgement, *, bengali: bool = False) -> str:
    """The paper as lines of at most COLUMNS characters, each ended by a newline."""
    return paper_text(_lines(paper, bengali))


def acknowledgement_json(paper: Acknowledgement) -> str:
    """The paper as one JSON object, in both languages."""
    state, following = _WORDS[paper.standing]
    value = {
        "acknowledgement": paper.full_number,
        **paper_json(paper),
        "state": paper.standing.state.name.lower(),
        "standing": paper.standing.value,
        "state_words": {"en": state[0], "bn": state[1]},
        "next_words": {"en": following[0], "bn": following[1]},
        "as_of_time": format_ist(paper.as_of_ns),
        "as_of_time_ns": paper.as_of_ns,
        "decided_by": paper.decided_by,
        "receipt": paper.full_receipt,
        "paid_paise": paper.paid,
        "refunded_paise": paper.refunded,
        "text": {
            "en": acknowledgement_text(paper),
            "bn": acknowledgement_text(paper, bengali=True),
        },
    }
    return json.dumps(value, ensure_ascii=False)


def _lines(paper: Acknowledgement, bengali: bool) -> Iterator[str]:
    printer = Printer(paper, ACKNOWLEDGEMENT_WORDS, bengali=bengali)
    state, following = _WORDS[paper.standing]
    yield from printer.centre()
    yield from printer.exact("acknowledgement", paper.full_number)
    yield from printer.words("no receipt")
    yield from printer.text("accepted", printer.time(paper.accepted_ns))
    yield RULE
    yield from printer.bill()
    yield from printer.note()
    yield RULE
    yield from printer.sums()
    yield from printer.in_words()
    yield RULE
    yield from printer.text("as of", printer.time(paper.as_of_ns))
    yield from printer.text("state", state[bengali])
    if paper.paid and paper.paid != paper.amount:
        yield from printer.exact("paid", printer.amount(paper.paid))
    if paper.refunded:
        yield from printer.exact("refunded", printer.amount(paper.refunded))
    if paper.receipt:
        yield from printer.exact("receipt", paper.full_receipt)
    yield from printer.text("next", following[bengali])
    if paper.decided_by:
        yield from printer.exact("decided", printer.digits(paper.decided_by))
    yield RULE
    yield from printer.foot()
