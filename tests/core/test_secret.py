"""Goal: nobody can choose what shares a key, and what shares one changes nothing else.

Method: what a sender knows is used against the index as it lies on the disk. The assert
build can hash all ids with one first half, or all claims, to one key: then known ids
are answered, new ones beyond a bound refused without a row, and bills are as free or
paid as the model says. Ledgers of one story with secrets of their own are compared.
"""

import random
import shutil
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import lmdb
import numpy as np
import pytest

from switch._core import ASSERTS
from switch.audit import audit
from switch.audit.layout import INDEX_META
from switch.backup.copying import copy, finish
from switch.codes import AmountRule, Result
from switch.errors import IndexDamagedError
from tests.audit.test_audit_claim_keys import CLAIMS, IDS, stored
from tests.core import wire
from tests.core.generator import Generator
from tests.core.index_lists import Lists
from tests.core.market import BILL, CONFIRMED, DUE, ONCE, WITHIN, Market
from tests.core.network import NOW, make_network, top_up
from tests.core.pair import Pair, catch_up, to_request
from tests.model import Payments, Rows
from tests.records import Outcome, Payment

OK, ANOTHER = Result.OK, Result.ANOTHER_ID_NEEDED
IN_THE_WAY = Result.BILL_ALREADY_CLAIMED, Result.PAID_RECENTLY
MASK = 2**64 - 1
OTHERS_MAX = 64
GOLDEN = 0x9E3779B97F4A7C15
STEPS: dict[str, Any] = {
    "threads": False,
    "reserve_size": 0,
    "map_size": 1 << 30,
    "index_step_rows": 16,
}
needs_plants = pytest.mark.skipif(
    not ASSERTS, reason="only the assert build leaves rules out"
)


def secret_of(path: Path) -> bytes:
    """What the index of a ledger has drawn."""
    with lmdb.open(str(path / "index"), readonly=True, lock=False, max_dbs=8) as env:
        meta = env.open_db(b"meta", create=False)
        with env.begin(meta) as txn:
            value = txn.get(b"index") or b""
    head = np.frombuffer(bytes(value), INDEX_META, 1)[0]
    return bytes(head["secret"])


def values(path: Path, part: str, table: str) -> dict[bytes, bytes]:
    """All of one table."""
    with lmdb.open(str(path / part), readonly=True, lock=False, max_dbs=8) as env:
        name = env.open_db(table.encode(), create=False)
        with env.begin(name) as txn:
            return {bytes(key): bytes(value) for key, value in txn.cursor()}


# --- what a sender can aim at ---------------------------------------------------------


def unmixed(x: int) -> int:
    """The number that is mixed into `x`: the mix is no secret, and goes both ways."""
    for factor in (0xC4CEB9FE1A85EC53, 0xFF51AFD7ED558CCD):
        x ^= x >> 33
        inverse: int = pow(factor, -1, 2**64)
        x = x * inverse & MASK
    return x ^ x >> 33


def aimed(instance: bytes, sender: int, number: int) -> bytes:
    """An id as one aims it who knows the ledger's instance, which any centre is told:
    all have one key if that is what keys are made with.
    """
    words = (int.from_bytes(half, "little") for half in (instance[:8], instance[8:]))
    low = unmixed(number) ^ next(words) ^ next(words) ^ (sender * GOLDEN & MASK)
    return bytes(8) + low.to_bytes(8, "big")


def keys_of(path: Path, map_: int) -> Counter[tuple[int, int]]:
    """How many entries each key has that lies in the index."""
    with lmdb.open(str(path / "index"), readonly=True, lock=False, max_dbs=8) as env:
        return Counter((high, low) for high, low, _ in stored(env, map_))


def test_ids_that_are_aimed_by_the_instance_share_no_key(tmp_path: Path) -> None:
    market = begun(tmp_path)
    pair, sender = market.pair, market.net.harness
    ids = [aimed(pair.ledger.instance, sender, number) for number in range(1, 201)]
    assert len({*ids}) == 200
    pair.commit([crowd(market, ids)], market.tick())
    catch_up(pair.ledger)
    pair.close()
    keys = {key: n for key, n in keys_of(pair.path, IDS).items() if key[0] == 0}
    # The last ones are in no step yet. Two meet by chance in one of 2^24 places.
    assert sum(keys.values()) > 150
    assert max(keys.values()) <= 2


# --- ids of one key -------------------------------------------------------------------


def begun(tmp_path: Path) -> Market:
    """A market with a service that takes any reference, as often as one likes."""
    market = Market(tmp_path / "ledger", **STEPS)
    market.service(b"ANY", amount_rule=AmountRule.ANY)
    return market


def one(market: Market, id_: bytes) -> Payment:
    """A payment with this id."""
    return Payment(id_, b"ANY", 100, b"REFERENCE", centre=market.net.centre_codes[0])


def crowd(market: Market, ids: Iterable[bytes]) -> Payments:
    """Payments with these ids, by the harness."""
    return Payments([one(market, id_) for id_ in ids], [], market.net.harness)


def alike(first: int, count: int) -> list[bytes]:
    """Ids with one first half."""
    return [b"\7" * 8 + n.to_bytes(8, "big") for n in range(first, first + count)]


def told(market: Market, ask: Payments) -> list[Outcome]:
    """What the core alone answers: the model knows no keys."""
    (reply,) = market.pair.ledger.commit([to_request(ask)], market.tick())
    assert isinstance(reply, bytes)
    return [outcome for _, outcome in wire.decode_reply(reply)]


@needs_plants
def test_beyond_the_bound_another_id_is_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLANT", "ids_are_hashed")
    market = begun(tmp_path)
    pair = market.pair
    taken = crowd(market, alike(0, OTHERS_MAX))
    assert {each.result for each in pair.commit([taken], market.tick())[0]} == {OK}
    for how in ("in memory", "indexed", "opened again"):
        if how == "indexed":
            catch_up(pair.ledger)
        elif how == "opened again":
            market.reopen()
        before = pair.ledger.sequence, pair.ledger.state_hash()
        turned = pair.ledger.ids_turned_away
        late = crowd(market, alike(OTHERS_MAX, 1))
        assert [each.result for each in told(market, late)] == [ANOTHER], how
        (outcome,) = told(market, late)
        assert (outcome.sequence, outcome.repeat) == (0, False)
        # Of a basket none is done; the others' ids are as good as before.
        basket = [*alike(OTHERS_MAX, 1), *(b"%015d" % n + b"x" for n in range(2))]
        asked = Payments([], [[one(market, id_) for id_ in basket]], market.net.harness)
        found = [each.result for each in told(market, asked)]
        assert found == [ANOTHER, Result.INVALID_BASKET, Result.INVALID_BASKET]
        # And of what is no payment.
        row = top_up(market.net, market.net.wallets[0], 5, b"UTR-%s" % how[:2].encode())
        row.id, row.participant = alike(OTHERS_MAX, 1)[0], market.net.harness
        (reply,) = pair.ledger.commit([to_request(Rows([row]))], market.tick())
        assert not isinstance(reply, bytes)
        assert reply["result"].tolist() == [ANOTHER]
        assert (pair.ledger.sequence, pair.ledger.state_hash()) == before
        assert pair.ledger.ids_turned_away == turned + 4
        assert pair.ledger.find(market.net.harness, alike(OTHERS_MAX, 1)[0]) == 0
        # What is known has its answers, and ids of other keys are taken.
        again = pair.commit([taken], market.tick())[0]
        assert all(each.repeat for each in again)
        fresh = crowd(market, [b"%015d" % pair.ledger.sequence + b"y"])
        assert pair.commit([fresh], market.tick())[0][0].result == OK
    pair.close()
    assert audit(str(pair.path)).findings.kept == []


@needs_plants
def test_a_basket_counts_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLANT", "ids_are_hashed")
    market = begun(tmp_path)
    market.pair.commit([crowd(market, alike(0, OTHERS_MAX - 1))], market.tick())
    two = [one(market, id_) for id_ in alike(100, 2)]
    asked = Payments([], [two], market.net.harness)
    found = [each.result for each in told(market, asked)]
    assert found == [Result.INVALID_BASKET, ANOTHER]
    # One in it that is known takes no place.
    assert told(market, Payments(two[:1], [], market.net.harness))[0].result == OK


@needs_plants
def test_what_another_index_took_is_found_however_much_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a node whose own secret has more of one key than the leader's had."""
    market = begun(tmp_path)
    pair = market.pair
    many = crowd(market, alike(0, 4 * OTHERS_MAX))
    assert {each.result for each in pair.commit([many], market.tick())[0]} == {OK}
    monkeypatch.setenv("PLANT", "ids_are_hashed")
    market.reopen(without_index=True)
    for _ in range(2):
        again = pair.commit([many], market.tick())[0]
        assert all(each.repeat for each in again)
        late = crowd(market, alike(4 * OTHERS_MAX, 1))
        assert told(market, late)[0].result == ANOTHER
        catch_up(pair.ledger)
    for number in (0, 100, 4 * OTHERS_MAX - 1):
        id_ = alike(number, 1)[0]
        assert pair.ledger.find(market.net.harness, id_) == pair.model.find(
            market.net.harness, id_
        )
    # It is the key that is full, not the id: by another index it is taken.
    monkeypatch.delenv("PLANT")
    market.reopen(without_index=True)
    assert pair.commit([late], market.tick())[0][0].result == OK
    pair.close()


# --- claims of one key ----------------------------------------------------------------


@needs_plants
@pytest.mark.parametrize("seed", [1, 2])
def test_a_claim_of_another_is_no_claim(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.setenv("PLANT", "claims_are_hashed")
    network = make_network()
    pair = Pair(tmp_path / "ledger", **STEPS)
    pair.commit([Rows(network.rows)], NOW)
    rows = [top_up(network, w, 10**8, b"UTR-FIRST-%d" % w) for w in network.wallets]
    pair.commit([Rows(rows)], NOW)
    generator = Generator(seed, network, pair.model)
    rng = random.Random(seed)
    number = 0
    while min(pair.results[result] for result in IN_THE_WAY) < 10:
        number += 1
        asks, now = generator.group()
        pair.commit(asks, now)
        for _ in range(rng.choice((0, 1, 5, 40))):
            pair.ledger.index_unit()
        if number % 40 == 39:
            pair.reopen(without_index=number % 80 == 79)
            count = len(pair.model.rows)
            pair.compare_all(range(1, count + 1, 11))
    catch_up(pair.ledger)
    pair.close()
    assert len(keys_of(pair.path, CLAIMS)) == 1


@needs_plants
def test_bills_of_one_key_are_paid_given_back_and_paid_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLANT", "claims_are_hashed")
    market = Market(tmp_path / "ledger", **STEPS)
    bills = market.service(b"BILLS", amount_rule=AmountRule.ANY, **ONCE)
    waits = market.service(b"WAITS", amount_rule=AmountRule.ANY, **ONCE, **CONFIRMED)
    recent = market.service(b"RECENT", amount_rule=AmountRule.ANY, **WITHIN)
    for reference in (b"A", b"B", b"C"):
        assert market.state(market.plain(bills, reference, 100)).result == OK
        assert market.state(market.plain(recent, reference, 100)).result == OK
    held = market.state(market.plain(waits, b"D", 100))
    # The newest entry of the key is another's, and D is free once it is given back.
    assert market.state(market.plain(bills, b"E", 100)).result == OK
    assert market.void(held).result == OK
    assert market.state(market.plain(waits, b"D", 100)).result == OK
    both = [market.plain(bills, reference, 100) for reference in (b"F", b"G")]
    both = [replace(each, centre=market.net.centre_codes[0]) for each in both]
    asked = Payments([], [both], market.net.harness)
    done = market.pair.commit([asked], market.tick())[0]
    assert [each.result for each in done] == [OK, OK]
    for reference, result in ((b"A", Result.BILL_ALREADY_CLAIMED), (b"H", OK)):
        assert market.state(market.plain(bills, reference, 100)).result == result
    assert market.state(market.plain(recent, b"B", 7)).result == Result.PAID_RECENTLY
    market.pair.compare_all(range(1, len(market.model.rows) + 1))
    market.reopen()
    market.pair.compare_all(range(1, len(market.model.rows) + 1))
    market.pair.close()
    assert audit(str(market.pair.path)).findings.kept == []


@needs_plants
@pytest.mark.parametrize("rules", [ONCE, WITHIN])
def test_a_bill_given_back_is_no_payer_of_its_reference(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rules: dict[str, Any]
) -> None:
    """A payment may take a bill and a reference, and releases the bill alone."""
    monkeypatch.setenv("PLANT", "claims_are_hashed")
    market = Market(tmp_path / "ledger", **STEPS)
    tax = market.service(b"TAX", **BILL, **rules)
    paid = market.pay(market.fetch(tax, b"OWNER", b"B"))
    assert paid.result == OK
    assert market.refund(paid, DUE).result == OK
    assert market.pay(market.fetch(tax, b"OWNER", b"B")).result == OK
    market.reopen()
    market.pair.compare_all(range(1, len(market.model.rows) + 1))
    market.pair.close()


# --- the secret itself ----------------------------------------------------------------


def story(path: Path, instance: bytes) -> Pair:
    """A ledger with rows of all kinds, the same each time."""
    network = make_network()
    pair = Pair(path, instance=instance, **STEPS)
    pair.commit([Rows(network.rows)], NOW)
    rows = [top_up(network, w, 10**8, b"UTR-FIRST-%d" % w) for w in network.wallets]
    pair.commit([Rows(rows)], NOW)
    generator = Generator(5, network, pair.model)
    for _ in range(40):
        asks, now = generator.group()
        pair.commit(asks, now)
        pair.ledger.index_step()
    return pair


def test_secrets_differ_and_journals_do_not(tmp_path: Path) -> None:
    pairs = [story(tmp_path / name, b"one ledger, two.") for name in ("one", "two")]
    hashes = {pair.ledger.state_hash() for pair in pairs}
    for pair in pairs:
        catch_up(pair.ledger)
        pair.close()
    one, two = (tmp_path / name for name in ("one", "two"))
    assert len(hashes) == 1
    assert values(one, "journal", "journal") == values(two, "journal", "journal")
    assert secret_of(one) != secret_of(two)
    assert bytes(16) not in (secret_of(one), secret_of(two))
    # Their keys have nothing in common but what is in order of the ids.
    assert not {*keys_of(one, CLAIMS)} & {*keys_of(two, CLAIMS)}


def test_a_lost_index_draws_another(tmp_path: Path) -> None:
    pair = story(tmp_path / "ledger", b"an index is lost")
    path, state = pair.path, pair.ledger.state_hash()
    pair.close()
    first = secret_of(path)
    pair.reopen()
    catch_up(pair.ledger)
    pair.close()
    assert secret_of(path) == first
    shutil.rmtree(path / "index")
    pair.open_again()
    catch_up(pair.ledger)
    assert pair.ledger.state_hash() == state
    pair.compare_all(range(1, len(pair.model.rows) + 1, 7))
    pair.close()
    assert secret_of(path) != first


def test_a_head_without_a_secret_is_damaged(tmp_path: Path) -> None:
    pair = story(tmp_path / "ledger", b"a secret is zero")
    pair.close()
    with lmdb.open(str(pair.path / "index"), max_dbs=8, map_size=1 << 30) as env:
        meta = env.open_db(b"meta")
        with env.begin(write=True) as txn:
            lists = Lists(txn.get(b"index", db=meta) or b"")
            lists.head["secret"] = bytes(16)
            lists.put(txn, meta)
    with pytest.raises(IndexDamagedError):
        pair.open_again()


def test_the_secret_lies_in_the_index_alone(tmp_path: Path) -> None:
    pair = story(tmp_path / "ledger", b"where is the key")
    told = repr(pair.ledger.info()).encode() + pair.ledger.instance
    copy(pair.path, tmp_path / "copy")
    finish(tmp_path / "copy")
    pair.close()
    secret = secret_of(pair.path)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    holding = [path for path in files if secret in path.read_bytes()]
    assert holding == [pair.path / "index" / "data.mdb"]
    assert secret not in told
    # The copy's own is another.
    pair.path = tmp_path / "copy"
    pair.open_again()
    catch_up(pair.ledger)
    pair.close()
    assert secret_of(tmp_path / "copy") != secret
