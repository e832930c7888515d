"""Goal: what the fuzz targets begin with, and what they found once, shows nothing.

Method: each target (`tests/fuzz`) is built with gcc's sanitizers, reads its corpus
(`seeds.py`) and some thousand inputs that are made of it by chance, the same each time.
What the decoder of payments takes is held against the generated classes as well.
"""

import random
import re
import subprocess
from pathlib import Path

import pytest

from tests.core.wire_compare import compare
from tests.fuzz import camt, seeds

ROOT = Path(__file__).resolve().parents[2]
COMPILED = sorted({*seeds.TARGETS} - {"camt"})
RUNS = {"tls": 100, "framing": 1_000, "http2": 1_000}
"""Inputs made of the corpus; of the targets that are not named, more."""
RUNS_USUAL = 5_000
REACHED = {
    # What a corpus must have come to, by what its target says.
    "chunks": r"([0-9]+) chunks taken",
    "framing": r" ([0-9]+) messages in",
    "http2": r" ([0-9]+) given",
    "tls": r" ([0-9]+) calls,",
    "wire": r"([0-9]+) written anew",
}
LEAST = 8


def corpus(target: str, folder: Path) -> Path:
    """The corpus of a target, written out."""
    for name, content in (*seeds.TARGETS[target](), *seeds.found(target)):
        (folder / name).write_bytes(content)
    return folder


@pytest.mark.parametrize("target", COMPILED)
def test_a_corpus_shows_nothing(target: str, tmp_path: Path) -> None:
    program = ROOT / "build" / "fuzz" / target
    subprocess.run(["make", "-s", f"build/fuzz/{target}"], cwd=ROOT, check=True)
    runs = str(RUNS.get(target, RUNS_USUAL))
    done = subprocess.run(
        [program, "-runs", runs, "1", corpus(target, tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr[-4_000:]
    assert f"{len([*tmp_path.iterdir()])} files, {runs} runs" in done.stdout
    if pattern := REACHED.get(target):
        (reached,) = re.findall(pattern, done.stdout)
        assert int(reached) >= LEAST


def test_seeds_are_the_same_each_time_and_few() -> None:
    for target, make in seeds.TARGETS.items():
        made = dict(make())
        assert made == dict(make())
        assert sum(map(len, made.values())) < 24 << 10, target


def test_payments_of_the_corpus_are_read_as_others_read_them() -> None:
    for _, body in (*seeds.wire_seeds(), *seeds.found("wire")):
        compare(body)


def test_statements_of_the_corpus_hold() -> None:
    files = [content for _, content in camt.seeds()]
    assert all(map(camt.run, files))
    rng = random.Random(1)
    taken = sum(camt.run(camt.changed(rng.choice(files), rng)) for _ in range(4_000))
    assert taken > 50
