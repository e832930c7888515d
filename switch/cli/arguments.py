"""How the commands of `payswitch` read what was typed, where several do it alike."""

import argparse
from collections.abc import Callable
from typing import TypeVar

from switch.ids import parse_id
from switch.money import parse_amount

T = TypeVar("T")

SIGNER = ("--person", "YOUR-NUMBER", "--key", "YOUR-KEY-FILE")
"""Who signs, in a command that is shown: capitals stand for what only they know."""
APPROVER = ("--as", "treasury/YOUR-ID", *SIGNER)
"""Another person than who has proposed, and mostly another participant."""


def as_argument(convert: Callable[[str], T]) -> Callable[[str], T]:
    """A converter whose ValueError reaches the person who typed the argument."""

    def convert_argument(text: str) -> T:
        try:
            return convert(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from error

    return convert_argument


def to_count(text: str) -> int:
    """A whole number."""
    if not text.isdecimal() or len(text) > 20:
        raise argparse.ArgumentTypeError(f"not a whole number: {text[:32]!r}")
    return int(text)


def span_text(seconds: int) -> str:
    """A span of time as a person types it: 24h, 90m."""
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds and seconds % size == 0 and (unit != "d" or seconds > size):
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def add_reason(command: argparse.ArgumentParser) -> None:
    """A reason, as the ledger keeps it."""
    command.add_argument(
        "reason",
        type=to_reason,
        metavar="REASON",
        help="1 to 32 plain characters; of a document that proves it, its number",
    )


def to_reason(text: str) -> str:
    """The same, of one argument."""
    if not 1 <= len(text) <= 32 or not (text.isascii() and text.isprintable()):
        raise argparse.ArgumentTypeError(
            "a reason has 1 to 32 plain characters; of a document give the number"
        )
    return text


def add_id(command: argparse.ArgumentParser) -> None:
    """The id of an attempt that is made again."""
    command.add_argument(
        "--id",
        type=as_argument(parse_id),
        default=b"",
        metavar="ID",
        help="of an attempt whose outcome is not known; default: a new one",
    )
    command.set_defaults(has_id=True)


def add_announced(command: argparse.ArgumentParser) -> None:
    """How much a list has, as whoever sends it has said apart from it."""
    command.add_argument(
        "--count", type=to_count, metavar="N", help="lines, as they were announced"
    )
    command.add_argument(
        "--total",
        type=as_argument(parse_amount),
        metavar="AMOUNT",
        help="in rupees, as it was announced",
    )


def add_sender(command: argparse.ArgumentParser) -> None:
    """Whose payment it is, where an id alone does not say."""
    command.add_argument(
        "--sender", default="", metavar="PARTICIPANT", help="who sent the payment"
    )


def add_again(command: argparse.ArgumentParser) -> None:
    """Whether what was proposed before is proposed once more."""
    command.add_argument(
        "--again",
        action="store_true",
        help="anew, although the same was proposed and withdrawn, or is too old",
    )
