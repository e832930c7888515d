"""What is worth a figure in a server: where each is read, and under which name.

What an operator does when one is wrong: `docs/operating.md`.
"""

import os
import resource
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import numpy as np
from cryptography import x509

from server._front import SHARES, Front
from server.certificates import ServerCertificates
from server.exposition import Family, Kind, counter, gauge, histogram
from server.node import Node
from server.reading import LOOKS_WAITING_MAX, READS_WAITING_MAX
from server.security_log import Cause, SecurityLog
from switch._core import LMDB_VERSION
from switch.billing.health import Health
from switch.codes import RULES_VERSION, AccountKind, AccountState
from switch.config import Config
from switch.ledger.exceptions import Owner, Wanted, are_overdue, owners
from switch.ledger.open_matters import ExceptionKind
from switch.ledger.totals import first_at
from switch.money import PAISE_IN_RUPEE
from switch.register.approvers import count_approvers, count_recoverers

KIB = 1 << 10
NS_IN_S = 1_000_000_000
DAY_S = 86_400
AGES_S: Final = (0, 60, 600, 3_600, DAY_S, 5 * DAY_S)
"""Ages that holds and exceptions are counted by: how many are that old, or older."""
STARTED = time.time()


# --- any thread ----------------------------------------------------------------------


def process_figures() -> list[Family]:
    """Memory, processor and files of this process, under the names that all use."""
    said = {}
    for line in Path("/proc/self/status").read_text().splitlines():
        name, _, value = line.partition(":")
        said[name] = value.split()
    values: tuple[tuple[str, Kind, str, float], ...] = (
        ("start_time_seconds", "gauge", "When it began, since 1970.", STARTED),
        ("cpu_seconds_total", "counter", "Processor time.", time.process_time()),
        ("open_fds", "gauge", "Open descriptors.", len(os.listdir("/proc/self/fd"))),
        ("max_fds", "gauge", "Descriptors that it may open.", _files_max()),
        ("threads", "gauge", "Threads.", int(said["Threads"][0])),
        (
            "resident_memory_bytes",
            "gauge",
            "Memory, pages of the ledger's files among it.",
            KIB * int(said["VmRSS"][0]),
        ),
        (
            "anonymous_memory_bytes",
            "gauge",
            "Memory that is its own alone.",
            KIB * int(said["RssAnon"][0]),
        ),
    )
    labels = {"rules": str(RULES_VERSION), "lmdb": LMDB_VERSION}
    return [
        gauge("build_info", "Always 1; its labels say what runs.").add(1, **labels),
        *(
            Family(f"process_{name}", kind, text).add(value)
            for name, kind, text, value in values
        ),
    ]


def _files_max() -> int:
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def disk_figures(places: Iterable[tuple[str, Path]]) -> list[Family]:
    """Room on the disks that have these directories, or will have them."""
    free = gauge("disk_free_bytes", "Free to us on the disk that has this directory.")
    size = gauge("disk_size_bytes", "Size of that disk.")
    for name, path in places:
        there = next(one for one in (path, *path.absolute().parents) if one.exists())
        found = os.statvfs(there)
        free.add(found.f_bavail * found.f_frsize, directory=name)
        size.add(found.f_blocks * found.f_frsize, directory=name)
    return [free, size]


def certificate_figures(certificates: Iterable[tuple[str, bytes]]) -> list[Family]:
    """How long certificates (PEM; of several the first to end) are valid."""
    left = gauge("certificate_left_seconds", "Until this certificate ends.")
    now = datetime.now(UTC)
    for name, pem in certificates:
        ends = [one.not_valid_after_utc for one in x509.load_pem_x509_certificates(pem)]
        left.add((min(ends) - now).total_seconds(), certificate=name)
    return [left]


def certificate_file_figures(certificates: ServerCertificates) -> list[Family]:
    """Whether what lies in the server's files is what new connections get."""
    failing = gauge(
        "certificate_files_failing", "1 while the server's files cannot be used."
    )
    return [failing.add(bool(certificates.failing))]


def security_figures(security: SecurityLog) -> list[Family]:
    """What the security log has been told, and whether it is written."""
    noted = counter("turned_away_total", "Callers that were turned away, by cause.")
    for cause in Cause:
        noted.add(security.counts[cause], cause=cause.value)
    return [
        noted,
        counter("acts_total", "Administrative acts that were noted.").add(
            security.acts_count
        ),
        counter(
            "security_log_lost_total", "Lines of the security log never written."
        ).add(security.lost_count),
        gauge("security_log_failing", "1 while the security log is not written.").add(
            bool(security.failing)
        ),
    ]


FRONT_GAUGES: Final = (
    "connections_open",
    "handshakes_open",
    "sockets_waiting",
    "calls_open",
    "bytes_held",
)
"""What the front counts that goes up and down; all else only grows."""


def front_figures(front: Front, config: Config) -> list[Family]:
    """Connections, handshakes, calls and bytes in the transport, and their bounds."""
    counted = front.counters()
    open_now = {name: counted.pop(name) for name in FRONT_GAUGES}
    over = counter("front_over_budget_total", "Refused: beyond a participant's budget.")
    for share in SHARES:
        over.add(counted.pop(f"over_{share}"), budget=share)
    bounds = {
        "connections_open": config.transport.connections_max,
        "handshakes_open": config.transport.handshakes_max,
        "sockets_waiting": config.transport.sockets_waiting_max,
        "bytes_held": config.budget.process_bytes_max,
    }
    spent_s, times = front.turns()
    turns = histogram(
        "front_turn_seconds", "Processor time of the turns of the front's thread."
    )
    turns.add_histogram(*_split(times), spent_s)
    return [
        turns,
        *(
            gauge(f"front_{name}", f"The transport: {_words(name)}.").add(value)
            for name, value in open_now.items()
        ),
        *(
            gauge(f"front_{name}_max", "Its bound.").add(bound)
            for name, bound in bounds.items()
        ),
        *(
            counter(f"front_{name}_total", f"The transport: {_words(name)}.").add(value)
            for name, value in counted.items()
        ),
        over,
    ]


def _words(name: str) -> str:
    return name.replace("_", " ")


# --- any thread, once the ledger is open ---------------------------------------------


def ledger_figures(node: Node) -> list[Family]:
    """The committer, the index, damage."""
    ledger, committer = node.ledger, node.committer
    meter, info = committer.meter(), ledger.info()
    sizes = histogram("group_rows", "Rows of the groups that were committed.")
    sizes.add_histogram(*_split(meter.sizes), meter.rows)
    times = histogram("commit_seconds", "How long the commits of groups took.")
    times.add_histogram(*_split(meter.times), meter.commit_s)
    held = histogram(
        "commit_held_seconds", "Processor time of who held the lock for a group."
    )
    held.add_histogram(*_split(meter.holds), meter.held_s)
    stuck = gauge("stuck", "1 while this environment is written for over a minute.")
    for name in ("journal", "index"):
        stuck.add(ledger.stuck == name, environment=name)
    files = gauge("file_bytes", "Bytes in use in this environment.")
    files.add(info["journal_bytes"], environment="journal")
    files.add(info["index_bytes"], environment="index")
    return [
        gauge("sequence", "The last durable entry.").add(ledger.sequence),
        gauge("index_lag_rows", "Rows that the index is behind the journal.").add(
            ledger.sequence - ledger.index_sequence
        ),
        gauge("totals_lag_rows", "Rows that the totals are behind the journal.").add(
            totals_lag(node)
        ),
        gauge("index_lag_rows_max", "Rows of it at which commits wait.").add(
            node.config.index_lag_max
        ),
        sizes,
        times,
        held,
        gauge("commit_under_way_seconds", "Age of the commit that runs, or 0.").add(
            meter.under_way_s
        ),
        counter("groups_refused_total", "Groups of which nothing was committed.").add(
            meter.refused
        ),
        counter("damaged_requests_total", "Payments and moves that met damage.").add(
            ledger.damaged_requests
        ),
        gauge(
            "clock_gap_seconds",
            "Without entries before a start of this last day, which went on by the "
            "kernel's word; 0 if none did.",
        ).add(committer.kernel_gap_s(within_s=DAY_S)),
        gauge("ledger_dead", "1 if the ledger will never commit again.").add(
            bool(ledger.dead)
        ),
        gauge("space_error", "The system's error for want of room, or 0.").add(
            info["space_error"]
        ),
        gauge(
            "filter_bytes", "Memory of the index: covers, and where parts of runs lie."
        ).add(info["filter_bytes"]),
        stuck,
        files,
    ]


def totals_lag(node: Node) -> int:
    """Rows that nobody has counted yet."""
    counted, newest = node.totals.progress()
    return newest - counted


def _split(
    steps: Iterable[tuple[float, int]],
) -> tuple[list[float], list[int]]:
    """Bounds without the last, which is infinite, and counts."""
    bounds, counts = zip(*steps, strict=True)
    return [*bounds[:-1]], [*counts]


def hold_figures(node: Node, now_ns: int) -> list[Family]:
    """Open holds by age."""
    ledger = node.ledger
    holds = np.sort(ledger.holds())
    ages = gauge("holds", "Open holds that are that many seconds old, or older.")
    for age_s in AGES_S:
        # Times ascend with sequences.
        end = first_at(ledger, now_ns - age_s * NS_IN_S) if age_s else None
        count = len(holds) if end is None else int(np.searchsorted(holds, end))
        ages.add(count, older_than=str(age_s))
    return [
        ages,
        gauge("holds_kept", "Those of them that only people or evidence end.").add(
            ledger.kept_count
        ),
        gauge("holds_unverified", "Holds given back, and nobody knows.").add(
            ledger.unverified_count
        ),
    ]


def wallet_figures(node: Node) -> list[Family]:
    """Wallets that are low, and those whose centres owe.

    Reads all accounts, as they are at one moment: not in each collection.
    """
    images, _ = node.ledger.accounts()
    wallets = images[images["kind"] == AccountKind.WALLET]
    held, spent = wallets["credits_posted"], wallets["debits_posted"]
    owes = spent > held
    # Nobody fills a closed one.
    is_open = wallets["state"] != AccountState.CLOSED
    owed = sum((spent[owes] - held[owes]).tolist())
    return [
        gauge("wallets_low", "Wallets with less than their low balance.").add(
            int(np.count_nonzero(wallets["low_since"][is_open]))
        ),
        gauge("wallets_owing", "Wallets below zero.").add(int(np.count_nonzero(owes))),
        gauge("wallets_owed_rupees", "What these owe.").add(owed / PAISE_IN_RUPEE),
    ]


def exception_figures(node: Node, now_ns: int) -> list[Family]:
    """The list of exceptions by kind and age, and whose turn it is.

    May take long: the first look reads the journal.
    """
    items, _, _ = node.exceptions.find(Wanted(), now_ns)
    ages_ns = now_ns - items["since"].astype(np.int64)
    counts = gauge("exceptions", "Exceptions that many seconds old, or older, by kind.")
    for kind in ExceptionKind:
        of_kind = ages_ns[items["kind"] == kind]
        for age_s in AGES_S:
            older = int(np.count_nonzero(of_kind >= age_s * NS_IN_S))
            counts.add(older, kind=kind.name.lower(), older_than=str(age_s))
    overdue = gauge("exceptions_overdue", "Exceptions past their day, by whose turn.")
    late, turns = are_overdue(items, now_ns), owners(items, now_ns)
    for owner in Owner:
        late_count = int(np.count_nonzero(late & (turns == owner)))
        overdue.add(late_count, owner=owner.name.lower())
    return [counts, overdue]


def people_figures(
    node: Node, count_widening: Callable[[], tuple[int, int]]
) -> list[Family]:
    """How many may approve or recover, and how many proposals would make them more;
    `count_widening`: these, and the approved recoveries among them.
    """
    register = node.register
    widening, recoveries = count_widening()
    return [
        gauge("has_people", "1 if this ledger has people who sign.").add(
            register.has_people
        ),
        gauge("approvers", "People who may approve.").add(count_approvers(register)),
        gauge("recoverers", "People of an auditor who can recover.").add(
            count_recoverers(register)
        ),
        gauge(
            "proposals_widening",
            "Proposals that are not done, by which more people may approve, or sooner.",
        ).add(widening),
        gauge(
            "recoveries_approved",
            "Recoveries that two recoverers want, and that wait to be done.",
        ).add(recoveries),
    ]


# --- the event loop's thread ---------------------------------------------------------


def budget_figures(node: Node) -> list[Family]:
    """What is used of the server's own bounds, and what it has turned away."""
    used = gauge("budget_used", "What is used of a bound.")
    most = gauge("budget_max", "The bound.")
    config, committer = node.config, node.committer
    for name, value, bound in (
        ("queue_rows", committer.rows_waiting, config.queue_rows_max),
        ("queue_bytes", committer.bytes_waiting, config.queue_bytes_max),
        ("reads", node.readers.count, READS_WAITING_MAX),
        ("looks", node.looks.count, LOOKS_WAITING_MAX),
        ("watches", node.dispatch.watches.count, config.watches_max),
    ):
        used.add(value, budget=name)
        most.add(bound, budget=name)
    failed = counter("failures_total", "Errors of ours that were caught, by part.")
    failed.add(node.dispatch.failures, part="dispatch")
    failed.add(committer.failures, part="committer")
    return [
        used,
        most,
        counter("holds_turned_away_total", "Payments of wallets with too many.").add(
            node.ledger.holds_turned_away
        ),
        counter("billers_turned_away_total", "Payments of billers with too many.").add(
            node.ledger.billers_turned_away
        ),
        counter(
            "refusals_turned_away_total",
            "Refusals that were answered and not recorded.",
        ).add(node.ledger.refusals_turned_away),
        counter(
            "ids_turned_away_total",
            "Requests whose id was not taken: too many others have its key.",
        ).add(node.ledger.ids_turned_away),
        failed,
    ]


def biller_figures(node: Node) -> list[Family]:
    """Queue, connections and health of every biller."""
    health = gauge("biller_health", "1 for the health that a biller has.")
    others = {
        "connections": gauge("biller_connections", "Its connections."),
        "queued": gauge("biller_queued", "Payments not yet asked about."),
        "asked": gauge("biller_asked", "Payments asked about, without an answer."),
        "unknown": gauge("biller_unknown", "Payments without an answer in time."),
        "kept": gauge("biller_kept", "Payments past their deadline, money kept."),
        "unverified": gauge("biller_unverified", "The same, money given back."),
        "fetches": gauge("biller_fetches", "Bills that are being asked for."),
        "resting_centres": gauge("biller_resting_centres", "Centres resting alone."),
    }
    answers = gauge("biller_answer_seconds", "How long its answers take.")
    skew = gauge("biller_clock_skew_seconds", "Its clock less ours.")
    for one in node.dispatch.states():
        for of, state in (("payments", one.health), ("bills", one.fetch_health)):
            for each in Health:
                health.add(
                    each is state, biller=one.biller, of=of, health=each.name.lower()
                )
        for name, family in others.items():
            family.add(getattr(one, name), biller=one.biller)
        answers.add(one.p50_ms / 1000, biller=one.biller, percentile="50")
        answers.add(one.p99_ms / 1000, biller=one.biller, percentile="99")
        skew.add(one.clock_skew_ms / 1000, biller=one.biller)
    files = gauge("biller_file_bytes", "Of files of bills that it put in today.")
    for biller, size in node.file_budget.spent(time.time_ns()):
        files.add(size, biller=biller)
    return [health, *others.values(), answers, skew, files]
