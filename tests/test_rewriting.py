"""Goal: processes of a run share the work of rewriting assertions, and each finds what
another has made.

Method: three files, of which two of two processes do their shares one after the other,
with a folder of their own to keep things in.
"""

import sys
from pathlib import Path

import pytest
from _pytest.assertion import rewrite

from tests import rewriting

TEXT = "def test_one():\n    assert [1] == [2]\n"


def kept(path: Path) -> Path:
    return rewrite.get_cache_dir(path) / (path.stem + rewrite.PYC_TAIL)


def test_each_rewrites_its_share_and_finds_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    monkeypatch.setattr(sys, "pycache_prefix", str(tmp_path / "kept"))
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    names = ("conftest.py", "test_a.py", "test_broken.py", "test_c.py")
    for name in (*names, "helper.py"):
        (tmp_path / name).write_text("def (" if "broken" in name else TEXT)
    config = request.config
    monkeypatch.setattr(config, "args", [f"{tmp_path}::test_one"])
    files = rewriting.files_of(config)
    assert [path.name for path in files] == list(names)

    monkeypatch.setenv("PYTEST_XDIST_WORKER", "gw1")
    monkeypatch.setenv("PYTEST_XDIST_WORKER_COUNT", "2")
    rewriting.share_work(config)
    assert [kept(path).exists() for path in files] == [False, True, False, True]
    monkeypatch.setenv("PYTEST_XDIST_WORKER", "gw0")
    rewriting.share_work(config)
    # What cannot be read is left to who reads it.
    assert [kept(path).exists() for path in files] == [True, True, False, True]

    before = [kept(path).stat().st_mtime_ns for path in (files[1], files[3])]
    rewriting.rewrite_share(config, [files[1]])
    assert kept(files[1]).stat().st_mtime_ns == before[0]
    for path in (files[0], files[1], files[3]):
        code = rewrite._read_pyc(path, kept(path))
        assert code is not None
        # Rewritten: it says what was compared.
        assert "@pytest_ar" in code.co_names
    # What has changed since is another text.
    files[3].write_text(TEXT + "\n\n" + TEXT)
    rewriting.rewrite_share(config, [files[3]])
    assert kept(files[3]).stat().st_mtime_ns > before[1]


def test_nothing_is_kept_where_nothing_may_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    monkeypatch.setattr(sys, "pycache_prefix", str(tmp_path / "kept"))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    path = tmp_path / "test_a.py"
    path.write_text(TEXT)
    rewriting.rewrite_share(request.config, [path])
    assert not (tmp_path / "kept").exists()
