"""Manifests: what stands beside a table, so that it proves itself.

May use `file_names` and words.
"""

import json
from collections.abc import Mapping
from typing import Final

from switch.calendar import date_financial_year, format_financial_year, parse_date
from switch.file_names import FileName

FORMAT: Final = 1
"""Of tables and manifests; a reader that knows less stops."""


def manifest(
    name: FileName, size: int, sha256: bytes, said: Mapping[str, object]
) -> bytes:
    """The manifest of the table `name`, canonical JSON: sorted names, one form."""
    day = said["accounting_date"]
    assert isinstance(day, str)
    year = date_financial_year(parse_date(day))
    value = {
        **said,
        "format": FORMAT,
        "kind": name.kind.name.lower(),
        "number": name.number,
        "financial_year": format_financial_year(year),
        "file": {"name": name.text, "size": size, "sha256": sha256.hex()},
    }
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, indent=1)
    return text.encode() + b"\n"
