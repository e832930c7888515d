"""Runs of a load of bills against one server and its billers, for `benchmarks.load`."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from benchmarks.bills import CONNECTIONS, Billers, Posts, Run, figures, read_posts
from benchmarks.bills_client import times_file
from benchmarks.load_network import (
    Figures,
    LoadError,
    Pay,
    Work,
    check_books,
    first_bill,
    today,
    wait_index,
    work_of,
)
from benchmarks.meters import process_s
from benchmarks.network import BILLERS
from switch.authority.development import DevAuthority
from switch.client import Client
from switch.codes import Role
from switch.day.server import ServerProcess

POST_WAIT_S = 60.0
OF_HOLDS = ("payments", "accepted", "payments_per_reply", "p99_9_ms", "max_ms")
"""Figures of the holds' answers that are left out."""


def measure_bills(
    rates: list[float],
    server: ServerProcess,
    treasury: Client,
    pay: Pay,
    times: Path,
    centres: Sequence[str],
) -> list[Figures]:
    """A run for each rate; the clients leave their times in a directory.

    What billers were asked is of all runs together. Raises LoadError.
    """
    authority = DevAuthority(server.tls)
    for number in range(BILLERS):
        authority.leaf(Role.BILLER, f"biller-{number}")
    base = treasury.ledger().sequence
    day = today()
    said: list[Figures] = []
    runs: list[Run] = []
    with Billers(server.address, server.tls) as billers:
        wait_connected(treasury)
        for number, rate in enumerate(rates):
            before_s = process_s(billers.pid)
            one = pay(rate, number)
            wait_posted(treasury)
            posted_ns = time.time_ns()
            billers_s = process_s(billers.pid) - before_s
            run = run_of(one, times, first_bill(number), posted_ns)
            runs.append(run)
            micros = 1e6 / max(run.accepted, 1)
            one["billers_cpu_us_per_payment"] = round(billers_s * micros, 3)
            one["index_wait_s"] = round(wait_index(treasury), 3)
            said.append(one)
        summary = billers.stop()
    work = work_of(said, day, 2)
    check_books(treasury, base, work, centres)
    posts = read_posts(server.ledger, base, runs[-1].posted_ns)
    check_credits(summary, work, posts)
    asked = {
        "payments_per_question_message": round(
            summary["confirm"] / max(summary["messages"], 1), 1
        ),
        "status_questions": summary["status"],
    }
    return [
        {**figures(posts, run), **one, **asked}
        for one, run in zip(said, runs, strict=True)
    ]


def run_of(one: Figures, times: Path, first: int, posted_ns: int) -> Run:
    """What a client's figures say of its run, of which all was posted by `posted_ns`.

    Those that are only for this are taken out; the latencies become those of holds.
    """
    begin_ns, end_ns = (int(str(one.pop(name))) for name in ("begin_ns", "end_ns"))
    is_open = "offered_per_s" in one
    for name in (*OF_HOLDS, *(["unanswered_at_end"] if is_open else [])):
        del one[name]
    for name in ("p50_ms", "p99_ms"):
        one[f"hold_{name}"] = one.pop(name)
    return Run(
        first=first,
        due_ns=np.load(times_file(times, first)),
        begin_ns=begin_ns,
        end_ns=end_ns,
        posted_ns=posted_ns,
        accepted=int(str(one["all_accepted"])),
        is_open=is_open,
    )


def check_credits(summary: dict[str, int], work: Work, posts: Posts) -> None:
    """Hold what the billers credited against the rest. Raises LoadError."""
    seen = (summary["credited"], summary["credited_paise"], summary["bills_paid_again"])
    if not seen == (work.accepted, work.amount, 0) == (posts.holds, posts.amount, 0):
        raise LoadError(f"the billers credited {seen}, {posts.holds} were held")


def wait_connected(treasury: Client) -> None:
    """Until every biller has all its connections. Raises LoadError."""

    def is_connected() -> bool:
        found = [one.connections for one in treasury.billers()]
        return found == [CONNECTIONS] * BILLERS

    wait_until(is_connected, "billers do not connect")


def wait_posted(treasury: Client) -> None:
    """Until no hold is open. Raises LoadError."""
    wait_until(lambda: treasury.ledger().holds_count == 0, "holds are open still")


def wait_until(is_so: Callable[[], bool], otherwise: str) -> None:
    """Until something is so. Raises LoadError, which says what is not."""
    end_s = time.monotonic() + POST_WAIT_S
    while not is_so():
        if time.monotonic() > end_s:
            raise LoadError(otherwise)
        time.sleep(0.01)
