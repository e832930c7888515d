"""The key files of a node, which all nodes have the same: how they are told apart.

A node that takes over must go on with the quotations that others have sealed, and with
the codes of receipts that were printed before. The files are secrets, and go to each
node as the keys of TLS do; what goes through the log are fingerprints, which tell
nothing of them.
"""

import hashlib
import secrets
from pathlib import Path
from typing import Final

from switch.errors import ConfigError
from switch.ledger import quotation_keys, receipt_key

_PRINT_SIZE: Final = 8
_PERSON: Final = b"payswitch node"


def make_keys(directory: Path) -> None:
    """Make those that are missing, in a ledger's directory that nobody has open.

    For the first node of a cluster alone. Raises ConfigError, SpaceError, OSError.
    """
    if not quotation_keys.read_keys(directory):
        secret = secrets.token_bytes(quotation_keys.SECRET_SIZE)
        quotation_keys.write_keys(directory, (quotation_keys.Key(1, secret),))
    if receipt_key.read_key(directory) is None:
        receipt_key.write_key(directory, secrets.token_bytes(receipt_key.SECRET_SIZE))


def fingerprints(directory: Path) -> str:
    """Of the keys in a ledger's directory, as a node tells the others.

    `receipt=HEX quotation=HEX,HEX`, the key that seals first. Raises ConfigError if a
    file is missing, or cannot be used.
    """
    quotation = quotation_keys.read_keys(directory)
    receipt = receipt_key.read_key(directory)
    for name, there in (
        (quotation_keys.NAME, bool(quotation)),
        (receipt_key.NAME, receipt is not None),
    ):
        if not there:
            raise ConfigError(
                f"{directory / name} is not there: all nodes of a cluster have the "
                "same. Copy it from another node (mode 0600); for the first one "
                "`payswitch cluster init` makes it"
            )
    assert receipt is not None
    seals = ",".join(_print(key.secret) for key in quotation)
    return f"receipt={_print(receipt)} quotation={seals}"


def _print(secret: bytes) -> str:
    made = hashlib.blake2b(secret, digest_size=_PRINT_SIZE, person=_PERSON)
    return made.hexdigest()
