"""Goal: a token that this ledger did not seal, bit for bit, with one of its two keys,
is wrong; one that it sealed is right until the nanosecond at which it expires; and
whatever bytes are opened, nothing else happens.

Method: the seal is made a second time with hashlib, by what docs/data-model.md says.
Every bit of tokens is flipped, and each thing that is not in their bytes (key, number,
instance, epoch) is changed. Random quotations and random bytes of every length are
opened.
"""

import hashlib
import random
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import lmdb
import numpy as np
import pytest

from switch._core import QUOTATION, Ledger, blake2b_keyed
from switch.codes import AMOUNT_MAX, AmountRule, Opened
from switch.errors import DeadError
from tests.core.blake2b import IV, compress

ROOT = Path(__file__).resolve().parent.parent.parent
SIZE = 144
SEALED = 128
DAY_NS = 24 * 3600 * 10**9
NOW = 1_795_000_000 * 10**9
KEY = bytes(range(32))
OTHER = bytes(range(1, 33))
GARBAGE = 100_000
LONGEST = 192
RULES = (AmountRule.EXACT, AmountRule.EXACT_AND_ABOVE, AmountRule.EXACT_AND_BELOW)
LAYOUT = {
    "format": (0, 1),
    "key": (1, 1),
    "head": (2, 1),
    "amount_rule": (3, 1),
    "centre": (4, 4),
    "service": (8, 2),
    "series": (10, 2),
    "period": (12, 4),
    "reference": (16, 32),
    "bill": (48, 32),
    "amount_due": (80, 8),
    "fetched": (88, 8),
    "valid_until": (96, 8),
    "due_time": (104, 8),
    "reserved": (112, 16),
    "seal": (128, 16),
}
"""docs/data-model.md: where each field begins, and its size."""


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with new(tmp_path / "ledger") as made:
        made.set_quotation_keys([(1, KEY)])
        yield made


def new(path: Path) -> Ledger:
    return Ledger(str(path), map_size=1 << 30, reserve_size=0, threads=False)


def text(value: bytes) -> "np.ndarray[Any, np.dtype[np.uint8]]":
    return np.frombuffer(value.ljust(32, b"\0"), np.uint8)


def quotation(**fields: Any) -> "np.ndarray[Any, np.dtype[np.void]]":
    """One that can be sealed, with these fields."""
    one = np.zeros(1, QUOTATION)
    values = {
        "amount_rule": AmountRule.EXACT,
        "centre": 5,
        "service": 3,
        "series": 2,
        "reference": b"CONSUMER-7",
        "amount_due": 45_000,
        "fetched": NOW,
        **fields,
    }
    for name, value in values.items():
        one[name] = text(value) if isinstance(value, bytes) else value
    return one


def drawn(rng: random.Random) -> "np.ndarray[Any, np.dtype[np.void]]":
    """Any that can be sealed."""

    def word(least: int) -> bytes:
        return bytes(rng.choices(range(0x21, 0x7F), k=rng.randint(least, 32)))

    fetched = rng.randrange(1, 2**64 - DAY_NS)
    return quotation(
        head=rng.randrange(8),
        amount_rule=rng.choice(RULES),
        centre=rng.randrange(1, 2**32),
        service=rng.randrange(1, 2**16),
        series=rng.randrange(1, 2**16),
        period=rng.choice([0, rng.randrange(120_000)]),
        reference=word(1),
        bill=word(0),
        amount_due=rng.randint(1, rng.choice([100, 10**9, AMOUNT_MAX])),
        fetched=fetched,
        valid_until=fetched + rng.randrange(1, DAY_NS + 1),
        due_time=rng.choice([0, rng.randrange(2**64)]),
    )


def seal_of(
    token: bytes, instance: bytes, *, key: bytes = KEY, epoch: int = 0
) -> bytes:
    """The seal as anybody who has the key makes it."""
    return hashlib.blake2b(
        token[:SEALED],
        digest_size=16,
        key=key,
        salt=instance,
        person=b"bskquote" + epoch.to_bytes(8, "little"),
    ).digest()


def forged(token: bytes, instance: bytes, **by: Any) -> bytes:
    return token[:SEALED] + seal_of(token, instance, **by)


def opened(ledger: Ledger, token: bytes, now: int = NOW) -> Opened:
    what, said = ledger.open_quotation(token, now)
    if what == Opened.WRONG:
        assert not any(said.tobytes())
    else:
        assert said.tobytes() == token
    return Opened(what)


# --- the hash and the layout -------------------------------------------------------


def test_the_hash_is_blake2b() -> None:
    rng = random.Random(1)
    for _ in range(2_000):
        block, salt, person = rng.randbytes(128), rng.randbytes(16), rng.randbytes(16)
        key, size = rng.randbytes(rng.randint(1, 64)), rng.randint(1, 64)
        wanted = hashlib.blake2b(
            block, digest_size=size, key=key, salt=salt, person=person
        ).digest()
        assert blake2b_keyed(block, key, salt, person, size) == wanted
        assert blake2b_keyed(block, key, salt, person)[:16] == (
            hashlib.blake2b(
                block, digest_size=16, key=key, salt=salt, person=person
            ).digest()
        )


@pytest.mark.parametrize(
    "wrong",
    [
        (bytes(127), KEY, bytes(16), bytes(16), 16),
        (bytes(128), b"", bytes(16), bytes(16), 16),
        (bytes(128), bytes(65), bytes(16), bytes(16), 16),
        (bytes(128), KEY, bytes(15), bytes(16), 16),
        (bytes(128), KEY, bytes(16), bytes(17), 16),
        (bytes(128), KEY, bytes(16), bytes(16), 0),
        (bytes(128), KEY, bytes(16), bytes(16), 65),
    ],
)
def test_the_hash_takes_nothing_else(
    wrong: tuple[bytes, bytes, bytes, bytes, int],
) -> None:
    with pytest.raises(ValueError, match="128 bytes"):
        blake2b_keyed(*wrong)


def test_the_layout() -> None:
    fields = QUOTATION.fields
    assert fields is not None
    assert QUOTATION.itemsize == SIZE
    assert {n: (f[1], f[0].itemsize) for n, f in fields.items()} == LAYOUT


def test_a_stranger_can_check_a_seal(ledger: Ledger) -> None:
    rng = random.Random(2)
    for _ in range(2_000):
        one = drawn(rng)
        token = ledger.seal_quotation(one)
        assert len(token) == SIZE
        assert token[SEALED:] == seal_of(token, ledger.instance)
        assert token[:2] == bytes([1, 1])
        assert token[2:SEALED] == one.tobytes()[2:SEALED]
        assert opened(ledger, token, int(one["valid_until"][0]) - 1) is Opened.RIGHT


def test_the_page_checks_a_seal_as_it_is(ledger: Ledger) -> None:
    """The code of the data model, run as it stands there."""
    page = (ROOT / "docs" / "data-model.md").read_text()
    [code] = re.findall(r"```python\n(import hashlib\n.*?)```", page, re.DOTALL)
    names: dict[str, Any] = {}
    exec(code, names)
    is_sealed = names["is_sealed"]
    token = ledger.seal_quotation(quotation(bill=b"B-1"))
    assert is_sealed(token, KEY, ledger.instance)
    assert not is_sealed(token, OTHER, ledger.instance)
    assert not is_sealed(token, KEY, bytes(16))
    assert not is_sealed(token, KEY, ledger.instance, 1)
    assert not is_sealed(token[:-1] + bytes([token[-1] ^ 1]), KEY, ledger.instance)


def test_the_same_is_sealed_the_same(ledger: Ledger) -> None:
    """Also over what stood in the fields that sealing fills in."""
    token = ledger.seal_quotation(quotation())
    assert ledger.seal_quotation(quotation()) == token
    again = quotation(format=9, key=8, seal=7)
    assert ledger.seal_quotation(again) == token
    assert ledger.seal_quotation(np.frombuffer(token, QUOTATION)) == token


# --- what is wrong -----------------------------------------------------------------


@pytest.mark.parametrize("seed", [3, 4])
def test_every_flipped_bit_is_refused(ledger: Ledger, seed: int) -> None:
    one = drawn(random.Random(seed))
    token = ledger.seal_quotation(one)
    now = int(one["fetched"][0])
    assert opened(ledger, token, now) is Opened.RIGHT
    for bit in range(8 * SIZE):
        flipped = bytearray(token)
        flipped[bit // 8] ^= 1 << bit % 8
        # Also of `valid_until`: it is wrong before it is expired.
        for time in (0, now, 2**64 - 1):
            assert opened(ledger, bytes(flipped), time) is Opened.WRONG
    assert opened(ledger, token, now) is Opened.RIGHT


def test_parts_of_two_tokens_are_none(ledger: Ledger) -> None:
    rng = random.Random(5)
    for _ in range(500):
        first, second = (ledger.seal_quotation(drawn(rng)) for _ in range(2))
        at = rng.randrange(2, SIZE)
        mixed = first[:at] + second[at:]
        is_wrong = opened(ledger, mixed) is Opened.WRONG
        assert is_wrong == (mixed not in (first, second))


def test_other_lengths_are_refused(ledger: Ledger) -> None:
    token = ledger.seal_quotation(quotation())
    for size in range(SIZE):
        assert opened(ledger, token[:size]) is Opened.WRONG
    for more in range(1, LONGEST - SIZE):
        assert opened(ledger, token + bytes(more)) is Opened.WRONG
        assert opened(ledger, bytes(more) + token) is Opened.WRONG


def test_garbage_of_any_length(ledger: Ledger) -> None:
    ledger.set_quotation_keys([(2, OTHER), (1, KEY)])
    rng = random.Random(6)
    token = ledger.seal_quotation(quotation())
    for number in range(GARBAGE):
        data = rng.randbytes(rng.randint(0, LONGEST))
        if number % 3 == 0:
            # Long enough, and with a known format and key: it comes to the seal.
            data = token[:2] + rng.randbytes(SIZE - 2)
        assert opened(ledger, data) is Opened.WRONG
    assert opened(ledger, token) is Opened.RIGHT


def test_another_key_of_the_same_number(ledger: Ledger) -> None:
    token = ledger.seal_quotation(quotation())
    ledger.set_quotation_keys([(1, OTHER)])
    assert opened(ledger, token) is Opened.WRONG
    ledger.set_quotation_keys([(1, KEY)])
    assert opened(ledger, token) is Opened.RIGHT


def test_another_number_of_the_same_key(ledger: Ledger) -> None:
    token = ledger.seal_quotation(quotation())
    ledger.set_quotation_keys([(2, KEY)])
    assert opened(ledger, token) is Opened.WRONG
    renumbered = token[:1] + b"\2" + token[2:]
    assert opened(ledger, renumbered) is Opened.WRONG
    assert opened(ledger, forged(renumbered, ledger.instance)) is Opened.RIGHT


def test_an_empty_slot_is_no_key(ledger: Ledger) -> None:
    """Anybody knows its state: zeros. Nothing sealed with that is right."""
    block = bytes(range(128))
    start = [IV[0] ^ 0x01010040, *IV[1:]]
    assert compress(start, block, 128) == hashlib.blake2b(block).digest()
    token = ledger.seal_quotation(quotation())
    for number in (0, 2):
        said = token[:1] + bytes([number]) + token[2:SEALED]
        seal = compress([0] * 8, said, 256)[:16]
        assert opened(ledger, said + seal) is Opened.WRONG


def test_another_ledger_with_the_same_key(ledger: Ledger, tmp_path: Path) -> None:
    token = ledger.seal_quotation(quotation())
    with new(tmp_path / "other") as other:
        other.set_quotation_keys([(1, KEY)])
        assert opened(other, token) is Opened.WRONG
        assert opened(other, forged(token, other.instance)) is Opened.RIGHT
        assert opened(ledger, other.seal_quotation(quotation())) is Opened.WRONG


def of_epoch(path: Path, instance: bytes, epoch: int) -> Ledger:
    """A new ledger of this name: its files as a copy's are, in one transaction."""
    (path / "journal").mkdir(parents=True)
    env = lmdb.open(str(path / "journal"), map_size=1 << 24, max_dbs=4)
    with env.begin(write=True) as txn:
        meta = env.open_db(b"meta", txn=txn)
        env.open_db(b"journal", txn=txn)
        head = b"CHK1" + (5).to_bytes(2, "little") + bytes(2)
        txn.put(b"ledger", head + instance + epoch.to_bytes(8, "little"), db=meta)
    env.close()
    return new(path)


def test_another_epoch_of_the_same_ledger(ledger: Ledger, tmp_path: Path) -> None:
    token = ledger.seal_quotation(quotation())
    with of_epoch(tmp_path / "later", ledger.instance, 1) as later:
        assert later.instance == ledger.instance
        later.set_quotation_keys([(1, KEY)])
        assert opened(later, token) is Opened.WRONG
        sealed = later.seal_quotation(quotation())
        assert sealed == forged(token, ledger.instance, epoch=1)
        assert opened(later, sealed) is Opened.RIGHT
        assert opened(ledger, sealed) is Opened.WRONG


def test_another_format_is_refused(ledger: Ledger) -> None:
    token = ledger.seal_quotation(quotation())
    for number in (0, 2, 255):
        other = bytes([number]) + token[1:]
        assert opened(ledger, forged(other, ledger.instance)) is Opened.WRONG


# --- time --------------------------------------------------------------------------


@pytest.mark.parametrize("life", [1, 7, DAY_NS // 2, DAY_NS])
def test_it_expires_at_the_very_nanosecond(ledger: Ledger, life: int) -> None:
    token = ledger.seal_quotation(quotation(valid_until=NOW + life))
    for time in (NOW, NOW + life - 1):
        assert opened(ledger, token, time) is Opened.RIGHT
    for time in (NOW + life, NOW + life + 1, 2**64 - 1):
        assert opened(ledger, token, time) is Opened.EXPIRED


def test_one_of_a_time_to_come_is_not_right(ledger: Ledger) -> None:
    """The clock was ahead when it was fetched, and is put right."""
    token = ledger.seal_quotation(quotation())
    for time in (0, NOW - 3600 * 10**9, NOW - 1):
        assert opened(ledger, token, time) is Opened.EXPIRED
    assert opened(ledger, token, NOW) is Opened.RIGHT


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        (0, NOW + DAY_NS),
        (NOW + DAY_NS + 1, NOW + DAY_NS),
        (2**64 - 1, NOW + DAY_NS),
        (NOW + DAY_NS, NOW + DAY_NS),
        (NOW + 1, NOW + 1),
        (NOW - 1, NOW - 1),  # The biller's clock is behind, or its bill has lapsed.
    ],
)
def test_no_quotation_lives_longer_than_a_day(
    ledger: Ledger, said: int, kept: int
) -> None:
    token = ledger.seal_quotation(quotation(valid_until=said))
    _, found = ledger.open_quotation(token, NOW)
    assert int(found["valid_until"]) == kept


# --- keys --------------------------------------------------------------------------


def test_the_last_two_keys_are_accepted(ledger: Ledger) -> None:
    rng = random.Random(7)
    secrets = [rng.randbytes(32) for _ in range(300)]
    tokens: list[bytes] = []
    for number, secret in enumerate(secrets):
        keys = [(number % 255 + 1, secret)]
        if number:
            keys.append(((number - 1) % 255 + 1, secrets[number - 1]))
        ledger.set_quotation_keys(keys)
        tokens.append(ledger.seal_quotation(quotation()))
        assert tokens[-1][1] == keys[0][0]
        wanted = [Opened.WRONG, Opened.RIGHT, Opened.RIGHT][-len(tokens) :]
        assert [opened(ledger, token) for token in tokens[-3:]] == wanted
    # Numbers come again after 255; keys do not.
    assert tokens[0][1] == tokens[255][1]
    assert opened(ledger, tokens[44]) is Opened.WRONG


def test_without_a_key_nothing_is_sealed_or_right(tmp_path: Path) -> None:
    with new(tmp_path / "ledger") as ledger:
        with pytest.raises(ValueError, match="no key"):
            ledger.seal_quotation(quotation())
        ledger.set_quotation_keys([(1, KEY)])
        token = ledger.seal_quotation(quotation())
    with new(tmp_path / "ledger") as ledger:
        assert opened(ledger, token) is Opened.WRONG
        ledger.set_quotation_keys([(2, OTHER), (1, KEY)])
        assert opened(ledger, token) is Opened.RIGHT


@pytest.mark.parametrize(
    "keys",
    [
        [],
        [(1, KEY), (2, OTHER), (3, KEY)],
        [(1, KEY), (1, OTHER)],
        [(0, KEY)],
        [(256, KEY)],
        [(-1, KEY)],
        [(1, KEY[:31])],
        [(1, KEY + b"x")],
        [(1, b"")],
        [(2, KEY), (1, None)],
    ],
)
def test_keys_that_cannot_be(ledger: Ledger, keys: Any) -> None:
    token = ledger.seal_quotation(quotation())
    with pytest.raises(ValueError, match="key"):
        ledger.set_quotation_keys(keys)
    assert opened(ledger, token) is Opened.RIGHT
    assert ledger.seal_quotation(quotation()) == token


def test_keys_change_while_tokens_are_opened(ledger: Ledger) -> None:
    """Whoever opens sees the keys before or those after, never half of each."""
    rng = random.Random(8)
    secrets = [rng.randbytes(32) for _ in range(60)]
    ring = [[(n + 2, secrets[n + 1]), (n + 1, secrets[n])] for n in range(59)]
    ledger.set_quotation_keys(ring[0])
    stop = threading.Event()
    wrong: list[str] = []

    def turn() -> None:
        while not stop.is_set():
            for keys in (*ring, *reversed(ring)):
                ledger.set_quotation_keys(keys)

    def look() -> None:
        for _ in range(3_000):
            token = ledger.seal_quotation(quotation())
            secret = secrets[token[1] - 1]
            if token[SEALED:] != seal_of(token, ledger.instance, key=secret):
                wrong.append("sealed with a key that never was")
            opened(ledger, token)

    threads = [threading.Thread(target=look) for _ in range(3)]
    turning = threading.Thread(target=turn)
    turning.start()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    stop.set()
    turning.join()
    assert not wrong


# --- what cannot be sealed ---------------------------------------------------------


@pytest.mark.parametrize(
    "fields",
    [
        {"head": 8},
        {"amount_rule": 0},
        {"amount_rule": AmountRule.MIN_MAX},
        {"amount_rule": AmountRule.ANY},
        {"amount_rule": 6},
        {"centre": 0},
        {"service": 0},
        {"series": 0},
        {"period": 120_000},
        {"period": 2**32 - 1},
        {"reference": b""},
        {"reference": b"A\0B"},
        {"reference": b"A\nB"},
        {"reference": b"A\x7f"},
        {"reference": "ক".encode()},
        {"bill": b"A\0B"},
        {"bill": b"\0B"},
        {"bill": b"\x80"},
        {"amount_due": 0},
        {"amount_due": AMOUNT_MAX + 1},
        {"amount_due": 2**64 - 1},
        {"fetched": 0},
        {"fetched": 2**64 - DAY_NS},
        {"fetched": 2**64 - 1},
        {"reserved": 1},
    ],
    ids=str,
)
def test_a_field_out_of_its_bounds_is_not_sealed(
    ledger: Ledger, fields: dict[str, Any]
) -> None:
    with pytest.raises(ValueError, match="bounds"):
        ledger.seal_quotation(quotation(**fields))


def test_the_bounds_themselves_are_sealed(ledger: Ledger) -> None:
    for fields in (
        {"head": 7},
        {"period": 119_999},
        {"amount_due": 1},
        {"amount_due": AMOUNT_MAX},
        {"fetched": 1},
        {"fetched": 2**64 - 1 - DAY_NS},
        {"reference": b"~" * 32, "bill": b"!" * 32},
        {"due_time": 2**64 - 1},
    ):
        one = quotation(**fields)
        token = ledger.seal_quotation(one)
        assert opened(ledger, token, int(one["fetched"][0])) is Opened.RIGHT


def test_what_is_no_quotation(ledger: Ledger) -> None:
    wrong: Any
    for wrong in (np.zeros(2, QUOTATION), np.zeros(0, QUOTATION), np.zeros(144, "u1")):
        with pytest.raises(ValueError, match="QUOTATION"):
            ledger.seal_quotation(wrong)
    wrong = None
    with pytest.raises(TypeError):
        ledger.seal_quotation(wrong)
    with pytest.raises(TypeError):
        ledger.open_quotation(wrong, 0)


def test_a_closed_ledger(tmp_path: Path) -> None:
    ledger = new(tmp_path / "ledger")
    ledger.close()
    with pytest.raises(DeadError):
        ledger.set_quotation_keys([(1, KEY)])
    with pytest.raises(DeadError):
        ledger.seal_quotation(quotation())
    with pytest.raises(DeadError):
        ledger.open_quotation(bytes(SIZE), NOW)
