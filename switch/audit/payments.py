"""Payments against the services they name, and baskets against themselves."""

from typing import Final

import numpy as np
import numpy.typing as npt

from switch.audit.accounts import Accounts
from switch.audit.findings import Findings
from switch.audit.kinds import SPENDING
from switch.audit.layout import (
    BASKET_MAX,
    BASKET_MIN,
    CLAIM,
    OK,
    PARTIAL,
    RECENT,
    U64,
    Mask,
    Rows,
    pick,
)
from switch.audit.prices import (
    Priced,
    check_parts,
    check_prices,
    misspelled,
    misstated,
)
from switch.audit.reader import Chunk
from switch.audit.references import without_period
from switch.codes import (
    HEAD_MASK,
    HEAD_SHIFT,
    AmountRule,
    DuplicateRule,
    KeyRule,
    Kind,
    Mode,
    Policy,
    RowFlag,
)

MISSPELLED: Final = "its reference is not canonical by its service, or not its bill's"


def check_services(priced: Priced, findings: Findings) -> None:
    """Each payment names a service that takes it, and credits its head's account."""
    register, rows = priced.register, priced.rows
    if not len(rows):
        return
    services = register.services
    known = (rows["service"] >= 1) & (rows["service"] <= len(register.codes))
    if not known.all():
        text = "it names a service that is not registered"
        findings.add_rows("services", rows["sequence"][~known], text)
        priced = Priced(register, pick(rows, known), priced.parts[known])
        rows = priced.rows
    sequence: U64 = np.ascontiguousarray(rows["sequence"])
    service, flags, amount = priced.service, rows["flags"], rows["amount"]
    kind = rows["kind"]
    head = ((flags & np.uint16(HEAD_MASK)) >> np.uint16(HEAD_SHIFT)).astype(np.intp)
    policy = services["deadline_policy"][service]
    promised = register.parties.promises[
        register.parties.places(services["biller"][service])
    ]
    keep = (policy == Policy.KEEP) | ((policy == Policy.RELEASE) & ~promised)
    keep = _of_baskets(rows, keep & (kind == Kind.HOLD))
    direct = (services["mode"][service] == Mode.CONFIRMED) & (kind == Kind.PAY)
    most = services["amount_max"][service]
    most[most == 0] = np.uint64(2**64 - 1)
    for text, bad in (
        ("its service is not active", services["active"][service] == 0),
        ("its service has no such head", head >= services["heads_count"][service]),
        (
            "it credits another account than its service's head",
            services["heads"][service, head] != rows["credit"],
        ),
        (
            "its amount is outside its service's bounds",
            (amount < services["amount_min"][service]) | (amount > most),
        ),
        (
            "its flags do not fit its service's mode",
            ((flags & np.uint16(RowFlag.AS_DIRECT)) != 0) != direct,
        ),
        (
            "its flags do not fit its service's deadline policy, and its biller's word",
            ((flags & np.uint16(RowFlag.KEEP)) != 0) != keep,
        ),
    ):
        if bad.any():
            findings.add_rows("services", sequence[bad], text)
    lacking = services["key_rule"][service] == KeyRule.REFERENCE_PERIOD
    if lacking.any():
        bad = without_period(pick(rows, lacking))
        text = "its reference lacks the period that its service wants"
        findings.add_rows("services", sequence[lacking][bad], text)
    bad = misspelled(priced)
    bad |= misstated(priced, np.zeros(len(rows), dtype=np.bool_))
    if bad.any():
        findings.add_rows("services", sequence[bad], MISSPELLED)
    check_parts(priced, findings)
    check_prices(priced, findings)
    bad = (flags & np.uint16(CLAIM | RECENT | PARTIAL)) != _claims(priced)
    bad &= priced.whole
    if bad.any():
        text = "its claims do not fit its service's duplicate rule, and its bill"
        findings.add_rows("claims", sequence[bad], text)


def _claims(priced: Priced) -> npt.NDArray[np.uint16]:
    """The flags of what each payment takes."""
    rule = priced.said("duplicate_rule")
    once = rule == DuplicateRule.ONCE
    flags: npt.NDArray[np.uint16] = once * np.uint16(CLAIM)
    recent = (rule == DuplicateRule.WITHIN) | priced.quoted
    flags |= recent * np.uint16(RECENT)
    if priced.any_bill:
        below = priced.parts.bill["amount_rule"] == AmountRule.EXACT_AND_BELOW
        below &= priced.bill & once & (priced.rows["kind"] == Kind.HOLD)
        flags |= below * np.uint16(PARTIAL)
    return flags


def _of_baskets(rows: Rows, mask: Mask) -> Mask:
    """The mask, and with one payment of a basket all of it."""
    members = np.flatnonzero(rows["basket"])
    if not len(members):
        return mask
    leads = rows["sequence"][members] - (rows["basket"][members] & np.uint16(0xFF))
    result = mask.copy()
    result[members] = np.isin(leads, leads[mask[members]])
    return result


def check_baskets(
    rows: Rows, chunks: list[Chunk], accounts: Accounts, findings: Findings
) -> None:
    """Every accepted payment of a basket stands beside its neighbours in it.

    If each has the one before and the one after that its index calls for, all are
    there, in one chunk. Refused ones move nothing and may stand alone: a payment of
    theirs that was known by its id leaves no second row.
    """
    basket = rows["basket"]
    if not basket.any():
        return
    mine = np.flatnonzero((basket != 0) & SPENDING[rows["kind"]])
    sequence = rows["sequence"]
    size, index = basket[mine] >> np.uint16(8), basket[mine] & np.uint16(0xFF)
    bad = (size < BASKET_MIN) | (size > BASKET_MAX) | (index >= size)
    text = "its basket has no such size or place"
    findings.add_rows("baskets", sequence[mine[bad]], text)
    accepted = (rows["result"][mine] == OK) & ~bad
    mine, size, index = mine[accepted], size[accepted], index[accepted]
    if not len(mine):
        return
    starts = np.array([chunk.offset for chunk in chunks])
    chunk = np.searchsorted(starts, np.arange(len(rows)), side="right")
    owner = accounts["participant"][
        np.minimum(rows["credit"], accounts.count).astype(np.intp)
    ]
    whole = np.ones(len(mine), dtype=np.bool_)
    same = np.ones(len(mine), dtype=np.bool_)
    for step, has in ((-1, index > 0), (1, index + 1 < size)):
        other = np.clip(mine + step, 0, len(rows) - 1)
        beside = (chunk[other] == chunk[mine]) & (other != mine)
        beside &= basket[other].astype(np.int32) == basket[mine].astype(np.int32) + step
        beside &= (rows["result"][other] == OK) & SPENDING[rows["kind"][other]]
        beside &= rows["participant"][other] == rows["participant"][mine]
        whole &= beside | ~has
        alike = rows["debit"][other] == rows["debit"][mine]
        alike &= owner[other] == owner[mine]
        alike &= rows["kind"][other] == rows["kind"][mine]
        alike &= rows["deadline"][other] == rows["deadline"][mine]
        same &= alike | ~has | ~beside
    text = "its basket is not whole beside it"
    findings.add_rows("baskets", sequence[mine[~whole]], text)
    text = "its basket has several wallets, billers, modes or deadlines"
    findings.add_rows("baskets", sequence[mine[~same]], text)
