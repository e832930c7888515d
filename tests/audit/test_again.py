"""Goal: an audit that goes on from a beginning that was judged before (`again.py`) says
what one of the whole journal says.

Method: forgeries of every file are audited both ways, one behind the other, and the
reports are compared whole, each finding with its row and its text.
"""

import dataclasses
from pathlib import Path

import pytest

from switch.audit import Report, audit
from tests.audit import again
from tests.audit.journal_writer import change_chunks, copied, read_chunks
from tests.audit.test_audit_bills import PAIRS as BILLS
from tests.audit.test_audit_changes import CHANGES
from tests.audit.test_audit_forgeries import PAIRS, Tell
from tests.audit.test_audit_prices import PAIRS as PRICES
from tests.audit.told_story import going_on, story, written

EACH = 17
"""Of so many forgeries one is looked at here."""


def told(report: Report) -> dict[str, object]:
    """All that a report says but where and how fast."""
    return {
        field.name: getattr(report, field.name)
        for field in dataclasses.fields(report)
        if field.name not in ("path", "seconds")
    }


def both(path: Path, kept: again.Kept) -> Report:
    """The report of a journal, after it was made in both ways."""
    report = again.audit(path, kept=kept)
    assert str(told(report)) == str(told(audit(path)))
    return report


def tells() -> list[Tell]:
    """Forgeries and their twins."""
    pairs = [*PAIRS.values(), *BILLS.values(), *PRICES.values()][::EACH]
    return [tell for _, right, forged in pairs for tell in (right, forged)]


@pytest.fixture
def kept(tmp_path: Path) -> again.Kept:
    """What is known after two journals that begin with the story."""
    kept = again.Kept()
    for name in ("one", "two"):
        s = going_on()
        s.pay(4, 1, 1_000, f"BILL-{name}")
        s.commit()
        assert again.audit(written(tmp_path / name, s.groups), kept=kept).ok
    assert len(kept.beginnings) == 1
    assert len(kept.beginnings[0].chunks) == len(story().groups)
    return kept


def test_both_ways_say_the_same(tmp_path: Path, kept: again.Kept) -> None:
    found = []
    for number, tell in enumerate(tells()):
        s = going_on()
        tell(s)
        if s.group:
            s.commit()
        found.append(both(written(tmp_path / str(number), s.groups), kept).ok)
    assert kept.used == len(found) > 10
    assert True in found
    assert False in found


def test_what_is_changed_within_the_beginning_is_found(
    tmp_path: Path, kept: again.Kept
) -> None:
    """It is then no beginning that is known."""
    for number, (_, change) in enumerate([*CHANGES.values()][::EACH]):
        groups = copied(story().groups)
        change(groups)
        path = written(tmp_path / str(number), groups, index=False)
        assert not both(path, kept).ok


def test_one_bit_of_the_beginning_counts(tmp_path: Path, kept: again.Kept) -> None:
    s = going_on()
    s.pay(4, 1, 1_000, "BILL-90")
    s.commit()
    path = written(tmp_path / "bit", s.groups)
    chunks = read_chunks(path)
    first = sorted(chunks)[3]
    value = bytearray(chunks[first])
    value[64 + 40] ^= 1
    change_chunks(path, {first: bytes(value)})
    assert not both(path, kept).ok


def test_a_shorter_audit_is_one(tmp_path: Path, kept: again.Kept) -> None:
    """It ends, or compares something, before the beginning does."""
    s = going_on()
    s.pay(4, 1, 1_000, "BILL-90")
    s.commit()
    path = written(tmp_path / "short", s.groups)
    last = s.rows[-1].sequence
    for at in (1, 20, last - 1, last):
        ways = again.audit(path, at=at, kept=kept), audit(path, at=at)
        assert str(told(ways[0])) == str(told(ways[1]))
