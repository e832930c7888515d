"""Goal: ids that share their first half are as good as any; the index finds each.

Method: thousands of payments whose ids differ in the last bytes only, with tiny index
steps so that most keys lie in runs of several levels; each is found, sent again, and
gets its own answer.
"""

from pathlib import Path

import numpy as np

from benchmarks.network import make_network, payment_rows
from switch import _core as core

ROWS = 4_000
NOW = 1_774_000_000 * 10**9


def test_ids_with_one_first_half_are_found(tmp_path: Path) -> None:
    with core.Ledger(
        str(tmp_path),
        map_size=1 << 34,
        reserve_size=0,
        index_step_rows=256,
        threads=False,
    ) as ledger:
        harness, first = make_network(ledger, centres=20)
        wallets = np.arange(first, first + 20, dtype=np.uint32)
        rows = payment_rows(
            np.random.default_rng(1), 1, ROWS, "random", harness, wallets
        )
        rows["id"][:, :14] = 7
        rows["id"][:, 14] = np.arange(ROWS) >> 8
        rows["id"][:, 15] = np.arange(ROWS) & 0xFF
        done = np.asarray(ledger.commit([core.Request.rows(rows)], NOW)[0])
        assert (done["result"] == 1).all()
        while ledger.index_step():
            pass
        assert sum(ledger.info()["ids_runs"][1:]) > 0
        again = np.asarray(ledger.commit([core.Request.rows(rows)], NOW)[0])
        assert again["repeat"].all()
        assert (again["sequence"] == done["sequence"]).all()
        for place in (0, 1, 255, 256, 1_999, ROWS - 1):
            id_ = rows["id"][place].tobytes()
            assert ledger.find(harness, id_) == done["sequence"][place]
        assert ledger.find(harness, b"\7" * 14 + b"\xff\xff") == 0
