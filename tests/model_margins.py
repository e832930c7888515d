"""The oracle's margins: how long before its deadline nobody credits a payment any more.

Part of tests/model.py, which see. What billers are asked by it is nothing to a ledger.
"""

import re
import struct

from switch.codes import Kind, Record
from tests.flags import RowFlag
from tests.model_windows import Windows
from tests.records import Row

HEAD_BYTES = struct.Struct("<B3sII4s")
BILLER_BYTES = struct.Struct("<32sI4s")
MARGINS_MAX = 4_096
CODE = re.compile(rb"[a-z0-9-]{1,32}")


class Margins(Windows):
    """What the switch says of them, and nobody else may."""

    def __init__(self) -> None:
        super().__init__()
        self.margins: dict[int, int] = {}  # 0 -> the last row

    def record_is_valid(self, row: Row) -> bool:
        tail = row.tail or b""
        if row.kind == Kind.REGISTER and tail[:1] == bytes([Record.MARGIN]):
            is_the_switch_s = not row.participant and not row.operator_
            return is_the_switch_s and margin_is_valid(tail)
        return super().record_is_valid(row)

    def do_register(self, row: Row) -> None:
        if (row.tail or b"")[0] != Record.MARGIN:
            super().do_register(row)
            return
        row.debit, row.resolves = 1, self.margins.get(0, 0)
        row.flags |= RowFlag.UPDATE if row.resolves else 0
        self.append(row)
        self.margins[0] = row.sequence


def margin_is_valid(tail: bytes) -> bool:
    """Whether a record of margins is one: billers ascend, and differ."""
    if len(tail) < HEAD_BYTES.size:
        return False
    _, zeros, margin, count, more = HEAD_BYTES.unpack_from(tail)
    end = HEAD_BYTES.size + count * BILLER_BYTES.size
    if any(zeros + more) or not is_margin(margin) or count > MARGINS_MAX:
        return False
    if len(tail) < end:
        return False
    before = b""
    for code, own, zeros in BILLER_BYTES.iter_unpack(tail[HEAD_BYTES.size : end]):
        if any(zeros) or not is_margin(own) or own == margin or code <= before:
            return False
        if not CODE.fullmatch(code.rstrip(b"\0")):
            return False
        before = code
    return True


def is_margin(margin_ms: int) -> bool:
    """Whether it is one, in milliseconds."""
    return 10 <= margin_ms <= 3_600_000
