"""Goal: the page is installed and runs at a centre where no core was ever compiled.

Method: a process of its own in which the core cannot be imported.
"""

import subprocess
import sys

from tests.server.harness import ROOT

_PROGRAM = """
import sys

class NoCore:
    def find_spec(self, name, *rest):
        if name in (
            *("switch._core", "switch.billing._hot", "switch.totals._sums"), "server"
        ):
            raise ModuleNotFoundError(f"no {name} here", name=name)

sys.meta_path.insert(0, NoCore())
import switch.web.counter.command
import switch.web.counter.__main__
core = {"switch._core", "switch.ledger", "switch.register", "switch.counter", "server"}
assert not core & sys.modules.keys(), core & sys.modules.keys()
print("runs")
"""


def test_the_page_needs_no_core() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout == "runs\n", done.stderr
