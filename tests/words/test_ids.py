"""Goal: ids are UUIDv7, ascend within a process, and read back as they were written.

Method: many ids from several threads and from a clock that stands and goes back.
"""

import threading
import time
import uuid

import pytest

from switch.ids import (
    ID_SIZE,
    IdMaker,
    format_id,
    id_time_ms,
    new_id,
    parse_id,
)


def test_ids_are_uuid7_of_now() -> None:
    before = time.time_ns() // 1_000_000
    made = new_id()
    parsed = uuid.UUID(bytes=made)
    assert len(made) == ID_SIZE
    assert parsed.version == 7
    assert parsed.variant == uuid.RFC_4122
    # A burst of ids may run ahead of the clock, but not by seconds.
    assert before <= id_time_ms(made) <= before + 5_000


def test_ids_ascend() -> None:
    made = [new_id() for _ in range(20_000)]
    assert made == sorted(made)
    assert len(set(made)) == len(made)


@pytest.mark.parametrize("times_ns", [[5_000_000_000] * 50, [9 * 10**9, 10**9, 10**9]])
def test_ids_ascend_whatever_the_clock_does(
    times_ns: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter(times_ns)
    monkeypatch.setattr(time, "time_ns", lambda: next(clock))
    maker = IdMaker()
    made = [maker.make() for _ in times_ns]
    assert made == sorted(made)
    assert len(set(made)) == len(made)


def test_a_full_counter_takes_the_next_millisecond() -> None:
    maker = IdMaker()
    maker._time_ms = 2**47
    maker._counter = 2**74 - 1
    first = maker.make()
    assert id_time_ms(first) == 2**47 + 1
    assert maker.make() > first


def test_threads_share_one_order() -> None:
    maker = IdMaker()
    found: list[list[bytes]] = []

    def run() -> None:
        found.append([maker.make() for _ in range(2_000)])

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(part == sorted(part) for part in found)
    assert len({one for part in found for one in part}) == 8_000


def test_text_and_back() -> None:
    made = new_id()
    text = format_id(made)
    assert parse_id(text) == made
    assert parse_id(made.hex()) == made
    assert parse_id(text.upper()) == made


@pytest.mark.parametrize(
    "text",
    ["", "00", "g" * 32, " " + "0" * 31, "0" * 33, "-" * 36, "0" * 32 + "----"],
)
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not an id"):
        parse_id(text)


def test_a_wrong_size_is_refused() -> None:
    with pytest.raises(ValueError, match="16"):
        format_id(b"short")
    with pytest.raises(ValueError, match="UUIDv7"):
        id_time_ms(bytes(16))
