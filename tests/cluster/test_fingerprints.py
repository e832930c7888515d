"""Goal: nodes tell of their settings what they must have alike, nothing of a machine;
in which parts two differ is known, and a node that is older is not compared.

Method: one setting changed at a time; both nodes' words compared.
"""

from pathlib import Path
from typing import Any

import pytest

from switch.config import Config
from switch.fingerprints import USUAL, common_settings, different_parts

CLUSTER = {
    "cluster.dsn": "host=127.0.0.1",
    "cluster.node": "north",
    "cluster.address": "a:1",
}
OTHERS: dict[str, Any] = {
    "trust_domain": "elsewhere.test",
    "session_s": 600,
    "index_step_rows": 1_024,
    "without_people": True,
}


def told(**changes: Any) -> str:
    return common_settings(Config().replace(**CLUSTER).replace(**changes))


@pytest.mark.parametrize(
    ("changes", "parts"),
    [
        ({}, []),
        *(({name: value}, ["general"]) for name, value in OTHERS.items()),
        ({"budget.payments_per_s": 7}, ["budget"]),
        ({"biller.answer_timeout_ms": 7_000}, ["biller"]),
        ({"billers.power.queue_max": 7}, ["biller"]),
        ({"transport.idle_ms": 7_000}, ["transport"]),
        ({"cluster.lease_s": 7}, ["cluster"]),
        ({"cluster.standby_reads": False, "session_s": 600}, ["cluster", "general"]),
        # What is a machine's own.
        ({"data_dir": Path("/elsewhere"), "port": 1, "host": "10.1.0.2"}, []),
        ({"cluster.node": "south", "cluster.address": "b:1"}, []),
        ({"metrics.port": 1, "security_log.days": 7, "map_size": 1 << 30}, []),
        ({"accept_clock": True, "dev": True, "drain_s": 1}, []),
    ],
)
def test_what_is_told_of_settings(changes: dict[str, Any], parts: list[str]) -> None:
    own, other = told(), told(**changes)
    assert different_parts(own, other) == different_parts(other, own) == parts
    assert (other == USUAL) == (not parts)
    assert len(other) <= 200
    assert different_parts(other, told(**changes)) == []
    # One that is older has told nothing.
    assert different_parts(other, "") == different_parts("", other) == []


def test_a_role_has_budgets_of_its_own(tmp_path: Path) -> None:
    from switch.config import load_config

    config = tmp_path / "payswitch.toml"
    config.write_text("[budget.harness]\npayments_per_s = 7\n")
    assert different_parts(told(), common_settings(load_config(config))) == ["budget"]


def test_all_parts_fit_into_their_column() -> None:
    longest = told(
        **OTHERS,
        **{
            "budget.payments_per_s": 7,
            "biller.queue_max": 7,
            "transport.idle_ms": 7_000,
            "cluster.lease_s": 7,
        },
    )
    assert len(longest.split()) == 5
    assert len(longest) <= 200
