"""What the papers of a counter have in common: what was to be paid, and their lines.

May use the words. Lines are for a narrow printer, in English or
Bengali; references and ids keep ASCII digits.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from unicodedata import category

from switch.calendar import format_ist
from switch.catalogue import has_hidden, is_hidden
from switch.codes import Tender
from switch.counter.amount_words import amount_in_words
from switch.ids import format_id
from switch.money import bengali_digits, format_amount
from switch.paper_words import PAPER_WORDS, TENDER_WORDS, Words

COLUMNS = 42
"""Characters of a line at most, each of Bengali's signs counted as one."""
RULE = "-" * COLUMNS

UNKNOWN = "?"
"""Stands for a character that gets onto no paper."""
_INDENT = "  "


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """So many of one item of a tariff. Name and fee as they were then."""

    code: str
    name_en: str
    name_bn: str
    count: int
    fee: int
    """Paise of one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Paper:
    """What the ledger says of one accepted payment. Names as they were then."""

    centre: str
    """Participant id."""
    centre_code: str
    centre_en: str
    centre_bn: str
    service: str
    service_en: str
    service_bn: str
    department_en: str
    department_bn: str
    biller: str
    biller_en: str
    biller_bn: str
    head: str
    reference: str
    """The citizen's own with the biller."""
    bill: str = ""
    """The biller's id of the bill, where its bills are known by it."""
    period: str = ""
    """`YYYY-MM` of the bill, or empty."""
    due_date: str = ""
    """`YYYY-MM-DD` of the bill, or empty."""
    amount_due: int = 0
    """Paise that the bill came to; 0 where there was none."""
    items: tuple[Item, ...] = ()
    """What was to be paid for, by a tariff."""
    note: str
    amount: int
    """Paise."""
    tender: Tender
    operator: int
    id: bytes
    sequence: int
    """Of the entry that gives the paper its number."""
    accepted_ns: int
    """When the counter's payment was accepted."""


class Printer:
    """The lines of a paper in one language."""

    def __init__(self, paper: Paper, labels: Words, *, bengali: bool) -> None:
        """`labels` are the words of its own."""
        self._paper = paper
        self._labels = {**PAPER_WORDS, **labels}
        self._bengali = bengali

    def label(self, name: str) -> str:
        """The word for `name`."""
        return self._labels[name][self._bengali]

    def amount(self, paise: int) -> str:
        """Paise as rupees."""
        return format_amount(paise, bengali=self._bengali)

    def digits(self, text: str) -> str:
        """The text with the digits of the language."""
        return bengali_digits(text) if self._bengali else text

    def time(self, time_ns: int) -> str:
        """A time, to the second."""
        return self.digits(format_ist(time_ns))

    # --- lines -------------------------------------------------------------------

    def words(self, name: str) -> Iterator[str]:
        """The word for `name`, as lines of their own."""
        return wrap(self.label(name))

    def exact(self, name: str, value: str) -> Iterator[str]:
        """A value that stays as it is, spaces too; below its label if it is long."""
        label = self.label(name)
        line = f"{label}: {value}"
        if len(line) <= COLUMNS:
            yield line
            return
        yield f"{label}:"
        width = COLUMNS - len(_INDENT)
        for at in range(0, len(value), width):
            yield _INDENT + value[at : at + width]

    def text(self, name: str, value: str) -> Iterator[str]:
        """A value for people, broken at spaces."""
        return wrap(f"{self.label(name)}: {value}")

    def centre(self) -> Iterator[str]:
        """Where the paper is from."""
        paper = self._paper
        yield from self.words("title")
        yield from wrap(self._chosen(paper.centre_en, paper.centre_bn))
        if paper.centre_code:
            yield from self.exact("centre", paper.centre_code)

    def bill(self) -> Iterator[str]:
        """What was to be paid, and to whom."""
        paper = self._paper
        service = self._chosen(paper.service_en, paper.service_bn)
        yield from self.text("service", f"{service} ({paper.service})")
        department = self._chosen(paper.department_en, paper.department_bn)
        if department:
            yield from self.text("department", department)
        biller = self._chosen(paper.biller_en, paper.biller_bn)
        yield from self.text("biller", biller or paper.biller)
        yield from self.exact("head", paper.head)
        yield from self.exact("reference", paper.reference)
        if paper.bill:
            yield from self.exact("bill", paper.bill)
        if paper.period:
            yield f"{self.label('period')}: {self.digits(paper.period)}"
        if paper.due_date:
            yield f"{self.label('due_date')}: {self.digits(paper.due_date)}"

    def note(self) -> Iterator[str]:
        """The counter's note."""
        if self._paper.note:
            # Before it is broken into lines: an end of a line in it is shown, too.
            yield from self.text("note", _harmless(self._paper.note))

    def sums(self) -> Iterator[str]:
        """The items, what was due, and what was taken."""
        paper = self._paper
        for item in paper.items:
            name = self._chosen(item.name_en, item.name_bn)
            yield from wrap(f"{name} ({item.code})" if name else item.code)
            sums = f"{self.amount(item.fee)} = {self.amount(item.fee * item.count)}"
            yield from _under(f"{self.digits(str(item.count))} × {sums}")
        if paper.amount_due:
            yield from self.exact("amount_due", self.amount(paper.amount_due))
        yield from self.exact("amount", self.amount(paper.amount))

    def in_words(self) -> Iterator[str]:
        """The amount once more, in words."""
        return wrap(amount_in_words(self._paper.amount, bengali=self._bengali))

    def foot(self) -> Iterator[str]:
        """How it was paid, and where it is found again."""
        paper = self._paper
        yield f"{self.label('tender')}: {TENDER_WORDS[paper.tender][self._bengali]}"
        yield f"{self.label('operator')}: {paper.operator}"
        yield from self.exact("id", format_id(paper.id))
        yield from self.exact("entry", str(paper.sequence))
        yield from self.words("free")

    def _chosen(self, english: str, bengali: str) -> str:
        return bengali if self._bengali and bengali else english


def paper_text(lines: Iterable[str]) -> str:
    """Lines as a paper's text, each ended by a newline.

    Names, notes and references are others': what steers a printer, is not seen, or
    turns the direction of a line is `?`.
    """
    return "".join(f"{_harmless(line)}\n" for line in lines)


def _harmless(line: str) -> str:
    if not has_hidden(line):
        return line
    return "".join(UNKNOWN if is_hidden(one) else one for one in line)


def paper_json(paper: Paper) -> dict[str, object]:
    """What is on every paper, for a JSON object, in both languages."""
    return {
        "centre": paper.centre,
        "centre_code": paper.centre_code,
        "centre_name": {"en": paper.centre_en, "bn": paper.centre_bn},
        "service": paper.service,
        "service_name": {"en": paper.service_en, "bn": paper.service_bn},
        "department": {"en": paper.department_en, "bn": paper.department_bn},
        "biller": paper.biller,
        "biller_name": {"en": paper.biller_en, "bn": paper.biller_bn},
        "head": paper.head,
        "reference": paper.reference,
        "bill": paper.bill,
        "period": paper.period,
        "due_date": paper.due_date,
        "amount_due_paise": paper.amount_due,
        "items": [_json_item(item) for item in paper.items],
        "note": paper.note,
        "amount_paise": paper.amount,
        "amount": {
            "en": format_amount(paper.amount),
            "bn": format_amount(paper.amount, bengali=True),
        },
        "amount_in_words": {
            "en": amount_in_words(paper.amount),
            "bn": amount_in_words(paper.amount, bengali=True),
        },
        "tender": paper.tender.name.lower(),
        "operator": paper.operator,
        "payment_id": format_id(paper.id),
        "entry": paper.sequence,
        "accepted_time": format_ist(paper.accepted_ns),
        "accepted_time_ns": paper.accepted_ns,
    }


def _json_item(item: Item) -> dict[str, object]:
    return {
        "code": item.code,
        "name": {"en": item.name_en, "bn": item.name_bn},
        "count": item.count,
        "fee_paise": item.fee,
        "amount_paise": item.fee * item.count,
    }


def _under(text: str) -> Iterator[str]:
    """A line that belongs to the one above it."""
    line = _INDENT + text
    if len(line) <= COLUMNS:
        yield line
    else:
        yield from wrap(text)


def wrap(text: str) -> Iterator[str]:
    """Text for people in lines, broken at spaces, further ones indented."""
    line = ""
    for word in text.split():
        joined = f"{line} {word}" if line.strip() else line + word
        if len(joined) <= COLUMNS:
            line = joined
            continue
        if line.strip():
            yield line
        line = _INDENT + word
        while len(line) > COLUMNS:
            at = _break(line)
            yield line[:at]
            line = _INDENT + line[at:]
    if line:
        yield line


def _break(line: str) -> int:
    """Where a word that is longer than a line breaks: not before a sign of a letter."""
    at = COLUMNS
    while at > len(_INDENT) + 1 and category(line[at])[0] == "M":
        at -= 1
    return at
