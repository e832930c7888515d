"""Goal: ids and claims of the core's index have the keys that the data model says.

Method: a process of its own drives the core with random requests; then each entry of
the runs of maps 0 and 1 is compared with the ids of the journal's rows and with what
they take and release, their keys made here by a SipHash of the tests' own, with the
secret that lies in the index. Two services of a series share their keys.
What is only looked up by them, and never in the way, has keys there, too.
"""

import struct
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import lmdb
import numpy as np
import pytest

from switch.audit.chain import Chain
from switch.audit.findings import Findings
from switch.audit.layout import ACCOUNT_RECORD, SERVICE_RECORD
from switch.audit.reader import Journal
from switch.codes import AccountKind, Kind, PriceRule, Record, RowFlag
from tests.audit.journal_writer import open_index
from tests.audit.test_audit_core import start
from tests.core.test_packed_pages import BLOCK_HEAD, BLOCK_PAGES, read_page
from tests.siphash import LOW_BITS, Key, id_key, siphash, siphash64

IDS, CLAIMS = 0, 1
"""The maps of ids and claims, among those of the index."""


def test_the_hash_is_the_published_one() -> None:
    """The authors' first vector of 128 bits, which is of 2 and 4 rounds."""
    found = struct.pack("<2Q", *siphash(bytes(range(16)), [], 2, 4))
    assert found.hex() == "a3817f04ba25a8e66df67214c7550293"
    # And the paper's, of 64 bits and fifteen bytes.
    last = 15 << 56 | int.from_bytes(bytes(range(8, 15)), "little")
    word = int.from_bytes(bytes(range(8)), "little")
    found_64 = siphash64(bytes(range(16)), [word], last, 2, 4)
    assert found_64 == 0xA129CA6149BE45E5


def written(reference: bytes) -> bytes:
    """The reference of a bank as that writes it."""
    return reference.replace(b" ", b"").upper().ljust(32, b"\0")


class Taken:
    """What rows take and release, from the journal's rows alone."""

    def __init__(self, secret: bytes) -> None:
        self.secret = secret
        self.ids: Counter[tuple[int, int, int]] = Counter()
        self.rows: dict[int, np.void] = {}
        self.owners, self.kinds = [0], [0]
        self.services: dict[int, np.void] = {}
        self.entries: Counter[tuple[int, int, int]] = Counter()
        self.series: Counter[int] = Counter()
        self.recent: Counter[int] = Counter()
        self.looked_up: Counter[int] = Counter()
        self.joined = 0
        self.booked: Counter[tuple[bool, bool]] = Counter()

    def row(self, row: np.void, tail: bytes) -> None:
        if any(id_ := row["id"].tobytes()):
            key = id_key(self.secret, id_, int(row["participant"]))
            self.ids[(*key, int(row["sequence"]))] += 1
        if row["result"] != 1:
            return
        sequence, flags = int(row["sequence"]), int(row["flags"])
        self.rows[sequence] = row
        if row["kind"] == Kind.OPEN:
            account = np.frombuffer(tail, ACCOUNT_RECORD, 1)[0]
            self.owners.append(int(account["participant"]))
            self.kinds.append(int(account["kind"]))
        elif row["kind"] == Kind.REGISTER and tail[0] == Record.SERVICE:
            record = np.frombuffer(tail, SERVICE_RECORD, 1)[0]
            self.services[int(row["debit"])] = record
        elif flags & RowFlag.RELEASE:
            taker = self.rows[int(row["resolves"])]
            if taker["kind"] == Kind.POST:
                taker = self.rows[int(taker["resolves"])]
            self.entries[(*self.key(taker), sequence * 2 + 1)] += 1
        elif row["kind"] in (Kind.PAY, Kind.HOLD, Kind.TOP_UP):
            if flags & RowFlag.CLAIM:
                self.entries[(*self.key(row), sequence * 2)] += 1
            if flags & RowFlag.RECENT:
                self.entries[(*self.recent_key(row, tail), sequence * 2)] += 1
            if row["service"] and not flags & (RowFlag.CLAIM | RowFlag.RECENT):
                reference = row["reference"].tobytes()
                self.found_by(5, int(row["service"]), reference, sequence)
        elif row["kind"] == Kind.BOOKED:
            self.line(row, sequence, flags)
        if row["kind"] == Kind.POST and flags & RowFlag.EVIDENCE and tail:
            biller = self.owners[int(row["credit"])]
            self.found_by(6, biller, tail.ljust(32, b"\0"), sequence)

    def found_by(
        self, domain: int, owner: int, reference: bytes, sequence: int
    ) -> None:
        """What is in the way of nothing, and only looked up."""
        self.looked_up[domain] += 1
        key = self.hashed(domain, owner, reference, 0)
        self.entries[(*key, sequence * 2)] += 1

    def line(self, row: np.void, sequence: int, flags: int) -> None:
        """What a bank's line takes: its own key, and its reference as a UTR."""
        came = self.kinds[int(row["debit"])] == AccountKind.BANK
        utr = bool(flags & RowFlag.RECENT)
        self.booked[came, utr] += 1
        owner = int(row["debit" if came else "credit"]) * 4
        owner += (not came) * 2 + bool(flags & RowFlag.REVERSAL)
        reference = row["reference"].tobytes()
        if flags & RowFlag.CLAIM:
            key = self.hashed(4, owner, reference, 0)
            self.entries[(*key, sequence * 2)] += 1
        if utr:
            key = self.hashed(3, 0, written(reference), 0)
            self.entries[(*key, sequence * 2)] += 1

    def key(self, row: np.void) -> Key:
        """The word and the bits that a claim is looked up by."""
        domain, owner, amount = 3, 0, 0
        reference = row["reference"].tobytes()
        if row["kind"] == Kind.TOP_UP:
            reference = written(reference)
        else:
            service = int(row["service"])
            record = self.services[service]
            domain, owner = 1, self.owners[int(row["credit"])]
            amount = int(record["series"]) or service
            self.series[amount != service] += 1
        return self.hashed(domain, owner, reference, amount)

    def recent_key(self, row: np.void, tail: bytes) -> Key:
        """The same of the claim of a citizen's reference, which nothing releases: of
        bills it is of their series, as the bill itself.
        """
        owner, reference = int(row["service"]), row["reference"].tobytes()
        record = self.services[owner]
        bill = bool(record["price_rule"] == PriceRule.BILL)
        self.recent[bill] += 1
        if bill:
            self.joined += bool(record["series"])
            owner = int(record["series"]) or owner
            reference = tail[:32]
        return self.hashed(2, owner, reference, 0)

    def hashed(self, domain: int, owner: int, reference: bytes, amount: int) -> Key:
        words = [domain << 32 | owner, *struct.unpack("<4Q", reference), amount]
        low, high = siphash(self.secret, words)
        return high, low >> 64 - LOW_BITS


def stored(
    env: lmdb.Environment, wanted: int = CLAIMS
) -> Iterator[tuple[int, int, int]]:
    """Every entry of the runs of a map that the index lists."""
    meta, runs = (env.open_db(name, create=False) for name in (b"meta", b"runs"))
    with env.begin() as txn:
        head = bytes(txn.get(b"index", db=meta) or b"")
        (count,) = struct.unpack_from("<I", head, 364)
        for number in range(count):
            fields = struct.unpack_from("<6Q2I", head, 400 + number * 56)
            run, left, of = fields[0], fields[3], fields[6]
            block = 0
            while of == wanted and left:
                value = txn.get(struct.pack(">BQI", wanted, run, block), db=runs)
                assert value is not None
                begin = BLOCK_HEAD
                for end in struct.unpack_from(f"<{BLOCK_PAGES}H", value):
                    if end:
                        entries = read_page(value[begin : end * 8])
                        yield from entries
                        left -= len(entries)
                        begin = end * 8
                block += 1


def test_claims_of_the_index_have_the_keys_of_the_journal(tmp_path: Path) -> None:
    writer = start(tmp_path / "ledger", seed=23, count=6_000)
    assert writer.stdout is not None
    assert writer.stdout.readline() == "begun\n"
    writer.stdout.readline()
    writer.communicate("", timeout=60)
    mine, taken = both(tmp_path / "ledger")
    assert mine == taken.entries
    # Of services that name a series, and of such that are their own.
    assert min(taken.series[True], taken.series[False]) > 0
    # Of bills, whose citizens' references stand in their tails, and of others.
    assert min(taken.recent[True], taken.recent[False]) > 0
    # Of bills that come by another service than their series' own.
    assert taken.joined > 0
    # References that nothing is refused for, and billers' own.
    assert min(taken.looked_up[domain] for domain in (5, 6)) > 0


@pytest.mark.slow
def test_claims_of_what_a_bank_has_booked_have_theirs(tmp_path: Path) -> None:
    subprocess.run(
        [
            *(sys.executable, "-m", "tests.audit.bank_walk"),
            *(str(tmp_path / "ledger"), "3", "400", "nobody"),
        ],
        check=True,
        stdout=subprocess.DEVNULL,
        timeout=300,
        cwd=Path(__file__).parents[2],
    )
    mine, taken = both(tmp_path / "ledger")
    assert mine == taken.entries
    # What came in, with its reference taken before and not; and what has gone.
    assert min(taken.booked[True, True], taken.booked[True, False]) > 0
    assert taken.booked[False, False] > 0


def both(path: Path) -> tuple[Counter[tuple[int, int, int]], Taken]:
    """The claims that an index stores, and what its journal takes as far as that goes.

    The ids are compared here.
    """
    with open_index(path) as env:
        mine, ids = Counter(stored(env)), Counter(stored(env, IDS))
        meta = env.open_db(b"meta", create=False)
        with env.begin() as txn:
            head = bytes(txn.get(b"index", db=meta) or b"")
    (as_of,) = struct.unpack_from("<Q", head, 24)
    with Journal(path) as journal:
        taken = Taken(head[88:104])
        chain = Chain(journal.instance, Findings())
        for block in journal.blocks(as_of):
            chain.block(block)
            rows = block.rows[block.rows["sequence"] <= as_of].copy()
            for index, row in enumerate(rows):
                taken.row(row, chain.tails.get(index, b""))
    assert ids == taken.ids
    return mine, taken
