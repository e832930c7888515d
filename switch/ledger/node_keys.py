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
_UNLIKE: Final = "unlike"


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


def difference(own: str, leaders: str) -> str:
    """Why a node with these fingerprints must not follow a leader with those; empty if
    it may. A leader that has told none is not compared.
    """
    here, there = _parsed(own), _parsed(leaders)
    if not there:
        return ""
    if here["receipt"] != there["receipt"]:
        return (
            f"its {receipt_key.NAME} is not the leader's: receipts that were printed "
            "could not be checked"
        )
    if there["quotation"][0] not in here["quotation"]:
        return (
            f"its {quotation_keys.NAME} lacks the key with which the leader seals: add "
            "it, and start this node again"
        )
    return ""


def other_receipts(own: str, others: str) -> bool:
    """Whether nodes with these fingerprints make other receipts. A node that has told
    none, or is marked as `unlike` the leader, is not compared.
    """
    here, there = _parsed(own), _parsed(others)
    return bool(there) and here["receipt"] != there["receipt"]


def unlike(own: str) -> str:
    """What a node tells whose keys are known not to be the leader's: it must not keep
    those from leading that have the right ones.
    """
    return f"{_UNLIKE} {own}"


def _print(secret: bytes) -> str:
    made = hashlib.blake2b(secret, digest_size=_PRINT_SIZE, person=_PERSON)
    return made.hexdigest()


def _parsed(text: str) -> dict[str, list[str]]:
    """Empty for what nobody of this version has written."""
    words = dict(word.partition("=")[::2] for word in text.split())
    if {*words} != {"receipt", "quotation"}:
        return {}
    return {name: value.split(",") for name, value in words.items()}
