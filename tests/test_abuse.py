"""Goal: the abuse suite sees what it judges, and a few attacks fail on a real server.

Method: the judge is given figures that break each bound; attacks run end to end for
about two seconds, which says nothing of times: an attacker that floods is thrown out,
memory stays, and nothing of the victim's is refused.
"""

import copy

import pytest

from benchmarks import abuse
from benchmarks.attacks import ATTACKS
from benchmarks.load_network import Figures
from tests.bench import run_json

GOOD: Figures = {
    "case": "ping",
    "seconds": 10.0,
    "memory_grown_bytes": 1 << 20,
    "disk_grown_bytes": 0,
    "p99_ms_beside": 4.0,
    "p99_ms_during": 14.0,
    "refused": 0,
    "payments": 2_000,
    "attack": {"connections": 3, "ended": 3, "held": 0},
}
THOUGHT_OF = {
    "streams that are not read": "unread",
    "bodies without an end": "unfinished",
    "silence, before, within and after a handshake": "idle",
    "the handshakes of all centres": "storm",
    "new keys": "key_updates",
    "calls given up at once": "rapid_reset",
    "headers without an end": "continuation",
    "SETTINGS": "settings",
    "PING": "ping",
    "frames without data": "empty_data",
    "metadata": "metadata",
    "a long header by few bytes": "said_again",
    "answers that nobody reads": "unread_refusals",
    "full batches of one centre": "batches",
    "refusals of one centre": "refusals",
    "feeds": "feeds",
    "watches": "watches",
    "fetches": "fetches",
    "one paisa held, again and again": "holds",
    "sockets that say nothing": "silence",
    "certificates that nobody knows": "strangers",
    "calls that are refused, and read": "refused_calls",
    "refusals with a long text": "long_texts",
    "streams opened and ended": "openings",
    "one operator's sign-ons": "sign_ons",
    "the longest lists, many at a time": "lists",
    "cancels of what is not there": "cancels",
    "whole feeds, again and again": "whole_feeds",
}


@pytest.mark.parametrize(
    ("change", "broken"),
    [
        ({}, []),
        ({"memory_grown_bytes": 512 << 20}, ["memory"]),
        ({"refused": 1}, ["refused"]),
        ({"payments": 0}, ["refused"]),
        ({"p99_ms_during": 15.1}, ["p99"]),
        ({"p99_ms_during": 15.1, "p99_ms_beside": 8.0}, []),
        ({"p99_ms_during": 16.1, "p99_ms_beside": 8.0}, ["p99"]),
        ({"p99_ms_during": 16.1, "seconds": 2.0}, []),
        ({"p99_ms_during": 49.0, "case": "storm"}, []),
        ({"come_ms_during": 249.0, "came": 9, "away": 0}, []),
        ({"come_ms_during": 251.0}, ["come"]),
        ({"come_ms_during": 399.0, "come_ms_beside": 200.0}, []),
        ({"come_ms_during": 251.0, "seconds": 2.0}, []),
        ({"list_ms_during": 99.0, "bill_ms_during": 99.0}, []),
        ({"list_ms_during": 101.0}, ["list"]),
        ({"bill_ms_during": 149.0, "bill_ms_beside": 50.0}, []),
        ({"bill_ms_during": 151.0, "bill_ms_beside": 50.0}, ["bill"]),
        ({"reads_refused": 1}, ["reads refused"]),
        ({"away": 1, "came": 9}, ["turned away"]),
        ({"away": 0, "came": 0}, ["turned away"]),
        ({"come_ms_during": 9_000.0, "away": 3, "case": "storm"}, []),
        ({"p99_ms_during": 51.0, "case": "storm"}, ["p99"]),
        ({"attack": {"connections": 1, "ended": 0, "held": 0}}, ["not ended"]),
        ({"attack": {"connections": 1, "ended": 0, "held": 1}}, []),
        (
            {"attack": {"connections": 1, "ended": 0, "held": 0}, "case": "feeds"},
            [],
        ),
        # What never took place is no proof.
        (
            {"attack": {"connections": 0, "ended": 0, "held": 0}, "case": "feeds"},
            ["no attack"],
        ),
        ({"disk_grown_bytes": 65 << 20}, ["disk"]),
        ({"disk_grown_bytes": 65 << 20, "case": "batches"}, []),
    ],
)
def test_judge(change: Figures, broken: list[str]) -> None:
    figures = copy.deepcopy(GOOD) | change
    assert abuse.judge(figures) == broken


def test_every_attack_is_judged_by_its_name() -> None:
    assert set(abuse.ENDED) | set(abuse.PAYING) < set(ATTACKS)
    assert all(attack.__doc__ for attack in ATTACKS.values())


def test_whatever_was_thought_of_is_tried() -> None:
    assert set(THOUGHT_OF.values()) <= set(ATTACKS)
    assert len({ATTACKS[name] for name in THOUGHT_OF.values()}) == len(THOUGHT_OF)


@pytest.mark.slow
@pytest.mark.parametrize(
    "case", ["rapid_reset", "continuation", "unread", "refusals", "reads"]
)
def test_attack_fails(case: str) -> None:
    result = run_json("benchmarks.abuse", "--case", case, "--seconds", "2.5", "--json")
    assert result["broken"] == []
    assert result["payments"] > 0
    assert result["attack"]["sent"] > 0
