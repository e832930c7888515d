"""Goal: a citizen can check the paper that the browser prints, as one on A5 or a roll.

Method: a real switch and two counters, one that knows the public check. The page's
square is compared with the library's of the same address; the code with the switch's.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import segno

from switch.ids import new_id
from switch.papers import inline_square
from switch.receipt_numbers import format_code
from tests.server.harness import RUPEE, payment
from tests.web.browsing import Browser
from tests.web.test_counter_handouts import hand_out, handout_form, refunded
from tests.web.world import CENTRE, RELIEF, World, counting

BASE = "https://check.example"


@pytest.fixture
def knowing(world: World, browser: Browser, tmp_path: Path) -> Iterator[Browser]:
    """At a counter that knows where receipts are checked."""
    with (
        counting(world, tmp_path / "knowing", "--check-base", BASE) as counter,
        Browser(counter.address) as knows,
    ):
        yield knows.sign_on()


def paid(browser: Browser) -> bytes:
    browser.get("/")
    browser.fetch(RELIEF, f"R{new_id().hex()[-8:].upper()}", amount="50")
    browser.pay()
    browser.settled("paid")
    return bytes.fromhex(browser.path.rpartition("/")[2])


def test_the_paper_has_its_code(world: World, browser: Browser) -> None:
    code = format_code(world.receipt(paid(browser)).code)
    assert f'data-check="{code}"' in browser.text
    assert "<svg" not in browser.text


@pytest.mark.parametrize("language", ["en", "bn"])
def test_the_paper_has_the_square(
    world: World, knowing: Browser, language: str
) -> None:
    payment_id = paid(knowing)
    if language == "bn":
        knowing.send("/language", language="bn", back="/")
        knowing.get(f"/payment/{payment_id.hex()}")
    found = world.receipt(payment_id)
    number = json.loads(found.json)["receipt"]
    url = f"{BASE}?r={number}&c={found.code}"
    assert inline_square(url) in knowing.text
    assert BASE in knowing.text
    assert f'data-check="{format_code(found.code)}"' in knowing.text


def test_a_refund_has_its_own(world: World, knowing: Browser) -> None:
    path = refunded(world, 20 * RUPEE)
    knowing.get(path)
    assert hand_out(knowing, handout_form(knowing.text)) == "done"
    found = world.receipt(bytes.fromhex(path.rpartition("/")[2]), 1)
    number = json.loads(found.json)["refund_receipt"]
    assert number.endswith("/R1")
    assert inline_square(f"{BASE}?r={number}&c={found.code}") in knowing.text


def test_an_acknowledgement_has_none(world: World, knowing: Browser) -> None:
    """It proves nothing."""
    asked = payment(RELIEF, operator=3)
    world.peers.centre(CENTRE).pay(asked)
    knowing.get(f"/payment/{asked.id.hex()}/paper?kind=acknowledgement")
    assert "data-paper" in knowing.text
    assert "data-check" not in knowing.text


def test_the_square_is_the_librarys() -> None:
    """With four modules of white on each side, and no style that the page forbids."""
    url = f"{BASE}?r=BSK-1/2026-27/1&c=0a1b2c3d4e5f"
    made = segno.make_qr(url, error="m")
    side = len(made.matrix) + 8
    text = inline_square(url)
    assert f'viewBox="0 0 {side} {side}"' in text
    assert "style" not in text
    rows = [["0"] * side for _ in range(side)]
    x = y = 0
    [drawn] = re.findall(r' d="([^"]*)"', text)
    for command, numbers in re.findall(r"([Mmh])([^Mmh]*)", drawn):
        values = [float(one) for one in re.findall(r"-?[\d.]+", numbers)]
        if command == "M":
            x, y = int(values[0]), int(values[1])
        elif command == "m":
            x, y = x + int(values[0]), y + int(values[1])
        else:
            rows[y][x : x + int(values[0])] = ["1"] * int(values[0])
            x += int(values[0])
    inside = [row[4:-4] for row in rows[4:-4]]
    assert ["".join(row) for row in inside] == [
        "".join(map(str, row)) for row in made.matrix
    ]
    assert sum(row.count("1") for row in rows) == sum(map(sum, made.matrix))
