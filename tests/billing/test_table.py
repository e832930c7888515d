"""Goal: the table of a biller's open holds never loses, repeats or confuses a line.

Method: the same random steps go to the table and to a dict of plain records; after
each step both say the same. Then the cases that random steps seldom reach.
"""

import random

import numpy as np
import numpy.typing as npt

from switch.billing.lines import LINES_FIRST, NEVER, STATES, Parts, State
from switch.billing.table import Table


def u64(*values: int) -> npt.NDArray[np.uint64]:
    return np.array(values, np.uint64)


def add(table: Table, numbers: list[int], sizes: list[int] | None = None) -> None:
    given = np.array(sizes or [1] * len(numbers), np.uint8)
    words = np.array([(number, ~number & 0xFFFF) for number in numbers], np.uint64)
    calls = np.zeros(len(numbers), np.uint16)
    wallets = np.array(numbers, np.uint32) % 7
    words = words.reshape(-1, 2)
    until = u64(*numbers)
    parts = Parts(u64(*numbers), words, wallets, given, given, calls, until, until)
    table.add(parts, until + np.uint64(10))


class Plain:
    """One line as the model keeps it."""

    def __init__(self, size: int) -> None:
        self.open = size
        self.state = State.WAITING
        self.at = 0.0


def check(table: Table, model: dict[int, Plain]) -> None:
    numbers = sorted(model)
    places = table.find(u64(*numbers))
    assert (places >= 0).all()
    assert table.numbers(places).tolist() == numbers
    assert table.ids(places)[:, 0].tolist() == numbers
    assert table.states(places).tolist() == [model[one].state for one in numbers]
    for state in range(1, STATES):
        wanted = [one for one in numbers if model[one].state is state]
        assert table.numbers(table.places(state)).tolist() == wanted
        assert table.centres(table.places(state)).tolist() == [n % 7 for n in wanted]
        assert table.count(state) == len(wanted)
    assert table.open_count == sum(one.open for one in model.values())


def test_as_a_dict_would() -> None:
    rng = random.Random(7)
    table = Table()
    model: dict[int, Plain] = {}
    number = 0
    for step in range(600):
        now = float(step)
        action = rng.randrange(6)
        chosen = rng.sample(sorted(model), min(len(model), rng.randrange(40)))
        places = table.find(u64(*sorted(chosen)))
        if action == 0 or not model:
            sizes = [rng.choice((1, 1, 1, 2, 16)) for _ in range(rng.randrange(1, 90))]
            numbers = []
            for size in sizes:
                number += rng.randrange(16, 40)
                numbers.append(number)
                model[number] = Plain(size)
            add(table, numbers, sizes)
        elif action == 1:
            resolved = [one for one in chosen for _ in range(rng.randrange(1, 3))]
            resolved = [one for one in resolved if model[one].open]
            counts = {one: resolved.count(one) for one in set(resolved)}
            resolved = [
                one for one in counts for _ in range(min(counts[one], model[one].open))
            ]
            here = table.resolve(u64(*resolved, number + 1))
            assert here.tolist() == [True] * len(resolved) + [False]
            for one in resolved:
                model[one].open -= 1
            ended = [one for one in model if not model[one].open]
            for one in ended:
                del model[one]
            assert table.lines_count == len(model)
        elif action == 2:
            state = rng.choice((State.CONFIRMING, State.CHECKING))
            table.ask(places, state, 1 + step % 3, now, now + 5)
            for one in chosen:
                model[one].state, model[one].at = state, now + 5
        elif action == 3:
            table.doubt(places, now + 9)
            for one in chosen:
                model[one].state, model[one].at = State.UNKNOWN, now + 9
        elif action == 4:
            table.answer(places, now + 3)
            for one in chosen:
                model[one].state, model[one].at = State.ANSWERED, now + 3
        else:
            table.wait(places)
            for one in chosen:
                model[one].state = State.WAITING
        check(table, model)
        for state in (State.CONFIRMING, State.UNKNOWN):
            due = [
                one
                for one in sorted(model)
                if model[one].state is state and model[one].at <= now
            ]
            assert table.numbers(table.due(state, now)).tolist() == due
    assert number > 10 * LINES_FIRST


def test_nothing_is_found_in_an_empty_table() -> None:
    table = Table()
    assert table.find(u64(1, 2)).tolist() == [-1, -1]
    assert not table.resolve(u64(1)).any()
    add(table, [5])
    assert table.find(u64(4, 5, 6)).tolist() == [-1, 0, -1]
    assert table.resolve(u64(5)).all()
    assert table.find(u64(5)).tolist() == [-1]
    assert table.open_count == 0


def test_what_was_asked_on_a_connection() -> None:
    table = Table()
    add(table, [1, 2, 3, 4])
    table.ask(table.find(u64(1, 2)), State.CONFIRMING, 7, 1.0, 2.0)
    table.ask(table.find(u64(3)), State.CHECKING, 8, 1.0, 2.0)
    assert table.numbers(table.asked_on(7)).tolist() == [1, 2]
    table.answer(table.find(u64(1)), 9.0)
    assert table.numbers(table.asked_on(7)).tolist() == [2]
    assert table.numbers(table.asked_on(8)).tolist() == [3]
    assert table.confirms(table.find(u64(1, 3))).tolist() == [1, 0]
    assert table.calls(table.find(u64(1, 3))).tolist() == [0, 1]


def test_doubt_stays_and_never_does_not_come() -> None:
    table = Table()
    add(table, [1, 2])
    places = table.find(u64(1))
    table.doubt(places, NEVER)
    assert not len(table.due(State.UNKNOWN, 1e18))
    table.wait(places)
    assert table.in_doubt(table.find(u64(1, 2))).tolist() == [True, False]


def test_who_may_be_confirmed_is_the_clocks_to_say() -> None:
    # Each until ten after its number.
    table = Table()
    add(table, [100, 102, 120, 130])
    places = table.places(State.WAITING)
    assert table.timely(places, 100).tolist() == [True] * 4
    assert table.timely(places, 110).tolist() == [False, True, True, True]
    assert table.timely(places, 112).tolist() == [False, False, True, True]
    # Nothing lies between the last moment and when it is final here.
    assert not table.timely(places, 100, 1).any()
    # What was never offered is none that may have been credited.
    assert not len(table.too_late(1_000))
    table.ask(table.find(u64(100, 120)), State.CONFIRMING, 1, 1.0, 2.0)
    table.wait(table.find(u64(100, 120)))
    assert table.numbers(table.too_late(110)).tolist() == [100]


def test_what_was_offered_is_never_cancelled() -> None:
    table = Table()
    add(table, [1, 2, 3])
    table.ask(table.find(u64(1)), State.CONFIRMING, 1, 1.0, 2.0)
    table.suspect(table.find(u64(2)), 1.0)
    table.wait(table.find(u64(1, 2)))
    assert table.numbers(table.not_offered(2)).tolist() == []
    assert table.numbers(table.not_offered(3)).tolist() == [3]
    table.offer(table.find(u64(3)))
    assert not len(table.not_offered(1_000))


def test_a_suspect_is_asked_about_once_outside_the_budget() -> None:
    table = Table()
    add(table, [1, 2])
    places = table.find(u64(1, 2))
    table.suspect(places[:1], 5.0)
    assert table.free(places).tolist() == [True, False]
    assert table.in_doubt(places).tolist() == [True, False]
    assert table.numbers(table.due(State.UNKNOWN, 5.0)).tolist() == [1]
    table.ask(places[:1], State.CHECKING, 1, 5.0, 6.0)
    assert not table.free(places).any()
    table.wait(places[:1])
    assert table.numbers(table.too_late(1_000)).tolist() == [1]


def test_a_line_is_new_where_an_old_one_was() -> None:
    table = Table()
    for start in range(0, 40_000, 400):
        numbers = list(range(start + 1, start + 401))
        add(table, numbers)
        places = table.find(u64(*numbers))
        assert not table.in_doubt(places).any()
        assert not table.confirms(places).any()
        assert not table.free(places).any()
        assert not len(table.too_late(1 << 62))
        table.ask(places, State.CONFIRMING, 1, 1.0, 1.0)
        table.doubt(places, 1.0)
        assert table.resolve(u64(*numbers)).all()
    assert len(table.state) <= 4 * LINES_FIRST
