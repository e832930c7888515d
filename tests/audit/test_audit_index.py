"""Goal: an index that is right passes the audit, and every wrong in it is found.

Method: the story's index is written by the independent writer as of some row, with
values that are damaged, older, of another place, missing or not those it lists; its
own checks are made right again wherever the value itself is to be judged.
"""

import struct
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from switch.audit import audit
from switch.audit.crc import crc32c
from switch.audit.index import parse_meta
from switch.codes import Kind
from tests.audit.journal_story import (
    X0,
    A,
    failed,
)
from tests.audit.journal_writer import (
    UNVERIFIED,
    Groups,
    Images,
    change_index,
    open_index,
    write_index,
    write_journal,
)
from tests.audit.test_audit import flipped
from tests.audit.told_story import (
    images_at,
    story,
    written,
)

ACCOUNT_FIELDS = tuple(name for name in story().images.accounts[1])


@pytest.mark.parametrize("name", ACCOUNT_FIELDS)
def test_a_wrong_field_of_a_segment_is_found(tmp_path: Path, name: str) -> None:
    s = story()
    write_journal(tmp_path, s.groups)
    images = images_at(s.groups, 40)
    images.accounts[X0][name] ^= 1
    write_index(tmp_path, images, 40)
    report = audit(tmp_path)
    assert failed(report) == {"index"}
    assert [f.sequence for f in report.findings.kept] == [40]
    assert f"account {X0}: {name} " in report.findings.kept[0].text


def index_findings(directory: Path) -> list[str]:
    """What is found, all of it in the index."""
    report = audit(directory)
    assert failed(report) == {"index"}
    return [finding.text for finding in report.findings.kept]


def test_wrong_segments_are_found(tmp_path: Path) -> None:
    s = story()
    images, old = images_at(s.groups, 60), images_at(s.groups, 30)
    right = images.segment(0, 60)
    for name, segments, text in (
        ("damaged", {0: flipped(right, 5_000)}, "check"),
        ("short", {0: right[:-1]}, "bytes"),
        ("magic", {0: flipped(right, 0)}, "begin"),
        ("stale", {0: old.segment(0, 30)}, f"account {A}: debits_posted"),
        ("later", {0: images.segment(0, 61)}, "after the index"),
        ("missing", {}, "missing"),
    ):
        write_journal(tmp_path / name, s.groups)
        write_index(tmp_path / name, images, 60, segments)
        assert any(text in found for found in index_findings(tmp_path / name)), name


def test_segments_may_stand_behind_the_index(tmp_path: Path) -> None:
    """Within the steps that the index admits; each is compared where it stands."""
    s = story()
    images = images_at(s.groups, 60)
    for behind, at, wrong in ((20, 40, False), (30, 40, False), (10, 40, True)):
        path = tmp_path / f"{behind}-{at}"
        write_journal(path, s.groups)
        segments = {0: images_at(s.groups, at).segment(0, at)}
        write_index(path, images, 60, segments, behind)
        report = audit(path)
        assert failed(report) == ({"index"} if wrong else set())
        assert {f.sequence for f in report.findings.kept} == ({50} if wrong else set())
    # One that is wrong where it stands.
    damaged = images_at(s.groups, 40)
    damaged.accounts[X0]["debits_posted"] ^= 1
    write_journal(tmp_path / "damaged", s.groups)
    segments = {0: damaged.segment(0, 40)}
    write_index(tmp_path / "damaged", images, 60, segments, 20)
    report = audit(tmp_path / "damaged")
    assert [f.sequence for f in report.findings.kept] == [40]


def holds_change(groups: Groups, last: int) -> tuple[int, int]:
    """The last row up to `last` that opens or ends a hold, and that hold."""
    now = images_at(groups, last).holds.keys()
    for sequence in range(last - 1, 0, -1):
        changed = now ^ images_at(groups, sequence).holds.keys()
        if changed:
            return sequence + 1, changed.pop()
    raise AssertionError("there is no hold")


def test_pieces_of_holds_may_stand_behind_the_index(tmp_path: Path) -> None:
    """Each is compared where it stands; one that was never written is empty."""
    s = story()
    last = s.rows[-1].sequence
    images = images_at(s.groups, last)
    changed, hold = holds_change(s.groups, last)
    at, number = changed - 1, hold % 64
    old = images_at(s.groups, at).piece(number, at)
    for behind in (last - at, last - at + 1, last - at - 1):
        path = tmp_path / str(behind)
        write_journal(path, s.groups)
        holds = {n: images.piece(n, last) for n in range(64)} | {number: old}
        write_index(path, images, last, behind=behind, holds=holds)
        assert failed(audit(path)) == (set() if behind >= last - at else {"index"})
    # Nothing of it is stored: right where no hold was open yet, wrong where one was.
    first = next(n for n in range(1, last) if images_at(s.groups, n).holds)
    for behind in (last - first + 1, last - first):
        path = tmp_path / f"never {behind}"
        write_journal(path, s.groups)
        write_index(path, images, last, behind=behind, holds={})
        found = audit(path).findings.kept
        assert [f.sequence for f in found] == (
            [first] if behind == last - first else []
        )


def test_wrong_pieces_of_holds_are_found(tmp_path: Path) -> None:
    s = story()
    images = images_at(s.groups, 39)
    hold = next(iter(images.holds))
    number = hold % 64
    right = {n: images.piece(n, 39) for n in range(64)}
    elsewhere = Images(holds={hold + 64 - number: 5})
    twice = images.piece(number, 39)
    body = struct.pack("<2IQI", 0x31444C48, number, 39, 2)
    pair = twice[24:] * 2
    twice = body + struct.pack("<I", crc32c(pair, crc32c(body))) + pair
    moved = bytearray(elsewhere.piece(0, 39))
    moved[4:8] = struct.pack("<I", number)
    moved[20:24] = struct.pack("<I", crc32c(moved[24:], crc32c(moved[:20])))
    for name, piece, text in (
        ("damaged", flipped(right[number], 25), "check"),
        ("head", right[number][:20], "less than a head"),
        ("short", right[number][:-1], "bytes"),
        ("magic", flipped(right[number], 0), "begin"),
        ("later", images.piece(number, 40), "after the index"),
        ("another's", bytes(moved), "of another piece"),
        ("twice", twice, "twice"),
    ):
        write_journal(tmp_path / name, s.groups)
        write_index(tmp_path / name, images, 39, holds=right | {number: piece})
        assert any(text in found for found in index_findings(tmp_path / name)), name


def keep(value: bytes | None, _: bytes) -> bytes | None:
    """The value itself, whatever was there."""
    return value


def test_what_the_index_lists_is_what_it_stores(tmp_path: Path) -> None:
    """Values that are whole and right, but older than what it lists, or not listed."""
    s = story()
    images = images_at(s.groups, 39)
    hold = next(iter(images.holds))
    key = (hold % 64).to_bytes(4, "big")
    changes: dict[str, tuple[str, bytes, bytes | None]] = {
        "it is of 30": ("segments", bytes(4), images_at(s.groups, 30).segment(0, 30)),
        "its check is not": (
            "segments",
            bytes(4),
            images_at(s.groups, 30).segment(0, 39),
        ),
        "segment 0 is missing": ("segments", bytes(4), None),
        "it is of 29": ("holds", key, images.piece(hold % 64, 29)),
        "is missing or damaged": ("holds", key, None),
        "it counts 9 records 0: 8": ("records", struct.pack(">BI", 0, 3), None),
        "its records 2 have another sum": (
            "records",
            struct.pack(">BI", 2, 1),
            bytes(8),
        ),
    }
    for text, (table, name, value) in changes.items():
        path = tmp_path / text
        write_journal(path, s.groups)
        write_index(path, images, 39, behind=20)
        change_index(path, table, name, partial(keep, value))
        assert any(text in found for found in index_findings(path)), text


def test_what_an_index_says_of_itself_is_compared(tmp_path: Path) -> None:
    s = story()
    images = images_at(s.groups, 60)
    for text, at in {
        "begin as it should": 0,
        "format": 4,
        "another ledger's": 8,
        "it is as of": 48,
        "records 0": 104,
        "its records 1 have another sum": 240,
        "accounts": 360,
        "not what it counts": 364,
        "bytes, and not": 376,
    }.items():
        path = tmp_path / text
        write_journal(path, s.groups)
        write_index(path, images, 60)
        change_index(path, "meta", b"index", partial(flipped, at=at))
        assert any(text in found for found in index_findings(path)), text


def test_an_index_of_another_past_is_found(tmp_path: Path) -> None:
    """All that it holds is right, but the journal's chunk there is another."""
    written(tmp_path, story().groups)
    change_index(tmp_path, "meta", b"index", partial(flipped, at=380))
    report = audit(tmp_path)
    assert failed(report) == {"lost"}
    assert "another chunk" in report.findings.kept[0].text


def test_an_index_of_an_older_transaction_is_found(tmp_path: Path) -> None:
    """What it says of itself is whole, but not what was written last."""
    written(tmp_path, story().groups)
    with open_index(tmp_path) as env:
        records = env.open_db(b"records")
        with env.begin(write=True) as txn:
            key = struct.pack(">BI", 0, 1)
            txn.put(key, bytes(txn.get(key, db=records) or b""), db=records)
            txn.put(key, bytes(txn.get(key, db=records) or b""))
    assert "it is of transaction" in index_findings(tmp_path)[0]


def test_every_flipped_byte_of_what_an_index_says_of_itself_is_found(
    tmp_path: Path,
) -> None:
    s = story()
    write_journal(tmp_path, s.groups)
    write_index(tmp_path, images_at(s.groups, 60), 60)
    with open_index(tmp_path) as env:
        meta = env.open_db(b"meta")
        with env.begin() as txn:
            whole = bytes(txn.get(b"index", db=meta) or b"")
    assert len(whole) == 400 + 8 + 64 * 8
    for at in range(0, len(whole), 5):
        assert isinstance(parse_meta(flipped(whole, at)), str), at
    assert isinstance(parse_meta(whole[:383]), str)
    assert not isinstance(parse_meta(whole), str)


def test_wrong_holds_records_and_windows_of_the_index_are_found(
    tmp_path: Path,
) -> None:
    s = story()
    open_hold = next(iter(images_at(s.groups, 39).holds))
    changes: dict[str, Callable[[Images], object]] = {
        "is not open": lambda images: images.holds.update({3: 4}),
        "is open": lambda images: images.holds.pop(open_hold),
        "is due": lambda images: images.holds.update({open_hold: 4}),
        "is due at 18446744073709551613": lambda images: images.holds.update(
            {open_hold: UNVERIFIED}
        ),
        "record 1 number 2": lambda images: images.records.update({(1, 2): 4}),
        "record 0 number 9": lambda images: images.records.pop((0, 9)),
        "last window": lambda images: setattr(images, "window", 7),
    }
    for text, change in changes.items():
        images = images_at(s.groups, 39)
        change(images)
        write_journal(tmp_path / text, s.groups)
        write_index(tmp_path / text, images, 39)
        assert any(text in found for found in index_findings(tmp_path / text)), text


def test_wrong_unverified_holds_of_the_index_are_found(tmp_path: Path) -> None:
    """An expiry leaves its hold listed, until a row says what became of it."""
    s = story()
    expiry = next(row for row in s.rows if row.kind == Kind.EXPIRE)
    at, hold = expiry.sequence, expiry.resolves
    assert images_at(s.groups, at).holds[hold] == UNVERIFIED
    changes: dict[str, Callable[[Images], object]] = {
        "which is unverified": lambda images: images.holds.pop(hold),
        "is due at 4": lambda images: images.holds.update({hold: 4}),
        "which is not open and not unverified": lambda images: images.holds.update(
            {4: UNVERIFIED}
        ),
    }
    for text, change in changes.items():
        images = images_at(s.groups, at)
        change(images)
        write_journal(tmp_path / text, s.groups)
        write_index(tmp_path / text, images, at)
        assert any(text in found for found in index_findings(tmp_path / text)), text


@pytest.mark.parametrize("name", ["kept_amount", "kept_count", "cases_count"])
def test_counters_of_what_people_look_at_are_counted(tmp_path: Path, name: str) -> None:
    """One more, and one less, than the rows give: at each row that changes it."""
    s = story()
    write_journal(tmp_path / "j", s.groups)
    before, seen = 0, 0
    for row in s.rows:
        images = images_at(s.groups, row.sequence)
        if len(images.accounts) <= A or images.accounts[A][name] == before:
            continue
        before, seen = images.accounts[A][name], seen + 1
        for more in (1, -1):
            images = images_at(s.groups, row.sequence)
            images.accounts[A][name] = max(before + more, 0) or before + 2
            path = tmp_path / f"{row.sequence} {more}"
            path.mkdir()
            (path / "journal").symlink_to(tmp_path / "j" / "journal")
            write_index(path, images, row.sequence)
            [found] = index_findings(path)
            assert found.startswith(f"account {A}: {name} is ")
    assert seen > 3
