"""What files must say: computed from the rows alone, one after the other.

Written from docs/files.md and docs/data-model.md, not from the product: no columns, no
index, no tails read together.
"""

import datetime as dt
import struct
import uuid
from collections import defaultdict
from dataclasses import dataclass, field

from switch.codes import KeyRule, Kind, PriceRule, Result, RowFlag
from switch.entries import Entry
from switch.specs import ServiceSpec

IST = dt.timezone(dt.timedelta(hours=5, minutes=30))
COUNTED = (Kind.PAY, Kind.POST, Kind.REFUND, Kind.TRANSFER)
POSTED = (*COUNTED, Kind.SETTLE)
CASE = int(RowFlag.CASE)

Line = dict[str, str]


def moment(time_ns: int) -> dt.datetime:
    return dt.datetime.fromtimestamp(time_ns // 10**9, IST)


def rupees(paise: int) -> str:
    return f"{paise // 100}.{paise % 100:02d}"


def years(date: dt.date) -> str:
    first = date.year - (date.month < 4)
    return f"{first}-{(first + 1) % 100:02d}"


def safe(text: str) -> str:
    return "'" + text if text[:1] and text[:1] in "=+-@\t\r\n'＝＋－＠" else text


@dataclass
class Closed:
    """A window."""

    sequence: int
    after: int
    day: dt.date
    number: str = ""


@dataclass
class Network:
    """What the register says; the names of a moment are the caller's to give."""

    owners: dict[int, str]
    """Of each account."""
    services: dict[int, ServiceSpec]
    centre_names: dict[int, str] = field(default_factory=dict)
    service_names: dict[int, str] = field(default_factory=dict)
    words: dict[int, bytes] = field(default_factory=dict)
    """What billers said, by the row that it stands behind."""


def windows_of(rows: list[Entry], group_ns: dict[int, int]) -> list[Closed]:
    """`group_ns`: the time of the group of each row."""
    found: list[Closed] = []
    counts: dict[str, int] = defaultdict(int)
    for row in rows:
        if row.kind == Kind.WINDOW and row.result == Result.OK:
            day = moment(group_ns[row.sequence - 1]).date()
            counts[years(day)] += 1
            number = f"{years(day)}-{counts[years(day)]:04d}"
            found.append(Closed(row.sequence, row.resolves, day, number))
    return found


def is_undoing(row: Entry) -> bool:
    """It takes back what a correction has paid; it names the hold."""
    return row.kind == Kind.TRANSFER and bool(row.flags & RowFlag.UNDOES)


def is_correction(row: Entry) -> bool:
    return row.kind == Kind.TRANSFER and bool(row.resolves) and bool(row.flags & CASE)


def accepted(
    rows: list[Entry], window: Closed, account: int, kinds: tuple[Kind, ...]
) -> list[Entry]:
    return [
        row
        for row in rows[window.after : window.sequence]
        if row.result == Result.OK
        and row.kind in kinds
        and account in (row.debit, row.credit)
    ]


def scroll(
    rows: list[Entry], window: Closed, account: int, network: Network
) -> list[Line]:
    lines: list[Line] = []
    for row in accepted(rows, window, account, COUNTED):
        line = {
            "line": str(len(lines) + 1),
            "sequence": str(row.sequence),
            "side": "credit" if row.credit == account else "debit",
            "amount": rupees(row.amount),
            "date": moment(row.timestamp).date().isoformat(),
            "time": moment(row.timestamp).isoformat(),
            "of_entry": "",
            "basket": "",
            **paid(rows, row, network),
        }
        lines.append(line)
    return lines


PAID = (
    *("payment", "payment_id", "accepted", "receipt", "service", "service_name"),
    *("reference", "bill", "period", "biller_reference", "centre", "centre_name"),
)


def paid(rows: list[Entry], row: Entry, network: Network) -> Line:
    """What a line says of a payment."""
    if row.kind == Kind.TRANSFER and not (is_correction(row) or is_undoing(row)):
        return {"entry": "transfer", **dict.fromkeys(PAID, "")}
    line = {"entry": "payment"}
    final = row
    if row.kind == Kind.REFUND:
        line = {"entry": "refund", "of_entry": str(row.resolves)}
        final = rows[row.resolves - 1]
    elif is_undoing(row):
        line = {"entry": "undoing"}
    elif row.kind == Kind.TRANSFER:
        line = {"entry": "correction", "of_entry": str(row.resolves)}
    pay = final if final.kind == Kind.PAY else rows[final.resolves - 1]
    centre = network.owners[pay.debit]
    line |= {
        "payment": str(pay.sequence),
        "payment_id": str(uuid.UUID(bytes=pay.id)),
        "accepted": moment(pay.timestamp).isoformat(),
        "receipt": "",
        "centre": safe(centre),
        "centre_name": safe(network.centre_names.get(pay.debit, "")),
        "service": "",
        "service_name": safe(network.service_names.get(pay.service, "")),
        "bill": "",
        "period": "",
        "biller_reference": "",
    }
    if pay.basket_size:
        line["basket"] = str(pay.sequence - pay.basket_index)
    if final.receipt:
        year = years(moment(final.timestamp).date())
        line["receipt"] = safe(f"{centre}/{year}/{final.receipt:06d}")
    said = network.words.get(final.sequence, b"")
    if final.kind == Kind.POST and final.flags & RowFlag.EVIDENCE:
        line["biller_reference"] = safe(said.decode())
    reference = pay.reference
    record = network.services.get(pay.service)
    if record is not None:
        line["service"] = safe(record.code)
        if record.price_rule == PriceRule.BILL:
            tail = network.words[pay.sequence]
            reference, _, _, period = struct.unpack("<32sQQI", tail[:52])
            if period:
                line["period"] = f"{period // 12:04d}-{period % 12 + 1:02d}"
            if record.key_rule == KeyRule.BILL_ID:
                line["bill"] = safe(pay.reference.rstrip(b"\0").decode())
    line["reference"] = safe(reference.rstrip(b"\0").decode())
    return line


def memorandum(
    rows: list[Entry],
    windows: list[Closed],
    window: Closed,
    account: int,
    network: Network,
    head: str,
) -> list[Line]:
    found: list[Line] = []
    for line in scroll(rows, window, account, network):
        if not line["of_entry"] or int(line["of_entry"]) > window.after:
            continue
        scroll_number = scroll_line = ""
        if line["entry"] == "refund":
            of_entry = int(line["of_entry"])
            [old] = [one for one in windows if one.after < of_entry <= one.sequence]
            places = [row.sequence for row in accepted(rows, old, account, COUNTED)]
            scroll_number = f"S{old.number}-{head}"
            scroll_line = str(places.index(of_entry) + 1)
        found.append(
            {
                **line,
                "line": str(len(found) + 1),
                "corrects_scroll": scroll_number,
                "corrects_line": scroll_line,
            }
        )
    return found
