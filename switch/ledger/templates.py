"""Row templates and records: how requests of the treasury and the register look.

May use the core's dtypes and `codes`. Nothing here decides anything: whatever fits in
a row is passed on as it is, and the ledger answers for its shape.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from switch._core import (
    ACCOUNT_RECORD,
    LIMIT_RECORD,
    ROW,
    Request,
    Rows,
)
from switch.codes import NO_AMOUNT_LIMIT, NO_COUNT_LIMIT, AccountKind, Kind, RowFlag
from switch.ids import ID_SIZE

REFERENCE_SIZE = 32
"""Bytes of a row's reference."""

Records = npt.NDArray[np.void]


class Templates(NamedTuple):
    """Rows as they are asked for, with the tail items of those that have one."""

    rows: Rows
    tails: tuple[bytes, ...] = ()

    def request(self) -> Request:
        """The same, ready to be committed; its reply is one OUTCOME for each row."""
        return Request.rows(self.rows, self.tails)


def join(parts: Iterable[Templates]) -> Templates:
    """Several templates as one, in order. Raises ValueError if there are none."""
    listed = list(parts)
    rows = np.concatenate([part.rows for part in listed])
    return Templates(rows, tuple(tail for part in listed for tail in part.tails))


def put_bytes(records: Records, name: str, value: bytes) -> None:
    """Write `value` and zeros after it into a field of bytes of the first record.

    Raises ValueError if it does not fit.
    """
    dtype, start = _field(records.dtype, name)
    if len(value) > dtype.itemsize:
        raise ValueError(f"{name} takes {dtype.itemsize} bytes, not {len(value)}")
    padded = value.ljust(dtype.itemsize, b"\0")
    raw = records.view(np.uint8)
    raw[start : start + dtype.itemsize] = np.frombuffer(padded, np.uint8)


def get_bytes(record: bytes, dtype: np.dtype[np.void], name: str) -> bytes:
    """A field of bytes of a record, without the zeros after it."""
    field, start = _field(dtype, name)
    return record[start : start + field.itemsize].rstrip(b"\0")


def _field(dtype: np.dtype[np.void], name: str) -> tuple[np.dtype[np.void], int]:
    fields = dtype.fields
    assert fields is not None
    found = fields[name]
    return found[0], found[1]


def template(
    kind: Kind,
    *,
    row_id: bytes = b"",
    sender: int = 0,
    amount: int = 0,
    resolves: int = 0,
    reference: str = "",
    debit: int = 0,
    credit: int = 0,
    operator: int = 0,
    checker: int = 0,
    service: int = 0,
    flags: int = 0,
    basket: int = 0,
    deadline_s: int = 0,
    total: int = 0,
    tail: bytes | None = None,
) -> Templates:
    """One row as it is asked for. Amounts in paise, `sender` a participant index.

    `total` is the amount due of a payment, the correction of a case_close, the kind
    that a propose asks for, the proposal of a refund, a correction or the release of a
    kept hold; the ledger clears it on other rows.
    An id that has not 16 bytes, or a reference that no row can hold, is left out:
    the ledger then answers INVALID_ID or INVALID_REFERENCE, as it does to all that
    has the wrong shape. Raises OverflowError if a number does not fit in its field.
    """
    rows = np.zeros(1, ROW)
    values = {
        "amount": amount,
        "resolves": resolves,
        "debit": debit,
        "credit": credit,
        "operator_": operator,
        "checker": checker,
        "participant": sender,
        "service": service,
        "kind": int(kind),
        "flags": int(flags) | (0 if tail is None else int(RowFlag.TAIL)),
        "basket": basket,
        "deadline": deadline_s,
        "total": total,
    }
    for name, value in values.items():
        rows[name] = value
    if len(row_id) == ID_SIZE:
        put_bytes(rows, "id", row_id)
    encoded = reference.encode("utf-8", "replace")
    if len(encoded) <= REFERENCE_SIZE and b"\0" not in encoded:
        put_bytes(rows, "reference", encoded)
    return Templates(rows, () if tail is None else (tail,))


def open_account(
    participant: int,
    purpose: int,
    kind: AccountKind,
    *,
    row_id: bytes,
    sender: int = 0,
    head: str = "",
) -> Templates:
    """A new account of `participant`; `head` is a biller account's head."""
    record = np.zeros(1, ACCOUNT_RECORD)
    record["participant"] = participant
    record["purpose"] = purpose
    record["kind"] = int(kind)
    tail = record.tobytes() + people_json({"head": head})
    return template(Kind.OPEN, row_id=row_id, sender=sender, tail=tail)


LIMIT_SIZES = (16, 24)
"""Bytes of a limit record of the first form, and of the second."""


def set_limit(
    account: int,
    day_amount_max: int,
    day_count_max: int,
    payment_max: int = 0,
    *,
    row_id: bytes,
    sender: int = 0,
    checker: int = 0,
) -> Templates:
    """What a wallet may spend in an IST day, and in one payment; 0 for no limit.

    Without a limit of one payment the record is of the first form, byte for byte what
    it was before there was another: a request that is sent again must stay the same.
    """
    record = np.zeros(1, LIMIT_RECORD)
    record["day_amount_max"] = day_amount_max or NO_AMOUNT_LIMIT
    record["day_count_max"] = day_count_max or NO_COUNT_LIMIT
    record["form"] = form = 1 if payment_max else 0
    record["payment_max"] = payment_max
    return template(
        Kind.LIMIT,
        row_id=row_id,
        sender=sender,
        debit=account,
        checker=checker,
        tail=record.tobytes()[: LIMIT_SIZES[form]],
    )


def people_json(values: Mapping[str, str]) -> bytes:
    """The part of a tail that people read; empty texts are left out.

    The same values give the same bytes: keys are sorted, nothing is spaced.
    """
    kept = {name: value for name, value in values.items() if value}
    text = json.dumps(kept, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return text.encode()


def derived_id(*parts: bytes | int) -> bytes:
    """16 bytes that follow from `parts` alone, for rows that nobody chose an id for."""
    hasher = hashlib.blake2b(digest_size=ID_SIZE, person=b"payswitch-rows")
    for part in parts:
        data = part.to_bytes(8, "little") if isinstance(part, int) else part
        hasher.update(len(data).to_bytes(4, "little"))
        hasher.update(data)
    return hasher.digest()
