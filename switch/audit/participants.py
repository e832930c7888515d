"""Participants as the register's rows say them, and what is wrong with such a record.

What is asked of many rows at a time stands in arrays, by the participant's number.
"""

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from switch.audit.kinds import SWITCH
from switch.audit.layout import (
    COUNTER_RULES,
    PARTICIPANT_RECORD,
    RECALL_RULES,
    Index,
)
from switch.codes import Role

ROLES: Final = frozenset(int(role) for role in Role)
SINCE: Final = {
    int(Role.PMU): RECALL_RULES,
    int(Role.SUPPORT): RECALL_RULES,
    int(Role.PUBLIC): COUNTER_RULES,
}
"""The rules that some roles came with."""
ANSWER_HOURS_MAX: Final = 8_784
ROOM: Final = 1024
"""Participants for whom there is room at once."""
SAID: Final = (*("may_state_dues", "never_credits_late", "signs_on", "answer_hours"),)
"""What a record says beside role and whether it takes part."""


class Participants:
    """All of them, by number: the switch before them, nobody behind them."""

    def __init__(self) -> None:
        """None yet."""
        self.codes: dict[bytes, int] = {}
        self.roles = np.zeros(ROOM, dtype=np.uint16)
        """A role's bit."""
        self.roles[0] = SWITCH
        self.active = np.zeros(ROOM, dtype=np.bool_)
        """Whether it takes part."""
        self.may_state = np.zeros(ROOM, dtype=np.bool_)
        """Whether it is believed about what is due."""
        self.promises = np.zeros(ROOM, dtype=np.bool_)
        """Whether it promises to credit nothing after the last moment."""
        self.signs_on = np.zeros(ROOM, dtype=np.bool_)
        """Whether whoever is at its counter is one of its operators."""
        self.answer_hours = np.zeros(ROOM, dtype=np.uint16)
        self.signing = 0
        """How many sign on."""

    def _columns(self) -> dict[str, npt.NDArray[Any]]:
        """Where each of `SAID` stands."""
        said = self.may_state, self.promises, self.signs_on, self.answer_hours
        return dict(zip(SAID, said, strict=True))

    def take(self, index: int, record: np.void) -> None:
        """Take what an accepted row says of one."""
        if index + 1 >= len(self.roles):
            for name in (
                *("roles", "active", "may_state", "promises"),
                *("signs_on", "answer_hours"),
            ):
                array = getattr(self, name)
                setattr(self, name, np.concatenate((array, np.zeros_like(array))))
        role = int(record["role"])
        self.roles[index] = 1 << role if role in ROLES else 0
        self.active[index] = record["active"] == 1
        self.signing -= bool(self.signs_on[index])
        for name, column in self._columns().items():
            value = record[name]
            column[index] = value == 1 if column.dtype == np.bool_ else value
        self.signing += bool(self.signs_on[index])

    def switches_off(self, tail: bytes) -> bool:
        """Whether a record leaves one as it was, but not active where it was that."""
        said = np.frombuffer(tail, dtype=PARTICIPANT_RECORD, count=1)[0]
        index = self.codes.get(bytes(said["code"]), 0)
        if not index or not self.active[index] or said["active"]:
            return False
        role = int(said["role"])
        same = role in ROLES and self.roles[index] == 1 << role
        columns = self._columns().items()
        return bool(
            same and all(column[index] == said[name] for name, column in columns)
        )

    def switches_on(self, tail: bytes) -> bool:
        """Whether a record leaves one as it was, but active where it was not."""
        said = np.frombuffer(tail, dtype=PARTICIPANT_RECORD, count=1)[0]
        index = self.codes.get(bytes(said["code"]), 0)
        if not index or self.active[index] or said["active"] != 1:
            return False
        role = int(said["role"])
        same = role in ROLES and self.roles[index] == 1 << role
        columns = self._columns().items()
        return bool(
            same and all(column[index] == said[name] for name, column in columns)
        )

    def places(self, numbers: npt.NDArray[np.unsignedinteger[Any]]) -> Index:
        """Numbers as places in the arrays; the unknown share one."""
        nobody = len(self.codes) + 1
        places: Index = np.minimum(numbers, nobody).astype(np.intp)
        return places

    def place(self, number: int) -> int:
        """The same for one."""
        return min(number, len(self.codes) + 1)

    def has_role(self, number: int, role: Role) -> bool:
        """Whether one has a role by now."""
        return bool(self.roles[self.place(number)] == 1 << role)


def broken_participant(record: np.void, rules: int) -> list[str]:
    """The fields of a participant's record that are not what they must be."""
    role = int(record["role"])
    known = not 0 < rules < SINCE.get(role, 0)
    told = not 0 < rules < COUNTER_RULES
    signs = record["signs_on"] == 1 and role == Role.CENTRE and told
    hours = int(record["answer_hours"])
    right = {
        "role": role in ROLES and known,
        "active": record["active"] <= 1,
        "may_state_dues": record["may_state_dues"] <= 1,
        "never_credits_late": record["never_credits_late"] <= 1,
        "signs_on": record["signs_on"] == 0 or signs,
        "answer_hours": hours == 0 or (told and hours <= ANSWER_HOURS_MAX),
        **{
            name: not any(bytes(record[name]))
            for name in ("reserved_0", "reserved_1", "reserved_2")
        },
    }
    return [name for name, fits in right.items() if not fits]
