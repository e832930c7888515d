"""Goal: neither a stolen look at the disk nor guessing gets at an operator's key, and
no restart, kill or clock set back gives another guess.

Method: the store with cheap argon2id and a clock of the test's own.
"""

import threading
from pathlib import Path
from typing import Any

import pytest

from switch.web.counter import pins
from switch.web.counter.pins import LockedError, PinStore, WrongPinError

PIN = "482915"


class Clock:
    """A wall clock that goes where the test says."""

    def __init__(self) -> None:
        self.now = 1_796_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    monkeypatch.setattr(pins, "MEMORY_KIB", 64)
    monkeypatch.setattr(pins, "ITERATIONS", 1)
    return Clock()


def store(folder: Path, clock: Clock, centre: str = "centre-p") -> PinStore:
    return PinStore(folder, centre, clock)


def test_the_pin_opens_the_key_that_was_enrolled(tmp_path: Path, clock: Clock) -> None:
    public = store(tmp_path, clock).enrol(3, PIN)
    key = store(tmp_path, clock).open(3, PIN)
    assert key.public_key().public_bytes_raw() == public
    assert store(tmp_path, clock).operators() == [3]


def test_neither_pin_nor_key_is_on_the_disk(tmp_path: Path, clock: Clock) -> None:
    store(tmp_path, clock).enrol(3, PIN)
    key = store(tmp_path, clock).open(3, PIN)
    names = [path.name for path in sorted(tmp_path.iterdir())]
    assert names == ["3.key", "browsers"]
    for name in names:
        path = tmp_path / name
        assert path.stat().st_mode & 0o077 == 0
        for secret in (PIN, key.private_bytes_raw().hex()):
            assert secret.encode() not in path.read_bytes()


def test_locks_grow_and_outlive_the_process(tmp_path: Path, clock: Clock) -> None:
    store(tmp_path, clock).enrol(3, PIN)
    for _ in range(pins.FREE):
        with pytest.raises(WrongPinError):
            store(tmp_path, clock).open(3, "000111")
    for wait_s in (30, 60, 120, 120):
        # Each time another process; the right PIN does not help while it is locked.
        with pytest.raises(LockedError) as locked:
            store(tmp_path, clock).open(3, PIN)
        assert locked.value.wait_s == wait_s
        clock.now += wait_s - 1
        with pytest.raises(LockedError):
            store(tmp_path, clock).open(3, PIN)
        clock.now += 1
        with pytest.raises(WrongPinError):
            store(tmp_path, clock).open(3, "000111")
    for _ in range(20):
        clock.now += pins.LOCK_MAX_S
        with pytest.raises(WrongPinError):
            store(tmp_path, clock).open(3, "000111")
    clock.now += pins.LOCK_MAX_S
    store(tmp_path, clock).open(3, PIN)
    # The right one sets the count back.
    with pytest.raises(WrongPinError):
        store(tmp_path, clock).open(3, "000111")
    store(tmp_path, clock).open(3, PIN)


def test_guesses_elsewhere_keep_nobody_out(tmp_path: Path, clock: Clock) -> None:
    """Who has signed on in a browser does so there while others guess."""
    store(tmp_path, clock).enrol(3, PIN)
    store(tmp_path, clock).enrol(4, PIN)
    mark = store(tmp_path, clock).mark(3)
    counts = []
    for _ in range(24):
        with pytest.raises(WrongPinError) as wrong:
            store(tmp_path, clock).open(3, "000111")
        counts.append(wrong.value.count)
        clock.now += pins.LOCK_MAX_S
    assert counts == [*range(1, 25)]
    # Not a day: two minutes, however many there were.
    clock.now -= 1
    with pytest.raises(LockedError) as locked:
        store(tmp_path, clock).open(3, PIN)
    assert locked.value.wait_s == 1
    # Another's mark, a forged one or none at all opens nothing sooner.
    for other in ("", store(tmp_path, clock).mark(4), "0" * 64, "é"):
        with pytest.raises(LockedError):
            store(tmp_path, clock).open(3, PIN, other)
    store(tmp_path, clock).open(3, PIN, mark)
    # Nor does it end the guesser's lock; and guesses with it have a lock of their own.
    with pytest.raises(LockedError):
        store(tmp_path, clock).open(3, PIN)
    for _ in range(pins.FREE):
        with pytest.raises(WrongPinError):
            store(tmp_path, clock).open(3, "000111", mark)
    with pytest.raises(LockedError):
        store(tmp_path, clock).open(3, PIN, mark)
    clock.now += 1
    store(tmp_path, clock).open(3, PIN)


def test_a_guess_is_counted_before_it_is_tried(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    store(tmp_path, clock).enrol(3, PIN)

    def dies(*_: object) -> bytes:
        raise KeyboardInterrupt

    monkeypatch.setattr(pins, "_derive", dies)
    for _ in range(pins.FREE):
        with pytest.raises(KeyboardInterrupt):
            store(tmp_path, clock).open(3, PIN)
    with pytest.raises(LockedError):
        store(tmp_path, clock).open(3, PIN)


def test_a_clock_set_back_opens_nothing_and_locks_no_longer(
    tmp_path: Path, clock: Clock
) -> None:
    store(tmp_path, clock).enrol(3, PIN)
    for _ in range(pins.FREE):
        with pytest.raises(WrongPinError):
            store(tmp_path, clock).open(3, "000111")
    clock.now -= 365 * 86_400
    with pytest.raises(LockedError) as locked:
        store(tmp_path, clock).open(3, PIN)
    assert locked.value.wait_s == pins.LOCK_FIRST_S


def test_a_key_opens_only_as_whose_it_is(tmp_path: Path, clock: Clock) -> None:
    store(tmp_path, clock).enrol(3, PIN)
    (tmp_path / "4.key").write_bytes((tmp_path / "3.key").read_bytes())
    with pytest.raises(WrongPinError):
        store(tmp_path, clock).open(4, PIN)
    with pytest.raises(WrongPinError):
        store(tmp_path, clock, "centre-q").open(3, PIN)
    with pytest.raises(WrongPinError):
        store(tmp_path, clock).open(5, PIN)


@pytest.mark.parametrize(
    "pin", ["", "12345", "1234567890123", "111111", "12345a", "১২৩৪৫৬"]
)
def test_what_is_no_pin_is_refused(tmp_path: Path, clock: Clock, pin: str) -> None:
    with pytest.raises(ValueError, match="PIN"):
        store(tmp_path, clock).enrol(3, pin)


def test_a_key_that_is_enrolled_anew_stays(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`--enrol` runs while the counter tries a PIN, and writes what it has counted."""
    store(tmp_path, clock).enrol(3, PIN)
    derive, is_trying, goes_on = pins._derive, threading.Event(), threading.Event()

    def slow(pin: str, *values: Any) -> bytes:
        if pin == PIN:
            is_trying.set()
            goes_on.wait()
        return derive(pin, *values)

    monkeypatch.setattr(pins, "_derive", slow)
    enrolled: list[bytes] = []
    opens = threading.Thread(target=lambda: store(tmp_path, clock).open(3, PIN))
    enrols = threading.Thread(
        target=lambda: enrolled.append(store(tmp_path, clock).enrol(3, "739184"))
    )
    opens.start()
    is_trying.wait()
    enrols.start()
    enrols.join(0.3)  # it is through, or waits for the other
    goes_on.set()
    opens.join()
    enrols.join()
    key = store(tmp_path, clock).open(3, "739184")
    assert [key.public_key().public_bytes_raw()] == enrolled
