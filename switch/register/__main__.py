"""`python -m switch.register`: who may call what, as the server serves it."""

import json

from switch.register.rights import BOOTSTRAP, MATRIX


def as_json() -> str:
    """One object: the roles of each method, and the one call of a new ledger."""
    rights = {
        method: [role.name.lower() for role in sorted(roles)]
        for method, roles in MATRIX.items()
    }
    return json.dumps({"rights": rights, "bootstrap": BOOTSTRAP})


if __name__ == "__main__":
    print(as_json())
