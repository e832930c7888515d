"""A paper as it is laid out: marks, groups of lines, sums; the same for every form.

May use the words. Each line has its label and its value in one language; where they
stand is for the forms to say.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from switch.money import bengali_digits, format_amount
from switch.paper_words import (
    ACKNOWLEDGEMENT_WORDS,
    FORM_WORDS,
    MARK_WORDS,
    PAPER_WORDS,
    RECEIPT_WORDS,
    REFUND_WORDS,
    TENDER_WORDS,
)
from switch.papers.checks import check_url, format_code
from switch.papers.facts import Facts, Item, Kind

_WORDS = {
    **RECEIPT_WORDS,
    **REFUND_WORDS,
    **ACKNOWLEDGEMENT_WORDS,
    **MARK_WORDS,
    **PAPER_WORDS,
    **FORM_WORDS,
}
# Two papers use one word of the same name: the mark is what is meant here.
_GIVEN_BACK = ACKNOWLEDGEMENT_WORDS["refunded"]


@dataclass(frozen=True, slots=True)
class Line:
    """A label and its value; without a label a sentence."""

    label: str
    value: str
    is_sum: bool = False
    """A sum of money, which stands at the right."""
    is_total: bool = False
    """The sum that counts."""


Group = tuple[Line, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """All that stands on a paper, in one language."""

    bengali: bool
    title: str
    centre: tuple[str, ...]
    marks: tuple[str, ...]
    heading: str
    number: str
    groups: tuple[Group, ...]
    foot: str
    code: str
    """As people read it, or empty."""
    code_label: str
    check: str
    """How it is checked, or empty."""
    address: str
    """Where people check it by hand, or empty."""
    url: str
    """Of the square, or empty: it is not checked, or not known where."""


def lay_out(facts: Facts, *, bengali: bool, check_base: str = "") -> Sheet:
    """The paper in one language. Raises ValueError for a `check_base` that is none."""
    made = _Layout(facts, bengali)
    has_url = bool(facts.code and check_base)
    return Sheet(
        bengali=bengali,
        title=made.word("title"),
        centre=tuple(made.centre()),
        marks=tuple(made.marks()),
        heading=made.word(facts.kind.value),
        number=facts.number,
        groups=tuple(group for group in map(tuple, made.groups()) if group),
        foot=made.word("free"),
        code=format_code(facts.code),
        code_label=made.word("code"),
        check=made.word("check how") if has_url else "",
        address=check_base if has_url else "",
        url=check_url(check_base, facts.number, facts.code) if has_url else "",
    )


class _Layout:
    """Makes the lines of one paper in one language."""

    def __init__(self, facts: Facts, bengali: bool) -> None:
        self._facts = facts
        self._bengali = bengali

    def word(self, name: str) -> str:
        return _WORDS[name][self._bengali]

    def _digits(self, text: str) -> str:
        return bengali_digits(text) if self._bengali else text

    def _money(self, paise: int) -> str:
        return format_amount(paise, bengali=self._bengali)

    def _line(self, name: str, value: str) -> Iterator[Line]:
        """A line, if there is something to say."""
        if value:
            yield Line(self.word(name), value)

    def _time(self, name: str, value: str) -> Iterator[Line]:
        yield from self._line(name, self._digits(value))

    def _sum(self, name: str, paise: int, *, is_total: bool = False) -> Line:
        return Line(self.word(name), self._money(paise), True, is_total)

    def centre(self) -> Iterator[str]:
        facts = self._facts
        if name := facts.centre.chosen(bengali=self._bengali):
            yield name
        if facts.centre_code:
            yield f"{self.word('centre')}: {facts.centre_code}"

    def marks(self) -> Iterator[str]:
        """What must not be overlooked."""
        facts = self._facts
        if facts.kind is Kind.ACKNOWLEDGEMENT:
            yield self.word("no receipt")
        if facts.is_reprint:
            yield self.word("reprint")
        if facts.kind is not Kind.REFUND and facts.refunded:
            whole = facts.refunded >= facts.paid
            mark = self.word("refunded" if whole else "refunded in part")
            yield f"{mark}: {self._money(facts.refunded)}"
        for standing in ("kept", "unverified"):
            # `unverified (disputed)` is one, too.
            if facts.standing.split(" ")[0] == standing:
                yield self.word(standing)

    def groups(self) -> Iterator[Iterator[Line]]:
        yield self._times()
        yield self._paid_for()
        yield self._sums()
        if self._facts.kind is Kind.ACKNOWLEDGEMENT:
            yield self._standing()
        yield self._foot()

    def _times(self) -> Iterator[Line]:
        facts = self._facts
        if facts.kind is Kind.REFUND:
            yield from self._line("of receipt", facts.of_receipt)
        yield from self._time("accepted", facts.accepted)
        yield from self._time("confirmed", facts.confirmed)
        yield from self._time("returned", facts.returned)

    def _paid_for(self) -> Iterator[Line]:
        facts = self._facts
        bengali = self._bengali
        name = facts.service_name.chosen(bengali=bengali)
        shown = f"{name} ({facts.service})" if name else facts.service
        yield from self._line("service", shown)
        yield from self._line("department", facts.department.chosen(bengali=bengali))
        biller = facts.biller_name.chosen(bengali=bengali) or facts.biller
        yield from self._line("biller", biller)
        yield from self._line("head", facts.head)
        yield from self._line("reference", facts.reference)
        yield from self._line("bill", facts.bill)
        yield from self._time("period", facts.period)
        yield from self._time("due_date", facts.due_date)
        yield from self._line("biller_reference", facts.biller_reference)
        yield from self._line("note", facts.note)

    def _sums(self) -> Iterator[Line]:
        facts = self._facts
        if facts.kind is Kind.REFUND:
            yield self._sum("was paid", facts.paid)
            yield self._sum("this refund", facts.amount, is_total=True)
            if facts.refunded != facts.amount:
                yield self._sum("so far", facts.refunded)
        else:
            for item in facts.items:
                yield self._item(item)
            if facts.amount_due:
                yield self._sum("amount_due", facts.amount_due)
            is_receipt = facts.kind is Kind.RECEIPT
            yield self._sum("amount", facts.amount, is_total=not is_receipt)
            if is_receipt:
                fee = self._money(facts.fee) if facts.fee else self.word("no fee")
                yield Line(self.word("fee"), fee, True)
                yield self._sum("total", facts.total, is_total=True)
        yield Line("", facts.in_words.chosen(bengali=self._bengali))
        if facts.kind is Kind.REFUND:
            yield Line("", self.word("from the centre"))

    def _item(self, item: Item) -> Line:
        name = item.name.chosen(bengali=self._bengali)
        count = self._digits(str(item.count))
        return Line(
            f"{name} ({item.code})" if name else item.code,
            f"{count} × {self._money(item.fee)} = {self._money(item.fee * item.count)}",
            True,
        )

    def _standing(self) -> Iterator[Line]:
        facts = self._facts
        yield from self._time("as of", facts.as_of)
        yield from self._line("state", facts.state.chosen(bengali=self._bengali))
        if facts.paid and facts.paid != facts.amount:
            yield self._sum("paid", facts.paid)
        if facts.refunded:
            label = _GIVEN_BACK[self._bengali]
            yield Line(label, self._money(facts.refunded), True)
        yield from self._line("receipt", facts.of_receipt)
        yield from self._line("next", facts.what_now.chosen(bengali=self._bengali))
        yield from self._time("decided", facts.decided_by)

    def _foot(self) -> Iterator[Line]:
        facts = self._facts
        yield from self._line("tender", TENDER_WORDS[facts.tender][self._bengali])
        yield from self._line("operator", str(facts.operator))
        yield from self._line("id", facts.payment_id)
        yield from self._line("entry", str(facts.entry))
