"""What goes wrong at billers, and when: a small text, line by line.

    # biller   when       what            how long   by how much
    cesc       at 11:00   die             60m
    dlrs                  slow                       +10s
    *          at 12:00   answer twice    30m
    dlrs       at 13:00   answer amounts  10m        -1

A line without `at` begins with the day, one without a duration never ends. Times are
of the day, IST. May use `errors`; knows no clock.

    die             no connection, and what was asked is forgotten
    silent          connected, and says nothing; credits as ever
    slow            answers later than usual by the time given with +
    decline         declines everything it has not credited
    forget          loses the questions: it has never heard of these payments
    answer twice    every answer comes twice
    answer wrongly  an answer that names another payment goes before each
    answer late     says that it does not know until the time given with + has passed
    answer amounts  says an amount that differs by so many paise, given with + or -
    credit late     credits after so long, whatever it promised, and says so then
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from switch.errors import ConfigError

DAY_S = 86_400.0
LINES_MAX = 10_000
_TIME = re.compile(r"([01]\d|2[0-3]):([0-5]\d)(?::([0-5]\d))?")
_SPAN = re.compile(r"(\+?)(\d{1,9}(?:\.\d{1,6})?)(ms|s|m|h)")
_PAISE = re.compile(r"[+-][1-9]\d{0,11}")
_UNITS_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


class Trouble(Enum):
    """What a line does, by the words that it is written with."""

    DIE = "die"
    SILENT = "silent"
    SLOW = "slow"
    DECLINE = "decline"
    FORGET = "forget"
    TWICE = "answer twice"
    WRONGLY = "answer wrongly"
    LATE = "answer late"
    AMOUNTS = "answer amounts"
    CREDIT_LATE = "credit late"


_DELAYED = (Trouble.SLOW, Trouble.LATE, Trouble.CREDIT_LATE)
"""Those that need a time with +."""


@dataclass(frozen=True, slots=True)
class Line:
    """One trouble of one biller, from `begin_s` until before `end_s` of the day."""

    biller: str
    """Participant id, or `*` for all."""
    trouble: Trouble
    begin_s: float = 0.0
    end_s: float = DAY_S
    delay_s: float = 0.0
    paise: int = 0

    def covers(self, biller: str, second: float) -> bool:
        """Whether it is this biller's trouble at this second of the day."""
        return self.biller in (biller, "*") and self.begin_s <= second < self.end_s


@dataclass(frozen=True, slots=True)
class Timeline:
    """All lines."""

    lines: tuple[Line, ...] = ()

    def find(self, trouble: Trouble, biller: str, second: float) -> Line | None:
        """The line that gives a biller this trouble at this second of the day."""
        for line in self.lines:
            if line.trouble is trouble and line.covers(biller, second):
                return line
        return None

    def for_biller(self, biller: str) -> "Timeline":
        """Only the lines that concern one biller."""
        return Timeline(tuple(one for one in self.lines if one.biller in (biller, "*")))


def parse_script(text: str) -> Timeline:
    """Read a script. Raises ConfigError, which names the line."""
    lines = text.splitlines()
    if len(lines) > LINES_MAX:
        raise ConfigError(f"a script has at most {LINES_MAX} lines")
    return Timeline(tuple(_lines(lines)))


def _lines(lines: list[str]) -> Iterator[Line]:
    for number, line in enumerate(lines, 1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        try:
            yield _line(words)
        except ValueError as error:
            raise ConfigError(f"line {number} of the script: {error}") from error


def _line(words: list[str]) -> Line:
    biller, *rest = words
    begin_s = 0.0
    if rest[:1] == ["at"]:
        begin_s = parse_time(rest[1] if len(rest) > 1 else "")
        rest = rest[2:]
    paise = []
    while rest and _PAISE.fullmatch(rest[-1]):
        paise.append(int(rest.pop()))
    spans = []
    while rest and _SPAN.fullmatch(rest[-1]):
        spans.append(_span(rest.pop()))
    durations = [seconds for is_delay, seconds in spans if not is_delay]
    delays = [seconds for is_delay, seconds in spans if is_delay]
    trouble = Trouble(" ".join(rest))
    if len(durations) > 1 or len(delays) != int(trouble in _DELAYED):
        raise ValueError(f"{trouble.value} has too many times or lacks one")
    if len(paise) != int(trouble is Trouble.AMOUNTS):
        raise ValueError(f"{trouble.value} has too many amounts or lacks one")
    end_s = begin_s + durations[0] if durations else DAY_S
    return Line(biller, trouble, begin_s, end_s, sum(delays), sum(paise))


def parse_time(text: str) -> float:
    """Seconds of the day of `HH:MM` or `HH:MM:SS`. Raises ValueError."""
    match = _TIME.fullmatch(text)
    if match is None:
        raise ValueError(f"{text[:32]!r} is no time of the day such as 11:00")
    hours, minutes, seconds = match.groups(default="0")
    return int(hours) * 3600.0 + int(minutes) * 60.0 + int(seconds)


def _span(text: str) -> tuple[bool, float]:
    """Whether it is a delay, and its seconds."""
    match = _SPAN.fullmatch(text)
    assert match is not None
    plus, number, unit = match.groups()
    return bool(plus), float(number) * _UNITS_S[unit]
