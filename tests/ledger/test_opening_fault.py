"""Goal: whoever dies or hangs in LMDB while the ledger serves leaves what the very next
start needs to recover by itself: an index made anew, or a journal that is refused.

Method: a ledger is opened in a process of its own, and one of its files cut short, so
that the next page that is read ends the process by a signal: in a read, in a commit, in
an index step. For a hang somebody else keeps LMDB's lock of a writer; the process is
killed as an operator would. Then the marks are looked at, and the ledger opened again.
"""

import faulthandler
import os
import resource
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import lmdb
import pytest

from switch._core import Ledger
from switch.errors import ConfigError, CorruptionError
from switch.ledger.opening import ASIDE, DAMAGED, DOUBT, open_ledger
from tests.core.network import NOW, make_network, top_up
from tests.core.pair import rows_request
from tests.ledger.test_opening import OPTIONS, PAGE, contents, directory, fill, names

__all__ = ["directory"]

WAIT_S = 60.0
PATIENCE_S = 0.8
CLOSING_PATIENCE_S = 2.0
"""The watch looks eight times as often: it comes too late for who closes at once."""
WHOLE = {"LOCK", "journal", "index"}

pytestmark = [pytest.mark.forks]

Use = Callable[[Ledger], object]


def find(ledger: Ledger) -> None:
    """Reads the journal and the index."""
    for sequence in range(1, ledger.sequence + 1):
        row = ledger.row(sequence)
        ledger.find(row.participant, row.id)


def repeat(ledger: Ledger) -> None:
    """Commits what is there already, which looks it up, and something new."""
    network = make_network()
    for number in range(60):
        wallet = network.wallets[number % len(network.wallets)]
        rows = [
            top_up(network, wallet, 5, b"UTR-%d-%d" % (number, i)) for i in range(10)
        ]
        ledger.commit([rows_request(rows)], NOW)


def step(ledger: Ledger) -> None:
    """Writes the index."""
    while ledger.index_step():
        pass


def rows(ledger: Ledger) -> None:
    """Reads the journal alone."""
    ledger.rows(1, ledger.sequence)


def tails(ledger: Ledger) -> None:
    for sequence in range(1, ledger.sequence + 1):
        ledger.tail(sequence)


def balances(ledger: Ledger) -> None:
    for account in range(1, len(ledger.accounts()[0])):
        ledger.account_rows(account, 0, 1000)


def live(path: Path, part: str, use: Use, *, grow: bool = False) -> int:
    """Open, cut a file short if one is named, use it; how the process ended."""
    child = os.fork()
    if child == 0:
        faulthandler.disable()
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        try:
            ledger = open_ledger(path, **OPTIONS)
            if grow:
                repeat(ledger)
            if part:
                os.truncate(path / part / "data.mdb", 2 * PAGE)
            use(ledger)
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


@pytest.mark.parametrize("use", [find, repeat, balances])
def test_a_death_in_the_index_has_it_made_anew(directory: Path, use: Use) -> None:
    assert live(directory, "index", use) == -signal.SIGBUS
    # It may have been the journal as well: that is walked first.
    assert names(directory) == WHOLE | {DAMAGED, DOUBT}
    with open_ledger(directory, **OPTIONS) as ledger:
        assert names(directory) == WHOLE | {ASIDE}
        find(ledger)
        repeat(ledger)
        step(ledger)


def test_a_death_in_an_index_step_has_it_made_anew(directory: Path) -> None:
    assert live(directory, "index", step, grow=True) == -signal.SIGBUS
    assert names(directory) == WHOLE | {DAMAGED}
    with open_ledger(directory, **OPTIONS) as ledger:
        assert names(directory) == WHOLE | {ASIDE}
        find(ledger)


@pytest.mark.parametrize("use", [find, repeat, rows, tails])
def test_a_death_in_the_journal_has_it_walked(directory: Path, use: Use) -> None:
    assert live(directory, "journal", use) == -signal.SIGBUS
    assert DOUBT in names(directory)
    # Of a commit nobody knows which of the two it was.
    assert (DAMAGED in names(directory)) == (use is repeat)
    before = contents(directory)
    for _ in range(2):
        with pytest.raises(CorruptionError, match="journal/ is damaged"):
            open_ledger(directory, **OPTIONS)
        assert contents(directory) == before


def test_a_doubt_about_whole_files_costs_a_walk(
    directory: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (directory / DOUBT).touch()
    before = (directory / "index" / "data.mdb").read_bytes()
    with open_ledger(directory, **OPTIONS):
        assert names(directory) == WHOLE
    assert "looking through the pages" in caplog.text
    assert (directory / "index" / "data.mdb").read_bytes() == before


def test_a_doubt_that_is_a_link_is_refused(directory: Path) -> None:
    (directory / DOUBT).symlink_to(directory / "journal" / "data.mdb")
    before = contents(directory)
    with pytest.raises(ConfigError, match="symbolic link"):
        open_ledger(directory, **OPTIONS)
    assert contents(directory) == before


def test_each_of_several_ledgers_has_its_own_marks(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("first", "second", "third")]
    for path in paths:
        fill(path)

    def use(ledger: Ledger) -> None:
        others = [open_ledger(path, **OPTIONS) for path in (paths[0], paths[2])]
        find(others[0])
        find(ledger)

    assert live(paths[1], "index", use) == -signal.SIGBUS
    assert [names(path) - WHOLE for path in paths] == [set(), {DAMAGED, DOUBT}, set()]


def test_a_death_elsewhere_leaves_no_mark(directory: Path) -> None:
    def use(ledger: Ledger) -> None:
        for one in (find, repeat, step, rows, tails, balances):
            one(ledger)
        with pytest.raises(LookupError):
            ledger.tail(1 << 40)
        os.kill(os.getpid(), signal.SIGSEGV)

    assert live(directory, "", use) == -signal.SIGSEGV
    assert names(directory) == WHOLE


# --- one that does not come back ---------------------------------------------------


def wait_for(path: Path, *, there: bool) -> None:
    until = time.monotonic() + WAIT_S
    while path.exists() != there:
        assert time.monotonic() < until
        time.sleep(0.01)


def wait_for_text(path: Path, text: str) -> None:
    until = time.monotonic() + WAIT_S
    while not path.exists() or path.read_text() != text:
        assert time.monotonic() < until
        time.sleep(0.01)


def note(ledger: Ledger, path: Path) -> None:
    """Write down what is stuck, and that it is no more."""
    while not ledger.stuck:
        time.sleep(0.01)
    (path / "stuck").write_text(ledger.stuck)
    while ledger.stuck:
        time.sleep(0.01)
    (path / "stuck").unlink()


def begin_stuck(path: Path, part: str) -> int:
    """A process that works on a ledger with little patience, until it is killed.

    What it writes waits for LMDB's lock of a writer, which is held here.
    """
    child = os.fork()
    if child == 0:
        try:
            ledger = open_ledger(path, patience_s=PATIENCE_S, **OPTIONS)
            if part == "index":
                repeat(ledger)
            (path / "ready").touch()
            wait_for(path / "ready", there=False)
            assert ledger.stuck == ""
            threading.Thread(target=note, args=(ledger, path), daemon=True).start()
            if part == "index":
                step(ledger)
            else:
                repeat(ledger)
            (path / "done").touch()
            signal.pause()
        finally:
            os._exit(1)
    return child


@pytest.mark.parametrize("part", ["index", "journal"])
@pytest.mark.parametrize("comes_back", [False, True])
def test_one_that_is_stuck_leaves_a_doubt(
    directory: Path, part: str, comes_back: bool
) -> None:
    """Killed by somebody, or taken back if it was only slow."""
    child = begin_stuck(directory, part)
    try:
        wait_for(directory / "ready", there=True)
        environment = lmdb.open(
            str(directory / part), map_size=OPTIONS["map_size"], max_dbs=8
        )
        held = environment.begin(write=True)
        assert DOUBT not in names(directory)
        (directory / "ready").unlink()
        wait_for(directory / DOUBT, there=True)
        wait_for_text(directory / "stuck", part)
        if comes_back:
            held.abort()
            wait_for(directory / "done", there=True)
            wait_for(directory / DOUBT, there=False)
            wait_for(directory / "stuck", there=False)
            (directory / "done").unlink()
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    (directory / "stuck").unlink(missing_ok=True)
    held.abort()
    environment.close()
    assert names(directory) == WHOLE | (set() if comes_back else {DOUBT})
    with open_ledger(directory, **OPTIONS) as ledger:
        find(ledger)
    assert names(directory) == WHOLE


def test_one_that_was_only_slow_closes_without_a_doubt(directory: Path) -> None:
    """It is closed as soon as it is back, before the watch looks again."""
    environment = lmdb.open(
        str(directory / "journal"), map_size=OPTIONS["map_size"], max_dbs=8
    )
    child = os.fork()
    if child == 0:
        try:
            ledger = open_ledger(directory, patience_s=CLOSING_PATIENCE_S, **OPTIONS)
            (directory / "ready").touch()
            wait_for(directory / "ready", there=False)
            repeat(ledger)
            ledger.close()
            os._exit(0)
        finally:
            os._exit(1)
    try:
        wait_for(directory / "ready", there=True)
        held = environment.begin(write=True)
        (directory / "ready").unlink()
        wait_for(directory / DOUBT, there=True)
        held.abort()
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    except BaseException:
        os.kill(child, signal.SIGKILL)
        raise
    environment.close()
    assert names(directory) == WHOLE


def test_patience_has_bounds(tmp_path: Path) -> None:
    for patience_s in (0.0, -1.0, 86_401.0, float("nan")):
        with pytest.raises(ValueError, match="patience_s"):
            open_ledger(tmp_path / "ledger", patience_s=patience_s, **OPTIONS)
