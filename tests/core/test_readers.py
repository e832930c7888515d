"""Goal: however many others read, the ledger goes on; only a read can be told to wait.

Method: another process takes every reader of both environments that is left and sits on
it. Meanwhile groups are committed and the index takes its steps; a read of ours is
refused and kills nothing, and once the other is gone it is answered.
"""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from switch._core import Ledger
from switch.errors import StorageError
from tests.core.network import NOW, make_network, top_up
from tests.core.pair import rows_request

STEP_ROWS = 16
OPTIONS: dict[str, Any] = {
    "threads": False,
    "reserve_size": 0,
    "index_step_rows": STEP_ROWS,
}
GROUPS = 60
SITTER = """
import sys
import lmdb

kept = []
for name in ("journal", "index"):
    env = lmdb.open(f"{sys.argv[1]}/{name}", map_size=0, readonly=True, max_readers=254)
    try:
        while True:
            kept.append(env.begin())
    except lmdb.ReadersFullError:
        kept.append(env)
print(len(kept), flush=True)
sys.stdin.read()
"""


def test_a_writer_keeps_its_readers_for_life(tmp_path: Path) -> None:
    network = make_network()
    path = tmp_path / "ledger"
    with Ledger(str(path), **OPTIONS) as ledger:
        ledger.commit([rows_request(network.rows)], NOW)
        assert ledger.index_sequence == 0, "no step has been taken yet"
        command = [sys.executable, "-c", SITTER, str(path)]
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as sitter:
            assert sitter.stdout is not None
            assert int(sitter.stdout.readline()) > 400
            for group in range(GROUPS):
                rows = [top_up(network, network.wallets[0], 7, b"UTR %d" % group)]
                [outcomes] = ledger.commit([rows_request(rows)], NOW)
                assert not isinstance(outcomes, bytes)
                assert outcomes["result"].tolist() == [1]
                ledger.index_step()
            assert ledger.index_sequence > ledger.sequence - STEP_ROWS
            with pytest.raises(StorageError, match="READERS_FULL"):
                ledger.find(network.treasury, rows[0].id)
            sitter.communicate()
        assert ledger.dead == ""
        assert ledger.find(network.treasury, rows[0].id) == ledger.sequence
