"""Assertions are rewritten once, by whichever of the processes of a run comes to it.

pytest rewrites the assertions of each file that it reads, and keeps what comes of it.
In a fresh clone nothing is kept yet: processes that begin together, and read all files
in one order, each rewrote all of them, which took each sixteen seconds. Here each
rewrites a share before it reads any; the rest it then finds, but for what another one
is at.

Uses what pytest calls its own, as pytest has no other word for it.
"""

import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from _pytest.assertion import rewrite

NAMES = ("test_*.py", "conftest.py")
"""Files whose assertions pytest rewrites without being told."""


def files_of(config: pytest.Config) -> list[Path]:
    """The files below what pytest was asked for, in one order everywhere."""
    return sorted(set(_files_of(config)))


def _files_of(config: pytest.Config) -> Iterator[Path]:
    for asked in config.args:
        path = config.invocation_params.dir / asked.partition("::")[0]
        if path.is_file():
            yield path
        for name in NAMES:
            yield from path.rglob(name)


def rewrite_share(config: pytest.Config, files: Sequence[Path]) -> None:
    """Rewrite those of `files` that nobody has."""
    if sys.dont_write_bytecode or rewrite.assertstate_key not in config.stash:
        return
    state = config.stash[rewrite.assertstate_key]
    for path in files:
        folder = rewrite.get_cache_dir(path)
        if not rewrite.try_makedirs(folder):
            return
        kept = folder / (path.stem + rewrite.PYC_TAIL)
        if rewrite._read_pyc(path, kept) is None:
            try:
                found, code = rewrite._rewrite_test(path, config)
            except SyntaxError:
                continue  # it is said where the file is read
            rewrite._write_pyc(state, code, found, kept)


def share_work(config: pytest.Config) -> None:
    """In one of several processes: rewrite its share."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "")
    if worker:
        count = int(os.environ["PYTEST_XDIST_WORKER_COUNT"])
        rewrite_share(config, files_of(config)[int(worker.removeprefix("gw")) :: count])
