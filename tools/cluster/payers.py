"""Who pays through the switches, remembers each answer, and asks again afterwards."""

import itertools
import threading
import time
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, Self

from switch.client import make_payment
from switch.client.calls import CallError, LostReplyError
from switch.codes import Role
from switch.v1 import payments_pb2
from tools.cluster.stand import StandError
from tools.cluster.switches import CENTRES, NUMBERS, SERVICE, Switches

PAYERS = 4
BATCH = 20
AMOUNT = 500
ID_SIZE = 16
BATCHES_MAX = 250_000
"""That are remembered: five million payments, some 300 MB."""
CHECKED_MAX = 20_000
"""Payments that are asked about again, evenly among those that were answered."""
LATE_S = 30.0
"""What a call may take that is sent to a switch while it is stopped."""
POSTED = 1
"""A payment's result: it was done."""

Answer = tuple[int, int, int]
"""Result, sequence, receipt: what must be the same for ever."""


class Batch(NamedTuple):
    """One that was answered; small, as there are many."""

    centre: str
    number: int
    ids: bytes
    answers: "array[int]"
    """Result, sequence and receipt, of each payment."""

    def payments(self) -> list[payments_pb2.Payment]:
        """What was sent, made again."""
        return [
            bill(self.centre, self.number, at, self.ids[ID_SIZE * at :][:ID_SIZE])
            for at in range(BATCH)
        ]

    def answer(self, at: int) -> Answer:
        """Of one of them."""
        result, sequence, receipt = self.answers[3 * at : 3 * at + 3]
        return result, sequence, receipt


def bill(centre: str, number: int, at: int, of_id: bytes = b"") -> payments_pb2.Payment:
    """A payment of a batch, with a fresh id or with the one that it had."""
    made = make_payment(
        SERVICE,
        AMOUNT,
        f"B{number}N{at}",
        centre=centre,
        operator=1,
        amount_due=AMOUNT,
    )
    made.id = of_id or made.id
    return made


def answer(outcome: payments_pb2.PaymentOutcome) -> Answer:
    """What an outcome says."""
    return (outcome.result, outcome.sequence, outcome.receipt)


class Late:
    """One batch for a switch that is stopped, over a connection that it has already."""

    def __init__(self, payers: "Payers", switches: Switches, number: int) -> None:
        """Connects; the switch still answers."""
        self._payers = payers
        self._client = switches.client(
            Role.HARNESS, "harness", [number], retries_max=0, timeout_s=LATE_S
        )
        self._client.wait_ready(LATE_S)
        self._said = "was not sent"
        self._thread = threading.Thread(target=self._run)

    def send(self) -> None:
        """Send it; the answer is not waited for."""
        self._thread.start()

    def said(self) -> str:
        """What came of it, in words; waits for that."""
        if self._thread.ident is not None:
            self._thread.join()
        return self._said

    def close(self) -> None:
        """Let go of the connection."""
        self._client.close()
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        centre, number, batch = self._payers.fresh(CENTRES[-1])
        try:
            outcomes = self._client.pay_batch(batch)
        except CallError as error:
            self._said = f"{error.reason or error.code.name} {error.outcome}".strip()
        except LostReplyError as error:
            self._said = f"unknown: {error.last.reason or error.last.code.name}"
        else:
            # It must be in the log like every other.
            self._payers.note(centre, number, batch, outcomes)
            self._said = "answered"


class Payers:
    """Threads that pay in batches until they are told to end.

    A batch without an answer is sent again with its ids, as the protocol asks.
    """

    def __init__(self, switches: Switches, pause_s: float = 0.0) -> None:
        """They begin with the `with` block; each pauses after each batch."""
        self._switches = switches
        self._pause_s = pause_s
        self._stopping = threading.Event()
        self._numbers = itertools.count(time.time_ns())
        self.answered: list[Batch] = []
        self.silence_s = 0.0
        """The longest time in which nobody was answered."""
        self.again = 0
        """Batches that were sent again by hand, past what the client does."""
        self.errors: list[str] = []
        self._last_s = time.monotonic()
        self._lock = threading.Lock()
        self._threads = [
            threading.Thread(target=self._run, args=(CENTRES[number % len(CENTRES)],))
            for number in range(PAYERS)
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        self._last_s = time.monotonic()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    @property
    def count(self) -> int:
        """Payments that were answered."""
        return BATCH * len(self.answered)

    def wait_more(self, timeout_s: float, more: int = 2_000) -> bool:
        """Wait for so many more answers; whether they came. Raises StandError."""
        end_s, wanted = time.monotonic() + timeout_s, self.count + more
        while self.count < wanted and time.monotonic() < end_s:
            self._check()
            time.sleep(0.02)
        return self.count >= wanted

    def pay_on(self, seconds: float) -> None:
        """Nothing but payments for so long."""
        self._check()
        time.sleep(seconds)

    def reset(self) -> None:
        """Measure the silence anew."""
        with self._lock:
            self.silence_s, self._last_s = 0.0, time.monotonic()

    @contextmanager
    def late(self, number: int) -> Iterator[Late]:
        """For a batch that is sent to one switch while it is stopped."""
        made = Late(self, self._switches, number)
        try:
            yield made
        finally:
            made.close()

    def fresh(self, centre: str) -> tuple[str, int, list[payments_pb2.Payment]]:
        """A new batch of a centre, and its number."""
        number = next(self._numbers)
        return centre, number, [bill(centre, number, at) for at in range(BATCH)]

    def note(
        self,
        centre: str,
        number: int,
        batch: list[payments_pb2.Payment],
        outcomes: list[payments_pb2.PaymentOutcome],
    ) -> None:
        """Remember a batch that was answered."""
        ids = b"".join(payment.id for payment in batch)
        flat = array("Q", (one for outcome in outcomes for one in answer(outcome)))
        with self._lock:
            now_s = time.monotonic()
            self.silence_s = max(self.silence_s, now_s - self._last_s)
            self._last_s = now_s
            self.answered.append(Batch(centre, number, ids, flat))

    def _check(self) -> None:
        if not all(thread.is_alive() for thread in self._threads):
            raise StandError(f"a payer has ended: {self.errors}")

    def _run(self, centre: str) -> None:
        with self._switches.client(Role.HARNESS, "harness") as client:
            while not self._stopping.is_set():
                if len(self.answered) >= BATCHES_MAX:
                    self.errors.append(f"{BATCHES_MAX} batches are remembered")
                    return
                _, number, batch = self.fresh(centre)
                while True:
                    try:
                        outcomes = client.pay_batch(batch)
                        break
                    except (CallError, LostReplyError) as error:
                        self.again += 1
                        self.errors = [*self.errors, str(error)][-5:]
                        if self._stopping.is_set():
                            return
                        time.sleep(0.2)
                self.note(centre, number, batch, outcomes)
                time.sleep(self._pause_s)


def check_again(switches: Switches, answered: list[Batch]) -> dict[str, Any]:
    """Send what was answered once more: the same answers must come."""
    every = max(1, len(answered) * BATCH // CHECKED_MAX)
    chosen = answered[::every]
    different = []
    with switches.client(Role.HARNESS, "harness", NUMBERS) as client:
        for batch in chosen:
            for at, outcome in enumerate(client.pay_batch(batch.payments())):
                if answer(outcome) != batch.answer(at):
                    different.append(
                        f"{outcome.id.hex()} was answered {batch.answer(at)} and now "
                        f"{answer(outcome)}"
                    )
    refused = sum(
        result != POSTED for batch in answered for result in batch.answers[::3]
    )
    if refused:
        different.append(f"{refused} were refused, all of which can be paid")
    return {
        "answered": BATCH * len(answered),
        "asked_again": BATCH * len(chosen),
        "different": different[:5],
    }
