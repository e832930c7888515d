"""Goal: what `deploy/` gives to Prometheus, Grafana and systemd works with the server
as it is.

Method: their own checkers; a real server's figures, which must have every name and
label that rules and dashboard ask for; its system calls, which the unit must let
through; the unit's command, which the server must understand.
"""

import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from server import exits
from server.__main__ import configure, parse
from server.exits import (
    EXIT_BUSY,
    EXIT_CONFIG,
    EXIT_DEAD,
    EXIT_DEPOSED,
    EXIT_HALTED,
    EXIT_UNSETTLED,
)
from tests.server.harness import Peers, load, payment, running
from tests.server.scripted_biller import ScriptedBiller, confirm
from tests.server.test_metrics import ask, wait_for
from tools.cluster.supervised import AGAIN

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
RULES = DEPLOY / "payswitch.rules.yml"
DASHBOARD = DEPLOY / "grafana-dashboard.json"
UNIT = DEPLOY / "payswitch.service"
DROP_IN = DEPLOY / "payswitch-node.conf"
MANUAL = ROOT / "docs" / "operating.md"
SERVE = "/opt/payswitch/.venv/bin/payswitch serve"


def run(*command: str, cwd: Path = DEPLOY, said: str = "") -> str:
    """What a checker says; it must be content."""
    done = subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, input=said, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def scrape(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The figures of a server that has paid, and has a biller."""
    directory = tmp_path_factory.mktemp("scraped")
    with running(directory, "--set", "metrics.cases_s=1") as server:
        peers = Peers(server)
        load(peers)
        peers.centre().pay(payment())
        peers.centre().pay(payment("CONFIRM"))
        looked = 'payswitch_exceptions{kind="kept",older_than="0"}'
        wait_for(server.metrics, looked, 0)
        code, text = ask(server.metrics, "/metrics")
        peers.close()
    assert code == 200
    return text


# --- figures, rules, dashboard -------------------------------------------------------


def test_prometheus_takes_the_figures(scrape: str) -> None:
    run("promtool", "check", "metrics", said=scrape)


def test_rules_are_right_and_each_alert_comes() -> None:
    run("promtool", "check", "config", "prometheus.yml")
    run("promtool", "test", "rules", "payswitch.rules.test.yml")
    counted = re.search(
        r"value: (\d+)\}", (DEPLOY / "payswitch.rules.test.yml").read_text()
    )
    assert counted is not None
    assert int(counted[1]) == len(alerts()), "an alert without a test"


def alerts() -> list[str]:
    return re.findall(r"- alert: (\w+)", RULES.read_text())


def expressions() -> list[str]:
    """What rules and dashboard ask of Prometheus."""
    dashboard = json.loads(DASHBOARD.read_text())
    asked = [
        target["expr"]
        for panel in dashboard["panels"]
        for target in panel.get("targets", ())
    ]
    parts = re.split(r"\n\s+(?:for|labels):", RULES.read_text())
    rules = [part.rpartition("expr:")[2] for part in parts if "expr:" in part]
    assert len(rules) >= len(alerts())
    return asked + rules


def test_every_figure_that_is_asked_for_is_there(scrape: str) -> None:
    there: dict[str, list[dict[str, str]]] = {"up": [{"job": "payswitch"}]}
    for name, labels in re.findall(r"^(\w+)(?:\{(.*)\})? ", scrape, re.MULTILINE):
        found = dict(re.findall(r'(\w+)="([^"]*)"', labels))
        # Prometheus adds the name of the job.
        there.setdefault(name, []).append({"job": "payswitch", **found})
    asked = [
        one
        for text in expressions()
        for one in re.findall(
            r"\b((?:payswitch|process)_\w+|up)\b(?:\s*\{([^}]*)\})?", text
        )
    ]
    assert len(asked) > 60
    for name, matchers in asked:
        if name == "payswitch_rules" or name.startswith("payswitch_cluster_"):
            continue  # of a node: tests/cluster/test_server_follows.py
        assert name in there, f"no {name} is served"
        for label, how, value in re.findall(r'(\w+)\s*(=~|!=|=)\s*"([^"]*)"', matchers):
            values = {labels[label] for labels in there[name] if label in labels}
            assert values, f"{name} has no label {label}"
            # What has not happened to this server has no value yet.
            if how == "=" and label != "status":
                assert value in values, f"{name} has no {label} {value}, but {values}"


def test_every_alert_and_figure_is_in_the_manual(scrape: str) -> None:
    manual = MANUAL.read_text()
    missing = [name for name in alerts() if f"`{name}`" not in manual]
    families = re.findall(r"^# TYPE (\w+) ", scrape, re.MULTILINE)
    missing += [
        name
        for name in families
        if not re.search(rf"`{name.removeprefix('payswitch_')}`", manual)
    ]
    assert not missing


def test_the_dashboard_is_whole() -> None:
    dashboard: dict[str, Any] = json.loads(DASHBOARD.read_text())
    panels = dashboard["panels"]
    numbers = [panel["id"] for panel in panels]
    assert len({*numbers}) == len(numbers)
    places = [
        (panel["gridPos"]["x"] + at, panel["gridPos"]["y"])
        for panel in panels
        for at in range(panel["gridPos"]["w"])
    ]
    assert len({*places}) == len(places), "panels lie on each other"
    assert all(x < 24 for x, _ in places)
    assert all(panel["description"] for panel in panels if panel["type"] != "row"), (
        "a panel says nothing of itself"
    )


def test_the_line_for_payments_is_where_their_alert_comes() -> None:
    dashboard: dict[str, Any] = json.loads(DASHBOARD.read_text())
    titled = {panel["title"]: panel for panel in dashboard["panels"]}
    defaults = titled["How long payments take"]["fieldConfig"]["defaults"]
    rule = RULES.read_text().partition("PayswitchPaymentsSlow")[2]
    bound = re.search(r"> (\d+)\n", rule)
    assert bound is not None
    assert defaults["thresholds"]["steps"][1]["value"] == int(bound[1])


# --- the unit ------------------------------------------------------------------------


def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    # As on a machine that has the product, the user and its group.
    text = UNIT.read_text().replace(SERVE.split()[0], shutil.which("true") or "")
    unit = tmp_path / "payswitch.service"
    unit.write_text(text)
    said = run("systemd-analyze", "verify", "--man=no", str(unit), cwd=tmp_path)
    assert said == ""
    # A node's, with what is different of it.
    beside = tmp_path / f"{UNIT.name}.d"
    beside.mkdir()
    shutil.copy(DROP_IN, beside)
    said = run("systemd-analyze", "verify", "--man=no", str(unit), cwd=tmp_path)
    assert said == ""
    # 0 is a service that can nearly nothing, 10 one without any bound.
    run(
        *("systemd-analyze", "security", "--offline=yes", "--threshold=20", str(unit)),
        cwd=tmp_path,
    )


def test_a_node_comes_back_after_what_passes_and_after_nothing_else() -> None:
    text = UNIT.read_text()
    stays = re.search(r"^RestartPreventExitStatus=(.*)$", text, re.MULTILINE)
    assert stays is not None
    for_people = {int(code) for code in stays[1].split()}
    assert for_people == {EXIT_HALTED, EXIT_BUSY, EXIT_CONFIG}
    assert {*AGAIN} == {EXIT_DEAD, EXIT_DEPOSED, EXIT_UNSETTLED}
    codes = {value for name, value in vars(exits).items() if name.startswith("EXIT_")}
    assert codes == for_people | {*AGAIN}
    manual = MANUAL.read_text()
    assert all(f"\n| {code} | " in manual for code in codes)
    # However often it is replaced: what a unit gets is never given up.
    assert "\nStartLimitIntervalSec=0\n" in DROP_IN.read_text()


def test_the_unit_lets_a_start_wait_for_the_clock() -> None:
    """For ten minutes it is started and not ready: nothing may end it meanwhile."""
    settings = re.findall(r"^(\w+)=(.*)$", UNIT.read_text(), re.MULTILINE)
    assert ("Type", "exec") in settings
    assert not {"TimeoutStartSec", "TimeoutSec", "WatchdogSec", "RuntimeMaxSec"} & {
        name for name, _ in settings
    }
    text = RULES.read_text().partition("PayswitchClockGap")[2]
    assert "payswitch_clock_gap_seconds > 0" in text[:200]


def test_the_server_understands_the_command(tmp_path: Path) -> None:
    text = UNIT.read_text().replace("\\\n", " ")
    command = re.search(rf"^ExecStart={SERVE} (.*)$", text, re.MULTILINE)
    assert command is not None
    installed = tmp_path / "payswitch.toml"
    shutil.copy(DEPLOY / "payswitch.toml", installed)
    words = shlex.split(command[1])
    words[words.index("--config") + 1] = str(installed)
    options = parse(words)
    config = configure(options)
    assert config.tls_dir == tmp_path / "tls"
    # What the unit lets it write is where it writes.
    for setting, path in (
        ("StateDirectory", config.data_dir),
        ("LogsDirectory", config.security_dir),
        ("RuntimeDirectory", options.ready_file),
    ):
        assert f"\n{setting}=payswitch\n" in text
        assert "payswitch" in path.parts[:4]
    scraped = re.search(r'targets: \["(.*)"\]', (DEPLOY / "prometheus.yml").read_text())
    assert scraped is not None
    assert scraped[1] == f"{config.metrics.host}:{config.metrics.port}"


def test_the_unit_lets_the_server_do_what_it_does(tmp_path: Path) -> None:
    """Each system call of a server, from its start to its end, passes the filters."""
    trace = tmp_path / "trace"
    prefix = ["strace", "-f", "-qq", "-c", "-U", "name", "-o", str(trace)]
    with running(tmp_path / "server", prefix=prefix) as server:
        peers = Peers(server)
        load(peers)
        with ScriptedBiller(peers.biller("power"), lambda one: [confirm(one)]):
            peers.centre().pay(payment("CONFIRM"))
        ask(server.metrics, "/metrics")
        peers.close()
    used = {line.strip() for line in trace.read_text().splitlines()[2:-2]}
    assert {"fdatasync", "flock"} <= used
    refused = used - allowed()
    assert not refused, "SystemCallFilter= would refuse what the server does"
    # Asked only where a clock leapt, or after a long silence.
    assert {"adjtimex", "clock_adjtime"} <= allowed()


def allowed() -> set[str]:
    """The system calls that the unit's filters let through, in their order."""
    names: set[str] = set()
    for line in re.findall(r"^SystemCallFilter=(.*)$", UNIT.read_text(), re.MULTILINE):
        without = line.startswith("~")
        for word in line.removeprefix("~").split():
            calls = members(word)
            names = names - calls if without else names | calls
    return names


def members(word: str) -> set[str]:
    """A system call, or all of a set."""
    if not word.startswith("@"):
        return {word}
    lines = run("systemd-analyze", "syscall-filter", word).splitlines()
    inside = [line.strip() for line in lines[1:]]
    named = [one for one in inside if one and not one.startswith("#")]
    return {name for one in named for name in members(one)}
