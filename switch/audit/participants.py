"""The roles that participants may have, and what is wrong with a record of one."""

from typing import Final

import numpy as np

from switch.audit.layout import RECALL_RULES
from switch.codes import Role

ROLES: Final = frozenset(int(role) for role in Role)
READERS: Final = frozenset({int(Role.PMU), int(Role.SUPPORT)})
"""Those that came with the rules that know recalls."""


def broken_participant(record: np.void, rules: int) -> list[str]:
    """The fields of a participant's record that are not what they must be."""
    role = int(record["role"])
    known = role not in READERS or not 0 < rules < RECALL_RULES
    right = {
        "role": role in ROLES and known,
        "active": record["active"] <= 1,
        "may_state_dues": record["may_state_dues"] <= 1,
        "never_credits_late": record["never_credits_late"] <= 1,
        "reserved_0": not any(bytes(record["reserved_0"])),
        "reserved_1": not any(bytes(record["reserved_1"])),
    }
    return [name for name, fits in right.items() if not fits]
