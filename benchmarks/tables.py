"""The JSON of `benchmarks.run` as Markdown, so that no figure is typed by hand."""

from collections.abc import Iterator
from typing import Any

from benchmarks.targets import TARGETS, Result, Results


def number(value: object) -> str:
    """A figure as people read it."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "" if value is None else str(value)
    if abs(value) >= 1_000:
        return f"{value:,.0f}"
    return f"{value:g}" if isinstance(value, int) else f"{value:.3g}"


def row(*cells: object) -> str:
    """One line of a table."""
    return "| " + " | ".join(str(cell) for cell in cells) + " |"


def head(*names: str) -> list[str]:
    """The first two lines of a table."""
    return [row(*names), "|" + "---|" * len(names)]


def targets(results: Results) -> Iterator[str]:
    """Each target with its figure."""
    yield from head("target", "what", "bound", "figure", "kept")
    for target in TARGETS:
        value = target.value(results)
        if value is None:
            yield row(target.name, target.what, target.bound, "not in this run", "")
            continue
        kept = {True: "yes", False: "**no**", None: ""}[target.holds(value)]
        figure = f"{number(value)} {target.unit}"
        yield row(target.name, target.what, target.bound, figure, kept)


def rate(result: Result) -> float | None:
    """Rows or payments a second, if that is what a result says."""
    value = result.get("payments_per_s", result.get("rows_per_s"))
    return None if value is None else float(value)


def commands(results: list[Result]) -> Iterator[str]:
    """Each command that has a rate, with the spread of its runs."""
    yield from head("command", "a second", "runs", "p50 ms", "p99 ms", "p99.9 ms")
    names = ("p50_ms", "p99_ms", "p99_9_ms")
    for result in results:
        value = rate(result)
        if value is None:
            continue
        runs = sorted(result.get("rates", [value]))
        spread = f"{number(runs[0])} to {number(runs[-1])}" if len(runs) > 1 else "1"
        cells = [number(result.get(name)) for name in names]
        yield row(f"`{result['command']}`", number(value), spread, *cells)


def peers(results: list[Result]) -> Iterator[str]:
    """The other systems and the disk."""
    names = ("ids", "batch", "clients", "rows_per_s", "p50_ms", "p99_ms")
    yield from head("system", "ids", "batch", "clients", "rows/s", "p50 ms", "p99 ms")
    for result in results:
        for peer in result.get("peers", []):
            if "skipped" in peer:
                yield row(peer["system"], f"skipped: {peer['skipped']}", *[""] * 5)
            elif peer["system"] != "disk":
                yield row(peer["system"], *(number(peer.get(name)) for name in names))


def disks(results: list[Result]) -> Iterator[str]:
    """The disk's own durable writes."""
    yield from head("disk, 1 MiB and its fdatasync", "MB/s")
    for result in results:
        for peer in result.get("peers", []):
            if peer["system"] == "disk":
                yield row("blocks never written", number(peer["append_mb_per_s"]))
                yield row("blocks written before", number(peer["overwrite_mb_per_s"]))


def sweeps(results: list[Result]) -> Iterator[str]:
    """Latency against offered load."""
    names = (
        "offered_per_s",
        "payments_per_s",
        "p50_ms",
        "p99_ms",
        "p99_9_ms",
        "max_ms",
    )
    yield from head(
        "open loop", "offered/s", "answered/s", "p50", "p99", "p99.9", "max"
    )
    for result in results:
        for point in result.get("sweep", []):
            yield row(result["mode"], *(number(point[name]) for name in names))


def cpu(results: list[Result]) -> Iterator[str]:
    """Where processor time and instructions go."""
    yield from head("command", "processor time and instructions")
    for result in results:
        said: dict[str, Any] = dict(result.get("cpu_ns_per_row", {}))
        text = ", ".join(f"{name} {number(value)} ns" for name, value in said.items())
        if "server_cpu_us_per_payment" in result:
            server = number(result["server_cpu_us_per_payment"])
            client = number(result["client_cpu_us_per_payment"])
            text = f"server {server} µs, client {client} µs"
        if "counter" in result:
            counts = result["instructions_per_row"].items()
            parts = [f"{name} {number(value)}" for name, value in counts]
            text = f"instructions a row: {', '.join(parts)}"
        if text:
            yield row(f"`{result['command']}`", text)


def markdown(content: dict[str, Any]) -> str:
    """All tables of one run."""
    results: list[Result] = content["results"]
    machine = content["machine"]
    about = (
        f"Taken on {content['taken']}: {machine['cores']} cores "
        f"({machine['processor']}), {machine['memory_gib']} GiB, {machine['system']}, "
        f"Python {machine['python']}."
    )
    parts = (
        targets(Results(results, content.get("micro", []))),
        commands(results),
        peers(results),
        disks(results),
        sweeps(results),
        cpu(results),
    )
    tables = [lines for part in parts if len(lines := list(part)) > len(head())]
    return "\n\n".join([about, *("\n".join(lines) for lines in tables)]) + "\n"
