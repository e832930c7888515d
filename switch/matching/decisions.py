"""What people decide about breaks, in bulk: each line of a decided file for itself.

May use `breaks`, `cells` and the words. Of the file only the number of a break and what
was decided are believed, whatever a spreadsheet has made of the rest.
"""

import codecs
import csv
import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from switch.canonical_csv import csv_line, rupees, safe_text
from switch.matching.breaks import DECIDED, Break, State, Type
from switch.matching.cells import LINE_MAX, ListError, paise_of, plain_cells

DECIDED_MAX: Final = 200_000
"""Lines of a decided file."""
FILE_MAX: Final = 128 * 1024 * 1024
REASON_MAX: Final = 32
AGAIN_MAX: Final = 1_000
"""Proposals of one break beside its first."""

WAIT: Final = "wait"
OUTCOME_COLUMNS: Final = ("line", "number", *DECIDED, "outcome", "entry", "text")
"""`entry` is the proposal's."""

_NUMBER: Final = re.compile(r"B[0-9]{8}-[A-Z2-7]{16}|X[1-9][0-9]{0,17}")
_REFUNDABLE: Final = frozenset({Type.MISSING_THERE, Type.AMOUNT})
_EVIDENT: Final = frozenset({"void", "verify", "post"})
"""What a complete list is evidence for, of undecided payments."""


@dataclass(frozen=True, slots=True)
class Act:
    """What is to be proposed for one line."""

    line: int
    number: str
    decision: str
    about: int
    """Entry."""
    amount: int
    """Paise; 0 is the whole."""
    reason: str

    def id(self, again: int) -> bytes:
        """Of its proposal: one of a break, whatever is decided, so that a file that is
        sent again, or decided otherwise, never has money given back twice.
        """
        return proposal_id(self.number, again)


def proposal_id(number: str, again: int) -> bytes:
    """The id of a break's first proposal, or of one more."""
    about = f"{number}\n{again}".encode()
    return hashlib.blake2b(about, digest_size=16, person=b"break").digest()


@dataclass(frozen=True, slots=True)
class Left:
    """A line of which nothing is proposed."""

    line: int
    number: str
    outcome: str
    """`nothing`, as it was decided so, or `wrong`."""
    text: str
    decided: tuple[str, ...] = ("", "", "", "")


def read_decided(
    data: bytes, source: str, breaks: Mapping[str, Break]
) -> Iterator[Act | Left]:
    """Each line of a decided file. Raises ListError for what is no such file."""
    if len(data) > FILE_MAX:
        raise ListError(source, f"has more than {FILE_MAX} bytes")
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise ListError(source, "is in UTF-16: have it saved as UTF-8")
    lines = data.removeprefix(codecs.BOM_UTF8).split(b"\n")
    delimiter, header = _columns(lines[0], source)
    places = {name: header.index(name) for name in ("number", *DECIDED)}
    seen: set[str] = set()
    count = 0
    for number, raw in enumerate(lines[1:], 2):
        raw = raw.rstrip(b"\r")
        if not raw.strip(b" \t" + delimiter.encode()):
            continue
        count += 1
        if count > DECIDED_MAX:
            raise ListError(source, f"has more than {DECIDED_MAX:,} lines")
        cells: Sequence[str] = ()
        try:
            cells = _cells(raw, delimiter, len(header))
            told = {name: cells[at] for name, at in places.items()}
            yield _judge(number, told, breaks, seen)
        except ValueError as error:
            known = [cells[places[n]][:200] if cells else "" for n in DECIDED]
            which = cells[places["number"]][:40] if cells else ""
            yield Left(number, which, "wrong", str(error)[:200], tuple(known))


def _columns(raw: bytes, source: str) -> tuple[str, list[str]]:
    """The delimiter and the names: a spreadsheet may have put `;` for `,`."""
    for delimiter in (",", ";", "\t"):
        try:
            header = plain_cells(raw.rstrip(b"\r").decode(), delimiter)
        except (ValueError, csv.Error):
            continue
        if all(header.count(name) == 1 for name in ("number", *DECIDED)):
            return delimiter, header
    wanted = ", ".join(("number", *DECIDED))
    raise ListError(source, f"has not the columns {wanted}, each once")


def _cells(raw: bytes, delimiter: str, width: int) -> list[str]:
    if len(raw) > LINE_MAX:
        raise ValueError(f"has more than {LINE_MAX} bytes")
    try:
        line = raw.decode()
    except UnicodeDecodeError:
        raise ValueError("is not in UTF-8") from None
    cells = plain_cells(line, delimiter)
    if len(cells) != width:
        raise ValueError("has more or fewer cells than there are columns")
    return cells


def _judge(
    line: int, told: Mapping[str, str], breaks: Mapping[str, Break], seen: set[str]
) -> Act | Left:
    """What one line asks for. Raises ValueError."""
    number = told["number"].upper()
    decision = told["decision"].lower()
    decided = tuple(told[name] for name in DECIDED)
    if decision in ("", WAIT):
        return Left(line, number, "nothing", "", decided)
    if not _NUMBER.fullmatch(number):
        raise ValueError("has no number of a break")
    if number in seen:
        raise ValueError("is decided twice in this file")
    seen.add(number)
    reason = told["reason"] or number
    if not 1 <= len(reason) <= REASON_MAX or not (
        reason.isascii() and reason.isprintable()
    ):
        raise ValueError(f"a reason has 1 to {REASON_MAX} plain characters")
    amount = paise_of(told["amount"]) if told["amount"] else 0
    about = _whole(told["about"])
    if number.startswith("X"):
        if decision not in _EVIDENT:
            raise ValueError(f"of an undecided payment: {', '.join(sorted(_EVIDENT))}")
        if about not in (0, int(number[1:])):
            raise ValueError("is about another entry than its number says")
        return Act(line, number, decision, int(number[1:]), amount, reason)
    one = breaks.get(number)
    if one is None:
        raise ValueError("is no break of the file of the match")
    if one.state is not State.OPEN:
        raise ValueError(f"is closed, by {one.closed_by}")
    about, amount = _of_a_break(one, decision, about, amount)
    if decision == "refund":
        paid = f"entry {one.entry}"
        if paid in seen:
            raise ValueError(f"{paid} is given back by another line of this file")
        seen.add(paid)
    return Act(line, number, decision, about, amount, reason)


def _of_a_break(one: Break, decision: str, about: int, amount: int) -> tuple[int, int]:
    """What is done, and how much of it. Raises ValueError."""
    if decision == "refund":
        if one.type not in _REFUNDABLE or one.refund:
            raise ValueError(f"a break of type {one.type} is not refunded")
        if about not in (0, one.entry, one.payment):
            raise ValueError("is about another payment than the break")
        more = one.left - (one.amount_there if one.type is Type.AMOUNT else 0)
        if more <= 0:
            raise ValueError("more is there than here: nothing can be given back")
        if amount > more:
            raise ValueError(f"more than what is too much here: {rupees(more)}")
        return about or one.entry, amount or more
    if decision in ("correction", "post"):
        if one.type is not Type.MISSING_HERE or one.refund:
            raise ValueError(f"a break of type {one.type} has no such decision")
        about = about or one.undecided
    elif decision != "close":
        raise ValueError(f"no such decision: {decision[:20]!a}")
    if not about:
        raise ValueError("about which entry?")
    return about, amount


def _whole(text: str) -> int:
    if not text:
        return 0
    if not (text.isascii() and text.isdecimal() and len(text) <= 18):
        raise ValueError(f"about is no entry: {text[:32]!a}")
    return int(text)


def outcome_line(
    act: Act | Left, outcome: str = "", entry: int = 0, text: str = ""
) -> str:
    """One line of the file of outcomes."""
    if isinstance(act, Left):
        decided, outcome, text = act.decided, act.outcome, act.text
    else:
        amount = rupees(act.amount) if act.amount else ""
        decided = (act.decision, str(act.about), amount, act.reason)
    cells = (str(act.line), act.number, *decided, outcome, str(entry or ""), text)
    return csv_line(map(safe_text, cells))
