"""What: payments found by receipt, id, reference and biller's word, in process.

    python -m benchmarks.search --rows 4000000 --json
    python -m benchmarks.search --directory DIR --json
    python -m benchmarks.search --rows 1000000 --kind plain --json

Not: wire, a committer beside it. A ledger that it makes has payments of three kinds, or
of one: "claims" of services whose bills are paid once, "plain" of services that take a
reference any number of times, "confirmed" that were held and confirmed with a biller's
word. What the index costs in bytes a row is told, so that the kinds can be compared.
With --directory an existing ledger is read, which must not be open elsewhere.

Each look-up ends with how the payment stands, as a search of the server does. Payments
are drawn from the whole ledger. `first` is of the first call for each, `again` of the
second, when what it needs is in memory. Half of what is asked for is there, half is
not.
"""

import argparse
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from benchmarks.machine import machine
from benchmarks.meters import forget_pages
from benchmarks.network import (
    BILLERS,
    FIRST_SERVICE,
    SERVICES,
    Builder,
    make_network,
    payment_rows,
    service,
)
from switch import _core as core
from switch.calendar import financial_year
from switch.codes import (
    Answered,
    DuplicateRule,
    Kind,
    Mode,
    Policy,
    PriceRule,
    Result,
)
from switch.ledger.filtered import Filter, list_filtered
from switch.ledger.receipts import find_receipt
from switch.ledger.statements import find_payment, payment_of

KINDS = ("claims", "plain", "confirmed")
CALLS = 1_000
"""Look-ups of each sort, half of them of what is not there."""
PAGE = 20
DRAWN_MAX = 200_000
"""Entries that are drawn until there are enough of each kind."""
WAIT_S = 3_600.0
MAP_SIZE = 1 << 40

Figures = dict[str, object]
Look = Callable[[], object]


# --- the ledger -----------------------------------------------------------------------


def fill(ledger: core.Ledger, rows_count: int, kinds: tuple[str, ...]) -> None:
    """Commit about so many rows, and let the index catch up."""
    rng = np.random.default_rng(2026)
    harness, first_wallet = make_network(ledger)
    plain, confirmed = _more_services(ledger)
    wallets = np.arange(first_wallet, first_wallet + 3_561, dtype=np.uint32)
    number, turn = 1, 0
    while ledger.sequence < rows_count:
        kind = kinds[turn % len(kinds)]
        turn += 1
        count = min(core.GROUP_MAX, rows_count - ledger.sequence + 1)
        rows = payment_rows(rng, number, count, "ordered", harness, wallets)
        number += count
        if kind == "plain":
            rows["service"] = plain
        elif kind == "confirmed":
            rows["service"] = confirmed
            rows["kind"] = Kind.HOLD
            rows["deadline"] = 86_400
        [outcomes] = ledger.commit([core.Request.rows(rows)], time.time_ns())
        assert isinstance(outcomes, np.ndarray)
        assert (outcomes["result"] == Result.OK).all(), set(outcomes["result"].tolist())
        if kind == "confirmed":
            _confirm(ledger, rows, outcomes, confirmed)
    end = time.monotonic() + WAIT_S
    while ledger.sequence - ledger.index_sequence >= 131_072:
        if ledger.dead or time.monotonic() > end:
            raise SystemExit(f"the index does not catch up: {ledger.dead}")
        time.sleep(0.01)


def _more_services(ledger: core.Ledger) -> tuple[int, int]:
    """A service that takes a reference any number of times, and a confirmed one."""
    tails = []
    for number, mode in ((SERVICES, Mode.DIRECT), (SERVICES + 1, Mode.CONFIRMED)):
        first = ledger.row(int(ledger.records(2)[FIRST_SERVICE]))
        made = np.frombuffer(ledger.tail(first.sequence), core.SERVICE_RECORD, 1)[0]
        tail = service(
            number, int(made["biller"]), int(made["heads"][0]), PriceRule.STATED
        )
        record = np.frombuffer(bytearray(tail), core.SERVICE_RECORD)
        record["duplicate_rule"] = DuplicateRule.NONE
        record["key_rule"] = 0
        record["mode"] = mode
        if mode is Mode.CONFIRMED:
            record["deadline_s"] = 86_400
            record["deadline_policy"] = Policy.KEEP
        tails.append(record.tobytes())
    builder = Builder(ledger)
    builder.next_id = 1 << 40
    plain, confirmed = builder.make(Kind.REGISTER, tails).tolist()
    return plain, confirmed


def _confirm(
    ledger: core.Ledger, rows: core.Rows, outcomes: core.Rows, confirmed: int
) -> None:
    """The biller has credited them, each with a word of its own."""
    answers = np.zeros(len(rows), core.ANSWER)
    answers["number"] = outcomes["sequence"]
    answers["id"] = rows["id"]
    answers["kind"] = Answered.CONFIRMED
    answers["amount"] = rows["amount"]
    words = b"".join(
        b"W%015d".__mod__(sequence).ljust(32, b"\0")
        for sequence in outcomes["sequence"].tolist()
    )
    answers["biller_reference"] = np.frombuffer(words, np.uint8).reshape(-1, 32)
    answers["biller_reference_size"] = 16
    record = ledger.tail(int(ledger.records(2)[confirmed]))
    biller = int(np.frombuffer(record, core.SERVICE_RECORD, 1)[0]["biller"])
    [done] = ledger.commit([core.Request.answers(answers, biller)], time.time_ns())
    assert isinstance(done, np.ndarray)
    assert (done["result"] == Result.OK).all(), set(done["result"].tolist())


# --- what is looked for ---------------------------------------------------------------


def looks(ledger: core.Ledger, rng: np.random.Generator) -> dict[str, list[Look]]:
    """The look-ups of each sort: what is there and what is not, in turns."""
    wanted = CALLS // 2
    found: dict[str, list[Look]] = {
        name: []
        for name in ("receipt", "id", "reference", "reference anywhere", "word", "page")
    }
    services = [one for one in range(1, SERVICES + 3) if _has(ledger, one)]
    for sequence in rng.integers(1, ledger.sequence + 1, DRAWN_MAX).tolist():
        if all(len(one) >= CALLS for one in found.values()):
            break
        for name, pair in _of_row(ledger, sequence, services):
            if len(found[name]) < 2 * wanted:
                found[name] += pair
    return {name: one for name, one in found.items() if one}


def _has(ledger: core.Ledger, index: int) -> bool:
    return index < len(ledger.records(2))


def _of_row(
    ledger: core.Ledger, sequence: int, services: list[int]
) -> Iterator[tuple[str, list[Look]]]:
    """Look-ups that find a row's payment, each beside one that finds none."""
    row = ledger.row(sequence)
    if row.result != Result.OK:
        return
    if row.kind in (Kind.PAY, Kind.POST) and row.receipt:
        year, wallet, number = financial_year(row.timestamp), row.debit, row.receipt

        def receipt(number: int) -> Look:
            return lambda: _stands(ledger, find_receipt(ledger, wallet, year, number))

        yield "receipt", [receipt(number), receipt(number + 10**8)]
    if row.kind == Kind.POST and (word := ledger.tail(sequence)):
        billers = range(3, 3 + BILLERS)

        def by_word(word: bytes) -> Look:
            def look() -> object:
                rows = [one for at in billers for one in ledger.find_posts(at, word)]
                return [_stands(ledger, int(one)) for one in rows]

            return look

        yield "word", [by_word(word), by_word(b"X" + word[1:])]
    if row.kind not in (Kind.PAY, Kind.HOLD):
        return

    def by_id(id_: bytes) -> Look:
        return lambda: find_payment(ledger, row.participant, id_)

    yield "id", [by_id(row.id), by_id(bytes(8) + row.id[8:])]
    reference = row.reference.rstrip(b"\0")

    def by_reference(reference: bytes, among: list[int]) -> Look:
        def look() -> object:
            rows = {
                int(one) for at in among for one in ledger.find_payments(at, reference)
            }
            return [_stands(ledger, one) for one in rows]

        return look

    other = b"9" + reference[1:]
    for name, among in (("reference", [row.service]), ("reference anywhere", services)):
        yield name, [by_reference(reference, among), by_reference(other, among)]
    wanted = Filter(amount_min=row.amount, amount_max=row.amount)

    def page(wanted: Filter) -> Look:
        return lambda: list_filtered(ledger, row.debit, wanted, 0, PAGE)

    yield "page", [page(Filter()), page(wanted._replace(amount_max=10**17))]


def _stands(ledger: core.Ledger, sequence: int) -> object:
    """How the payment of a row stands."""
    if not sequence:
        return None
    entry = ledger.row(sequence)
    if entry.kind == Kind.POST:
        entry = ledger.row(entry.resolves)
    return payment_of(ledger, entry)


# --- measuring ------------------------------------------------------------------------


def spread(calls: list[Look]) -> Figures:
    """Microseconds of each call, and what of them the processor computed: with others'
    work on the machine the longest are waits for it.
    """
    times, spent = np.empty(len(calls)), np.empty(len(calls))
    for place, call in enumerate(calls):
        computed, before = time.thread_time_ns(), time.perf_counter_ns()
        call()
        times[place] = time.perf_counter_ns() - before
        spent[place] = time.thread_time_ns() - computed
    return {
        "p50_us": round(float(np.quantile(times, 0.5)) / 1e3, 1),
        "p99_us": round(float(np.quantile(times, 0.99)) / 1e3, 1),
        "max_us": round(float(times.max()) / 1e3, 1),
        "cpu_p50_us": round(float(np.quantile(spent, 0.5)) / 1e3, 1),
        "cpu_p99_us": round(float(np.quantile(spent, 0.99)) / 1e3, 1),
        "calls": len(calls),
    }


def measure(ledger: core.Ledger) -> Figures:
    """All figures of an open ledger."""
    rng = np.random.default_rng(14)
    info = ledger.info()
    result: Figures = {
        "rows": ledger.sequence,
        "indexed": ledger.index_sequence,
        "index_bytes_per_row": round(info["index_bytes"] / ledger.sequence, 1),
        "journal_bytes_per_row": round(info["journal_bytes"] / ledger.sequence, 1),
    }
    for name, calls in looks(ledger, rng).items():
        # What was drawn last lies in memory: others were asked for since.
        order = [calls[at] for at in rng.permutation(len(calls))]
        result[name] = {"first": spread(order), "again": spread(order)}
    result["machine"] = machine()
    return result


def main() -> None:
    """Search a ledger, or make one and search it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--directory", type=Path, help="an existing ledger")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--kind", choices=(*KINDS, "all"), default="all")
    parser.add_argument("--keep", type=Path, help="make it here, and leave it")
    parser.add_argument(
        "--cold", action="store_true", help="with nothing of the files in memory"
    )
    parser.add_argument("--json", action="store_true", help="only the JSON line")
    arguments = parser.parse_args()
    directory = arguments.directory
    made = directory is None
    if made:
        directory = arguments.keep or Path(tempfile.mkdtemp(prefix="search-bench-"))
        kinds = KINDS if arguments.kind == "all" else (arguments.kind,)
    try:
        if made:
            with core.Ledger(str(directory), map_size=MAP_SIZE) as ledger:
                fill(ledger, arguments.rows, kinds)
        if arguments.cold:
            forget_pages(directory)
        with core.Ledger(str(directory), create=False, map_size=MAP_SIZE) as ledger:
            result = measure(ledger)
    finally:
        if made and arguments.keep is None:
            shutil.rmtree(directory)
    result["kind"] = arguments.kind
    if not arguments.json:
        for name, value in result.items():
            print(f"{name:22}{value}", file=sys.stderr)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
