"""Goal: a counter prints papers where there is no core, and no switch.

Method: a process that may import neither the core nor numpy, LMDB or gRPC sets a paper;
and where what sets papers is not installed, a command says what to install.
"""

import json
import subprocess
import sys
from argparse import Namespace

import pytest

from switch.cli.papers import _print_forms
from switch.console.output import Screen
from switch.console.words import Language
from switch.errors import ConfigError
from tests.papers.made import receipt

PROGRAM = """
import sys

class Refused:
    def find_spec(self, name, path=None, target=None):
        if name in {"switch._core", "lmdb", "grpc", "numpy", "pyarrow", "server"}:
            raise ImportError(name)

sys.meta_path.insert(0, Refused())
from switch.papers import Press, find_fonts, read_paper

found = read_paper(sys.stdin.read(), code="0123456789ab")
press = Press(find_fonts())
for bengali in (False, True):
    press.pdf(found, bengali=bengali, check_base="https://check.example")
    press.roll(found, bengali=bengali)
ours = sorted(name for name in sys.modules if name.startswith("switch."))
print(" ".join({name.split(".")[1] for name in ours if name.count(".") > 1}))
"""


def test_papers_need_no_core() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        input=json.dumps(receipt()),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["papers"]


def test_without_what_sets_papers(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [one for one in sys.modules if one.startswith("switch.papers")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delattr("switch.papers", raising=False)
    monkeypatch.setitem(sys.modules, "typst", None)
    screen = Screen(as_json=False, language=Language.ENGLISH)
    args = Namespace(pdf="a.pdf", printer=None)
    with pytest.raises(ConfigError, match=r"typst is not there.*payswitch\[counter\]"):
        _print_forms(args, screen, json.dumps(receipt()))
