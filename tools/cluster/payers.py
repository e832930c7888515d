"""Who pays through the switches, remembers each answer, and asks again afterwards."""

import itertools
import threading
import time
from typing import Any, Self

from switch.client import make_payment
from switch.client.calls import CallError, LostReplyError
from switch.codes import Role
from switch.v1 import payments_pb2
from tools.cluster.switches import CENTRES, NUMBERS, SERVICE, Switches

PAYERS = 4
BATCH = 20
CHECKED_MAX = 20_000
"""Payments that are asked about again, evenly among those that were answered."""

Answer = tuple[int, int, int]
"""Result, sequence, receipt."""


def answer(outcome: payments_pb2.PaymentOutcome) -> Answer:
    """What must be the same for ever."""
    return (outcome.result, outcome.sequence, outcome.receipt)


class Payers:
    """Threads that pay in batches until they are told to end.

    A batch without an answer is sent again with its ids, as the protocol asks.
    """

    def __init__(self, switches: Switches) -> None:
        """They begin with the `with` block."""
        self._switches = switches
        self._stopping = threading.Event()
        self._numbers = itertools.count(time.time_ns())
        self.answered: list[tuple[payments_pb2.Payment, Answer]] = []
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

    def wait_more(self, timeout_s: float, more: int = 2_000) -> bool:
        """Wait for so many more answers; whether they came."""
        end_s, wanted = time.monotonic() + timeout_s, len(self.answered) + more
        while len(self.answered) < wanted and time.monotonic() < end_s:
            time.sleep(0.02)
        return len(self.answered) >= wanted

    def reset(self) -> None:
        """Measure the silence anew."""
        with self._lock:
            self.silence_s, self._last_s = 0.0, time.monotonic()

    def _run(self, centre: str) -> None:
        with self._switches.client(Role.HARNESS, "harness") as client:
            while not self._stopping.is_set():
                batch = [
                    make_payment(
                        SERVICE,
                        500,
                        f"B{next(self._numbers)}",
                        centre=centre,
                        operator=1,
                        amount_due=500,
                    )
                    for _ in range(BATCH)
                ]
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
                self._note(batch, [answer(one) for one in outcomes])

    def _note(self, batch: list[payments_pb2.Payment], answers: list[Answer]) -> None:
        with self._lock:
            now_s = time.monotonic()
            self.silence_s = max(self.silence_s, now_s - self._last_s)
            self._last_s = now_s
            self.answered += zip(batch, answers, strict=True)


def check_again(switches: Switches, payers: Payers) -> dict[str, Any]:
    """Send what was answered once more: the same answers must come."""
    every = max(1, len(payers.answered) // CHECKED_MAX)
    chosen = payers.answered[::every]
    different = []
    with switches.client(Role.HARNESS, "harness", NUMBERS) as client:
        for start in range(0, len(chosen), 500):
            part = chosen[start : start + 500]
            outcomes = client.pay_batch([payment for payment, _ in part])
            different += [
                f"{payment.id.hex()} was answered {first} and now {answer(outcome)}"
                for (payment, first), outcome in zip(part, outcomes, strict=True)
                if answer(outcome) != first
            ]
    refused = sum(1 for _, (result, _, _) in payers.answered if result != 1)
    return {
        "answered": len(payers.answered),
        "asked_again": len(chosen),
        "different": different[:5],
        "refused": refused,
    }
