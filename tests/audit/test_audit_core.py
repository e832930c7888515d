"""Goal: what the compiled core writes passes the audit, also while it is writing.

Method: a process of its own drives the core with the seeded generator of the core's
tests, every row kind and refusal among it, amounts up to 64 bits, and behind that what
is recalled, and what is done and complained of at counters; the auditor reads the
directory from another process, during and after.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import forked
from tests.core.generator import BEFORE_THE_CORE

WRITER = """
import random, sys
from pathlib import Path
from switch.codes import Kind, Result
from tests.core.generator import Generator
from tests.core.network import NOW, make_network, top_up
from tests.core.pair import Pair
from tests.longer import turns
from tests.model import Rows
from tests.office import Office

path, seed, count = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
network = make_network()
pair = Pair(path, threads=False, index_step_rows=64)
funds = [
    top_up(network, wallet, 100_000_000, b"UTR-FIRST-%d" % wallet)
    for wallet in network.wallets
]
if sys.argv[4] == "people":
    Office(pair.model, pair.commit, NOW).have_built([*network.rows, *funds])
else:
    pair.commit([Rows([*network.rows, *funds])], NOW)
generator = Generator(seed, network, pair.model)
rng = random.Random(seed)
print("begun", flush=True)
def enough():
    # Something is kept, and something was given back unverified, when it ends.
    there = pair.ledger.kept_count and pair.ledger.unverified_count
    return there and pair.operations >= count
for _ in turns(count // 100, enough):
    asks, now = generator.group()
    pair.commit(asks, now)
    while rng.randrange(3) == 0 and pair.ledger.index_step():
        pass
generator.begin_recalls(seed)
def is_recalled():
    return any(
        row.result == Result.OK and pair.model.is_recall(row)
        for row in pair.model.rows
        if row.kind == Kind.TRANSFER
    )
while pair.operations < count + 1_000 or (
    pair.operations < count + 8_000 and not is_recalled()
):
    pair.commit(*generator.group_of_recalls())
generator.begin_counters(seed)
COUNTED = Kind.COMPLAINT, Kind.REPLY, Kind.BILLS
def came():
    kinds = [row.kind for row in pair.model.rows if row.result == Result.OK]
    return min(map(kinds.count, COUNTED)) > 10
# What must come up does not hang on how often other things do; but for ever it may not.
while pair.operations < count + 2_000 or (
    pair.operations < count + 8_000 and not came()
):
    pair.commit(*generator.group_of_counters())
    while rng.randrange(3) == 0 and pair.ledger.index_step():
        pass
moves = [row for row in pair.model.rows if row.kind == Kind.TRANSFER]
recalls = [row for row in moves if pair.model.is_recall(row)]
recalled = {row.resolves for row in recalls if row.result == Result.OK}
at_counters = [row.kind for row in pair.model.rows if row.result == Result.OK]
print(
    *(pair.ledger.sequence, pair.ledger.kept_count, pair.ledger.unverified_count),
    *(len(recalled), len(recalls)),
    *map(at_counters.count, COUNTED),
)
sys.stdout.flush()
sys.stdin.read()
pair.close()
"""


def start(
    path: Path, seed: int, count: int, who: str = "nobody"
) -> "subprocess.Popen[str]":
    """A process that writes a ledger, with `people` or nobody, says where it stands,
    and waits.
    """
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path), str(seed), str(count), who],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )


@pytest.fixture(params=["nobody", "people"])
def ledger(
    tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[tuple[Path, "subprocess.Popen[str]"]]:
    """A ledger that is being written."""
    path = tmp_path / "ledger"
    writer = start(path, seed=9, count=6_000, who=request.param)
    assert writer.stdout is not None
    assert writer.stdout.readline() == "begun\n"
    yield path, writer
    if writer.poll() is None:
        writer.communicate("", timeout=60)
    for stream in (writer.stdin, writer.stdout):
        if stream:
            stream.close()


def audit(path: Path, *arguments: str) -> dict[str, object]:
    """The auditor's JSON; nothing is wrong but who sent what."""
    done = forked.run("switch.audit", path, "--json", *arguments)
    assert done.returncode in (0, 1), done.stderr
    said = json.loads(done.stdout)
    assert isinstance(said, dict)
    found = {name for name, count in said["checks"].items() if count}
    assert found <= BEFORE_THE_CORE, [
        one for one in said["findings"] if one["check"] not in BEFORE_THE_CORE
    ]
    return said


@pytest.mark.timeout(900)  # its writer computes alone, beside whatever else there is
def test_core_ledger_passes_beside_its_writer_and_after(
    ledger: tuple[Path, "subprocess.Popen[str]"],
) -> None:
    path, writer = ledger
    beside = [audit(path) for _ in range(3)]
    assert writer.stdout is not None
    last, kept, unverified, recalled, recalls, *at_counters = map(
        int, writer.stdout.readline().split()
    )
    assert 0 < recalled <= recalls
    assert min(at_counters) > 10
    # The writer still has it open, and nothing of it is held back.
    said = audit(path)
    assert said["sequence"] == last
    exceptions = said["exceptions"]
    assert isinstance(exceptions, dict)
    counts = [exceptions[what]["count"] for what in ("kept", "unverified")]
    assert counts == [kept, unverified]
    assert min(counts) > 0
    writer.communicate("", timeout=60)
    assert writer.returncode == 0
    after = audit(path)
    for name in ("sequence", "state_hash", "accounts", "holds", "checks"):
        assert after[name] == said[name]
    assert "index" in after["checks"]  # type: ignore[operator]
    for earlier in beside:
        again = audit(path, "--at", str(earlier["sequence"]))
        assert again["state_hash"] == earlier["state_hash"]
