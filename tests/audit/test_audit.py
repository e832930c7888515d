"""Goal: a right ledger passes the audit, and every kind of wrong is found as itself.

Method: one story with every row kind is written by an independent writer; bytes are
then flipped, chunks moved, the index and the server's answers made wrong. Account
images come from a plain reading, row by row, and must equal the bulk one.
Changes of meaning are in test_audit_changes.py.
"""

import dataclasses
import functools
import json
import random
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import lmdb
import numpy as np
import pytest

from switch.audit import audit, auditor, reader
from switch.audit.crc import crc32c
from switch.audit.findings import CHECKS, FINDINGS_MAX
from switch.audit.live import Live
from switch.audit.report import as_text
from switch.codes import Kind, Result, Role
from switch.config import Config
from switch.errors import StorageError, UsageError
from tests import forked
from tests.audit.journal_story import (
    STATED,
    A,
    Story,
    failed,
)
from tests.audit.journal_writer import (
    change_chunks,
    copied,
    read_chunks,
    tail_item,
    write_chunks,
    write_index,
    write_journal,
)
from tests.audit.told_story import (
    images_at,
    random_groups,
    story,
    written,
)

POSTING = (
    *(Kind.PAY, Kind.POST, Kind.REFUND, Kind.TOP_UP, Kind.TRANSFER, Kind.SETTLE),
    Kind.BOOKED,
)
ENDING = (Kind.POST, Kind.VOID, Kind.EXPIRE)

DOCS = Path(__file__).parents[2] / "docs"


def test_every_check_is_in_the_operators_page() -> None:
    page = (DOCS / "operating.md").read_text()
    section = page[page.index("## Audit") : page.index("## Sums of a span")]
    told = [
        line.split("|")[1].replace("·", " ")
        for line in section.splitlines()
        if line.startswith("| ")
    ]
    assert set(" ".join(told[1:]).split()) == set(CHECKS)


# --- right ledgers -------------------------------------------------------------------


def test_story_has_every_kind() -> None:
    """Those of counters have a story of their own, `counter_story`."""
    kinds = {row.kind for row in story().rows if row.result == Result.OK}
    at_counters = {Kind.COMPLAINT, Kind.REPLY, Kind.BILLS}
    at_counters |= {Kind.HANDED_OUT, Kind.SIGNED_OFF}
    assert kinds == set(Kind) - at_counters


@pytest.mark.parametrize("block_rows", [1, 7, 32_768])
def test_right_ledger_passes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block_rows: int
) -> None:
    monkeypatch.setattr(reader, "BLOCK_ROWS", block_rows)
    s = story()
    report = audit(written(tmp_path, s.groups))
    assert report.findings.kept == []
    assert report.sequence == len(s.rows)
    assert report.accounts == 12
    assert report.holds == 2
    assert report.state_hash == s.images.state_hash()
    assert set(report.checks) == set(CHECKS) - {"live", "figures", "log"}
    assert audit(tmp_path, scope="chain").ok


def test_every_prefix_gives_the_plain_images(tmp_path: Path) -> None:
    """The bulk reading equals the plain one wherever the index stands."""
    s = story()
    write_journal(tmp_path / "j", s.groups)
    for sequence in range(0, len(s.rows) + 1, 5):
        directory = tmp_path / str(sequence)
        directory.mkdir()
        (directory / "journal").symlink_to(tmp_path / "j" / "journal")
        images = images_at(s.groups, sequence)
        write_index(directory, images, sequence)
        report = audit(directory)
        assert report.findings.kept == []
        if sequence:
            short = audit(directory, at=sequence)
            assert short.findings.kept == []
            assert short.state_hash == images.state_hash()


def test_index_may_be_absent_behind_or_ahead(tmp_path: Path) -> None:
    s = story()
    absent = audit(written(tmp_path / "a", s.groups, index=False))
    assert absent.ok
    assert "index" not in absent.checks
    # It is no damage, and there is nothing to do.
    assert absent.notes[0] == (
        "there is no index to compare, and nothing is lost with it: the switch writes "
        "its first step after 131,072 rows (index_step_rows), and keeps newer rows in "
        "memory; nothing is to be done"
    )
    ahead = audit(written(tmp_path / "b", s.groups), at=20)
    assert ahead.ok
    assert "past 20" in ahead.notes[0]


def test_what_a_missing_index_means(tmp_path: Path) -> None:
    s = story()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(auditor, "INDEX_STEP_ROWS", len(s.rows))
        (note, _) = audit(written(tmp_path / "a", s.groups, index=False)).notes
        assert note == (
            "there is no index to compare, and nothing is lost with it; start the "
            "switch, which makes it from the journal, and audit again"
        )
    assert Config().index_step_rows == auditor.INDEX_STEP_ROWS
    # One that is there and cannot be believed is a finding, and no absence.
    directory = written(tmp_path / "b", s.groups)
    with lmdb.open(str(directory / "index"), max_dbs=8) as environment:
        table = environment.open_db(b"meta")
        with environment.begin(write=True) as txn:
            txn.put(b"index", b"x" * 64, db=table)
    report = audit(directory)
    assert report.checks["index"]
    assert report.notes[0] == "the index is not compared: it cannot be read, see index"


def test_a_copy_is_left_as_it_is(tmp_path: Path) -> None:
    written(tmp_path, story().groups)
    for lock in tmp_path.rglob("lock.mdb"):
        lock.unlink()
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    assert audit(tmp_path).ok
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_empty_ledger_passes(tmp_path: Path) -> None:
    write_chunks(tmp_path, [])
    report = audit(tmp_path)
    assert report.ok
    assert report.sequence == 0
    assert as_text(report)


@pytest.mark.parametrize("seed", range(6))
def test_random_right_ledgers_pass(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """Wallets run close to zero, so sums alone do not prove them."""
    monkeypatch.setattr(reader, "BLOCK_ROWS", 64)
    groups = random_groups(seed, 600, 10**9 if seed else 1_000)
    report = audit(written(tmp_path, groups))
    assert report.findings.kept == []
    last = groups[-1][-1].sequence
    assert report.state_hash == images_at(groups, last).state_hash()


# --- wrong bytes ---------------------------------------------------------------------


def flipped(value: bytes, at: int) -> bytes:
    return value[:at] + bytes([value[at] ^ 0x10]) + value[at + 1 :]


def key_with_tail(chunks: dict[int, bytes]) -> int:
    return next(k for k, v in chunks.items() if int.from_bytes(v[12:16], "little"))


@pytest.mark.parametrize("at", [8, 20, 55, 64 + 5, 64 + 40, 64 + 124])
def test_flipped_bits_in_headers_and_rows_are_found(tmp_path: Path, at: int) -> None:
    written(tmp_path, story().groups)
    key = list(read_chunks(tmp_path))[3]
    value = flipped(read_chunks(tmp_path)[key], at)
    change_chunks(tmp_path, {key: value})
    expected = "chunks" if at < 16 else "chain" if at < 64 else "rows"
    found = failed(audit(tmp_path))
    assert expected in found
    if at == 64 + 124:
        assert "chain" in found


def test_every_flipped_bit_of_a_chunk_is_found(tmp_path: Path) -> None:
    written(tmp_path, story().groups)
    chunks = read_chunks(tmp_path)
    key = next(k for k, v in chunks.items() if b"a note" in v)
    for at in range(0, len(chunks[key]), 13):
        change_chunks(tmp_path, {key: flipped(chunks[key], at)})
        found = failed(audit(tmp_path, scope="chain"))
        assert found & {"chunks", "chain", "rows"}, at


def test_a_flipped_bit_in_a_tail_is_found(tmp_path: Path) -> None:
    written(tmp_path, story().groups)
    chunks = read_chunks(tmp_path)
    key = key_with_tail(chunks)
    start = 64 + 128 * int.from_bytes(chunks[key][8:12], "little")
    for at in (start, start + 4, start + 12, len(chunks[key]) - 1):
        change_chunks(tmp_path, {key: flipped(chunks[key], at)})
        assert {"tails", "chain"} <= failed(audit(tmp_path, scope="chain")), at


def test_swapped_chunks_are_found(tmp_path: Path) -> None:
    written(tmp_path, story().groups)
    chunks = read_chunks(tmp_path)
    one, two = list(chunks)[2:4]
    change_chunks(tmp_path, {one: chunks[two], two: chunks[one]})
    assert {"chunks", "chain", "sequence"} <= failed(audit(tmp_path))


def test_a_dropped_chunk_is_found(tmp_path: Path) -> None:
    written(tmp_path, story().groups)
    change_chunks(tmp_path, {list(read_chunks(tmp_path))[4]: None})
    assert {"chain", "sequence"} <= failed(audit(tmp_path))


def test_a_journal_without_its_end_is_found_by_the_index(tmp_path: Path) -> None:
    written(tmp_path, story().groups)
    change_chunks(tmp_path, {list(read_chunks(tmp_path))[-1]: None})
    report = audit(tmp_path)
    assert failed(report) == {"lost"}
    [finding] = report.findings.kept
    assert "the journal ends" in finding.text
    # Both are evidence: nobody is told to delete one.
    assert "keep journal/ and index/" in str(finding)


def test_another_ordinal_is_found(tmp_path: Path) -> None:
    """Chunks were left out of a journal, whose checks were then made right again."""
    groups = story().groups
    write_journal(tmp_path / "all", groups)
    chunks = list(read_chunks(tmp_path / "all").items())
    for at in (0, 4, len(chunks) - 1):
        later, previous = [], chunks[at - 1][1][60:64] if at else bytes(4)
        for ordinal, (key, value) in enumerate(chunks[at:], at + 2):
            head = value[:48] + struct.pack("<Q", ordinal) + previous
            end = 64 + 128 * int.from_bytes(value[8:12], "little")
            checks = b"".join(value[i : i + 4] for i in range(64 + 124, end, 128))
            check = crc32c(head, int.from_bytes(previous, "little"))
            check = crc32c(value[end:], crc32c(checks, check))
            previous = struct.pack("<I", check)
            later.append((key, head + previous + value[64:]))
        write_chunks(tmp_path / str(at), chunks[:at] + later)
        report = audit(tmp_path / str(at))
        assert failed(report) == {"sequence"}
        assert [f.sequence for f in report.findings.kept] == [chunks[at][0]]


def test_an_item_of_another_row_is_found(tmp_path: Path) -> None:
    """Its own bytes are whole; so are zeros, whose check would be zero."""
    groups = story().groups
    write_journal(tmp_path, groups)
    chunks = read_chunks(tmp_path)
    key = key_with_tail(chunks)
    start = 64 + 128 * int.from_bytes(chunks[key][8:12], "little")
    size = int.from_bytes(chunks[key][start : start + 4], "little")
    data = chunks[key][start + 8 : start + 8 + size]
    for item in (tail_item(10**6, data), bytes(len(tail_item(0, data)))):
        value = chunks[key][:start] + item + chunks[key][start + len(item) :]
        change_chunks(tmp_path, {key: value})
        assert "tails" in failed(audit(tmp_path, scope="chain"))


def test_a_damaged_last_header_hides_nothing(tmp_path: Path) -> None:
    written(tmp_path, story().groups, index=False)
    key, value = list(read_chunks(tmp_path).items())[-1]
    for at in (8, 12, 16, 17, 20):
        change_chunks(tmp_path, {key: flipped(value, at)})
        report = audit(tmp_path)
        assert "chunks" in failed(report), at
        assert report.sequence >= key


def test_a_chunk_of_another_ledger_is_found(tmp_path: Path) -> None:
    written(tmp_path, story().groups)
    key, value = list(read_chunks(tmp_path).items())[4]
    change_chunks(tmp_path, {key: flipped(value, 30)})
    assert "chunks" in failed(audit(tmp_path))


@pytest.mark.parametrize("value", [b"", bytes(64), bytes(500)])
def test_a_value_that_is_no_chunk_is_found(tmp_path: Path, value: bytes) -> None:
    written(tmp_path, story().groups)
    change_chunks(tmp_path, {list(read_chunks(tmp_path))[4]: value})
    assert {"chunks", "sequence"} <= failed(audit(tmp_path))


def test_garbage_never_stops_the_audit(tmp_path: Path) -> None:
    """Whatever a row says, the audit ends with findings."""
    written(tmp_path, story().groups)
    rng = random.Random(1)
    for key, value in read_chunks(tmp_path).items():
        count = int.from_bytes(value[8:12], "little")
        noise = bytearray(value)
        for at in range(64, 64 + 128 * count, 128):
            start = at + rng.randrange(0, 120)
            noise[start : start + 8] = rng.randbytes(8)
        change_chunks(tmp_path, {key: bytes(noise)})
    report = audit(tmp_path)
    assert {"rows", "fields"} <= failed(report)
    assert len(as_text(report).splitlines()) < 110


# --- what is compared ----------------------------------------------------------------


def test_a_window_without_lines_has_no_tail(tmp_path: Path) -> None:
    s = Story()
    s.participant(1, Role.TREASURY, b"treasury")
    s.window()
    s.rows[-1].tail = None
    s.commit()
    assert audit(written(tmp_path, s.groups)).findings.kept == []


def explained_at(sequence: int) -> dict[int, dict[tuple[int, int], Any]]:
    """What a right server explains of every account, row by row of the story."""
    found: dict[int, dict[tuple[int, int], Any]] = {}
    rows = story().rows
    for account in range(1, len(images_at(story().groups, sequence).accounts)):
        found[account] = {}
        for row in rows[:sequence]:
            kind, amount = row.kind, row.amount
            if row.result != Result.OK or kind not in (*POSTING, *ENDING, Kind.HOLD):
                continue
            for side, of in ((1, row.debit), (2, row.credit)):
                if of != account:
                    continue
                one = (
                    1,
                    amount if kind in POSTING else 0,
                    amount if kind == Kind.HOLD else 0,
                    rows[row.resolves - 1].amount if kind in ENDING else 0,
                )
                before = found[account].get((kind, side), (0, 0, 0, 0))
                pairs = zip(before, one, strict=True)
                found[account][int(kind), side] = tuple(a + b for a, b in pairs)
    return found


def served(sequence: int) -> Live:
    """What a right server says at a sequence."""
    images = images_at(story().groups, sequence)
    accounts = images.accounts[1:]
    totals = [list(a.values())[:4] for a in accounts]
    return Live(
        as_of=sequence,
        totals=np.array(totals, dtype=np.uint64).reshape(len(accounts), 4),
        kinds=[a["kind"] for a in accounts],
        states=[a["state"] for a in accounts],
        holds_counts=[a["holds_count"] for a in accounts],
        sequence=sequence + 2,
        explained=explained_at(sequence),
        state_hash=images_at(story().groups, sequence + 2).state_hash(),
    )


def wrongly_explained(right: dict[tuple[int, int], Any]) -> Iterator[dict[Any, Any]]:
    """One figure of an account wrong, missing, or of something that never was."""
    key = int(Kind.HOLD), 1
    for at in range(4):
        figures = list(right[key])
        figures[at] += 1
        yield {**right, key: tuple(figures)}
    yield {one: figures for one, figures in right.items() if one != key}
    yield {**right, (int(Kind.SETTLE), 2): (1, 1, 0, 0)}
    yield {**right, (200, 2): (1, 1, 0, 0)}


def test_a_right_server_passes(tmp_path: Path) -> None:
    written(tmp_path, story().groups)
    for sequence in (40, len(story().rows) - 2):
        report = audit(tmp_path, ask=functools.partial(served, sequence))
        assert report.findings.kept == []
        assert report.checks["live"] == 0
    explained = served(sequence).explained
    assert {kind for one in explained.values() for kind, _ in one} == {
        int(one) for one in (*POSTING, *ENDING, Kind.HOLD)
    }
    short = audit(tmp_path, at=30, ask=lambda: served(40))
    assert short.ok
    assert any("server" in note for note in short.notes)


def test_a_wrong_server_is_found(tmp_path: Path) -> None:
    written(tmp_path, story().groups)
    right = served(40)
    totals = right.totals.copy()
    totals[3, 1] += np.uint64(1)
    wrongs = (
        dataclasses.replace(right, totals=totals),
        dataclasses.replace(right, totals=right.totals[:-1]),
        dataclasses.replace(right, states=[2, *right.states[1:]]),
        dataclasses.replace(right, state_hash="00" * 32),
        *(
            dataclasses.replace(right, explained={**right.explained, A: figures})
            for figures in wrongly_explained(right.explained[A])
        ),
    )
    for wrong in wrongs:
        report = audit(tmp_path, ask=functools.partial(dataclasses.replace, wrong))
        assert failed(report) == {"live"}
        assert report.findings.count == 1


# --- the command ---------------------------------------------------------------------


def command(*arguments: object) -> "subprocess.CompletedProcess[str]":
    return forked.run("switch.audit", *map(str, arguments))


def test_command_says_ok(tmp_path: Path) -> None:
    written(tmp_path, story().groups)
    done = command(tmp_path, "--json")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["audit"] == "ok"
    assert said["findings"] == []
    assert said["sequence"] == said["rows"] == len(story().rows)
    assert said["state_hash"] == story().images.state_hash()
    done = command(tmp_path, "--at", 30, "--only", "chain")
    assert done.returncode == 0
    assert done.stdout.splitlines()[-1].startswith("ok: 30 rows")


def test_command_says_what_is_wrong(tmp_path: Path) -> None:
    groups = copied(story().groups)
    payment = next(row for group in groups for row in group if row.receipt == 2)
    payment.receipt = 9
    write_journal(tmp_path, groups)
    done = command(tmp_path)
    assert done.returncode == 1
    assert "receipts: wallet" in done.stdout
    assert done.stdout.splitlines()[-1].startswith("FAILED")
    said = json.loads(command(tmp_path, "--json").stdout)
    assert said["audit"] == "failed"
    assert said["findings"][0]["check"] == "receipts"


def test_command_refuses_what_it_cannot_do(tmp_path: Path) -> None:
    assert command(tmp_path / "nothing").returncode == 3
    assert command().returncode == 2
    written(tmp_path, story().groups)
    assert command(tmp_path, "--at", 10_000).returncode == 2
    assert command(tmp_path, "--live", "localhost:1").returncode == 2


def test_errors_are_of_the_tree(tmp_path: Path) -> None:
    with pytest.raises(StorageError):
        audit(tmp_path)
    written(tmp_path, story().groups)
    with pytest.raises(UsageError):
        audit(tmp_path, at=10_000)


def test_findings_are_bounded(tmp_path: Path) -> None:
    groups = copied(story().groups)
    for group in groups:
        for row in group:
            row.flags |= STATED
    write_journal(tmp_path, groups)
    report = audit(tmp_path)
    paid = {Kind.PAY, Kind.HOLD, Kind.POST, Kind.VOID, Kind.EXPIRE, Kind.REFUND}
    paid |= {Kind.VERIFY}
    others = [row for row in story().rows if row.kind not in paid]
    assert report.checks["fields"] == len(others)
    kept = [f for f in report.findings.kept if f.check == "fields"]
    assert len(kept) == FINDINGS_MAX


def test_the_core_is_never_imported() -> None:
    code = (
        "import sys, switch.audit.__main__\n"
        "assert not [m for m in sys.modules if m.startswith('switch._core')]\n"
        "assert not [m for m in sys.modules if m.split('.')[0] == 'grpc']\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


@pytest.mark.parametrize("dangling", [False, True])
def test_a_link_in_the_place_of_the_lock_file_is_not_followed(
    tmp_path: Path, dangling: bool
) -> None:
    """LMDB writes its table of readers into it."""
    directory = written(tmp_path / "a", story().groups)
    lock, theirs = directory / "journal" / "lock.mdb", tmp_path / "theirs"
    lock.unlink(missing_ok=True)
    if not dangling:
        theirs.write_bytes(b"of others")
    lock.symlink_to(theirs)
    with pytest.raises(StorageError, match=r"lock.mdb is no regular file"):
        audit(directory)
    assert theirs.exists() != dangling
    assert dangling or theirs.read_bytes() == b"of others"
