"""`python -m switch.register [--json]`: who may call what, as the server serves it."""

import json
import sys

from switch.codes import Role
from switch.register.rights import BOOTSTRAP, MATRIX


def as_json() -> str:
    """One object: the roles of each method, and the one call of a new ledger."""
    rights = {
        method: [role.name.lower() for role in sorted(roles)]
        for method, roles in MATRIX.items()
    }
    return json.dumps({"rights": rights, "bootstrap": BOOTSTRAP})


def as_text() -> str:
    """A line for each method, a column for each role."""
    names = [role.name.lower() for role in Role]
    width = max(map(len, MATRIX))
    lines = ["  ".join([" " * width, *names])]
    for method, roles in MATRIX.items():
        marks = [
            ("yes" if role in roles else "-").center(len(role.name)) for role in Role
        ]
        lines.append("  ".join([method.ljust(width), *marks]).rstrip())
    return "\n".join(lines)


if __name__ == "__main__":
    print(as_json() if sys.argv[1:] == ["--json"] else as_text())
