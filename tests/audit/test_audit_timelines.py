"""Goal: what came last before an event is found, and nothing where nothing did, however
few events there are.

Method: places by hand, of one thing and of two.
"""

import numpy as np
import pytest

from switch.audit.timelines import NOWHERE, Timeline

SEVEN, EIGHT = np.array([7], np.uint64), np.array([8], np.uint64)


@pytest.mark.parametrize("back", range(4))
def test_before_the_first_event_there_is_nothing(back: int) -> None:
    """However far back one looks, and though there is one event alone."""
    events = np.array([5], np.uint64)
    asked = np.array([3], np.uint64)
    line = Timeline([SEVEN], [events, asked])
    known, places = line.places(SEVEN, events), line.places(SEVEN, asked)
    newest = np.searchsorted(known, places) - 1
    assert line.earlier(known, places, newest - back).tolist() == [NOWHERE]
    assert line.before(known, places).tolist() == [NOWHERE]


def test_another_things_events_are_not_before() -> None:
    events, asked = np.array([2], np.uint64), np.array([3], np.uint64)
    line = Timeline([SEVEN, EIGHT], [events, asked])
    known = line.places(SEVEN, events)
    assert line.before(known, line.places(SEVEN, asked)).tolist() == [0]
    assert line.before(known, line.places(EIGHT, asked)).tolist() == [NOWHERE]
