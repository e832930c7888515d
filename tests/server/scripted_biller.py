"""A biller that does what a test says: generated stubs, real sockets, threads.

Each connection asks `script` about every question, in a thread of its own; what it
returns is sent at once. A test can also keep questions and answer them itself.
"""

import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Self

import grpc

from switch.v1 import billers_pb2 as pb
from tests.server.harness import Peer, until

Script = Callable[[pb.Question], Iterable[pb.Answer]]


def due_bill(question: pb.Question, **fields: Any) -> pb.DueBill:
    """A bill of 100 rupees of the reference that is asked about."""
    values: dict[str, Any] = {
        "id": f"BILL-{question.reference}"[:32],
        "period": "2026-11",
        "amount_due": 10_000,
        **fields,
    }
    return pb.DueBill(**values)


def owes(question: pb.Question, *bills: pb.DueBill) -> pb.Answer:
    """The question's reference owes these bills."""
    return pb.Answer(
        number=question.number,
        id=question.id,
        kind=pb.ANSWER_KIND_CONFIRMED,
        bills=bills,
    )


def confirm(question: pb.Question, reference: str = "") -> pb.Answer:
    """The question's payment is credited; a bill is of 100 rupees."""
    if question.kind == pb.QUESTION_KIND_FETCH_BILL:
        return owes(question, due_bill(question))
    return pb.Answer(
        number=question.number,
        id=question.id,
        kind=pb.ANSWER_KIND_CONFIRMED,
        biller_reference=reference or f"REF-{question.number}",
        amount=asked_for(question),
    )


def asked_for(question: pb.Question) -> int:
    """Paise of the payment, or of all payments of the basket."""
    return sum(one.amount for one in question.basket or (question,))


def reject(question: pb.Question, reason: str = "E42") -> pb.Answer:
    """The question's payment is not credited, and never will be."""
    return pb.Answer(
        number=question.number,
        id=question.id,
        kind=pb.ANSWER_KIND_REJECTED,
        reason=reason,
    )


def unknown(question: pb.Question, reason: str = "") -> pb.Answer:
    """The biller does not know yet."""
    return pb.Answer(
        number=question.number,
        id=question.id,
        kind=pb.ANSWER_KIND_UNKNOWN,
        reason=reason,
    )


def not_seen(question: pb.Question) -> pb.Answer:
    """The question to credit the payment never arrived."""
    return pb.Answer(
        number=question.number,
        id=question.id,
        kind=pb.ANSWER_KIND_NOT_SEEN,
        sent_ns=question.sent_ns,
    )


def silent(_: pb.Question) -> Iterable[pb.Answer]:
    """Answers nothing."""
    return ()


def willing(question: pb.Question) -> Iterable[pb.Answer]:
    """Confirms everything at once."""
    return (confirm(question),)


class ScriptedBiller:
    """One connection of a biller; a context manager that ends it."""

    def __init__(self, peer: Peer, script: Script = silent) -> None:
        """Connects and waits until the server has taken it."""
        self.script = script
        self.questions: list[pb.Question] = []
        """All that came, in order."""
        self.messages: list[int] = []
        """Questions in each message."""
        self.acknowledged: list[int] = []
        """Numbers of answers that need not be sent again."""
        self.refused: list[pb.RefusedAnswer] = []
        """Answers that were not taken."""
        self.ended: list[pb.Ended] = []
        """Payments that ended."""
        self.error: grpc.RpcError | None = None
        self._outbox: queue.Queue[pb.ConnectRequest | None] = queue.Queue()
        self._call: Any = peer.billers.Connect(self._requests())
        # The server sends its headers once the connection counts.
        self._call.initial_metadata()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """End the connection as a broken one ends."""
        self._call.cancel()
        self._outbox.put(None)
        self._reader.join(10)

    def send(self, *answers: pb.Answer) -> None:
        """Send answers in one message."""
        self._outbox.put(pb.ConnectRequest(answers=answers))

    def say_clock(self, clock_ns: int) -> None:
        """Send a message without answers that says what time it is here."""
        self._outbox.put(pb.ConnectRequest(clock_ns=clock_ns))

    def wait_for(self, count: int, timeout_s: float = 60.0) -> list[pb.Question]:
        """The questions so far, once there are so many."""
        until(lambda: len(self.questions) >= count, timeout_s)
        return list(self.questions)

    def first(self, *payment_ids: bytes) -> list[pb.Question]:
        """The first question about each of these payments, once it has come: whoever is
        late with an answer is asked again, and a busy machine is.
        """
        found: dict[bytes, pb.Question] = {}

        def is_complete() -> bool:
            for one in list(self.questions):
                found.setdefault(one.id, one)
            return found.keys() >= set(payment_ids)

        until(is_complete)
        return [found[one] for one in payment_ids]

    def asked(self, payment_id: bytes) -> list[int]:
        """The kinds of the questions about one payment, in order."""
        return [one.kind for one in self.questions if one.id == payment_id]

    def _requests(self) -> Iterator[pb.ConnectRequest]:
        while (message := self._outbox.get()) is not None:
            yield message

    def _read(self) -> None:
        try:
            for message in self._call:
                self.acknowledged += message.acknowledged
                self.refused += message.refused
                self.ended += message.ended
                if message.questions:
                    self.messages.append(len(message.questions))
                answers: list[pb.Answer] = []
                for question in message.questions:
                    self.questions.append(question)
                    answers += self.script(question)
                if answers:
                    self.send(*answers)
        except grpc.RpcError as error:
            self.error = error
