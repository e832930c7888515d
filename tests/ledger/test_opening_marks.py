"""Goal: a mark is on the disk before what it speaks of begins, and what it speaks of is
on the disk before the mark goes.

Method: every sync, removal and renaming that an opening asks for is written down, and
when the core is called; the order is compared with what it must be.
"""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

from switch._core import Ledger
from switch.ledger import opening
from switch.ledger.opening import DAMAGED, open_ledger
from tests.ledger.test_opening import OPTIONS, fill

BEGIN: Final = ["sync OPENING", "sync ."]
NAMES: Final = ["sync journal", "sync index", "sync .", "sync .."]
"""Of files that the core has made: before any mark goes."""
END: Final = ["unlink OPENING", "sync ."]


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is done to the ledger in `tmp_path / "ledger"`, in order."""
    told: list[str] = []
    directory = tmp_path / "ledger"

    def record(name: str, of: Callable[..., str]) -> None:
        call: Callable[..., Any] = getattr(os, name)

        def recorded(*args: Any, **more: Any) -> Any:
            done = call(*args, **more)
            told.append(of(*args))
            return done

        monkeypatch.setattr(os, name, recorded)

    def relative(path: Any) -> str:
        return os.path.relpath(path, directory)

    def ledger(path: str, **given: Any) -> Ledger:
        told.append(
            "open " + " ".join(sorted(entry.name for entry in directory.iterdir()))
        )
        return Ledger(path, **given)

    record(
        "fsync", lambda file: "sync " + relative(os.readlink(f"/proc/self/fd/{file}"))
    )
    record("unlink", lambda path: "unlink " + relative(path))
    record("rename", lambda old, new: f"rename {relative(old)} {relative(new)}")
    monkeypatch.setattr(opening, "Ledger", ledger)
    return told


def test_a_new_ledger_is_marked_before_a_file_of_it_is_made(
    tmp_path: Path, calls: list[str]
) -> None:
    open_ledger(tmp_path / "ledger", **OPTIONS).close()
    new = ["sync ..", "sync NEW", "sync ."]
    # The core syncs its first commit by itself.
    opened = ["open LOCK NEW OPENING", *NAMES]
    assert calls == [*new, *BEGIN, *opened, *END, "unlink NEW", "sync ."]


def test_a_damaged_index_is_out_of_the_way_before_its_mark_goes(
    tmp_path: Path, calls: list[str]
) -> None:
    directory = tmp_path / "ledger"
    fill(directory)
    (directory / DAMAGED).touch()
    calls.clear()
    open_ledger(directory, **OPTIONS).close()
    asked = [*BEGIN, *END]
    aside = ["rename index index.aside", "sync .", f"unlink {DAMAGED}", "sync ."]
    opened = ["open LOCK OPENING index.aside journal", *NAMES]
    assert calls == [*asked, *aside, *BEGIN, *opened, *END]


def test_one_that_is_not_kept_is_deleted_before_its_mark_goes(
    tmp_path: Path, calls: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = tmp_path / "ledger"
    fill(directory)
    (directory / DAMAGED).touch()
    usage = shutil.disk_usage(directory)
    full = type(usage)(usage.total, usage.used, 1 << 20)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: full)
    calls.clear()
    open_ledger(directory, **OPTIONS).close()
    gone = ["unlink index/data.mdb", "unlink index/lock.mdb", "sync index"]
    opened = ["open LOCK OPENING index journal", *NAMES]
    asked = [*BEGIN, *END]
    mark = [f"unlink {DAMAGED}", "sync ."]
    assert calls == [*asked, *gone, *mark, *BEGIN, *opened, *END]
