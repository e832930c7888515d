"""Goal: a journal that is not what its log has is found, and one that lags is not.

Method: the clean story as a journal that was led through a log from its fourth chunk
on, in epochs that rise. Beside it stands the log, once as it is and once with one thing
changed; the comparison takes any iterable, so that no database is needed.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from switch.audit import __main__, audit
from switch.audit.auditor import Report
from switch.audit.logged import PAGE, Logged, pages
from switch.audit.report import as_text
from tests.audit.journal_story import failed
from tests.audit.journal_writer import read_chunks, write_journal
from tests.audit.told_story import story

ALONE = 3
"""Chunks from before there was a log."""
Log = list[Logged]


def epoch_of(ordinal: int) -> int:
    """0 while it was alone, then each epoch for a few chunks."""
    return 0 if ordinal <= ALONE else 1 + ordinal // 6


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The story, led through a log."""
    directory = tmp_path_factory.mktemp("led")
    write_journal(directory, story().groups, epoch_of)
    return directory


def log_of(directory: Path) -> Log:
    """What its log says: all chunks but those of before."""
    log = []
    for place, (first, value) in enumerate(read_chunks(directory).items()):
        count = int.from_bytes(value[8:12], "little")
        check = int.from_bytes(value[60:64], "little")
        log.append(Logged(first, first + count - 1, epoch_of(place + 1), check))
    return log[ALONE:]


def texts(report: Report) -> str:
    """All that was found of the log."""
    return "\n".join(str(one) for one in report.findings.kept if one.check == "log")


def test_a_journal_as_its_log_has_it_passes(ledger: Path) -> None:
    """All rows are compared but those that are older than the log."""
    log = log_of(ledger)
    report = audit(ledger, logged=log)
    assert report.findings.kept == []
    assert report.checks["log"] == 0
    begins = log[0].first
    assert f"the log begins at {begins}: {begins - 1} rows before" in str(report.notes)
    assert "log " in as_text(report)
    only = audit(ledger, logged=log, scope="chain")
    assert only.checks["log"] == 0
    assert only.ok


def test_without_the_log_it_is_said_that_there_was_one(ledger: Path) -> None:
    """Nothing in a journal says that it ought to have been alone."""
    report = audit(ledger)
    assert report.ok
    assert "log" not in report.checks
    begins = log_of(ledger)[0].first
    assert any(f"through a log from {begins} on" in note for note in report.notes)


def test_a_journal_of_one_machine_has_epoch_0(tmp_path: Path) -> None:
    """And no word is said of a log."""
    write_journal(tmp_path, story().groups)
    report = audit(tmp_path)
    assert report.ok
    assert not any("log" in note for note in report.notes)


def test_an_epoch_never_falls(tmp_path: Path) -> None:
    """Also not to 0, as when a switch of a cluster is started alone."""
    write_journal(
        tmp_path, story().groups, lambda ordinal: 0 if ordinal == 9 else ordinal // 3
    )
    report = audit(tmp_path, scope="chain")
    assert failed(report) == {"chunks"}
    (found,) = report.findings.kept
    assert found.text == "its epoch is 0, behind one of epoch 2"


def lacks_last(log: Log) -> None:
    """The journal is ahead: a log that was put back to an older state."""
    del log[-1]


def lacks_one(log: Log) -> None:
    """A chunk that only the journal has."""
    del log[5]


def has_more(log: Log) -> None:
    """A chunk within the journal's rows that only the log has."""
    log.insert(5, Logged(log[5].first - 1, log[5].first - 1, log[5].epoch, 7))


def another_check(log: Log) -> None:
    """The same rows' numbers, other bytes."""
    log[5] = log[5]._replace(check=log[5].check ^ 1)


def another_epoch(log: Log) -> None:
    """The same bytes cannot have it; the log's own column says so."""
    log[5] = log[5]._replace(epoch=log[5].epoch + 1)


def other_rows(log: Log) -> None:
    """As many rows as the log says it has not."""
    log[-1] = log[-1]._replace(last=log[-1].last + 1)


def begins_late(log: Log) -> None:
    """Chunks of an epoch from before the log begins."""
    del log[0]


def is_empty(log: Log) -> None:
    """It has never had one of these chunks."""
    log.clear()


FORGED: dict[str, tuple[Callable[[Log], None], str]] = {
    "the last is missing": (lacks_last, "the log does not have the chunk"),
    "one is missing": (lacks_one, "the log does not have the chunk"),
    "one is too many": (has_more, "the journal none"),
    "a check differs": (another_check, "its check is "),
    "an epoch differs": (another_epoch, "its epoch is "),
    "rows differ": (other_rows, "its last row is "),
    "it begins late": (begins_late, "it was led in epoch 1, and the log"),
    "it is empty": (is_empty, "it was led in epoch 1, and the log"),
}


@pytest.mark.parametrize("name", FORGED)
def test_what_the_log_has_otherwise_is_found(ledger: Path, name: str) -> None:
    """By this check alone: the journal itself is right."""
    forge, text = FORGED[name]
    log = log_of(ledger)
    forge(log)
    report = audit(ledger, logged=log, scope="chain")
    assert failed(report) == {"log"}
    assert text in texts(report)
    assert "keep its journal" in texts(report)


def test_a_node_that_lags_has_no_finding(ledger: Path) -> None:
    """It is said how far it is behind; so it is where the audit ends early."""
    log = log_of(ledger)
    last = log[-1]
    log.append(Logged(last.last + 1, last.last + 3, last.epoch + 1, 1))
    log.append(Logged(last.last + 4, last.last + 9, last.epoch + 1, 2))
    report = audit(ledger, logged=log, scope="chain")
    assert report.ok
    assert any("the log is 9 rows ahead" in note for note in report.notes)
    short = audit(ledger, logged=log_of(ledger), scope="chain", at=log[6].last)
    assert short.ok
    assert not any("ahead" in note for note in short.notes)


def test_the_log_is_read_until_it_has_no_more(ledger: Path) -> None:
    """A page that ends is followed by the next, and an end is asked for anew: what
    the journal shows meanwhile is in the log by then.
    """
    log = log_of(ledger)
    asked: list[tuple[int, int]] = []

    def ask(after: int, most: int) -> list[Logged]:
        asked.append((after, most))
        return [each for each in log if each.first > after][:4]

    read: Iterator[Logged] = pages(ask)
    assert list(read) == log
    assert asked[0] == (0, PAGE)
    assert asked[-1] == (log[-1].first, PAGE)


def test_the_command_asks_the_log(
    ledger: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It connects once, reads the chunks' checks, and ends as the findings say."""
    postgres = pytest.importorskip("switch.cluster.postgres")
    log = log_of(ledger)
    asked: list[str] = []

    class Postgres:
        def __init__(self, dsn: str, name: str) -> None:
            asked.append(dsn)

        def reconnect(self) -> None:
            asked.append("reconnect")

        def checks(self, after: int, most: int) -> Log:
            return [each for each in log if each.first > after][:most]

    monkeypatch.setattr(postgres, "PostgresLog", Postgres)
    command = [str(ledger), "--log", "host=a,b dbname=payswitch", "--only", "chain"]
    arguments = __main__.parser().parse_args(command)
    assert __main__.run(arguments) == __main__.EXIT_OK
    assert asked == ["host=a,b dbname=payswitch", "reconnect"]
    another_check(log)
    assert __main__.run(arguments) == __main__.EXIT_FINDINGS
    assert "its check is " in capsys.readouterr().out


def test_a_log_that_does_not_answer_is_said(
    ledger: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is no finding, and nothing is said to be right."""
    pytest.importorskip("switch.cluster._pq")
    command = [str(ledger), "--log", "host=127.0.0.1 port=1 dbname=payswitch"]
    code = __main__.run(__main__.parser().parse_args(command))
    assert code == __main__.EXIT_UNREADABLE
    told = capsys.readouterr()
    assert "the log cannot be asked" in told.err
    assert not told.out
