"""Goal: commands run the product's own code wherever they are called, and a directory
that cannot be used is one line and exit code 78.

Method: folders with the names of our packages, in the working directory; files in the
way, a directory that nobody may write, names that cannot be.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from switch._core import Ledger
from switch.console.output import Exit
from switch.day.server import ServerProcess
from switch.programs import program
from tests import forked

PAYSWITCH = Path(sys.executable).with_name("payswitch")
EXIT_CONFIG = 78
PLANTED = "print('code of the working directory'); raise SystemExit(0)\n"
WAIT_S = 60


def run(
    *words: str | Path, cwd: Path, prefix: Sequence[str] = ()
) -> subprocess.CompletedProcess[str]:
    """The command as it is installed, in a directory."""
    return subprocess.run(
        [*prefix, PAYSWITCH, *words],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=WAIT_S,
        check=False,
    )


@pytest.fixture
def planted(tmp_path: Path) -> Path:
    """A directory with packages called like ours, and a ledger."""
    for name in ("switch", "switch/audit", "server", "lmdb", "grpc"):
        (tmp_path / name).mkdir()
        for file in ("__init__.py", "__main__.py"):
            (tmp_path / name / file).write_text(PLANTED)
    Ledger(str(tmp_path / "ledger"), map_size=1 << 30, reserve_size=0).close()
    return tmp_path


# --- whose code ---------------------------------------------------------------------


def test_the_auditor_is_ours(planted: Path) -> None:
    done = run("audit", "ledger", "--json", cwd=planted)
    assert "working directory" not in done.stdout + done.stderr
    assert '"audit"' in done.stdout
    assert done.returncode == Exit.DONE


def test_the_server_is_ours(planted: Path) -> None:
    done = run("serve", "--help", cwd=planted)
    assert "working directory" not in done.stdout
    assert "--listen" in done.stdout


def test_so_are_the_servers_and_billers_of_a_day(
    planted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(planted)
    with ServerProcess(planted / "day", 0) as server:
        assert server.address
    done = subprocess.run(
        program("switch", "biller", "--help"),
        capture_output=True,
        text=True,
        check=True,
    )
    assert "working directory" not in done.stdout


def test_who_runs_a_module_of_ours_says_so() -> None:
    """`-m` of our own is written in one place."""
    root = Path(__file__).parents[2]
    found = [
        path.name
        for folder in ("switch", "server")
        for path in (root / folder).rglob("*.py")
        if "sys.executable" in path.read_text()
    ]
    assert found == ["programs.py"]


# --- directories that cannot be -----------------------------------------------------


def nothing(path: Path) -> Path:
    return path / "ledger"


def a_file(path: Path) -> Path:
    (path / "ledger").write_text("no ledger")
    return path / "ledger"


def below_a_file(path: Path) -> Path:
    return a_file(path) / "ledger"


def a_file_for_the_journal(path: Path) -> Path:
    (path / "ledger").mkdir()
    (path / "ledger" / "journal").write_text("no journal")
    return path / "ledger"


def a_directory_for_its_data(path: Path) -> Path:
    (path / "ledger" / "journal" / "data.mdb").mkdir(parents=True)
    return path / "ledger"


def a_directory_for_the_lock(path: Path) -> Path:
    (path / "ledger" / "LOCK").mkdir(parents=True)
    return path / "ledger"


def a_name_without_end(path: Path) -> Path:
    return path / ("x" * 300)


def nobodys(path: Path) -> Path:
    (path / "shut").mkdir()
    (path / "shut").chmod(0o500)
    return path / "shut" / "ledger"


def a_journal_that_only_reads(path: Path) -> Path:
    (path / "ledger" / "journal").mkdir(parents=True)
    (path / "ledger" / "index").mkdir()
    (path / "ledger" / "journal").chmod(0o500)
    return path / "ledger"


def like_anybody() -> list[str]:
    """What goes before a command: permissions hold for it, also where it is root's."""
    if os.geteuid() != 0:
        return []
    return ["setpriv", "--bounding-set", "-dac_override,-dac_read_search", "--"]


def serving(data: Path, tls: Path) -> list[str | Path]:
    """The words of a server for development."""
    where = ("--data", data, "--tls", tls, "--listen", "127.0.0.1:0")
    return ["--dev", *where]


def refused(done: subprocess.CompletedProcess[str]) -> None:
    assert done.returncode == EXIT_CONFIG, done.stderr
    [line] = done.stderr.splitlines()
    assert "cannot start: " in line
    assert done.stdout == ""


@pytest.mark.parametrize(
    "make",
    [
        *(a_file, below_a_file, a_file_for_the_journal, a_directory_for_its_data),
        *(a_directory_for_the_lock, a_name_without_end),
    ],
)
def test_a_directory_that_cannot_be_used(
    tmp_path: Path, make: Callable[[Path], Path]
) -> None:
    """By anybody: the server is asked, which need not be started from nothing."""
    words = serving(make(tmp_path), tmp_path / "tls")
    refused(forked.run("server", *words, cwd=tmp_path))


@pytest.mark.parametrize("make", [a_file, below_a_file])
def test_certificates_that_cannot_be_made(
    tmp_path: Path, make: Callable[[Path], Path]
) -> None:
    words = serving(tmp_path / "data", make(tmp_path))
    refused(forked.run("server", *words, cwd=tmp_path))


@pytest.mark.parametrize("make", [a_file, nobodys, a_journal_that_only_reads])
def test_a_directory_that_the_installed_command_cannot_use(
    tmp_path: Path, make: Callable[[Path], Path]
) -> None:
    """What permissions are against among them, which the command itself meets."""
    words = serving(make(tmp_path), tmp_path / "tls")
    refused(run("serve", *words, cwd=tmp_path, prefix=like_anybody()))


def test_certificates_that_the_installed_command_cannot_make(tmp_path: Path) -> None:
    words = serving(tmp_path / "data", nobodys(tmp_path))
    refused(run("serve", *words, cwd=tmp_path, prefix=like_anybody()))


def test_the_same_directory_when_it_can_be_used(tmp_path: Path) -> None:
    """What the tests above refuse is the directory and nothing else."""
    words = ["serve", *serving(nothing(tmp_path), tmp_path / "tls")]
    with subprocess.Popen(
        [*like_anybody(), PAYSWITCH, *words],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        assert process.stdout is not None
        assert b"ready" in process.stdout.readline()
        os.kill(process.pid, signal.SIGTERM)
    assert process.returncode == 0
