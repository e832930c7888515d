"""Draws the JSON of `benchmarks.run` as SVG, without any library.

python -m benchmarks.plots benchmarks/results/full.json --out build/plots

growth-<ids>.svg     rows a second and commit latency against the rows in the file
latency-<mode>.svg   latency of an open loop against offered load
"""

import argparse
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.network import CENTRES

WIDTH, HEIGHT = 720, 360
LEFT, RIGHT, TOP, BOTTOM = 70, 110, 40, 50
COLOURS = ("#1b6ca8", "#d1603d", "#3b8f5a", "#7a5195")
TICKS = 5

Points = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Line:
    """One line of a plot and its name."""

    name: str
    points: Points


@dataclass(frozen=True)
class Axis:
    """From the least to the greatest value, along so many pixels."""

    least: float
    greatest: float
    start: float
    end: float
    is_log: bool = False

    def place(self, value: float) -> float:
        """Where a value is."""
        scale: Callable[[float], float] = math.log10 if self.is_log else float
        span = scale(self.greatest) - scale(self.least)
        share = (scale(value) - scale(self.least)) / span
        return self.start + share * (self.end - self.start)

    def ticks(self) -> list[float]:
        """Round values along it."""
        if self.is_log:
            first, last = math.log10(self.least), math.log10(self.greatest)
            return [10.0**power for power in range(round(first), round(last) + 1)]
        step = 10.0 ** math.floor(math.log10(self.greatest / TICKS))
        step *= next(m for m in (1, 2, 5, 10) if self.greatest / (m * step) <= TICKS)
        count = int(self.greatest / step)
        return [step * number for number in range(count + 1)]


def axes(lines: Sequence[Line], is_log: bool) -> tuple[Axis, Axis]:
    """Axes that hold all lines; logarithmic ones at whole powers of ten."""
    xs = [x for line in lines for x, _ in line.points]
    ys = [y for line in lines for _, y in line.points if y > 0]
    across = Axis(0, max(xs), LEFT, WIDTH - RIGHT)
    low, high = 0.0, max(ys) * 1.05
    if is_log:
        low = 10.0 ** math.floor(math.log10(min(ys)))
        high = 10.0 ** math.ceil(math.log10(max(ys) * 1.01))
    return across, Axis(low, high, HEIGHT - BOTTOM, TOP, is_log)


def short(value: float) -> str:
    """A tick's label."""
    for size, letter in ((1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:g} {letter}"
    return f"{value:g}"


def text(x: float, y: float, words: str, more: str = "") -> str:
    """A word somewhere."""
    words = words.replace("&", "&amp;").replace("<", "&lt;")
    return f'<text x="{x:.1f}" y="{y:.1f}" {more}>{words}</text>'


def svg(
    title: str, x_name: str, y_name: str, lines: Sequence[Line], *, is_log: bool
) -> str:
    """One plot."""
    across, up = axes(lines, is_log)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}">',
        '<g font-family="sans-serif" font-size="12" fill="#222">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        text(LEFT, 22, title, 'font-size="14" font-weight="bold"'),
        text(WIDTH - RIGHT, HEIGHT - 10, x_name, 'text-anchor="end"'),
        text(LEFT, TOP - 4, y_name),
    ]
    for value in up.ticks():
        y = up.place(value)
        parts.append(
            f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" '
            'stroke="#ddd"/>'
        )
        parts.append(text(LEFT - 6, y + 4, short(value), 'text-anchor="end"'))
    for value in across.ticks():
        x = across.place(value)
        parts.append(
            text(x, HEIGHT - BOTTOM + 16, short(value), 'text-anchor="middle"')
        )
    for line, colour in zip(lines, COLOURS, strict=False):
        drawn = [(across.place(x), up.place(y)) for x, y in line.points if y > 0]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in drawn)
        parts.append(
            f'<polyline points="{path}" fill="none" stroke="{colour}" '
            'stroke-width="1.8"/>'
        )
        x, y = drawn[-1]
        parts.append(text(x + 6, y + 4, line.name, f'style="fill:{colour}"'))
    return "\n".join([*parts, "</g></svg>"]) + "\n"


def lines_of(
    points: list[dict[str, float]], x: str, names: Sequence[str]
) -> list[Line]:
    """A line for each name, of the points that have it."""
    return [
        Line(
            name.removesuffix("_ms").replace("_", " ").replace("p99 9", "p99.9"),
            [(point[x], point[name]) for point in points],
        )
        for name in names
    ]


def plots(content: dict[str, Any]) -> dict[str, str]:
    """File names and drawings of all that has a curve or a sweep."""
    drawn = {}
    latencies = ("p50_ms", "p99_ms", "p99_9_ms", "max_ms")
    for result in content["results"]:
        points = result.get("build", result).get("curve", [])
        if len(points) > 1 and not result.get("burst"):
            name = f"growth-{result['benchmark']}-{result['ids']}"
            if result.get("accounts", CENTRES) != CENTRES:
                name += f"-{result['accounts']}"
            size = "rows in the file"
            rates = [Line("rate", [(p["rows"], p["rows_per_s"]) for p in points])]
            drawn[f"{name}.svg"] = svg(
                f"Batches of 8,190, {result['ids']} ids, by million rows",
                size, "rows/s", rates, is_log=False,
            )  # fmt: skip
            drawn[f"{name}-latency.svg"] = svg(
                f"Commits of 8,190, {result['ids']} ids, by million rows",
                size, "ms", lines_of(points, "rows", latencies), is_log=True,
            )  # fmt: skip
        points = result.get("sweep", [])
        if len(points) > 1:
            drawn[f"latency-{result['mode']}.svg"] = svg(
                f"Open loop over gRPC, {result['mode']}",
                "offered payments/s", "ms",
                lines_of(points, "offered_per_s", latencies), is_log=True,
            )  # fmt: skip
    return drawn


def main() -> None:
    """Draw one file's results."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("results", type=Path, help="JSON of benchmarks.run")
    parser.add_argument("--out", type=Path, default=Path("build/plots"))
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    for name, drawing in plots(json.loads(options.results.read_text())).items():
        (options.out / name).write_text(drawing)
        print(options.out / name)


if __name__ == "__main__":
    main()
