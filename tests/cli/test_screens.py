"""Goal: on a terminal of 80 columns a person sees what is true, and how to see more.

Method: commands run on a pseudo-terminal beside a real server; a pipe is read beside.
"""

import json
import re
from collections.abc import Iterator

import pytest

from switch.console.output import Exit, enum_word
from switch.console.tables import cell_len
from switch.console.words import WORDS
from switch.v1 import admin_pb2
from tests.cli.terminal import on_terminal
from tests.client.live import FREE, Live, running

CENTRE = "bsk-00001"
_STYLE = re.compile(r"\x1b\[[0-9;]*m")


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with running(tmp_path_factory.mktemp("screens")) as found:
        for words in (
            ("network", "load", str(found.network)),
            ("top-up", CENTRE, "1000", "--utr", "UTR-1"),
            ("pay", CENTRE, FREE, "20", "a reference"),
        ):
            done = found.command(*words)
            assert done.returncode == Exit.DONE, done.stderr
        yield found


def _terminal(live: Live, *words: str, columns: int = 80) -> str:
    where = ("--address", live.server.address, "--tls", str(live.server.tls))
    return _STYLE.sub("", on_terminal(*words, *where, columns=columns))


def test_billers_fit_and_the_healthy_are_up(live: Live) -> None:
    with live.desk(10_000):
        before = json.loads(live.command("billers", "--json").stdout)
        narrow = _terminal(live, "billers")
        wide = _terminal(live, "billers", "--wide")
        bengali = _terminal(live, "billers", "--lang", "bn")
        told = json.loads(live.command("billers", "--json").stdout)
    assert max(map(cell_len, narrow.splitlines())) <= 80
    (row,) = (line for line in narrow.splitlines() if "│ power" in line)
    # One that has just dialled in is probed, until it has answered.
    health = {each["health"] for each in (*before["billers"], *told["billers"])}
    assert row.split("│")[2].strip() in {WORDS[f"health {each}"][0] for each in health}
    assert any(WORDS[f"health {each}"][1] in bengali for each in health)
    assert "--wide shows every column" in " ".join(narrow.split())
    assert "Clock ahead, ms" in wide
    assert "--wide" not in wide
    # What a machine reads keeps its name.
    assert health <= {"closed", "open", "half_open"}


def test_every_health_has_its_word() -> None:
    for number in admin_pb2.BillerHealth.DESCRIPTOR.values_by_number:
        name = enum_word(admin_pb2.BillerHealth.DESCRIPTOR, number)
        assert name == "unspecified" or f"health {name}" in WORDS
    assert WORDS["health closed"] == ("up", "চালু")


def test_a_pipe_has_every_column(live: Live) -> None:
    piped = live.command("statement", CENTRE).stdout
    for column in ("time", "entry", "kind", "service", "reference", "who"):
        assert WORDS[column][0] in piped
    assert "--wide" not in piped
    assert "a reference" in piped


def test_the_ledger_says_that_its_index_is_well(live: Live) -> None:
    told = json.loads(live.command("ledger", "--json").stdout)
    assert told["index_sequence"] == 0
    assert told["index_step_rows"] > told["sequence"] > 0
    assert told["index_lag_max"] >= told["index_step_rows"]
    shown = _terminal(live, "ledger")
    step = told["index_step_rows"]
    assert f"{WORDS['index goes on'][0]}  ".rstrip() in shown
    assert re.search(rf"goes on at entry +{step}$", shown, re.MULTILINE)
    assert re.search(rf"up to entry +{told['index_sequence']}$", shown, re.MULTILINE)
    assert re.search(r"in memory +[0-9,]+$", shown, re.MULTILINE)
    assert "index_sequence" not in shown
    assert WORDS["index is behind"][0] not in shown
    bengali = _terminal(live, "ledger", "--lang", "bn")
    assert WORDS["not indexed"][1] in bengali
