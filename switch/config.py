"""The settings of the server and the ledger, each with its bounds.

May use `bounds`, `codes`, `cluster_config` and `errors`. A setting comes from a TOML
file or an argument, never from anywhere else; an unknown name is an error, so that a
slip of the pen is noticed.
"""

import dataclasses
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from switch.bounds import bounded, check_bounds
from switch.cluster_config import ClusterConfig
from switch.codes import BUDGET_BOUNDS, Budget, Role
from switch.errors import ConfigError
from switch.margin_rows import MarginRecord, margin_tail

KIB = 1 << 10
MIB = 1 << 20
GIB = 1 << 30


def _budget(default: int, budget: Budget) -> int:
    """The same of what one participant may use, with the bounds of the register."""
    least, most = BUDGET_BOUNDS[budget]
    bounds = {"least": least, "most": most, "budget": budget}
    result: int = field(default=default, metadata=bounds)
    return result


STRANGER = "stranger"
"""In place of a role: whose certificate the register does not take."""
ROLES = frozenset({STRANGER, *(role.name.lower() for role in Role)})
ROLE_BUDGETS: Mapping[str, Mapping[str, int]] = {
    # A harness acts for many centres; offices go through lists of all of them.
    "harness": {
        "payments_per_s": 20_000,
        "payments_at_once": 262_080,
        "reads_per_s": 5_000,
        "reads_at_once": 50_000,
        "fetches_per_s": 2_000,
        "fetches_at_once": 20_000,
        "owner_watches_max": 65_536,
    },
    # Two machines at change-over, with a feed and a file each.
    "biller": {"owner_feeds_max": 4},
    "treasury": {"reads_per_s": 2_000, "reads_at_once": 20_000},
    "auditor": {"reads_per_s": 2_000, "reads_at_once": 20_000},
    # What citizens ask, and who asks in their place: 48 bits of a code cannot be tried.
    "public": {"reads_per_s": 50, "reads_at_once": 2_000},
    # Health, and to be told that nobody knows them.
    STRANGER: {
        "payments_per_s": 1,
        "payments_at_once": 16,
        "reads_per_s": 2,
        "reads_at_once": 20,
        "fetches_per_s": 1,
        "fetches_at_once": 1,
        "owner_connections_max": 4,
        "owner_calls_max": 8,
        "owner_bytes_max": MIB,
        "owner_feeds_max": 1,
        "owner_watches_max": 1,
        "refusals_per_s": 1,
        "refusals_at_once": 16,
    },
}
"""What is different for some roles where a file does not say more."""


class Retry(StrEnum):
    """What follows when a biller answers that it does not know yet."""

    NEXT = "next"
    """It is asked for the status at the next time of the schedule."""
    LATER = "later"
    """At the schedule's longest interval."""
    FAILED = "failed"
    """As NEXT, and the answer counts against the biller's health."""


CODES = {
    "MAINTENANCE": Retry.LATER,
    "BUSY": Retry.FAILED,
}
"""Reason codes of the protocol; any other is NEXT unless a biller's table says more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TransportConfig:
    """What connections, HTTP/2 and TLS may do: times, and how many. Immutable."""

    connections_max: int = bounded(10_000, 1, 100_000)
    """Connections at a time; each centre may hold a few."""
    handshakes_max: int = bounded(256, 1, 4_096)
    """Connections whose handshake is not done; more stand in line."""
    sockets_waiting_max: int = bounded(4_096, 1, 65_536)
    """Sockets without a handshake yet: silent, or in line for one."""
    handshake_ms: int = bounded(20_000, 100, 600_000)
    """Milliseconds that a handshake may take."""
    handshakes_address_max: int = bounded(192, 1, 4_096)
    """Handshakes of one address at a time; with more its oldest gives way, or it waits.
    All centres may share one address; the rest is for others."""
    handshakes_address_per_s: int = bounded(2_000, 1, 1_000_000)
    """Handshakes that one address may begin a second, and at once."""
    calls_connection_max: int = bounded(4_096, 1, 65_536)
    """Calls under way on one connection."""
    metadata_bytes_max: int = bounded(16 * KIB, KIB, MIB)
    """Bytes of the headers of one call."""
    body_ms: int = bounded(60_000, 100, 3_600_000)
    """Milliseconds that the one message of a call may take to arrive."""
    idle_ms: int = bounded(3_600_000, 1_000, 86_400_000)
    """Milliseconds after which a connection without calls is closed."""
    age_ms: int = bounded(0, 0, 604_800_000)
    """Milliseconds after which a connection is asked to go and come again; 0: never."""
    keepalive_ms: int = bounded(30_000, 100, 3_600_000)
    """Milliseconds of silence after which the peer is pinged."""
    keepalive_timeout_ms: int = bounded(20_000, 100, 600_000)
    """Milliseconds that the answer to that may take."""
    ping_min_ms: int = bounded(10_000, 1, 600_000)
    """Milliseconds between two pings of a peer to which nothing is sent; one that pings
    more often is turned away."""
    window_bytes: int = bounded(64 * KIB, 16 * KIB, 16 * MIB)
    """Bytes of a call that a peer may send before they are looked at."""
    control_frames_max: int = bounded(10_000, 10, 1_000_000)
    """Frames a second of a connection that carry nothing, such as SETTINGS and PING; a
    peer that sends more is thrown out."""
    resets_max: int = bounded(2_000, 10, 1_000_000)
    """Calls a second that a connection may give up; likewise."""

    def __post_init__(self) -> None:
        for entry in dataclasses.fields(self):
            check_bounds(entry, getattr(self, entry.name))


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetConfig:
    """What one connection, one participant and all may use. Immutable."""

    connection_bytes_max: int = bounded(64 * MIB, MIB, 4 * GIB)
    """Bytes that wait in one connection, in and out."""
    output_bytes_max: int = bounded(4 * MIB, 64 * KIB, GIB)
    """Bytes that wait to be sent on one connection; beyond it nothing is read."""
    process_bytes_max: int = bounded(GIB, 16 * MIB, 1024 * GIB)
    """Bytes that wait in all connections."""

    # Of one participant, whatever connections it has: what is here, unless there is a
    # table of its role, unless the register says otherwise of it.
    payments_per_s: int = _budget(500, Budget.PAYMENTS_PER_S)
    """Payments, moves and other entries that it may ask for a second."""
    payments_at_once: int = _budget(65_520, Budget.PAYMENTS_AT_ONCE)
    """As many may come at once, eight of the largest batches; a call goes as long as
    any is left, and what it takes beyond has to come again first. So also below."""
    reads_per_s: int = _budget(200, Budget.READS_PER_S)
    """All other calls; a list is ten."""
    reads_at_once: int = _budget(5_000, Budget.READS_AT_ONCE)
    fetches_per_s: int = _budget(100, Budget.FETCHES_PER_S)
    """References whose bills it may ask for."""
    fetches_at_once: int = _budget(1_000, Budget.FETCHES_AT_ONCE)
    owner_connections_max: int = _budget(2_048, Budget.CONNECTIONS)
    """Connections at a time."""
    owner_calls_max: int = _budget(65_536, Budget.CALLS)
    """Calls under way."""
    owner_bytes_max: int = _budget(256 * MIB, Budget.BYTES)
    """Bytes that wait in all its connections."""
    owner_feeds_max: int = _budget(64, Budget.FEEDS)
    """Feeds that it follows at a time."""
    owner_watches_max: int = _budget(2_048, Budget.WATCHES)
    """Payments that it watches at a time."""
    refusals_per_s: int = _budget(20, Budget.REFUSALS_PER_S)
    """Refusals of one participant a second that become rows."""
    refusals_at_once: int = _budget(8_190, Budget.REFUSALS_AT_ONCE)
    """As many may come at once; beyond both a refusal is not recorded."""

    def __post_init__(self) -> None:
        for entry in dataclasses.fields(self):
            check_bounds(entry, getattr(self, entry.name))

    @property
    def of_participant(self) -> dict[Budget, int]:
        """Those of one participant."""
        return {
            entry.metadata["budget"]: getattr(self, entry.name)
            for entry in dataclasses.fields(self)
            if "budget" in entry.metadata
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class BillerConfig:
    """How one biller is asked. Immutable; `ConfigError` if a value is out of bounds."""

    queue_max: int = bounded(65_536, 1, 1_048_576)
    """Open holds of a biller from which on new payments are turned away."""
    connections_max: int = bounded(16, 1, 256)
    """Connections of a biller at a time."""
    concurrency_max: int = bounded(1_024, 1, 8_190)
    """Questions about payments to a biller without an answer; of one centre half."""
    answer_timeout_ms: int = bounded(15_000, 10, 600_000)
    """Milliseconds until a question about a payment counts as not answered."""
    confirms_max: int = bounded(3, 1, 100)
    """Times a biller is asked to confirm one payment that it says it has not seen."""
    credit_margin_ms: int = bounded(60_000, 10, 3_600_000)
    """Milliseconds before a payment's deadline from which on a biller must not credit
    it any more, at most half of the deadline; clocks may differ by half of them."""
    fetch_timeout_ms: int = bounded(5_000, 10, 60_000)
    """Milliseconds until a question about a bill is given up."""
    fetch_concurrency_max: int = bounded(512, 1, 8_190)
    """Questions about bills to a biller without an answer; of one centre half."""
    fetches_max: int = bounded(1_024, 1, 65_536)
    """Questions about bills of a biller at a time, those that wait among them."""
    centre_fetches_max: int = bounded(128, 1, 65_536)
    """The same of one centre."""
    status_first_ms: int = bounded(10_000, 10, 3_600_000)
    """Milliseconds from unknown to the first status question; then they double."""
    status_interval_max_ms: int = bounded(900_000, 10, 86_400_000)
    """Milliseconds between two status questions about one payment at most."""
    status_calls_max: int = bounded(32, 1, 1_000)
    """Status questions about one payment."""
    status_per_minute_max: int = bounded(600, 1, 1_000_000)
    """Status questions to a biller in any 60 seconds."""
    verify_interval_max_ms: int = bounded(86_400_000, 10, 604_800_000)
    """Milliseconds at most between two status questions about one payment that is kept
    or unverified; all these take a quarter of status_per_minute_max at most."""
    health_window_s: int = bounded(30, 1, 3_600)
    """Seconds whose answers and failures say how healthy a biller is."""
    health_failures_min: int = bounded(10, 1, 1_000_000)
    """Failures in the window below which a biller is never rested, without those of the
    centre that has most; or a centre alone."""
    health_failures_percent: int = bounded(50, 1, 100)
    """Failures of all in the window, in percent, from which on it is rested."""
    rest_first_ms: int = bounded(5_000, 10, 3_600_000)
    """Milliseconds of the first rest; each that follows at once is twice as long."""
    rest_max_ms: int = bounded(60_000, 10, 3_600_000)
    """Milliseconds of a rest at most."""
    probes_max: int = bounded(4, 1, 1_024)
    """Questions after a rest that must all be answered before the biller is healthy."""
    absent_ms: int = bounded(10_000, 10, 3_600_000)
    """Milliseconds without a connection after which a biller counts as resting."""
    wrong_answers_max: int = bounded(1_000, 0, 1_000_000)
    """Wrong answers on one connection; with one more the connection is ended."""
    file_bytes_per_day: int = bounded(2 * GIB, MIB, 1024 * GIB)
    """Bytes of files of bills that it may put in on one day (IST)."""
    codes: Mapping[str, Retry] = field(default_factory=lambda: dict(CODES))
    """What a reason code of an unknown answer means; a table adds to CODES."""

    def __post_init__(self) -> None:
        for entry in dataclasses.fields(self):
            if entry.name != "codes":
                check_bounds(entry, getattr(self, entry.name))

    def replace(self, values: Mapping[str, Any], origin: str) -> "BillerConfig":
        """A copy with some settings changed. Raises ConfigError."""
        fields = {entry.name for entry in dataclasses.fields(self)}
        _check_names(values, fields, origin)
        typed = dict(values)
        if "codes" in typed:
            typed["codes"] = {**self.codes, **_codes(typed["codes"], origin)}
        return dataclasses.replace(self, **typed)


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricsConfig:
    """Where figures are read. Immutable; `ConfigError` if a value is out of bounds."""

    host: str = "127.0.0.1"
    """Address that figures are read at; nobody is asked for a certificate there."""
    port: int = bounded(7444, 0, 65_535)
    """Its port; 0 lets the system choose."""
    connections_max: int = bounded(16, 1, 1_024)
    """Connections at a time; more are closed at once."""
    request_ms: int = bounded(10_000, 100, 60_000)
    """Milliseconds from a connection to the end of its answer."""
    cases_s: int = bounded(60, 1, 86_400)
    """Seconds between two looks through the list of exceptions."""

    def __post_init__(self) -> None:
        for entry in dataclasses.fields(self):
            check_bounds(entry, getattr(self, entry.name))
        if not self.host:
            raise ConfigError("metrics.host is empty; 127.0.0.1 is this machine only")


@dataclass(frozen=True, slots=True, kw_only=True)
class SecurityLogConfig:
    """Where the security log is kept, and how much of it. Immutable; `ConfigError`."""

    directory: str = ""
    """Its directory; empty: `security` in the ledger's directory."""
    days: int = bounded(366, 1, 36_600)
    """Days that it is kept; a day is a file."""
    day_bytes_max: int = bounded(16 * MIB, 64 * KIB, 4 * GIB)
    """Bytes of one day; beyond it only acts are written singly, all else as sums."""

    def __post_init__(self) -> None:
        for entry in dataclasses.fields(self):
            check_bounds(entry, getattr(self, entry.name))


BUDGET_NAMES: Mapping[Budget, str] = {
    entry.metadata["budget"]: entry.name
    for entry in dataclasses.fields(BudgetConfig)
    if "budget" in entry.metadata
}
"""The settings that are budgets of one participant."""

_TABLES = {
    "metrics": MetricsConfig,
    "security_log": SecurityLogConfig,
    "transport": TransportConfig,
    "budget": BudgetConfig,
    "cluster": ClusterConfig,
}
"""Tables of the file that are settings and nothing else."""


def _codes(values: object, origin: str) -> dict[str, Retry]:
    words = [one.value for one in Retry]
    if not isinstance(values, Mapping) or not set(values.values()) <= set(words):
        raise ConfigError(f"{origin}: codes must each be one of {', '.join(words)}")
    return {code: Retry(word) for code, word in values.items()}


def _check_names(values: Mapping[str, Any], fields: set[str], origin: str) -> None:
    unknown = sorted(set(values) - fields)
    if unknown:
        raise ConfigError(f"{origin} has no setting {', '.join(unknown)}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """How one server runs. Immutable; `ConfigError` if a value is out of bounds."""

    data_dir: Path = Path("data/ledger")
    """The ledger's directory."""
    tls_dir: Path = Path("data/tls")
    """Certificates and keys of the server, and who signs those of its clients."""
    dev: bool = False
    """Make a development authority in `tls_dir`, and what it lacks."""
    without_people: bool = False
    """Serve a ledger in which no people are registered: a certificate of the treasury
    then moves its money alone."""
    trust_domain: str = "payswitch.test"
    """The domain of the SPIFFE ids in certificates."""
    host: str = "127.0.0.1"
    """Address that the server listens on."""
    port: int = bounded(7443, 0, 65_535)
    """Port that the server listens on; 0 lets the system choose."""

    # The ledger.
    map_size: int = bounded(4096 * GIB, 16 * MIB, 65_536 * GIB)
    """Bytes of address space for each of the two environments; never remapped."""
    reserve_size: int = bounded(64 * MIB, 0, 16 * GIB)
    """Bytes zero-written ahead of use in the journal's file; 0 for none."""
    index_step_rows: int = bounded(131_072, 1_024, 1_048_576)
    """Rows that one step of the index covers."""
    index_lag_max: int = bounded(1_048_576, 1_024, 16_777_216)
    """Rows that the index may lag behind; then the committer waits."""
    accept_clock: bool = False
    """Start although the last row is more than a day old, or a minute in the future; a
    row records it."""

    # The committer.
    queue_rows_max: int = bounded(131_040, 8_190, 4_194_304)
    """Rows that may wait for a commit; more are turned away."""
    queue_bytes_max: int = bounded(64 * MIB, 4 * MIB, 4 * GIB)
    """Bytes of tail that may wait for a commit."""

    # Calls.
    message_bytes_max: int = bounded(4 * MIB, 64 * KIB, 64 * MIB)
    """Bytes of one request message."""
    signatures_per_s: int = bounded(20, 1, 10_000)
    """Rows that people have signed, and calls that do lines, of one participant a
    second and at once: the committer verifies them."""
    page_size_default: int = bounded(100, 1, 1_000)
    """Entries of a page when the caller names no size."""
    page_size_max: int = bounded(1_000, 1, 10_000)
    """Entries of a page at most."""
    feed_page_max: int = bounded(1_000, 1, 10_000)
    """Events in one message of a feed."""
    feed_poll_ms: int = bounded(100, 5, 10_000)
    """Milliseconds between two looks for new events at the end of a feed."""
    feed_idle_s: int = bounded(15, 1, 3_600)
    """Seconds after which an idle feed says where it stands."""
    drain_s: int = bounded(20, 0, 600)
    """Seconds that calls under way may take after SIGTERM."""
    session_s: int = bounded(43_200, 60, 86_400)
    """Seconds after which an operator signs on again, whatever they did meanwhile."""
    sessions_operator_max: int = bounded(4, 1, 64)
    """Sessions of one operator at a time; with one more the oldest is over."""
    session_idle_s: int = bounded(900, 30, 43_200)
    """Seconds without a call after which an operator signs on again."""
    transport: TransportConfig = field(default_factory=TransportConfig)
    """Connections, HTTP/2 and TLS: the table [transport]."""
    budget: BudgetConfig = field(default_factory=BudgetConfig)
    """What all, one connection and one participant may use: the table [budget]."""
    budgets: Mapping[str, Mapping[str, Any]] = field(
        default_factory=lambda: ROLE_BUDGETS
    )
    """What is different for participants of a role: a table [budget.ROLE] for each."""

    # Billers.
    centre_holds_max: int = bounded(1_024, 16, 1_048_576)
    """Open holds of one wallet from which on its new payments are turned away."""
    watches_max: int = bounded(100_000, 1, 10_000_000)
    """Calls that wait for a change of a payment."""
    biller: BillerConfig = field(default_factory=BillerConfig)
    """How billers are asked: the table [biller]."""
    billers: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """What is different for some: a table [billers.ID] for each."""

    # What is seen.
    metrics: MetricsConfig = field(default_factory=MetricsConfig)
    """Where figures are read: the table [metrics]."""
    security_log: SecurityLogConfig = field(default_factory=SecurityLogConfig)
    """What is kept of who was turned away and who decided: [security_log]."""

    cluster: ClusterConfig = field(default_factory=ClusterConfig)
    """Whose log it follows or leads: [cluster]; without it the server is alone."""

    def __post_init__(self) -> None:
        for entry in dataclasses.fields(self):
            if entry.name not in ("billers", "budgets"):
                check_bounds(entry, getattr(self, entry.name))
        try:
            margin_tail(self.margins)
        except ValueError as error:
            raise ConfigError(f"billers: {error}") from None
        for name, values in self.budgets.items():
            known = set(BUDGET_NAMES.values())
            _check_names(values, known, f"budget.{name}")
            dataclasses.replace(self.budget, **values)
        if self.page_size_default > self.page_size_max:
            raise ConfigError("page_size_default is larger than page_size_max")
        budget = self.budget
        if budget.connection_bytes_max < 2 * self.message_bytes_max:
            # A message that arrives, and one that waits to be sent.
            raise ConfigError(
                "budget.connection_bytes_max is less than two of message_bytes_max"
            )
        if budget.process_bytes_max < budget.connection_bytes_max:
            raise ConfigError(
                "budget.process_bytes_max is less than connection_bytes_max"
            )
        if self.queue_bytes_max < 3 * self.message_bytes_max:
            # One message with all its tails must find room.
            raise ConfigError("queue_bytes_max is less than three of message_bytes_max")
        if not self.host:
            raise ConfigError("host is empty; 127.0.0.1 listens on this machine only")
        if not self.trust_domain:
            raise ConfigError("trust_domain is empty")

    @property
    def address(self) -> str:
        """`host:port`, an IPv6 host in brackets."""
        return join_address(self.host, self.port)

    @property
    def security_dir(self) -> Path:
        """The directory of the security log."""
        named = self.security_log.directory
        return Path(named) if named else self.data_dir / "security"

    def biller_of(self, name: str) -> BillerConfig:
        """The settings for the biller with this participant id."""
        return self.biller.replace(self.billers.get(name, {}), f"billers.{name}")

    @property
    def margins(self) -> MarginRecord:
        """The margins of all billers, as a row of the ledger has them."""
        own = {name: self.biller_of(name).credit_margin_ms for name in self.billers}
        return MarginRecord(self.biller.credit_margin_ms, own)

    def budget_of(self, role: Role | None) -> dict[Budget, int]:
        """What a participant of a role may use; None: one whose role is not known yet,
        as the ledger is being opened.
        """
        own = {} if role is None else self.budgets.get(role.name.lower(), {})
        return dataclasses.replace(self.budget, **own).of_participant

    @property
    def budget_of_strangers(self) -> dict[Budget, int]:
        """What some whom the register does not take may use together."""
        own = self.budgets.get(STRANGER, {})
        return dataclasses.replace(self.budget, **own).of_participant

    def replace(self, **changes: Any) -> "Config":
        """A copy with some settings changed; None leaves a setting as it is.

        A name with dots goes into a table: `biller.queue_max`, or
        `billers.ID.queue_max`.
        """
        values = {name: value for name, value in changes.items() if value is not None}
        return _build(self, values, "an argument")


def join_address(host: str, port: int) -> str:
    """`host:port`, an IPv6 host in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _build(base: Config, values: Mapping[str, Any], origin: str) -> Config:
    fields = {entry.name: entry for entry in dataclasses.fields(Config)}
    values = _nested(values)
    # The tables of roles stand in that of all.
    _check_names(values, set(fields) - {"budgets"}, origin)
    typed: dict[str, Any] = {
        name: Path(value)
        if fields[name].type is Path and isinstance(value, str)
        else value
        for name, value in values.items()
    }
    for name in ("biller", "billers", *_TABLES):
        if not isinstance(typed.get(name, {}), Mapping):
            raise ConfigError(f"{name} must be a table")
    if "budget" in typed:
        tables: dict[str, Any] = {}
        own: dict[str, Any] = {}
        for name, value in typed["budget"].items():
            (tables if name in ROLES else own)[name] = value
        typed["budget"] = own
        typed["budgets"] = _merged(base.budgets, tables, "budget")
    for name, kind in _TABLES.items():
        if name in typed:
            known = {entry.name for entry in dataclasses.fields(kind)}
            _check_names(typed[name], known, f"{origin}: {name}")
            typed[name] = dataclasses.replace(getattr(base, name), **typed[name])
    if "biller" in typed:
        typed["biller"] = base.biller.replace(typed["biller"], f"{origin}: biller")
    if "billers" in typed:
        typed["billers"] = _merged(base.billers, typed["billers"], "billers")
    return dataclasses.replace(base, **typed)


def _nested(values: Mapping[str, Any]) -> dict[str, Any]:
    """Names with dots as tables in tables."""
    result: dict[str, Any] = {}
    for name, value in values.items():
        *tables, last = name.split(".")
        inner = result
        for table in tables:
            inner = inner.setdefault(table, {})
            if not isinstance(inner, dict):
                raise ConfigError(f"{name}: {table} is not a table")
        inner[last] = value
    return result


def _merged(
    base: Mapping[str, Mapping[str, Any]], more: Mapping[str, Any], table: str
) -> dict[str, Mapping[str, Any]]:
    """The tables of both; where both have a setting, that of `more`."""
    result = dict(base)
    for name, values in more.items():
        if not isinstance(values, Mapping):
            raise ConfigError(f"{table}.{name} must be a table")
        result[name] = {**result.get(name, {}), **values}
    return result


def load_config(path: Path | None = None, **arguments: Any) -> Config:
    """The settings of a TOML file (none: the defaults), arguments before it.

    An argument of None is not given. Relative paths in the file are relative to
    the file. Raises ConfigError if the file cannot be read, is not TOML, or has a
    setting that does not exist or is out of bounds.
    """
    config = Config()
    if path is not None:
        try:
            values = tomllib.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise ConfigError(f"cannot read {path}: {error.strerror}") from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ConfigError(f"{path} is not TOML: {error}") from error
        for name in ("data_dir", "tls_dir"):
            if isinstance(values.get(name), str):
                values[name] = path.parent / values[name]
        log = values.get("security_log")
        named = log.get("directory") if isinstance(log, dict) else None
        if named and isinstance(named, str):
            values["security_log"]["directory"] = str(path.parent / named)
        config = _build(config, values, str(path))
    return config.replace(**arguments)
