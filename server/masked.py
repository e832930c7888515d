"""What some roles are told: the whole network, without what tells people apart.

A support desk and a programme's office read replies that others get too. What is
hidden in them is said once, by message and field, for every call: `HIDDEN`. Papers are
masked before they are printed.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache
from typing import Any, Final, TypeVar

from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message

from switch.counter.masks import mask_reference
from switch.counter.papers import Paper
from switch.counter.receipts import Receipt
from switch.register.identity import Identity
from switch.register.rights import MASKED
from switch.said import BANK_PREFIX

M = TypeVar("M", bound=Message)
P = TypeVar("P", bound=Paper)


def mask_head(head: str) -> str:
    """`bank/12****89 transit` for an account at a bank; a head of account stays."""
    if not head.startswith(BANK_PREFIX):
        return head
    number, space, part = head.removeprefix(BANK_PREFIX).partition(" ")
    return f"{BANK_PREFIX}{mask_reference(number)}{space}{part}"


_ENTRY: Final = ("reference", "citizen_reference", "note", "bank")
HIDDEN: Final[Mapping[str, Mapping[str, Callable[[Any], Any]]]] = {
    "payswitch.v1.Entry": dict.fromkeys(_ENTRY, mask_reference),
    "payswitch.v1.Account": {"head": mask_head},
    "payswitch.v1.ExplainAccountResponse": {"head": mask_head},
    "payswitch.v1.Complaint": {"note": mask_reference},
    "payswitch.v1.ComplaintEvent": {"text": mask_reference},
    # A key is one person's, and whoever signs on is known by it.
    "payswitch.v1.Operator": {"key": lambda _: b""},
}
"""The fields of a message that are masked, wherever it is in a reply, and how."""


def reply_to(caller: Identity, reply: M) -> M:
    """The reply as this caller may read it: a copy if anything may be hidden in it."""
    if caller.role not in MASKED or not any(_plan(reply.DESCRIPTOR)):
        return reply
    own = type(reply)()
    own.CopyFrom(reply)
    _hide(own)
    return own


def paper_for(caller: Identity, paper: P) -> P:
    """A receipt or an acknowledgement as this caller may read it."""
    if caller.role not in MASKED:
        return paper
    names = ["reference", "bill", "note"]
    if isinstance(paper, Receipt):
        names.append("biller_reference")
    said = {name: getattr(paper, name) for name in names}
    hidden: dict[str, Any] = {
        name: mask_reference(text) for name, text in said.items() if text
    }
    return replace(paper, **hidden)


def _hide(message: Any) -> None:
    hidden, within = _plan(message.DESCRIPTOR)
    for name, mask in hidden.items():
        if text := getattr(message, name):
            setattr(message, name, mask(text))
    for name, is_repeated in within:
        if is_repeated:
            for one in getattr(message, name):
                _hide(one)
        elif message.HasField(name):
            _hide(getattr(message, name))


@cache
def _plan(
    kind: Descriptor,
) -> tuple[Mapping[str, Callable[[Any], Any]], tuple[tuple[str, bool], ...]]:
    """What is hidden in messages of a kind, and the fields that have more of it: a page
    of a thousand entries is gone through in the event loop, and by these alone.
    """
    within = tuple(
        (field.name, field.is_repeated)
        for field in kind.fields
        if field.message_type is not None and any(_plan(field.message_type))
    )
    return HIDDEN.get(kind.full_name, {}), within
