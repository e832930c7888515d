"""What the register says of operators: who sits at a centre's counter, by which key.

A part of `register`, which reads the ledger anew for each question: there are many, and
what asks for one asks for it alone. May use the core and the words.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from switch._core import Ledger
from switch.operator_rows import (
    OperatorRecord,
    OperatorSpec,
    operator_tail,
    read_operator,
)


@dataclass(frozen=True, slots=True)
class Operator:
    """An operator as registered last."""

    sequence: int
    time_ns: int
    participant: int
    """Participant index of its centre."""
    number: int
    active: bool
    key: bytes

    @property
    def spec(self) -> OperatorSpec:
        """The same as a file of a network has it."""
        return OperatorSpec(number=self.number, key=self.key.hex(), active=self.active)


def find_operator(ledger: Ledger, participant: int, number: int) -> Operator | None:
    """The operator of a centre with this number, active or not. CorruptionError."""
    sequence = ledger.find_operator(participant, number)
    return _operator(ledger, sequence) if sequence else None


def operators_of(ledger: Ledger, participant: int) -> list[Operator]:
    """All of a centre, by number. Raises CorruptionError."""
    found = (_operator(ledger, int(one)) for one in ledger.operators(participant))
    return sorted(found, key=lambda one: one.number)


def differing(
    ledger: Ledger, participant: int, specs: Sequence[OperatorSpec]
) -> Iterator[tuple[Operator | None, bytes]]:
    """Those of a centre that are not as these say, and the records that say so."""
    for spec in specs:
        known = find_operator(ledger, participant, spec.number)
        if known is None or known.spec != spec:
            key = bytes.fromhex(spec.key)
            one = OperatorRecord(spec.active, participant, spec.number, key)
            yield known, operator_tail(one)


def _operator(ledger: Ledger, sequence: int) -> Operator:
    one = read_operator(ledger.tail(sequence))
    time_ns = ledger.row(sequence).timestamp
    return Operator(sequence, time_ns, one.participant, one.number, one.active, one.key)
