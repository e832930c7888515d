"""Goal: where a function of the core relies on what does not hold, a test run ends.

Method: what the build of this run says of itself, and a child process in which an
assert fails. In the build that is shipped the same call returns.
"""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from switch import _core

ROOT = Path(__file__).resolve().parents[2]
LIB = os.environ.get("SWITCH_TEST_LIB")
WITH_ASSERTS = {"assert", "sanitize", "small"}
CODE = """
import tests.conftest
from switch import _core
_core.test_assert()
print("on")
"""


def run(lib: str | None) -> subprocess.CompletedProcess[str]:
    """Let an assert fail in a child on the build in `lib`, or on the usual one."""
    environment = dict(os.environ)
    environment.pop("SWITCH_TEST_LIB", None)
    if lib is not None:
        environment["SWITCH_TEST_LIB"] = lib
    return subprocess.run(
        [sys.executable, "-c", CODE],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
    )


def test_a_build_for_tests_has_asserts() -> None:
    wanted = LIB is not None and Path(LIB).parent.name in WITH_ASSERTS
    assert wanted == _core.ASSERTS


@pytest.mark.skipif(not _core.ASSERTS, reason="this build has no asserts")
def test_an_assert_that_fails_ends_the_process() -> None:
    done = run(LIB)
    assert done.returncode == -signal.SIGABRT
    assert "assert failed: test_assert: this build has no asserts (" in done.stderr
    assert done.stdout == ""


@pytest.mark.skipif("LD_PRELOAD" in os.environ, reason="run without a sanitizer")
def test_what_is_shipped_has_none() -> None:
    done = run(None)
    assert (done.returncode, done.stdout) == (0, "on\n")
