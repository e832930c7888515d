"""Goal: what a group has changed in memory before its commit is shown to nobody.

Method: a process beside this one holds the journal's writer lock of LMDB, or the log
beyond this machine does not answer, so that a group is decided and then waits before
its commit, for as long as the test likes.
Meanwhile every read is asked for all that the group touches, again and again from
several threads: the answers must be those of before. Once the lock is given back they
must be the new ones: a test that asked for nothing would notice nothing.
"""

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from switch._core import LOG_DONE, Ledger, Queue, Request
from switch.codes import Kind, Record, Result
from switch.errors import SwitchError
from switch.register.register import PURPOSE_WALLET
from tests.core.network import NOW, top_up
from tests.core.pair import rows_request
from tests.core.queues import OPTIONS, WAIT_S, fresh, load_network, payments, until
from tests.records import LimitRecord, Row, ServiceRecord, pins, revocation

THREADS = 4
DECIDED_S = 0.2
ROUNDS = 40
"""Looks of each thread while the group waits; each look asks for everything."""

HOLDER = """
import sys
import lmdb
env = lmdb.open(sys.argv[1], map_size=0, max_dbs=8, create=False)
txn = env.begin(write=True)
print("held", flush=True)
sys.stdin.readline()
txn.abort()
env.close()
"""

CHANGED = (Record.PARTICIPANT, Record.SERVICE, Record.REVOCATION, Record.PINS)
"""Records of the register that the group has."""

Answers = dict[str, Any]


@contextmanager
def held_up(path: Path, part: str = "journal") -> Iterator[None]:
    """Within the block no commit of that part of the ledger gets to its disk."""
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path / part)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdin is not None
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    try:
        yield
    finally:
        holder.communicate("go\n", timeout=WAIT_S)
        assert holder.returncode == 0


class Story:
    """A ledger with a past, and one group that changes all that can be asked for."""

    def __init__(self, path: Path, ledger: Ledger) -> None:
        self.path = path
        self.ledger = ledger
        self.net = load_network(self.ledger)
        centre = ledger.find_participant("centre-1")
        self.payer = ledger.find_account(centre, PURPOSE_WALLET)
        self.held = self._hold(self.net.wallets[1], b"BILL-HELD")
        self.old = self._hold(self.net.wallets[1], b"BILL-OLD", deadline=1)
        # The window has 40 payments of 500 paise to settle.
        self.ledger.commit([payments(self.net, fresh(40))], NOW)
        self.window = self._do(Row(Kind.WINDOW, participant=self.net.treasury))
        self.paid = fresh(30)
        self.rows = self._rows()
        self.ids = [
            *((self.net.harness, id_) for id_ in self.paid),
            *((row.participant, row.id) for row in self.rows if any(row.id)),
        ]

    def _hold(self, wallet: int, reference: bytes, deadline: int = 86_400) -> int:
        return self._do(
            self._row(Kind.HOLD, reference, debit=wallet, deadline=deadline)
        )

    def _do(self, row: Row) -> int:
        """Commit a row that must be accepted; its sequence."""
        reply = self.ledger.commit([rows_request([row])], NOW)[0]
        assert not isinstance(reply, bytes)
        assert reply["result"][0] == Result.OK
        return int(reply["sequence"][0])

    def _row(self, kind: Kind, reference: bytes, **fields: Any) -> Row:
        [id_] = fresh()
        values = {"service": self.net.great_service, "participant": self.net.harness}
        return Row(
            kind, id=id_, amount=100, reference=reference, **{**values, **fields}
        )

    def _register(self, tail: bytes) -> Row:
        [id_] = fresh()
        return Row(Kind.REGISTER, id=id_, participant=self.net.treasury, tail=tail)

    def _rows(self) -> list[Row]:
        """Payments come in a message; these are rows of every other sort."""
        net, wallet = self.net, self.net.wallets[0]
        limit = Row(Kind.LIMIT, id=fresh()[0], debit=net.wallets[1])
        limit.tail = LimitRecord(day_count_max=1_000).pack()
        settle = self._row(Kind.SETTLE, b"", resolves=self.window, service=0)
        settle.debit, settle.credit = net.great_head, net.settlement
        settle.amount, settle.participant = 40 * 500, net.treasury
        known = len(net.rows)
        payer = self.ledger.find_participant("centre-1")
        centre, _ = net.centre(b"in-flight")
        net.service(ServiceRecord(b"IN-FLIGHT", net.billers[0], (net.heads[0][0],)))
        assert centre
        return [
            self._row(Kind.HOLD, b"BILL-NEW", debit=wallet, deadline=86_400),
            Row(Kind.POST, resolves=self.held, amount=100),
            top_up(net, wallet, 700, b"UTR-IN-FLIGHT"),
            limit,
            settle,
            *net.rows[known:],
            self._register(revocation(payer, b"\x11" * 32, b"\x07")),
            self._register(pins(payer, b"\x22" * 32)),
            Row(Kind.WINDOW, resolves=self.window, participant=net.treasury),
        ]

    def requests(self) -> list[Request]:
        return [payments(self.net, self.paid), rows_request(self.rows)]

    def look(self) -> Answers:
        """Everything that can be asked about what the group touches."""
        ledger, net = self.ledger, self.net
        last = ledger.sequence
        accounts = (*net.wallets[:2], net.great_head, net.float_, net.settlement)
        found: Answers = {
            "sequence": last,
            "timestamp": ledger.timestamp,
            "last_window": ledger.last_window,
            "holds_count": ledger.holds_count,
            "expiry": ledger.expiry(),
            "holds": ledger.holds().tolist(),
            "unverified": ledger.unverified().tolist(),
            "ids": [ledger.find(sender, id_) for sender, id_ in self.ids],
            "settled": ledger.settled(self.window, net.great_head),
            "resolution": [ledger.resolution(one) for one in (self.held, self.old)],
            "beyond": len(ledger.rows(last + 1, 100)),
            "rows": len(ledger.rows(1, 65_536)),
            "accounts": ledger.accounts()[0].tobytes(),
            "images": [ledger.account(one)[0].tobytes() for one in accounts],
            "balances": [ledger.balance_at(one, last) for one in accounts],
            "by name": ledger.find_participant("in-flight"),
            "service": ledger.find_service("IN-FLIGHT"),
            "own": ledger.find_entries(
                [(net.harness, id_, self.payer) for id_ in self.paid]
            ),
        }
        for record in CHANGED:
            found[record.name] = ledger.records(record).tolist()
        for one in accounts:
            found[f"rows of {one}"] = ledger.account_rows(one, 0, 1_000).tolist()
            found[f"rows of {one} below the end"] = ledger.account_rows(
                one, last + 1_000, 1_000
            ).tolist()
        for name, call in (
            ("row", ledger.row),
            ("tail", ledger.tail),
            ("tails", lambda sequence: ledger.tails(np.array([sequence]))),
            ("gather", lambda sequence: ledger.gather(np.array([sequence]))),
            ("gather_whole", lambda sequence: gathered(ledger, sequence)),
            ("balance", lambda sequence: ledger.balance_at(net.float_, sequence)),
        ):
            found[f"{name} beyond"] = beyond(call, last + 1)
        return found


def gathered(ledger: Ledger, sequence: int) -> None:
    """The row, from what leaves out the damaged ones; LookupError if there is none."""
    rows, damaged = ledger.gather_whole(np.array([sequence]))
    assert len(rows) + len(damaged) == 1


def beyond(call: Callable[[int], object], sequence: int) -> bool:
    """Whether something is shown of a row that is not durable."""
    try:
        call(sequence)
    except LookupError:
        return False
    return True


def watch(story: Story, before: Answers) -> list[str]:
    """What is seen of a group in flight, from several threads; nothing, it is hoped."""
    seen: list[str] = []

    def look() -> None:
        for _ in range(ROUNDS):
            try:
                now = story.look()
            except SwitchError as error:
                seen.append(f"{type(error).__name__}: {error}")
                return
            seen.extend(name for name in before if now[name] != before[name])
            if seen:
                return

    threads = [threading.Thread(target=look) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return seen


@pytest.mark.parametrize(
    ("step_rows", "where"),
    [(65_536, "disk"), (16, "disk"), (65_536, "log"), (16, "log")],
)
def test_nothing_is_shown_before_it_is_durable(
    tmp_path: Path, step_rows: int, where: str
) -> None:
    path = tmp_path / "ledger"
    options = {**OPTIONS, "index_step_rows": step_rows, "index_lag_max": 65_536}
    with Ledger(str(path), **options, patience_s=DECIDED_S / 4) as ledger:
        story = Story(path, ledger)
        if where == "disk":
            look_in_flight(story, step_rows, held_up(path))
        else:
            look_in_flight(story, step_rows, unanswered(ledger))
        # Who waits for a log is not stuck in LMDB; who waits for LMDB's lock may be.
        assert where == "disk" or not (path / "DOUBT").exists()


@contextmanager
def unanswered(ledger: Ledger) -> Iterator[None]:
    """Within the block the log does not answer; before and behind it appends."""
    answers = threading.Event()

    def append(chunk: bytes) -> int:
        assert answers.wait(WAIT_S)
        return LOG_DONE

    ledger.replicate(append, 1)
    try:
        yield
        assert ledger.stuck == ""
    finally:
        answers.set()


def look_in_flight(
    story: Story, step_rows: int, held: AbstractContextManager[None]
) -> None:
    ledger = story.ledger
    until(lambda: ledger.sequence - ledger.index_sequence < step_rows)
    queue = Queue(ledger, clock=np.array([NOW + 10**10, 0, 0], np.uint64))
    for tag, request in enumerate(story.requests(), 1):
        queue.submit(request, tag)
    before = story.look()
    try:
        with held:
            queue.start()
            until(lambda: queue.rows_waiting == 0)
            # Time to be decided; it waits from then on.
            time.sleep(DECIDED_S)
            seen = watch(story, before)
            assert ledger.sequence == before["sequence"]
    finally:
        assert queue.stop(WAIT_S)
    assert not seen, f"shown before it was durable: {sorted(set(seen))}"
    [(error, answers)] = queue.take()
    assert error is None
    [outcomes] = [one for _, _, one in answers if isinstance(one, np.ndarray)]
    assert outcomes["result"].tolist() == [Result.OK] * len(outcomes)
    after = story.look()
    same = {name for name in before if after[name] == before[name]}
    # All that was asked for has changed, but what is never there.
    assert same == {"beyond", *(name for name in before if name.endswith(" beyond"))}
    assert all(after["ids"])
