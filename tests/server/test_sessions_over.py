"""Goal: a session that is over stays so, whatever others do, and an operator has a few.

Method: Sessions with the front's own table, whose places others take; seals and a
register of some lines.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from server import _front
from server.sessions import EPOCH, Sessions
from server.status import SessionError
from switch.codes import Role
from switch.config import Config
from switch.counter.sign_offs import sign_off_id
from switch.register.identity import Identity
from switch.sign_on import signed_bytes
from tests.server.door import BOUNDS, METHODS

INSTANCE = bytes(16)
PLACES = 8
"""Of one set of the table."""


class Seals:
    """Good as long as nobody tries to break them."""

    def seal(self, message: bytes) -> bytes:
        return message[16:32]

    def is_sealed(self, message: bytes, seal: bytes) -> bool:
        return self.seal(message) == seal


@dataclass
class Person:
    """An operator of the register."""

    sequence: int = 7
    active: bool = True
    private: Any = field(default_factory=Ed25519PrivateKey.generate)

    @property
    def key(self) -> bytes:
        public = self.private.public_key()
        found: bytes = public.public_bytes(Encoding.Raw, PublicFormat.Raw)
        return found


class Counter:
    """A server's sessions, and the operators of two centres."""

    def __init__(self, **settings: int) -> None:
        self.table = _front.Front(METHODS, BOUNDS)
        self.people = {
            (index, number): Person() for index in (1, 2) for number in (1, 2)
        }
        self.find: Callable[[int, int], Person | None] = self.find_person
        self.settings = settings
        self.rows: set[tuple[int, bytes]] = set()
        """What the ledger has, by sender and id."""
        self.restart()

    def find_person(self, index: int, number: int) -> Person | None:
        return self.people.get((index, number))

    def restart(self) -> None:
        self.table = _front.Front(METHODS, BOUNDS)
        config = Config().replace(**self.settings)
        self.sessions = Sessions(
            *(config, self.table, Seals()),
            lambda *of: self.find(*of),
            lambda *of: of in self.rows,
            INSTANCE,
        )

    def caller(self, index: int = 1) -> Identity:
        return Identity(Role.CENTRE, f"centre-{index}", index, certificate=bytes(16))

    def sign_on(self, index: int = 1, number: int = 1) -> bytes:
        caller = self.caller(index)
        nonce = self.sessions.make_nonce(caller)
        said = signed_bytes(
            INSTANCE, EPOCH, nonce, caller.participant, number, caller.certificate
        )
        signature = self.people[index, number].private.sign(said)
        return self.sessions.sign_on(caller, number, nonce, signature)[0]

    def is_on(self, token: bytes, index: int = 1) -> bool:
        """Whether it can be used, opened again if need be."""
        try:
            self.sessions.open_again(self.caller(index), token)
        except SessionError:
            return False
        return bool(self.sessions.signed_on(self.caller(index), token))

    def crowd(self, token: bytes) -> None:
        """Take all places of the token's set, as many other sign-ons would."""
        for _ in range(PLACES):
            other = bytearray(os.urandom(len(token)))
            other[16:24] = token[16:24]
            self.table.open_session(bytes(other), 9, 9, 60_000, 60_000, 0)


def test_signed_off_is_over_whatever_others_do() -> None:
    here = Counter()
    off, on = here.sign_on(), here.sign_on()
    assert here.sessions.end(here.caller(), off).was_on
    here.crowd(off)
    here.crowd(on)
    # The table knows neither any more.
    assert here.table.use_session(off, 1) is None
    assert not here.is_on(off)
    assert not here.sessions.end(here.caller(), off).was_on
    assert here.is_on(on)


def test_a_row_is_asked_for_until_the_ledger_has_it() -> None:
    here = Counter()
    off = here.sign_on()
    said = [here.sessions.end(here.caller(), off) for _ in range(2)]
    assert [one.was_on for one in said] == [True, False]
    assert {one.row_id for one in said} == {sign_off_id(off)}
    assert said[0].operator == 1
    # Another process knows nothing of it, but by the row.
    here.restart()
    assert here.is_on(off)
    here.rows.add((1, sign_off_id(off)))
    assert not here.is_on(off)
    assert here.sessions.end(here.caller(), off) == (False, 1, b"")
    here.restart()
    assert not here.is_on(off)


def test_what_ended_otherwise_needs_no_row() -> None:
    here = Counter()
    gone, other = here.sign_on(), here.sign_on(number=2)
    here.people[1, 1].sequence += 1
    assert here.sessions.end(here.caller(), gone) == (False, 1, b"")
    here.people.pop((1, 2))
    assert here.sessions.end(here.caller(), other) == (False, 2, b"")
    # What is no session of the caller's has none.
    with pytest.raises(SessionError):
        here.sessions.end(here.caller(2), gone)


@pytest.mark.parametrize("most", [1, 3])
def test_an_operator_has_some_sessions_and_no_more(most: int) -> None:
    here = Counter(sessions_operator_max=most)
    other = here.sign_on(number=2)
    tokens = [here.sign_on() for _ in range(most + 2)]
    assert [here.is_on(one) for one in tokens] == [False] * 2 + [True] * most
    assert here.is_on(other)
    # Those that are over keep no place of the table: they are not known there.
    assert here.table.use_session(tokens[0], 1) is None


def test_a_session_that_is_over_gives_way_first() -> None:
    here = Counter(sessions_operator_max=3)
    first, second, third = (here.sign_on() for _ in range(3))
    assert here.sessions.end(here.caller(), second).was_on
    fourth = here.sign_on()
    assert [here.is_on(one) for one in (first, second, third, fourth)] == [
        *(True, False),
        *(True, True),
    ]


def test_after_a_restart_an_operator_has_no_more() -> None:
    here = Counter(sessions_operator_max=2)
    tokens = [here.sign_on() for _ in range(2)]
    here.restart()
    newer = [here.sign_on() for _ in range(2)]
    assert not here.is_on(tokens[0])
    assert not here.is_on(tokens[1])
    assert all(here.is_on(one) for one in newer)


def test_an_operator_who_is_switched_off_while_a_session_is_opened() -> None:
    """The change comes after the operator was read: what was read is not trusted."""
    here = Counter()
    token = here.sign_on()
    here.table.forget_sessions(1)
    found = here.people[1, 1]
    changes = iter([True])

    def find(index: int, number: int) -> Person | None:
        if next(changes, False):
            here.people[1, 1] = Person(sequence=8, active=False)
            here.sessions.register_changed({1})
            return found
        return here.people.get((index, number))

    here.find = find
    assert not here.is_on(token)
    assert here.table.use_session(token, 1) is None


def test_a_register_that_does_not_rest_is_no_endless_look() -> None:
    here = Counter()
    token = here.sign_on()

    def find(index: int, number: int) -> Person | None:
        here.sessions.register_changed({1})
        return here.people.get((index, number))

    here.find = find
    with pytest.raises(SessionError) as raised:
        here.sessions.open_again(here.caller(), token)
    assert raised.value.reason == "SESSION_UNKNOWN"


def test_a_change_of_one_centre_leaves_the_others() -> None:
    here = Counter()
    one, other = here.sign_on(1), here.sign_on(2)
    here.sessions.register_changed({1})
    assert here.table.use_session(one, 1) is None
    assert here.table.use_session(other, 2) == 1
    assert here.is_on(one)
