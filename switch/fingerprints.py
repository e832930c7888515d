"""What all nodes of a cluster must have alike, in a few words that tell nothing else:
their key files (whose fingerprints `ledger.node_keys` makes), and their settings.

Whoever takes over serves by its own file: where that has other budgets, deadlines or
ways to ask billers, callers are treated otherwise from one moment to the next. Nodes
tell fingerprints of what is not as it is by default, one for each part of the file, so
that a setting that only a newer version has does not count before somebody sets it.
May use `config`.
"""

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from typing import Any, Final

from switch.config import Config

PRINT_SIZE: Final = 4
"""Bytes of a fingerprint: it finds slips, and keeps nobody out."""
OWN: Final = frozenset(
    {
        *("data_dir", "tls_dir", "dev", "host", "port", "accept_clock"),
        *("map_size", "reserve_size", "index_lag_max", "drain_s"),
        *("metrics", "security_log"),
    }
)
"""Settings of a machine, which may be others on each node."""
OWN_OF_CLUSTER: Final = frozenset({"dsn", "node", "address"})
PARTS: Final = {"budgets": "budget", "billers": "biller"}
"""Settings that stand in the part of others; what is in no table is `general`."""
GENERAL: Final = "general"
USUAL: Final = "-"
"""What a node tells in which all is as by default; one that tells nothing is older."""


def common_settings(config: Config) -> str:
    """`PART=HEX …`, by name; a part that is as by default is left out. At most 200
    bytes.
    """
    parts: dict[str, dict[str, Any]] = {}
    default = Config()
    for entry in dataclasses.fields(Config):
        name = entry.name
        if name in OWN:
            continue
        value, usual = getattr(config, name), getattr(default, name)
        if dataclasses.is_dataclass(value):
            part = parts.setdefault(name, {})
            for each in dataclasses.fields(value):
                if name == "cluster" and each.name in OWN_OF_CLUSTER:
                    continue
                own = getattr(value, each.name)
                if own != getattr(usual, each.name):
                    part[each.name] = own
        elif value != usual:
            parts.setdefault(PARTS.get(name, GENERAL), {})[name] = value
    told = (f"{name}={_print(part)}" for name, part in sorted(parts.items()) if part)
    return " ".join(told) or USUAL


def different_parts(own: str, other: str) -> list[str]:
    """The parts in which two nodes differ, as both have told."""
    if not own or not other:
        return []
    here, there = _parsed(own), _parsed(other)
    names = here.keys() | there.keys()
    return sorted(name for name in names if here.get(name) != there.get(name))


def different_keys(own: str, leaders: str) -> str:
    """Why a node with these fingerprints of keys must not lead behind a leader with
    those; empty if it may. Where there are none of a leader nothing is compared.
    """
    here, there = _parsed_keys(own), _parsed_keys(leaders)
    if not here or not there:
        return ""
    if here["receipt"] != there["receipt"]:
        return (
            "its receipt.key is not the last leader's: receipts that were printed "
            "could not be checked"
        )
    if there["quotation"][0] not in here["quotation"]:
        return (
            "its quotation.keys lacks the key with which the last leader sealed: add "
            "it, and start this node again"
        )
    return ""


def _parsed_keys(text: str) -> dict[str, list[str]]:
    """Empty for what nobody of this version has written."""
    words = dict(word.partition("=")[::2] for word in text.split())
    if {*words} != {"receipt", "quotation"}:
        return {}
    return {name: value.split(",") for name, value in words.items()}


def _print(part: Mapping[str, Any]) -> str:
    text = json.dumps(part, sort_keys=True, default=_plain)
    return hashlib.blake2b(text.encode(), digest_size=PRINT_SIZE).hexdigest()


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    return str(value)


def _parsed(text: str) -> dict[str, str]:
    words = [] if text == USUAL else text.split()
    return dict(word.partition("=")[::2] for word in words)
