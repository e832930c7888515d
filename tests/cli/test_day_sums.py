"""Goal: a day is not closed whose scrolls do not come to what the ledger has, nor by a
list of windows that leaves one out.

Method: scrolls by hand beside lines of a client that is none: one that is not there, of
another window, of other sums; windows that do not follow each other. Then the command
against a real server, a manifest spoilt on its way.
"""

import json
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast

import pytest

from switch.cli.day_sums import Scroll, Sums, differences, read_sums
from switch.client import Client
from switch.client.windows import WindowCalls
from switch.errors import WireError
from switch.v1 import admin_pb2, schedules_pb2

POWER, WATER = Scroll(7, "power", "0801-01"), Scroll(7, "water", "0215")
NIL = Scroll(9, "power", "0801-01")


def sums(credits_: int = 0, debits: int = 0, carried: int = 0) -> Sums:
    payable = max(0, credits_ - debits - carried)
    return {
        "debits": debits,
        "credits": credits_,
        "carried": carried,
        "payable": payable,
    }


LEDGER = {POWER: sums(500, 20), WATER: sums(0, 0, 30)}


class Told:
    """The lines of windows, as a switch tells them."""

    def window_lines(self, window: int) -> Iterator[admin_pb2.WindowLine]:
        for scroll, said in LEDGER.items():
            if scroll.window == window:
                yield admin_pb2.WindowLine(
                    biller=scroll.biller, head=scroll.head, **said
                )


def found(scrolls: dict[Scroll, Sums], *windows: int) -> list[str]:
    return list(differences(cast("Client", Told()), list(windows or (7, 9)), scrolls))


def test_what_is_right_differs_in_nothing() -> None:
    assert found({**LEDGER, NIL: sums()}) == []


@pytest.mark.parametrize(
    ("scrolls", "text"),
    [
        ({POWER: LEDGER[POWER]}, "window 7, water 0215: there is no scroll of it"),
        (
            {**LEDGER, POWER: sums(400, 20)},
            "credits ₹4.00 and not ₹5.00; payable ₹3.80 and not ₹4.80 as the ledger",
        ),
        ({**LEDGER, WATER: sums(0, 0, 31)}, "carried ₹0.31 and not ₹0.30"),
        # What the ledger has no line of comes to nothing.
        ({**LEDGER, NIL: sums(1)}, "window 9, power 0801-01: its scroll says credits"),
        ({**LEDGER, NIL._replace(window=8): sums()}, "window 8, power 0801-01: it is"),
    ],
)
def test_what_differs_is_said(scrolls: dict[Scroll, Sums], text: str) -> None:
    [said] = found(scrolls)
    assert text in said


def test_a_manifest_says_of_which_window_it_is() -> None:
    said = {"window": 7, "biller": "power", "head": "0801-01"}
    said |= {"credits": "5.00", "debits": "0.20", "carried": "0.00", "payable": "4.80"}
    assert read_sums(json.loads(json.dumps(said))) == (POWER, LEDGER[POWER])
    for name in said:
        with pytest.raises((KeyError, ValueError)):
            read_sums({key: one for key, one in said.items() if key != name})


def test_a_list_that_leaves_a_window_out_is_none() -> None:
    def listed(*pairs: tuple[int, int]) -> list[int]:
        """Windows with those before, in two pages."""
        windows = [
            schedules_pb2.Window(sequence=at, after_sequence=before)
            for at, before in pairs
        ]
        pages = {
            "": schedules_pb2.ListWindowsResponse(
                windows=windows[:2], next_page_token="more"
            ),
            "more": schedules_pb2.ListWindowsResponse(windows=windows[2:]),
        }
        calls: Any = WindowCalls()
        calls._caller = SimpleNamespace(read=lambda _, asked: pages[asked.page_token])
        calls._admin = SimpleNamespace(ListWindows=None)
        return [one.sequence for one in calls.windows()]

    assert listed((30, 20), (20, 10), (10, 0)) == [30, 20, 10]
    assert listed() == []
    with pytest.raises(WireError, match="leaves out window 20"):
        listed((30, 20), (10, 0))
    with pytest.raises(WireError, match="leaves out window 10"):
        listed((30, 20), (20, 10), (5, 0))
    with pytest.raises(WireError, match="ends before window 10"):
        listed((30, 20), (20, 10))
