"""Fetches the bills of a replayed day as its counters do, ahead of their payments.

May use the client and the steps. A centre with its own certificate asks for itself, the
harness for all others. A biller that is away is an answer here, and no error.
"""

from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from switch.client import CallError, Client
from switch.day.step import Step, Token
from switch.v1 import counter_pb2

THREADS = 48
"""Fetches under way: billers take their time."""
REFERENCES_MAX = 100
"""References of one fetch."""
_FINAL = frozenset(
    {
        "BILL_NOT_FOUND",
        "BILL_UNREADABLE",
        "NOT_PAID_BY_BILL",
        "REFERENCE_WRONG",
        "INVALID_ARGUMENT",
    }
)
"""What is not asked again: it would be the same."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """What came of one reference."""

    bills: Sequence[counter_pb2.Bill] = ()
    error: str = ""

    @property
    def is_away(self) -> bool:
        """The biller did not say: it may be asked again."""
        return bool(self.error) and self.error not in _FINAL


Place = tuple[str, str]
"""Centre and service."""
_Answers = Future[dict[str, Fetched]]


class Fetches:
    """All fetches of a day; a context manager. Belongs to one thread."""

    def __init__(self, harness: Client, own: dict[str, Client]) -> None:
        """The clients stay the caller's."""
        self._harness = harness
        self._own = own
        self._pool = ThreadPoolExecutor(THREADS, "fetch")
        self.calls = 0
        self.references = 0

    def begin(self, steps: Sequence[Step]) -> "Slate":
        """Ask for all that these steps pay, each reference of a centre once."""
        wanted: dict[Place, set[str]] = defaultdict(set)
        for step in steps:
            if step.token is Token.OWN:
                wanted[step.centre, step.service].add(step.reference)
        answers: dict[Place, _Answers] = {}
        for place, references in wanted.items():
            self.calls += 1
            self.references += len(references)
            answers[place] = self._pool.submit(self._fetch, place, sorted(references))
        return Slate(answers)

    def _fetch(self, place: Place, references: Sequence[str]) -> dict[str, Fetched]:
        centre, service = place
        client = self._own.get(centre)
        if client is not None and len(references) == 1:
            return {references[0]: _fetch_one(client, service, references[0])}
        found: dict[str, Fetched] = {}
        named = "" if client else centre
        for at in range(0, len(references), REFERENCES_MAX):
            part = references[at : at + REFERENCES_MAX]
            found.update(_fetch_many(client or self._harness, service, part, named))
        return found

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._pool.shutdown(cancel_futures=True)


class Slate:
    """What is fetched, or is on its way."""

    def __init__(self, answers: dict[Place, _Answers]) -> None:
        self._answers = answers

    def find(self, step: Step) -> Fetched:
        """What came of a step's reference, once it has come."""
        return self._answers[step.centre, step.service].result()[step.reference]


def _fetch_one(client: Client, service: str, reference: str) -> Fetched:
    try:
        return Fetched(client.fetch_bill(service, reference))
    except CallError as error:
        return Fetched(error=error.reason or error.code.name)


def _fetch_many(
    client: Client, service: str, references: Sequence[str], centre: str
) -> dict[str, Fetched]:
    try:
        found = client.fetch_bills(service, references, centre)
    except CallError as error:
        failed = Fetched(error=error.reason or error.code.name)
        return dict.fromkeys(references, failed)
    return {one.reference: Fetched(one.bills, one.error) for one in found}
