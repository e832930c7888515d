"""Goal: a server that is started with another margin keeps what it has told its billers
of their last moment to credit.

Method: a real server that starts again, and a scripted biller over real sockets that
has seen nothing of its payments; what the ledger has is read row by row and audited.
"""

import time
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

from switch._core import Ledger
from switch.audit import audit
from switch.codes import Link, Mode, Policy
from switch.margin_rows import MarginRecord, read_margin
from switch.v1 import admin_pb2
from switch.v1 import billers_pb2 as pb
from tests.server.harness import CALL_S, Peers, _service, load, running
from tests.server.scripted_biller import ScriptedBiller, not_seen
from tests.server.test_billers import CONFIRM, REVERSED, STATUS, get, pay, wait_for

SECOND = 10**9
DEADLINE_S = 24
SHORT_S, LONG_S = 4, 12
"""Of the deadline the margin is at most the half."""
SETTINGS = {
    "answer_timeout_ms": 300,
    "status_first_ms": 200,
    "status_interval_max_ms": 400,
    "status_calls_max": 1_000,
    "status_per_minute_max": 10_000,
    "health_failures_min": 1_000,
    "absent_ms": 3_600_000,
}


def settings(margin_s: int) -> list[str]:
    values = {**SETTINGS, "credit_margin_ms": margin_s * 1_000}
    return [
        word
        for name, value in values.items()
        for word in ("--set", f"biller.{name}={value}")
    ]


def load_slow(peers: Peers) -> None:
    """The small network, and a service with time for a restart."""
    load(peers)
    slow = _service(
        "SLOW",
        "power",
        ["0801-02"],
        mode=Mode.CONFIRMED,
        deadline_s=DEADLINE_S,
        deadline_policy=Policy.KEEP,
    )
    request = admin_pb2.LoadNetworkRequest(services=[slow])
    peers.treasury.admin.LoadNetwork(request, timeout=CALL_S)


def deaf(question: pb.Question) -> Iterable[pb.Answer]:
    return (not_seen(question),) if question.kind == STATUS else ()


def test_a_restart_with_another_margin_keeps_what_was_told(tmp_path: Path) -> None:
    told: dict[bytes, int] = {}
    margins: dict[bytes, int] = {}
    for margin_s in (SHORT_S, LONG_S):
        with (
            running(tmp_path, *settings(margin_s)) as server,
            closing(Peers(server)) as peers,
        ):
            if not told:
                load_slow(peers)
            with ScriptedBiller(peers.biller()) as biller:
                [paid] = pay(peers, "SLOW")
                [question] = biller.first(paid)
            told[paid], margins[paid] = question.credit_until_ns, margin_s
            after_ns = told[paid] - get(peers, paid).entry.time_ns
            assert after_ns == (DEADLINE_S - margin_s) * SECOND
    # The first has a longer margin than it had, and the second a shorter one.
    questions: list[pb.Question] = []
    for margin_s in (LONG_S, SHORT_S):
        with (
            running(tmp_path, *settings(margin_s)) as server,
            closing(Peers(server)) as peers,
            ScriptedBiller(peers.biller(), deaf) as biller,
        ):
            last = margin_s == SHORT_S
            if last:
                for paid in told:
                    wait_for(peers, paid, REVERSED)
                ends = {paid: get(peers, paid).resolution for paid in told}
            else:
                # In it the first is final by the new margin, and not by what was told.
                [first, _] = told
                now_s = told[first] / SECOND - time.time()
                time.sleep(max(0.0, now_s - 1.2))
                assert get(peers, first).state != REVERSED
            questions += biller.questions
    for paid, until_ns in told.items():
        asked = [one for one in questions if one.id == paid]
        assert {one.credit_until_ns for one in asked} == {until_ns}
        assert all(one.sent_ns < until_ns for one in asked if one.kind == CONFIRM)
        final_ns = until_ns + margins[paid] * SECOND // 2
        assert ends[paid].note == "NOT_SEEN"
        assert ends[paid].time_ns >= final_ns
        # Nor is the money kept for longer than needed.
        assert ends[paid].time_ns < until_ns + margins[paid] * SECOND
    check_rows(tmp_path / "ledger")


def check_rows(path: Path) -> None:
    """A row for each start with another margin, the first one's among them."""
    found = []
    with Ledger(str(path), create=False, reserve_size=0) as ledger:
        sequence = ledger.link(0, Link.MARGIN)
        while sequence:
            found.append(read_margin(ledger.tail(sequence)))
            sequence = ledger.row(sequence).resolves
    expected = [SHORT_S, LONG_S, SHORT_S]
    assert found == [MarginRecord(margin_s * 1_000) for margin_s in expected]
    assert audit(path).findings.counts == {}
