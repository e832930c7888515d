"""Goal: `payswitch cluster status` says that one may be lost only where that is so.

Method: what it was told of databases and nodes, by hand.
"""

from typing import Any

import pytest

from switch.cli.cluster import CLOCK_OFF_MS, LAG_ROWS_MAX, SEEN_MS, _is_well


def told(
    *, standbys: int = 2, hosts: int = 3, leader: str = "north", **other: Any
) -> dict[str, Any]:
    """A whole cluster, but for what is said."""
    leads = {"leads": True, "seen_ms": 0, "behind": 0, "other_keys": ""}
    leads |= {"clock_off_ms": 0}
    node = leads | {"leads": False, "seen_ms": SEEN_MS, "behind": LAG_ROWS_MAX} | other
    return {
        "databases": [{"reached": True}] * hosts,
        "log": {"leader": leader, "standbys": standbys},
        "nodes": [leads, node],
    }


def test_a_whole_one_may_lose_one() -> None:
    assert _is_well(told())
    # A node of an older version says nothing of its clock.
    for off_ms in (-CLOCK_OFF_MS, CLOCK_OFF_MS, None):
        assert _is_well(told(clock_off_ms=off_ms))


@pytest.mark.parametrize(
    "other",
    [
        {"standbys": 1},
        # As many as hosts are named, but one: still none to spare.
        {"standbys": 1, "hosts": 2},
        {"standbys": 0, "hosts": 1},
        {"leader": ""},
        {"leads": True},
        {"seen_ms": SEEN_MS + 1},
        {"behind": LAG_ROWS_MAX + 1},
        {"other_keys": "its receipt.key is another"},
        {"clock_off_ms": -CLOCK_OFF_MS - 1},
    ],
    ids=str,
)
def test_one_that_lacks_something_may_not(other: dict[str, Any]) -> None:
    assert not _is_well(told(**other))


def test_nor_one_whose_log_or_a_database_is_not_reached() -> None:
    assert not _is_well(told() | {"log": None})
    assert not _is_well(told() | {"databases": [{"reached": True}, {"reached": False}]})
