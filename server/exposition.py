"""Figures as text: the format that Prometheus reads (version 0.0.4).

Knows nothing of what is counted.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

Kind = Literal["counter", "gauge", "histogram"]
Labels = dict[str, str]


@dataclass(slots=True)
class Family:
    """One name, what it means, and its values."""

    name: str
    kind: Kind
    help: str
    samples: list[tuple[str, Labels, float]] = field(default_factory=list)
    """What stands behind the name, labels, value."""

    def add(self, value: float, **labels: str) -> "Family":
        """One more value; itself, so that a family can be made in a line."""
        self.samples.append(("", labels, value))
        return self

    def add_histogram(
        self,
        bounds: Iterable[float],
        counts: Sequence[int],
        total: float,
        **labels: str,
    ) -> "Family":
        """A histogram: how many were within each bound and above the one before it.

        One count more than there are bounds; `total` is the sum of what was measured.
        """
        seen = 0
        for bound, count in zip([*bounds, math.inf], counts, strict=True):
            seen += count
            self.samples.append(("_bucket", {**labels, "le": _number(bound)}, seen))
        self.samples.append(("_sum", labels, total))
        self.samples.append(("_count", labels, seen))
        return self


def gauge(name: str, text: str) -> Family:
    """A value that goes up and down."""
    return Family(f"payswitch_{name}", "gauge", text)


def counter(name: str, text: str) -> Family:
    """A value that only grows, until the process ends; its name ends with `_total`."""
    return Family(f"payswitch_{name}", "counter", text)


def histogram(name: str, text: str) -> Family:
    """How many were within each bound."""
    return Family(f"payswitch_{name}", "histogram", text)


def expose(families: Iterable[Family]) -> bytes:
    """The text of all families, each once."""
    lines: list[str] = []
    for family in families:
        lines.append(f"# HELP {family.name} {_escape(family.help)}")
        lines.append(f"# TYPE {family.name} {family.kind}")
        for suffix, labels, value in family.samples:
            inside = ",".join(
                f'{name}="{_escape(text, quoted=True)}"'
                for name, text in labels.items()
            )
            labelled = f"{{{inside}}}" if inside else ""
            lines.append(f"{family.name}{suffix}{labelled} {_number(value)}")
    lines.append("")
    return "\n".join(lines).encode()


def _number(value: float) -> str:
    if value == math.inf:
        return "+Inf"
    # A truth is 1 or 0, and what NumPy counts is a number like any other.
    return repr(int(value) if value == int(value) else float(value))


def _escape(text: str, *, quoted: bool = False) -> str:
    escaped = text.replace("\\", "\\\\").replace("\n", "\\n")
    return escaped.replace('"', '\\"') if quoted else escaped
