"""Goal: a setting that is wrong is said to be wrong, by name, before anything starts.

Method: files and arguments, good and bad.
"""

import dataclasses
import re
from pathlib import Path

import pytest

from switch.codes import BUDGET_BOUNDS, Budget, Role
from switch.config import (
    ROLE_BUDGETS,
    BillerConfig,
    BudgetConfig,
    Config,
    MetricsConfig,
    Retry,
    SecurityLogConfig,
    TransportConfig,
    load_config,
)
from switch.errors import ConfigError

TABLES = (
    *(Config, BillerConfig, MetricsConfig, SecurityLogConfig),
    *(TransportConfig, BudgetConfig),
)
SETTINGS = [entry for table in TABLES for entry in dataclasses.fields(table)]
MANUAL = Path(__file__).parents[2] / "docs" / "operating.md"


def write(path: Path, text: str) -> Path:
    file = path / "payswitch.toml"
    file.write_text(text, encoding="utf-8")
    return file


def test_the_defaults_are_in_bounds() -> None:
    config = load_config()
    assert config == Config()
    assert config.address == "127.0.0.1:7443"
    # Whoever reaches that port reads it.
    assert config.metrics.host == "127.0.0.1"
    assert config.queue_rows_max >= 8_190


def test_every_number_has_bounds() -> None:
    for entry in SETTINGS:
        if entry.type is int:
            assert entry.metadata["least"] <= entry.default <= entry.metadata["most"]


def test_every_setting_is_in_the_manual() -> None:
    text = MANUAL.read_text()
    for entry in SETTINGS:
        assert re.search(rf"\b{entry.name}\b", text), entry.name


def test_a_file_and_arguments_before_it(tmp_path: Path) -> None:
    file = write(tmp_path, 'port = 9000\ndata_dir = "ledger"\ndrain_s = 3\n')
    config = load_config(file, drain_s=5, host=None)
    assert (config.port, config.drain_s, config.host) == (9000, 5, "127.0.0.1")
    assert config.data_dir == tmp_path / "ledger"
    assert config.tls_dir == Config().tls_dir


def test_tables_of_the_transport(tmp_path: Path) -> None:
    file = write(tmp_path, "[transport]\nidle_ms = 5000\nresets_max = 20\n")
    arguments = {"transport.resets_max": 30, "budget.owner_calls_max": 7}
    config = load_config(file, **arguments)
    assert (config.transport.idle_ms, config.transport.resets_max) == (5_000, 30)
    assert config.budget == BudgetConfig(owner_calls_max=7)


def test_budgets_have_tables_of_roles(tmp_path: Path) -> None:
    text = "[budget]\nreads_per_s = 7\n[budget.centre]\nowner_calls_max = 9\n"
    arguments = {"budget.harness.reads_per_s": 11}
    config = load_config(write(tmp_path, text), **arguments)
    centre, harness, biller, nobody = map(
        config.budget_of, (Role.CENTRE, Role.HARNESS, Role.BILLER, None)
    )
    assert (centre[Budget.READS_PER_S], centre[Budget.CALLS]) == (7, 9)
    assert harness[Budget.READS_PER_S] == 11
    # What a role has by itself stays beside what a file says of it, or of all.
    assert harness[Budget.WATCHES] == ROLE_BUDGETS["harness"]["owner_watches_max"]
    assert biller[Budget.FEEDS] == ROLE_BUDGETS["biller"]["owner_feeds_max"]
    assert nobody == {**centre, Budget.CALLS: BudgetConfig().owner_calls_max}
    assert {**biller, Budget.FEEDS: nobody[Budget.FEEDS]} == nobody
    assert set(centre) == set(Budget)


def test_budgets_have_the_bounds_of_the_register() -> None:
    for entry in dataclasses.fields(BudgetConfig):
        if budget := entry.metadata.get("budget"):
            bounds = entry.metadata["least"], entry.metadata["most"]
            assert bounds == BUDGET_BOUNDS[budget], entry.name


def test_an_ipv6_address() -> None:
    assert load_config(host="::1", port=1).address == "[::1]:1"


def test_billers_have_tables(tmp_path: Path) -> None:
    file = write(
        tmp_path,
        "[biller]\nqueue_max = 5\nprobes_max = 2\n"
        "[billers.power]\nqueue_max = 7\n"
        '[billers.power.codes]\nE17 = "later"\n',
    )
    arguments = {"biller.probes_max": 3, "billers.land.queue_max": 9}
    config = load_config(file, **arguments)
    power, land, other = map(config.biller_of, ("power", "land", "other"))
    assert (power.queue_max, land.queue_max, other.queue_max) == (7, 9, 5)
    assert power.probes_max == land.probes_max == other.probes_max == 3
    assert (power.codes["E17"], power.codes["BUSY"]) == (Retry.LATER, Retry.FAILED)
    assert "E17" not in land.codes


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("prot = 1", "no setting prot"),
        ("pending_requests_max = 100", "no setting pending_requests_max"),
        ("transport = 1", "transport must be a table"),
        ("[transport]\nidle = 1", "transport has no setting idle"),
        ("[transport]\nidle_ms = 1", "idle_ms must be 1000 to 86400000"),
        ("[budget]\nowner_calls_max = true", "owner_calls_max must be of type int"),
        ("[budget.center]\nreads_per_s = 1", "budget has no setting center"),
        ("[budget.centre]\nreads = 1", r"budget\.centre has no setting reads"),
        ("[budget.centre]\nprocess_bytes_max = 1", "no setting process_bytes_max"),
        ("[budget.centre]\nreads_per_s = 0", "reads_per_s must be 1 to 1000000"),
        ("[budget]\ncentre = 1", r"budget\.centre must be a table"),
        ("[budgets.centre]\nreads_per_s = 1", "no setting budgets"),
        ("refusals_per_s = 1", "no setting refusals_per_s"),
        ("message_bytes_max = 67108864", "less than two of message_bytes_max"),
        ("queue_bytes_max = 8388608", "less than three of message_bytes_max"),
        ("[budget]\nprocess_bytes_max = 16777216", "less than connection_bytes_max"),
        ("port = 70000", "port must be 0 to 65535"),
        ("port = -1", "port must be"),
        ('port = "7443"', "port must be of type int"),
        ("port = true", "port must be of type int"),
        ("port = 1.5", "port must be of type int"),
        ("accept_clock = 1", "accept_clock must be of type bool"),
        ("data_dir = 1", "data_dir must be of type Path"),
        ('host = ""', "host is empty"),
        ('trust_domain = ""', "trust_domain is empty"),
        ("page_size_default = 500\npage_size_max = 400", "page_size_default is larger"),
        ("port =", "is not TOML"),
        ("[biller]\nqueue = 1", "biller has no setting queue"),
        ("[biller]\nqueue_max = 0", "queue_max must be"),
        ("[billers.power]\nqueue = 1", r"billers\.power has no setting queue"),
        ("[billers.power]\nqueue_max = 0", "queue_max must be"),
        ('[biller.codes]\nE1 = "never"', "codes must each be one of"),
        ("biller = 1", "biller must be a table"),
        ("billers = 1", "billers must be a table"),
        ("metrics = 1", "metrics must be a table"),
        ("[metrics]\nprot = 1", "metrics has no setting prot"),
        ("[metrics]\nport = 70000", "port must be 0 to 65535"),
        ('[metrics]\nhost = ""', "metrics.host is empty"),
        ("[security_log]\ndays = 0", "days must be"),
        ("[security_log]\ndirectory = 1", "directory must be of type str"),
        ("[billers]\npower = 1", r"billers\.power must be a table"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        load_config(write(tmp_path, text))


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot read"):
        load_config(tmp_path / "none.toml")


def test_an_argument_that_does_not_exist() -> None:
    with pytest.raises(ConfigError, match="an argument has no setting colour"):
        load_config(colour="red")


def test_tables_of_what_is_seen(tmp_path: Path) -> None:
    file = write(
        tmp_path,
        'data_dir = "ledger"\n[metrics]\nport = 1\n[security_log]\ndays = 7\n',
    )
    config = load_config(file, **{"metrics.host": "::1", "security_log.days": 8})
    assert (config.metrics.host, config.metrics.port) == ("::1", 1)
    assert config.metrics.connections_max == MetricsConfig().connections_max
    assert config.security_log.days == 8
    assert config.security_dir == tmp_path / "ledger" / "security"
    write(tmp_path, '[security_log]\ndirectory = "log"\n')
    assert load_config(file).security_dir == tmp_path / "log"
    elsewhere = {"security_log.directory": "elsewhere"}
    assert load_config(file, **elsewhere).security_dir == Path("elsewhere")
