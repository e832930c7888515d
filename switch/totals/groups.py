"""By what cells are put together: who owns an account, and what the register says.

May use `register`. What the register does not say is not stated, and not guessed.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from switch.register.register import Account, Participant, Register, Service
from switch.totals.figures import Cut

LINES_MAX: Final = 100_000
"""Lines of one answer."""
NOT_STATED: Final = 0
"""The place of the line for what the register does not say."""


class By(IntEnum):
    """What a line is of; the numbers are the wire's."""

    NOTHING = 0
    DAY = 1
    MONTH = 2
    YEAR = 3
    CENTRE = 4
    DISTRICT = 5
    HOST_OFFICE = 6
    SERVICE = 7
    DEPARTMENT = 8
    BILLER = 9
    HEAD = 10


TIMES: Final = frozenset({By.DAY, By.MONTH, By.YEAR})
OF_CENTRES: Final = frozenset({By.CENTRE, By.DISTRICT, By.HOST_OFFICE})
OF_HEADS: Final = frozenset({By.BILLER, By.HEAD})


class Label(NamedTuple):
    """What a line is called; all empty: not stated."""

    code: str = ""
    name_en: str = ""
    name_bn: str = ""


@dataclass(frozen=True, slots=True)
class Groups:
    """The lines, and in which of them an account or a service is."""

    labels: tuple[Label, ...]
    places: npt.NDArray[np.int64]
    """By the index of the account or the service."""
    newest: int
    """The newest row of the register that they follow from."""


def cut_of(by: By, *, of_some_heads: bool) -> Cut:
    """The smallest cut that tells what is asked for."""
    if by not in OF_CENTRES:
        return Cut.SERVICES
    return Cut.CELLS if of_some_heads else Cut.CENTRES


class GroupMaker:
    """Makes groups of a register, once for each state of it. Any thread may ask."""

    def __init__(self, register: Register) -> None:
        """Nothing is made before it is needed."""
        self._register = register
        self._lock = threading.Lock()
        self._version = -1
        self._made: dict[By, Groups] = {}
        self._newest = 0

    def groups(self, by: By) -> Groups:
        """The groups of what is registered now."""
        register = self._register
        with self._lock:
            register.refresh()
            while self._version != register.version:
                version = register.version
                self._made = {}
                rows = [one.sequence for one in register.participants()]
                rows += [one.sequence for one in register.services()]
                self._newest = max(rows, default=0)
                self._version = version
            if by not in self._made:
                self._made[by] = self._make(by)
            return self._made[by]

    def heads_of(self, biller: int) -> frozenset[int]:
        """The accounts of a participant index."""
        return frozenset(one.index for one in self._register.accounts_of(biller))

    def _make(self, by: By) -> Groups:
        register = self._register
        if by is By.NOTHING or by in TIMES:
            return Groups((Label(),), np.zeros(1, np.int64), 0)
        if by in (By.SERVICE, By.DEPARTMENT):
            services = register.services()
            found = [(one.index, _service_label(by, one)) for one in services]
        else:
            owner = register.participant
            found = [
                (one.index, _account_label(by, one, owner(one.participant)))
                for one in register.accounts()
            ]
        return _grouped(found, self._newest)


def _service_label(by: By, service: Service) -> Label:
    spec = service.spec
    if by is By.SERVICE:
        return Label(spec.code, spec.name_en, spec.name_bn)
    return Label(spec.department_en, spec.department_en, spec.department_bn)


def _account_label(by: By, account: Account, owner: Participant) -> Label:
    spec = owner.spec
    if by is By.DISTRICT:
        return Label(spec.district)
    if by is By.HOST_OFFICE:
        return Label(spec.host_kind)
    code = f"{spec.id}/{account.head}" if by is By.HEAD else spec.id
    return Label(code, spec.name_en, spec.name_bn)


def _grouped(found: Sequence[tuple[int, Label]], newest: int) -> Groups:
    """In the order of their codes; of several labels of one code the first holds."""
    labels = {"": Label()}
    for _, label in found:
        labels.setdefault(label.code, label)
    ordered = [labels[code] for code in sorted(labels)]
    place_of = {label.code: place for place, label in enumerate(ordered)}
    places = np.zeros(max((index for index, _ in found), default=0) + 1, np.int64)
    for index, label in found:
        places[index] = place_of[label.code]
    return Groups(tuple(ordered), places, newest)
