"""Goal: what a test starts ends with it, whatever becomes of the test; who has used
gRPC does not fork; and no test is failed by what another has left open.

Method: files of tests that do what must not be are played by a pytest of its own with
tests/guard.py, once each alone and once by the whole of tools/run_tests.sh.
"""

import os
import re
import subprocess
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from tests import guard, started

ROOT = Path(__file__).parents[1]
RUN_S = 240.0

CONFTEST = """
from tests import guard, started
started.GRACE_S = 0.5
def pytest_addoption(parser):
    parser.addoption("--alone")
def pytest_configure(config):
    config.pluginmanager.register(guard, "guard")
"""
INI = """
[pytest]
filterwarnings = error
asyncio_default_fixture_loop_scope = function
"""
BEGIN = """
import gc, os, subprocess, sys, tempfile
import pytest
SLEEP = [sys.executable, "-c", "import time; time.sleep(600)"]
def note(pid):
    with open({pids!r}, "a") as file:
        file.write(f"{{pid}}\\n")
def sleeper(**more):
    process = subprocess.Popen(SLEEP, **more)
    process.returncode = 0  # it is not Popen that looks after it
    note(process.pid)
    return process.pid
class Held:
    def __init__(self):
        self.file, self.me = open("/dev/null"), self
def speaker():
    import grpc
    grpc.insecure_channel("127.0.0.1:1").close()
    held = Held()
    held.file.close()
    held.program = subprocess.Popen(SLEEP, stdout=-1)
    note(held.program.pid)
    return held
"""
FILES = {
    "leaves": """
def test_leaves():
    sleeper()
def test_comes_behind():
    pass
""",
    "fails": """
def test_fails():
    held = Held()
    sleeper()
    assert 0, "for this reason"
def test_passes_behind_it():
    gc.collect()
""",
    # No garbage is looked for where gRPC was used.
    "speaks": """
def test_speaks():
    held = speaker()
    assert 0, "before it was ended"
def test_comes_next():
    gc.collect()
""",
    # It is found as garbage before what it has started is ended.
    "gives": """
@pytest.fixture
def collected():
    yield
    gc.collect()
def test_gives_up(collected):
    held = speaker()
    assert 0, "and nobody has it"
def test_starts_another():
    subprocess.run(["true"], check=True)
""",
    # In a session of its own, and who started it has ended.
    "starts": """
STARTER = '''
import subprocess, sys
away = subprocess.DEVNULL  # nobody waits for what it may say
process = subprocess.Popen(
    sys.argv[1:], start_new_session=True, stdout=away, stderr=away)
process.returncode = 0
print(process.pid)
'''
def test_starts():
    done = subprocess.run([sys.executable, "-c", STARTER, *SLEEP], stdout=-1)
    note(int(done.stdout))
""",
    "keeps": """
@pytest.fixture(scope="module")
def server():
    yield sleeper()
def test_keeps(server):
    os.kill(server, 0)
def test_keeps_still(server):
    os.kill(server, 0)
    os.kill(server, 9)
    os.waitpid(server, 0)
""",
    "forgets": """
@pytest.fixture(scope="module")
def server():
    yield sleeper()
def test_has(server):
    os.kill(server, 0)
def test_forgets(server):
    os.kill(server, 0)
""",
    "drops": """
def test_drops():
    Held()
""",
    "forks": """
import grpc, multiprocessing
def fork():
    child = os.fork()
    if not child:
        os._exit(0)
    os.waitpid(child, 0)
def test_forks_before():
    fork()
def test_starts_after():
    grpc.insecure_channel("127.0.0.1:1").close()
    subprocess.run(["true"], check=True, start_new_session=True)
def test_forks_after():
    fork()
def test_runs_python_before_a_program():
    subprocess.run(["true"], preexec_fn=int)
def test_is_another_user():
    subprocess.run(["true"], user=os.getuid())
def test_forks_for_multiprocessing():
    multiprocessing.get_context("fork").Process(target=int).start()
""",
}


def write(folder: Path, files: dict[str, str]) -> None:
    """Files of tests, with the guard."""
    (folder / "conftest.py").write_text(CONFTEST)
    (folder / "pytest.ini").write_text(INI)
    begin = BEGIN.format(pids=str(folder / "pids"))
    for name, text in files.items():
        (folder / f"test_{name}.py").write_text(begin + text)


def left(folder: Path) -> list[int]:
    """Of the processes that were noted those that run."""
    pids = [int(line) for line in (folder / "pids").read_text().split()]
    assert pids
    return [pid for pid in pids if started.fields_of(pid)[:1] not in ([], ["Z"])]


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, list[int]]:
    """What a run of all these files says, and what runs behind it."""
    folder = tmp_path_factory.mktemp("played")
    write(folder, FILES)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-rA", "-p", "no:cacheprovider", folder],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=RUN_S,
        check=False,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    return done.stdout, left(folder)


@pytest.mark.parametrize(
    ("test", "ends", "why"),
    [
        ("leaves.py::test_leaves", "PASSED", "started in "),
        ("leaves.py::test_comes_behind", "PASSED ERROR", "a process was left"),
        ("fails.py::test_fails", "FAILED", "for this reason"),
        ("fails.py::test_passes_behind_it", "PASSED", ""),
        ("speaks.py::test_speaks", "FAILED", "before it was ended"),
        ("speaks.py::test_comes_next", "PASSED", ""),
        ("gives.py::test_gives_up", "FAILED", "and nobody has it"),
        ("gives.py::test_starts_another", "PASSED", ""),
        ("starts.py::test_starts", "PASSED ERROR", "a process was left"),
        ("keeps.py::test_keeps", "PASSED", ""),
        ("keeps.py::test_keeps_still", "PASSED", ""),
        ("forgets.py::test_has", "PASSED", ""),
        ("forgets.py::test_forgets", "PASSED ERROR", "a process was left"),
        ("drops.py::test_drops", "PASSED ERROR", "unclosed file"),
        ("forks.py::test_forks_before", "PASSED", ""),
        ("forks.py::test_starts_after", "PASSED", ""),
        ("forks.py::test_forks_after", "FAILED", "ForkError"),
        ("forks.py::test_runs_python_before_a_program", "FAILED", "ForkError"),
        ("forks.py::test_is_another_user", "FAILED", "ForkError"),
        ("forks.py::test_forks_for_multiprocessing", "FAILED", "ForkError"),
    ],
)
def test_who_does_it_hears_of_it(
    played: tuple[str, list[int]], test: str, ends: str, why: str
) -> None:
    lines = re.findall(
        rf"^(\w+) \S*{re.escape(test)}(?: - (.*))?$", played[0], re.MULTILINE
    )
    assert sorted(word for word, _ in lines) == sorted(ends.split()), played[0]
    assert why in " ".join(text for _, text in lines) + played[0] * bool(why)


def test_nothing_of_it_runs(played: tuple[str, list[int]]) -> None:
    assert played[1] == []


FORKS = {
    "switch/audit/__main__.py",  # loads no gRPC: see below
    "tools/cluster/apart.py",  # before the stand asks anything
}


def test_the_product_forks_where_nothing_uses_grpc() -> None:
    forking = re.compile(r"os\.fork|forkpty|multiprocessing|preexec_fn|\buser=\w+\.pw_")
    found = {
        str(path.relative_to(ROOT))
        for folder in ("switch", "server", "tools", "benchmarks")
        for path in (ROOT / folder).rglob("*.py")
        if forking.search(path.read_text())
    }
    assert found == FORKS
    code = "import sys, switch.audit.__main__; sys.exit('grpc' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0


def test_the_end_of_a_day_is_known() -> None:
    midnight = datetime(2027, 4, 1, tzinfo=timezone(timedelta(hours=5, minutes=30)))
    at = midnight.timestamp()
    assert guard.left_of_day_s(at - 0.25) == 0.25
    assert guard.left_of_day_s(at) == 86_400
    assert guard.left_of_day_s(at + 43_200) == 43_200


@pytest.mark.slow
def test_a_run_names_what_it_leaves_and_removes_it(tmp_path: Path) -> None:
    """A folder for temporary files; a process that has another environment."""
    away = """
def test_leaves():
    tempfile.mkdtemp(prefix="forgotten-")
    run = {name: os.environ[name] for name in ("SWITCH_TEST_RUN", "PATH")}
    words = ["sh", "-c", "setsid sleep 600 >/dev/null 2>&1 & echo $!"]
    note(int(subprocess.run(words, env=run, stdout=-1).stdout))
"""
    write(tmp_path, {"away": away})
    done = subprocess.run(
        ["bash", "tools/run_tests.sh", sys.executable, "1", tmp_path],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=RUN_S,
        check=False,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert "a test has left a process" in done.stderr, done.stdout + done.stderr
    assert "forgotten-" in done.stderr
    assert left(tmp_path) == []
    assert not list(tmp_path.glob("payswitch-tests-*"))


@pytest.mark.slow
def test_what_only_computes_has_its_share_at_the_end(tmp_path: Path) -> None:
    """Behind all that others of the machine do it would go on for hours."""
    fills = """
import time

def test_it_is_as_nice_as_who_began_the_run():
    end = time.monotonic() + 60
    while os.nice(0) > int(os.environ["NICE_OF_RUN"]):
        assert time.monotonic() < end
        time.sleep(0.05)
"""
    write(tmp_path, {"fills": fills})
    done = subprocess.run(
        ["bash", "tools/run_tests.sh", sys.executable, "1", tmp_path],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(tmp_path), "NICE_OF_RUN": str(os.nice(0))},
        capture_output=True,
        text=True,
        timeout=RUN_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    # Also of those that began with less than their share.
    assert done.stdout.count("1 passed") == 4
