"""Goal: what is compiled ends where memory slips; nobody writes where it jumps to.

Method: the modules as the linker has left them, whatever the compiler was told.
"""

import platform
import subprocess
from pathlib import Path

import pytest

from server import _front
from switch import _core

MODULES = [Path(_front.__file__), Path(_core.__file__)]


def said(module: Path, *options: str) -> str:
    command = ["readelf", "--wide", *options, str(module)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.name.split(".")[0])
def test_a_module_is_hardened(module: Path) -> None:
    symbols = said(module, "--dyn-syms")
    assert "__stack_chk_fail" in symbols
    assert "_chk@" in symbols.replace("__stack_chk_fail", "")
    # All is bound at the start, and where it is written down is read-only then.
    assert "BIND_NOW" in said(module, "--dynamic")
    assert "GNU_RELRO" in said(module, "--program-headers")
    stack = next(
        line
        for line in said(module, "--program-headers").splitlines()
        if "GNU_STACK" in line
    )
    assert "RWE" not in stack
    if platform.machine() == "x86_64":
        # Each function that is jumped to by its address begins with this instruction.
        assert module.read_bytes().count(b"\xf3\x0f\x1e\xfa") > 100
