"""Goal: a ledger whose log was begun is taken by nobody alone, neither while that is
done nor afterwards, and a log that was surely not begun leaves the ledger as it was.

Method: `payswitch cluster init` with a database to play with, which looks at the ledger
while it is asked, and answers as told; then everybody who may open a ledger.
"""

from contextlib import closing
from pathlib import Path

import pytest

from server.exits import EXIT_CONFIG
from switch.backup import __main__ as backup
from switch.cluster import DSN_VARIABLE
from switch.cluster.log import DoubtError
from switch.errors import BusyError
from switch.ledger.opening import open_ledger
from switch.ledger.shapes import CLUSTER, HALTED, write_mark
from switch.register import begin
from tests.cluster.small_ledger import OPTIONS, SmallLedger
from tests.server.harness import ServerProcess

joining = pytest.importorskip("switch.joining.__main__")
ALONE = {key: value for key, value in OPTIONS.items() if key != "threads"}


@pytest.fixture
def ledger(small: SmallLedger, tmp_path: Path) -> Path:
    return small.copied(tmp_path / "ledger")


class Database:
    """Without a log; what `create` finds, and what it says then."""

    def __init__(self, directory: Path, said: DoubtError | None) -> None:
        self.directory = directory
        self.said = said
        self.made: tuple[bytes, int] | None = None

    def create(self, _: str, instance: bytes, sequence: int, *__: int) -> None:
        assert (self.directory / CLUSTER).read_text().startswith(instance.hex())
        with pytest.raises(BusyError):
            open_ledger(self.directory, **ALONE)
        self.made = instance, sequence
        if self.said is not None:
            raise self.said


def init(
    directory: Path,
    patch: pytest.MonkeyPatch,
    said: DoubtError | None = None,
    *more: str,
    kind: str = "--from",
) -> tuple[int, Database]:
    """Its exit code, and the database."""
    database = Database(directory, said)
    patch.setattr(joining, "create", database.create)
    patch.setattr(joining, "_check_room", lambda _: None)
    patch.setenv(DSN_VARIABLE, "host=x")
    return joining.main(["init", *more, kind, str(directory)]), database


@pytest.mark.parametrize("kind", ["--from", "--new"])
def test_nobody_takes_it_alone(
    ledger: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    small: SmallLedger,
    kind: str,
) -> None:
    if kind == "--new":
        ledger = tmp_path / "new" / "ledger"
    code, database = init(ledger, monkeypatch, kind=kind)
    assert code == 0
    assert database.made is not None
    assert database.made[1] == (small.sequence if kind == "--from" else 0)
    server = ServerProcess(ledger.parent)
    assert server.wait() == EXIT_CONFIG
    assert "belongs to a cluster" in server.log()
    assert "[cluster] are missing" in server.log()
    capsys.readouterr()
    words = ["--data", str(ledger), "--person", "treasury/1:x", "--person", "y"]
    assert begin.main(words) == EXIT_CONFIG
    assert "belongs to a cluster" in capsys.readouterr().err


def test_it_is_copied_with_its_mark(
    ledger: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, small: SmallLedger
) -> None:
    copied = tmp_path / "copy"
    init(ledger, monkeypatch)
    # What an earlier copy left that was cut off.
    (tmp_path / "copy.partial").mkdir()
    (tmp_path / "copy.partial" / CLUSTER).touch()
    assert backup.main(["copy", str(ledger), str(copied)]) == 0
    assert (copied / CLUSTER).exists()
    for one in (ledger, copied):
        assert backup.main(["verify", str(one)]) == 0
    # Nodes open it as ever, and a log may be begun anew from it.
    with closing(open_ledger(copied, **ALONE)) as opened:
        assert opened.sequence == small.sequence
    assert init(copied, monkeypatch, None, "--again")[0] == 0


REFUSED = DoubtError("error", "42501 permission denied for database")
CASES = [
    (REFUSED, False, False),
    # It has a log from before.
    (REFUSED, True, True),
    (DoubtError("lost", "closed by the server"), False, True),
    (DoubtError("timeout"), False, True),
    # As libpq tells that the connection has ended.
    (DoubtError("error", "no code closed unexpectedly"), False, True),
    (DoubtError("error", "57P01 terminating connection"), False, True),
]


@pytest.mark.parametrize(("said", "marked", "stays"), CASES)
def test_the_mark_goes_only_if_there_is_surely_no_log(
    ledger: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    said: DoubtError,
    marked: bool,
    stays: bool,
) -> None:
    if marked:
        assert init(ledger, monkeypatch)[0] == 0
    capsys.readouterr()
    code, _ = init(ledger, monkeypatch, said, *["--again"] * marked)
    assert code == 3
    assert (ledger / CLUSTER).exists() == stays
    told = capsys.readouterr().err
    assert (f"{CLUSTER} stays" in told) == stays
    assert said.text in told


def test_a_ledger_that_is_served_is_left_alone(
    ledger: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with closing(open_ledger(ledger, **ALONE)):
        code, database = init(ledger, monkeypatch)
    assert code == 2
    assert database.made is None
    assert not (ledger / CLUSTER).exists()
    assert "open in another process" in capsys.readouterr().err


def test_a_ledger_has_one_log(
    ledger: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As with a second one, in another database, the same payments are taken twice."""
    assert init(ledger, monkeypatch)[0] == 0
    code, database = init(ledger, monkeypatch)
    assert (code, database.made) == (78, None)
    assert "is a cluster's already" in capsys.readouterr().err
    assert init(ledger, monkeypatch, None, "--again")[0] == 0


@pytest.mark.parametrize("verb", ["init", "seed"])
def test_the_ledger_of_a_node_that_has_halted_is_evidence(
    ledger: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    verb: str,
) -> None:
    write_mark(ledger / HALTED, "differs\n")
    if verb == "init":
        assert init(ledger, monkeypatch, None, "--again")[0] == 78
    else:
        monkeypatch.setenv(DSN_VARIABLE, "host=x")
        words = ["seed", "--from", str(ledger), str(tmp_path / "copy")]
        assert joining.main(words) == 78
    assert f"has {HALTED}" in capsys.readouterr().err
