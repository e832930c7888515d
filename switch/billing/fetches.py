"""Bills that counters ask a biller for: bounded, each asked once, given up in time.

May use the core, `bills` and the generated messages; records nothing. Equal questions
at the same time are one. A number has bit 63 set, which no sequence of the ledger has.
"""

import asyncio
from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

from switch._core import Ledger, Rows
from switch.billing.bills import Fetched, read_bills
from switch.billing.lines import FETCH_BIT
from switch.config import BillerConfig
from switch.errors import (
    BillerBusyError,
    BillerUnavailableError,
    BillNotFoundError,
    BillUnreadableError,
    CentreBusyError,
    SwitchError,
)
from switch.ids import new_id
from switch.register.register import Service
from switch.v1 import billers_pb2 as pb


class Told(NamedTuple):
    """What an answer was."""

    begun: float
    """When its question began; 0 if it is no answer to one that is waited for."""
    centre: int
    """Whose question it was, 0 likewise."""
    is_wrong: bool
    """Whether it is, or has, a mistake of the biller."""


class Late(NamedTuple):
    """Questions that went out and were not answered in time."""

    begun: list[float]
    centres: list[int]


class _Fetch:
    """One question that somebody waits for."""

    def __init__(
        self, number: int, service: Service, reference: str, centre: int
    ) -> None:
        self.number = number
        self.id = new_id()
        self.service = service
        self.reference = reference
        self.centre = centre
        self.begun = 0.0
        self.until = 0.0
        self.asked_ns = 0
        """When it went out first: what is answered may be as old as that, whichever
        connection the answer comes on."""
        self.connection = 0
        self.done: asyncio.Future[Fetched | SwitchError] = (
            asyncio.get_running_loop().create_future()
        )

    @property
    def key(self) -> tuple[str, str]:
        return self.service.spec.code, self.reference

    def end(self, answer: Fetched | SwitchError) -> None:
        # A value also where it is an error: who asked may have gone, and an exception
        # that nobody fetches is a complaint in the log.
        if not self.done.done():
            self.done.set_result(answer)

    def question(self) -> pb.Question:
        return pb.Question(
            number=self.number,
            kind=pb.QUESTION_KIND_FETCH_BILL,
            id=self.id,
            service=self.service.spec.code,
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
        self._by_centre: Counter[int] = Counter()

    @property
    def asked_count(self) -> int:
        """Questions that are out."""
        return sum(1 for one in self._by_number.values() if one.connection)

    @property
    def count(self) -> int:
        """Questions that somebody waits for."""
        return len(self._by_number)

    def begin(
        self, service: Service, reference: str, centre: int, now: float
    ) -> "asyncio.Future[Fetched | SwitchError]":
        """Ask for bills, or join who asks already. Shield the future.

        Raises BillerBusyError if too many are asked for, by this centre (its
        participant index) or by all.
        """
        known = self._by_bill.get((service.spec.code, reference))
        if known is not None:
            self._join(known, centre)
            return known.done
        self._check_room(centre)
        fetch = _Fetch(self._next, service, reference, centre)
        self._next += 1
        fetch.begun = now
        fetch.until = now + self._config.fetch_timeout_ms / 1000
        self._by_number[fetch.number] = fetch
        self._by_bill[fetch.key] = fetch
        self._by_centre[centre] += 1
        return fetch.done

    def _join(self, fetch: _Fetch, centre: int) -> None:
        # While it waits it is the question of who came last: nobody is to wait behind
        # what another centre has asked for too much of.
        if fetch.connection or centre == fetch.centre or not self._has_room(centre):
            return
        self._uncount(fetch.centre)
        fetch.centre = centre
        self._by_centre[centre] += 1

    def _has_room(self, centre: int) -> bool:
        # Whoever asked counts until the question has ended, also when nobody waits for
        # the answer any more: the biller has the work.
        return self._by_centre[centre] < self._config.centre_fetches_max

    def _check_room(self, centre: int) -> None:
        pause_ms = self._config.fetch_timeout_ms
        if not self._has_room(centre):
            asked = self._by_centre[centre]
            text = f"{asked} bills of {self._name} are asked for by this centre"
            raise CentreBusyError(text, pause_ms)
        if len(self._by_number) >= self._config.fetches_max:
            text = f"{len(self._by_number)} bills of {self._name} are asked for"
            raise BillerBusyError(text, pause_ms)

    def take(
        self,
        room: int,
        share: int,
        limits: Mapping[int, int],
        connection: int,
        asked_ns: int,
        deadline_ns: int,
    ) -> bytes:
        """The questions that wait, up to `room`, as they go out on `connection`.

        Of one centre at most `share` are out, or what `limits` has for it. `asked_ns`
        is now, by the ledger's time.
        """
        if not self._by_number:
            return b""
        out = Counter(one.centre for one in self._by_number.values() if one.connection)
        questions: list[pb.Question] = []
        for one in self._by_number.values():
            most = min(limits.get(one.centre, share), share)
            if one.connection or out[one.centre] >= most:
                continue
            if len(questions) >= room:
                break
            out[one.centre] += 1
            one.connection = connection
            one.asked_ns = one.asked_ns or asked_ns
            question = one.question()
            question.deadline_ns = deadline_ns
            questions.append(question)
        return pb.ConnectResponse(questions=questions).SerializeToString()

    def lost(self, connection: int) -> None:
        """The connection broke: what was asked on it waits to be asked again."""
        for one in self._by_number.values():
            if one.connection == connection:
                one.connection = 0

    def answer(self, answer: Rows, body: bytes, ledger: Ledger) -> Told:
        """Take one of ANSWER, whose message lies in `body`.

        Who waits for it is told at once, a mistake too.
        """
        fetch = self._by_number.get(int(answer["number"]))
        if fetch is None:
            # It was given up: a late answer, and nobody waits for it.
            return Told(0.0, 0, False)
        if answer["id"].tobytes() != fetch.id:
            return Told(0.0, 0, True)
        kind = int(answer["kind"])
        # A text that no bill needs is left out, and is a mistake all the same.
        is_wrong = bool(answer["bad"])
        if kind == pb.ANSWER_KIND_CONFIRMED:
            found = self._read(answer, body, fetch, ledger)
            is_wrong = is_wrong or isinstance(found, SwitchError)
            fetch.end(found)
        elif kind == pb.ANSWER_KIND_REJECTED:
            reason = _text(answer, "reason")
            fetch.end(BillNotFoundError(f"{self._name} knows of no such bill", reason))
        elif kind == pb.ANSWER_KIND_UNKNOWN:
            fetch.end(self._unavailable("does not know now"))
        else:
            return Told(0.0, 0, True)
        self._forget(fetch)
        return Told(fetch.begun, fetch.centre, is_wrong)

    def expire(self, now: float) -> Late:
        """Give up what is late; those of them that had gone out."""
        late = [one for one in self._by_number.values() if one.until <= now]
        for one in late:
            one.end(self._unavailable("did not answer in time"))
            self._forget(one)
        asked = [one for one in late if one.connection]
        return Late([one.begun for one in asked], [one.centre for one in asked])

    def end_all(self, text: str) -> None:
        """Give all up."""
        for one in list(self._by_number.values()):
            one.end(self._unavailable(text))
            self._forget(one)

    def _read(
        self, answer: Rows, body: bytes, fetch: _Fetch, ledger: Ledger
    ) -> Fetched | BillUnreadableError:
        at, size = int(answer["at"]), int(answer["size"])
        asked_ns = fetch.asked_ns
        assert asked_ns, "an id that has not gone out is not answered"
        try:
            return read_bills(
                body[at : at + size], fetch.service, fetch.reference, asked_ns, ledger
            )
        except BillUnreadableError as error:
            return BillUnreadableError(
                f"{self._name} has answered with what cannot be paid: {error}",
                error.field,
            )

    def _unavailable(self, text: str) -> BillerUnavailableError:
        return BillerUnavailableError(
            f"{self._name} {text}", self._config.rest_first_ms
        )

    def _forget(self, fetch: _Fetch) -> None:
        del self._by_number[fetch.number]
        del self._by_bill[fetch.key]
        self._uncount(fetch.centre)

    def _uncount(self, centre: int) -> None:
        self._by_centre[centre] -= 1
        if not self._by_centre[centre]:
            del self._by_centre[centre]


def _text(answer: Rows, name: str) -> str:
    size = int(answer[f"{name}_size"])
    return answer[name].tobytes()[:size].decode("ascii")
