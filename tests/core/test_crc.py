"""Goal: checks are CRC-32C, with the processor's instruction and without it.

Method: published vectors and another library's results, for both ways of computing
them. Then a ledger of random requests that is written without the instruction, in a
process of its own, equals the model; each way opens what the other wrote, and finds
every row, tail, balance and look-up in journal and index as the model has them.
"""

import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from switch import _core
from switch._core import Ledger
from switch.audit import crc as library
from tests.core.generator import Generator
from tests.core.network import NOW, make_network, top_up
from tests.core.pair import Pair
from tests.model import Rows

ROOT = Path(__file__).resolve().parent.parent.parent
GROUPS = 120
SEED = 21
BOTH = [_core.crc32c, _core.crc32c_portable]
VECTORS = [
    # RFC 3720, B.4, and the usual check value.
    (bytes(32), 0x8A9136AA),
    (b"\xff" * 32, 0x62A8AB43),
    (bytes(range(32)), 0x46DD794E),
    (bytes(reversed(range(32))), 0x113FDB5C),
    (
        bytes.fromhex(
            "01c00000000000000000000000000000140000000000040000000014"
            "0000001828000000000000000200000000000000"
        ),
        0xD9963A56,
    ),
    (b"123456789", 0xE3069283),
    (b"", 0),
]
Crc = Callable[[Any, int], int]


@pytest.mark.parametrize("crc", BOTH)
@pytest.mark.parametrize(("data", "expected"), VECTORS)
def test_published_vectors(crc: Crc, data: bytes, expected: int) -> None:
    assert crc(data, 0) == expected


@pytest.mark.parametrize("crc", BOTH)
def test_any_length_place_and_seed(crc: Crc) -> None:
    rng = random.Random(3)
    data = rng.randbytes(300)
    for size in range(270):
        start = size % 17
        piece = data[start : start + size]
        seed = rng.choice((0, 1, 2**32 - 1, rng.getrandbits(32)))
        assert crc(memoryview(data)[start : start + size], seed) == library.crc32c(
            piece, seed
        )
        cut = rng.randrange(len(piece) + 1)
        assert crc(piece[cut:], crc(piece[:cut], seed)) == crc(piece, seed)


# --- a whole ledger -------------------------------------------------------------------


def fill(path: Path) -> Pair:
    """A ledger and its model after the same random groups; every step is indexed."""
    network = make_network()
    pair = Pair(path, threads=False, index_step_rows=16)
    pair.commit([Rows(network.rows)], NOW)
    for wallet in network.wallets:
        pair.one(top_up(network, wallet, 10**8, b"UTR-FIRST-%d" % wallet), NOW)
    generator = Generator(SEED, network, pair.model)
    for _ in range(GROUPS):
        asks, now = generator.group()
        pair.commit(asks, now)
        while pair.ledger.index_step():
            pass
    return pair


def check(pair: Pair, path: Path) -> None:
    """The ledger at `path`, opened with and without its index, is as the model says."""
    pair.ledger.close()
    for without_index in (False, True):
        if without_index:
            shutil.rmtree(path / "index")
        options = {**pair.options, "create": False}
        with Ledger(str(path), **options) as pair.ledger:
            assert max(pair.ledger.info()["ids_runs"][2:]) > 0
            pair.compare_rows(1)
            pair.compare_all(range(1, len(pair.model.rows) + 1))


def write_and_check(own: Path, other: Path) -> None:
    """What the process without the instruction does."""
    assert _core.CRC_PORTABLE
    pair = fill(own)
    check(pair, other)


def test_a_ledger_without_the_instruction(tmp_path: Path) -> None:
    if _core.CRC_PORTABLE:
        pytest.skip("this processor has no instruction for it")
    pair = fill(tmp_path / "own")
    pair.ledger.close()
    shutil.copytree(tmp_path / "own", tmp_path / "copy")
    code = (
        "import sys; from pathlib import Path; import tests.conftest;"
        "from tests.core.test_crc import write_and_check;"
        "write_and_check(*map(Path, sys.argv[1:]))"
    )
    subprocess.run(
        [sys.executable, "-c", code, tmp_path / "portable", tmp_path / "copy"],
        cwd=ROOT,
        env={**os.environ, "SWITCH_TEST_PORTABLE": "1"},
        check=True,
    )
    check(pair, tmp_path / "portable")
