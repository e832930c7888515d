"""The lists that billers send at a day's end, as files: what they have credited.

May use `sample` and the simulator's book of credits. A biller's list is CSV, beside it
the map of its columns, which is written once.
"""

import json
from pathlib import Path
from typing import Final

from switch.calendar import ist_date
from switch.ids import format_id
from switch.simulator.books import Credit, read_billers

_COLUMNS: Final = ("Payment", "Date", "Amount", "Consumer")
_MAP: Final = {
    "by": "id",
    "key": "Payment",
    "date": "Date",
    "date_format": "%d/%m/%Y",
    "amount": "Amount",
}
_PAISE: Final = 100


def write_lists(credits_: Path, folder: Path) -> int:
    """Write the list of each biller and each day of a book of credits; how many.

    What was credited is listed on the day of its payment; what was taken back is not.
    """
    count = 0
    for biller, known in read_billers(credits_).items():
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{biller}.json").write_text(json.dumps(_MAP) + "\n")
        days: dict[str, list[Credit]] = {}
        for one in known.values():
            days.setdefault(ist_date(one.time_ns).isoformat(), []).append(one)
        for day, listed in days.items():
            path = folder / day / f"{biller}.csv"
            path.parent.mkdir(exist_ok=True)
            path.write_text("\r\n".join(map(",".join, _lines(listed))) + "\r\n")
            count += 1
    return count


def _lines(listed: list[Credit]) -> list[tuple[str, ...]]:
    lines: list[tuple[str, ...]] = [_COLUMNS]
    for one in listed:
        whole, rest = divmod(one.amount, _PAISE)
        date = f"{ist_date(one.time_ns):%d/%m/%Y}"
        # The citizen's number may have a comma, or anything that a biller writes.
        consumer = '"' + one.reference.replace('"', '""') + '"'
        lines.append((format_id(one.id), date, f"{whole}.{rest:02d}", consumer))
    return lines
