"""`make browser`: the counter's page in a real browser, all of it, and a report.

    python -m tests.browser [argument of pytest …]

The report is build/browser/report/report.md: strokes, states and what axe-core said,
beside the pictures. Ends with pytest's exit code.
"""

import os
import shutil
import sys

import pytest

from tests.browser.operator import PICTURES, REPORT

FILES = (
    *("test_walks.py", "all_states.py", "all_ends.py", "all_kills.py", "all_slow.py"),
)


def main() -> int:
    """Runs them; the exit code."""
    shutil.rmtree(REPORT, ignore_errors=True)
    REPORT.mkdir(parents=True)
    os.environ[PICTURES] = "yes"
    files = [f"tests/browser/{name}" for name in FILES]
    code = int(pytest.main(["-q", "--durations=10", *files, *sys.argv[1:]]))
    lines = ["# The counter's page in a browser", ""]
    lines += [f"pytest ended with {code}.", "", "## Strokes after the reference", ""]
    lines += [
        f"- {path.stem}: {path.read_text().strip()}"
        for path in sorted(REPORT.glob("*.strokes"))
    ]
    lines += ["", "## axe-core, WCAG 2.1 A and AA", ""]
    judged = sorted(REPORT.glob("*.axe"))
    for path in judged:
        said = path.read_text().strip() or "no violation"
        lines.append(f"- {path.stem}: {said}")
    lines += ["", "## Pictures", ""]
    lines += [f"![{one.stem}]({one.name})" for one in sorted(REPORT.glob("*.png"))]
    (REPORT / "report.md").write_text("\n".join(lines) + "\n")
    print(f"{len(judged)} states were judged: {REPORT / 'report.md'}")
    return code


if __name__ == "__main__":
    sys.exit(main())
