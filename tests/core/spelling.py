"""References as people type them: several spellings of one bill, and wrong ones."""

import random

from switch.codes import Letters
from tests.flags import Ignored
from tests.model_references import canonical
from tests.records import ServiceRecord

REFERENCE_MAX = 32
ZEROS_MAX = 4
STRAYS_MAX = 3
WRONG_ONE_IN = 12
CHARACTERS = {
    int(Ignored.SPACE): " ",
    int(Ignored.HYPHEN): "-",
    int(Ignored.SLASH): "/",
    int(Ignored.POINT): ".",
}


def one_form(record: ServiceRecord, reference: bytes) -> bytes | None:
    """What the model makes of a reference by this record."""
    return canonical(
        reference,
        letters=record.letters,
        ignored=record.ignored,
        check_digit=record.check_digit,
        pattern=record.pattern,
        key_rule=record.key_rule,
    )


def is_ruled(record: ServiceRecord) -> bool:
    """Whether its references have more than one spelling, or a form."""
    own = record.letters != Letters.AS_THEY_ARE
    return bool(own or record.ignored or record.check_digit or record.pattern)


def make(record: ServiceRecord, number: int, period: bytes = b"") -> bytes:
    """The reference of a bill, with a check digit that is right where there is one."""
    for digit in range(10):
        reference = b"WB%d%d" % (number, digit) + period
        if one_form(record, reference):
            return reference
    return b"%d" % number + period


def spell(rng: random.Random, record: ServiceRecord, reference: bytes) -> bytes:
    """Another spelling of a reference; now and then another's or nobody's."""
    text, period = reference.decode(), ""
    if record.key_rule == 2 and len(text) > 8:
        text, period = text[:-8], text[-8:]
    if record.letters != Letters.AS_THEY_ARE:
        text = "".join(rng.choice((each.upper(), each.lower())) for each in text)
    if record.ignored & Ignored.ZEROS and text[:1].isdigit():
        text = "0" * rng.randrange(ZEROS_MAX) + text
    strays = [c for bit, c in CHARACTERS.items() if record.ignored & bit]
    for _ in range(rng.randrange(STRAYS_MAX) if strays else 0):
        at = rng.randrange(len(text) + 1)
        text = text[:at] + rng.choice(strays) + text[at:]
    if rng.randrange(WRONG_ONE_IN) == 0:
        at = rng.randrange(len(text) + 1)
        text = text[:at] + rng.choice("9aZ-/. #") + text[at:]
    return (text + period).strip()[:REFERENCE_MAX].strip().encode()
