"""Bills that counters ask a biller for: bounded, each asked once, given up in time.

May use `bills` and the generated messages; records nothing. Equal questions at the
same time are one. A number has bit 63 set, which no sequence of the ledger has.
"""

import asyncio
from typing import NamedTuple

from switch._core import Rows
from switch.billing.bills import Bill
from switch.config import BillerConfig
from switch.errors import (
    BillerBusyError,
    BillerUnavailableError,
    BillNotFoundError,
    BillUnreadableError,
    SwitchError,
)
from switch.ids import new_id
from switch.references import REFERENCE_MAX
from switch.v1 import billers_pb2 as pb

FETCH_BIT = 1 << 63
"""In the number of every question about a bill."""


BAD_BILL = 0x04
"""In `bad` of an answer: the bill's id was none and was left out (`core/codes.pxd`)."""


class Told(NamedTuple):
    """What an answer was."""

    begun: float
    """When its question began; 0 if it is no answer to one that is waited for."""
    is_wrong: bool
    """Whether it is, or has, a mistake of the biller."""


class _Fetch:
    """One question that somebody waits for."""

    def __init__(self, number: int, service: str, reference: str) -> None:
        self.number = number
        self.id = new_id()
        self.service = service
        self.reference = reference
        self.begun = 0.0
        self.until = 0.0
        self.connection = 0
        self.done: asyncio.Future[Bill | SwitchError] = (
            asyncio.get_running_loop().create_future()
        )

    def end(self, answer: Bill | SwitchError) -> None:
        # A value also where it is an error: who asked may have gone, and an exception
        # that nobody fetches is a complaint in the log.
        if not self.done.done():
            self.done.set_result(answer)

    def question(self) -> pb.Question:
        return pb.Question(
            number=self.number,
            kind=pb.QUESTION_KIND_FETCH_BILL,
            id=self.id,
            service=self.service,
            reference=self.reference,
        )


class Fetches:
    """The bills that one biller is asked for. Belongs to the event loop's thread."""

    def __init__(self, name: str, config: BillerConfig) -> None:
        self._name = name
        self._config = config
        self._next = FETCH_BIT + 1
        self._by_number: dict[int, _Fetch] = {}
        self._by_bill: dict[tuple[str, str], _Fetch] = {}

    @property
    def asked_count(self) -> int:
        """Questions that are out."""
        return sum(1 for one in self._by_number.values() if one.connection)

    @property
    def count(self) -> int:
        """Questions that somebody waits for."""
        return len(self._by_number)

    def begin(
        self, service: str, reference: str, now: float
    ) -> "asyncio.Future[Bill | SwitchError]":
        """Ask for a bill, or join who asks already. Shield the future.

        Raises BillerBusyError if too many are asked for.
        """
        known = self._by_bill.get((service, reference))
        if known is None:
            if len(self._by_number) >= self._config.fetches_max:
                raise BillerBusyError(
                    f"{len(self._by_number)} bills of {self._name} are asked for",
                    self._config.fetch_timeout_ms,
                )
            known = _Fetch(self._next, service, reference)
            self._next += 1
            known.begun = now
            known.until = now + self._config.fetch_timeout_ms / 1000
            self._by_number[known.number] = known
            self._by_bill[service, reference] = known
        return known.done

    def take(self, limit: int, connection: int, deadline_ns: int) -> bytes:
        """The questions that wait, up to `limit`, as they go out on `connection`."""
        if not self._by_number:
            return b""
        waiting = [one for one in self._by_number.values() if not one.connection]
        questions = []
        for one in waiting[:limit]:
            one.connection = connection
            question = one.question()
            question.deadline_ns = deadline_ns
            questions.append(question)
        return pb.ConnectResponse(questions=questions).SerializeToString()

    def lost(self, connection: int) -> None:
        """The connection broke: what was asked on it waits to be asked again."""
        for one in self._by_number.values():
            if one.connection == connection:
                one.connection = 0

    def answer(self, answer: Rows) -> Told:
        """Take one of ANSWER. Who waits for it is told at once, a mistake too."""
        fetch = self._by_number.get(int(answer["number"]))
        if fetch is None:
            # It was given up: a late answer, and nobody waits for it.
            return Told(0.0, False)
        if answer["id"].tobytes() != fetch.id:
            return Told(0.0, True)
        kind = int(answer["kind"])
        # A text that no bill needs is left out, and is a mistake all the same.
        is_wrong = bool(answer["bad"])
        if kind == pb.ANSWER_KIND_CONFIRMED:
            bill = _bill(answer, fetch)
            is_unreadable = answer["bad"] & BAD_BILL or bill.id != bill.id.strip()
            is_wrong = is_wrong or bool(is_unreadable)
            fetch.end(self._unreadable() if is_unreadable else bill)
        elif kind == pb.ANSWER_KIND_REJECTED:
            reason = _text(answer, "reason")
            fetch.end(BillNotFoundError(f"{self._name} knows of no such bill", reason))
        elif kind == pb.ANSWER_KIND_UNKNOWN:
            fetch.end(self._unavailable("does not know now"))
        else:
            return Told(0.0, True)
        self._forget(fetch)
        return Told(fetch.begun, is_wrong)

    def expire(self, now: float) -> list[float]:
        """Give up what is late; when those of them that were asked began."""
        late = [one for one in self._by_number.values() if one.until <= now]
        for one in late:
            one.end(self._unavailable("did not answer in time"))
            self._forget(one)
        return [one.begun for one in late if one.connection]

    def end_all(self, text: str) -> None:
        """Give all up."""
        for one in list(self._by_number.values()):
            one.end(self._unavailable(text))
            self._forget(one)

    def _unreadable(self) -> BillUnreadableError:
        return BillUnreadableError(
            f"{self._name} has answered with a bill that cannot be paid: its `bill` is "
            f"not 1 to {REFERENCE_MAX} printable ASCII characters without spaces around"
        )

    def _unavailable(self, text: str) -> BillerUnavailableError:
        return BillerUnavailableError(
            f"{self._name} {text}", self._config.rest_first_ms
        )

    def _forget(self, fetch: _Fetch) -> None:
        del self._by_number[fetch.number]
        del self._by_bill[fetch.service, fetch.reference]


def _bill(answer: Rows, fetch: _Fetch) -> Bill:
    return Bill(
        id=_text(answer, "bill") or fetch.reference,
        service=fetch.service,
        reference=fetch.reference,
        amount_due=int(answer["amount_due"]),
        due_time_ns=int(answer["due_time_ns"]),
        valid_until_ns=int(answer["valid_until_ns"]),
    )


def _text(answer: Rows, name: str) -> str:
    size = int(answer[f"{name}_size"])
    return answer[name].tobytes()[:size].decode("ascii")
