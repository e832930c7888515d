"""A target of bank statements: `camt.053` and `camt.054` as `switch.bank.camt` reads
them.

Bytes are refused with a `StatementError`, or they are statements that hold: amounts
above zero, opening plus lines is closing where balances are given, the sum that a
second reading makes of the booked entries is the lines' own, and the same bytes say the
same again. Whatever else is raised is a finding.

`run` takes one input; `camt_covered.py` has atheris make them.
"""

import random
from collections.abc import Iterator
from decimal import Decimal
from xml.etree import ElementTree

from switch.bank.camt import read_camt
from switch.bank.lines import Statement, StatementError
from switch.bank.sequence import join_pages
from tests.bank.writer import OTHER_UTR, Detail, Entry, Sheet, page

SIZE_MAX = 1 << 16


def seeds() -> Iterator[tuple[str, bytes]]:
    """Files as banks write them."""
    two = (Detail("100.00", OTHER_UTR), Detail("200.00"))
    for version in (2, 8, 14):
        yield f"statement_{version}", Sheet((Entry(),), version=version).xml()
    batch = Entry("300.00", "DBIT", batch=2, details=two)
    yield "batch", Sheet((batch,), closing="-200.00").xml()
    back = Entry(side="DBIT", reversal="true")
    yield "reversal", Sheet((back,), closing="-1400.00").xml()
    yield "advice", Sheet((Entry(), Entry("7.05", details=())), advice=True).xml()
    yield "pending", Sheet((Entry(status="PDNG"),), advice=True).xml()
    yield "page", Sheet((Entry(),), pages=page(1, last=True)).xml()


def booked(data: bytes) -> int:
    """What all booked entries of a file do to the balance, by a second reading."""
    total = 0
    # Taken by then: without a document type, and of a bounded size.
    parser = ElementTree.XMLParser(encoding="utf-8")
    root = ElementTree.fromstring(data, parser)
    space = root.tag.partition("}")[0] + "}"
    for entry in root.iter(f"{space}Ntry"):
        plain, code = (
            entry.findtext(f"{space}Sts{at}", "") for at in ("", f"/{space}Cd")
        )
        status = code.strip() or plain.strip()
        if status != "BOOK":
            continue
        amount = round(Decimal(entry.findtext(f"{space}Amt", "").strip()) * 100)
        side = entry.findtext(f"{space}CdtDbtInd", "").strip()
        total += amount if side == "CRDT" else -amount
    return total


def judge(one: Statement) -> None:
    """Raises AssertionError if a statement does not hold."""
    assert all(line.amount > 0 for line in one.lines), one
    if one.opening is not None and one.closing is not None:
        assert one.opening + one.change == one.closing, one


def run(data: bytes) -> bool:
    """Whether it is taken. Raises what is a finding."""
    try:
        statements = join_pages(read_camt(data, "file.xml"))
    except StatementError:
        return False
    for one in statements:
        judge(one)
    assert statements == join_pages(read_camt(data, "file.xml"))
    assert booked(data) == sum(one.change for one in statements)
    return True


def changed(data: bytes, rng: random.Random) -> bytes:
    """An input with pieces of it changed, doubled, moved or left out."""
    made = bytearray(data)
    for _ in range(rng.randrange(1, 4)):
        at = rng.randrange(len(made) + 1)
        end = min(len(made), at + rng.choice((1, 2, 8, 40)))
        match rng.randrange(5):
            case 0:
                made[at:end] = b""
            case 1:
                made[at:at] = made[at:end]
            case 2:
                made[at:at] = bytes([rng.choice(b"<>/&\"'0129.-+eE ]!?\x00\xff")])
            case 3:
                other = rng.randrange(len(made) + 1)
                made[at:end] = made[other : other + end - at]
            case _ if at < len(made):
                made[at] ^= 1 << rng.randrange(8)
    return bytes(made[:SIZE_MAX])
