"""Forms as they come in: urlencoded, bounded, each field once, text that is text.

A form that breaks a bound is no form: FormError, and nothing of it is used.
"""

import re
from collections.abc import Mapping
from urllib.parse import parse_qsl

from starlette.requests import Request

FIELDS_MAX = 96
"""A form may have 64 fees and 16 fields of its service, and what each form has."""
VALUE_MAX = 512
"""Characters of one field."""
_TYPE = "application/x-www-form-urlencoded"
_NAME = re.compile(r"[a-z][a-z0-9_]{0,47}")


class FormError(Exception):
    """What was sent is no form of ours. Nothing was done."""


async def read_form(request: Request) -> Mapping[str, str]:
    """The fields of a form, spaces around a value left out. Raises FormError."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != _TYPE:
        raise FormError("not a form")
    return parse_fields(await request.body())


def parse_fields(body: bytes) -> dict[str, str]:
    """The fields of a body or a query. Raises FormError."""
    try:
        pairs = parse_qsl(
            body.decode("ascii"),
            keep_blank_values=True,
            strict_parsing=bool(body),
            encoding="utf-8",
            errors="strict",
            max_num_fields=FIELDS_MAX,
        )
    except ValueError as error:
        raise FormError("not a form") from error
    fields: dict[str, str] = {}
    for name, value in pairs:
        if not _NAME.fullmatch(name) or name in fields:
            raise FormError("a field that is none, or twice")
        if len(value) > VALUE_MAX or any(_is_control(one) for one in value):
            raise FormError(f"{name} is too long, or has what is no text")
        fields[name] = value.strip()
    return fields


def _is_control(character: str) -> bool:
    return character < " " or "\x7f" <= character <= "\x9f"


def whole_number(text: str, most: int) -> int | None:
    """A whole number of ASCII or Bengali digits, up to `most`; None for all else."""
    plain = latin_digits(text)
    if not plain.isascii() or not plain.isdecimal() or len(plain) > 20:
        return None
    number = int(plain)
    return number if number <= most else None


def latin_digits(text: str) -> str:
    """Text as it was typed, its Bengali digits as those that bills have."""
    return text.translate(_DIGITS)


_DIGITS = str.maketrans("০১২৩৪৫৬৭৮৯", "0123456789")
