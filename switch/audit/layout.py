"""The byte layouts that the auditor reads, spelled out a second time.

`docs/data-model.md` is the source. Nothing here is derived from the compiled core, so
that a mistake there cannot hide itself here. Sizes are bytes; integers little-endian.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

from switch.codes import Result, RowFlag

Rows = npt.NDArray[np.void]
U64 = npt.NDArray[np.uint64]
Index = npt.NDArray[np.intp]
Mask = npt.NDArray[np.bool_]

ROW: Final = np.dtype(
    [
        ("id", "<u8", (2,)),
        ("sequence", "<u8"),
        ("timestamp", "<u8"),
        ("amount", "<u8"),
        ("resolves", "<u8"),
        ("reference", "<u8", (4,)),
        ("debit", "<u4"),
        ("credit", "<u4"),
        ("receipt", "<u4"),
        ("operator_", "<u4"),
        ("checker", "<u4"),
        ("participant", "<u4"),
        ("service", "<u2"),
        ("kind", "u1"),
        ("result", "u1"),
        ("flags", "<u2"),
        ("basket", "<u2"),
        ("total", "<u8"),
        ("deadline", "<u4"),
        ("check", "<u4"),
    ]
)
CHUNK: Final = np.dtype(
    [
        ("magic", "<u4"),
        ("format", "<u2"),
        ("reserved", "<u2"),
        ("rows_count", "<u4"),
        ("tail_size", "<u4"),
        ("first_sequence", "<u8"),
        ("instance", "V16"),
        ("epoch", "<u8"),
        ("ordinal", "<u8"),
        ("previous", "<u4"),
        ("check", "<u4"),
    ]
)
META: Final = np.dtype(
    [
        ("magic", "<u4"),
        ("format", "<u2"),
        ("reserved", "<u2"),
        ("instance", "V16"),
        ("epoch", "<u8"),
    ]
)
SEGMENT: Final = np.dtype(
    [
        ("magic", "<u4"),
        ("number", "<u4"),
        ("as_of", "<u8"),
        ("reserved", "<u4", (3,)),
        ("check", "<u4"),
    ]
)
ACCOUNT: Final = np.dtype(
    [
        ("debits_pending", "<u8"),
        ("debits_posted", "<u8"),
        ("credits_pending", "<u8"),
        ("credits_posted", "<u8"),
        ("day_amount", "<u8"),
        ("day_amount_max", "<u8"),
        ("period_debits", "<u8"),
        ("period_credits", "<u8"),
        ("carried", "<u8"),
        ("opened", "<u8"),
        ("changed", "<u8"),
        ("day", "<u4"),
        ("day_count", "<u4"),
        ("day_count_max", "<u4"),
        ("receipt", "<u4"),
        ("participant", "<u4"),
        ("holds_count", "<u4"),
        ("year", "<u2"),
        ("purpose", "<u2"),
        ("kind", "u1"),
        ("state", "u1"),
        ("reserved", "<u2"),
        ("refundable", "<u8"),
        ("payment_max", "<u8"),
        ("kept_amount", "<u8"),
        ("kept_count", "<u4"),
        ("cases_count", "<u4"),
        ("low_balance", "<u8"),
        ("low_since", "<u8"),
        ("settled", "<u8"),
        ("paid_out", "<u8"),
    ]
)
ACCOUNT_RECORD: Final = np.dtype(
    [("participant", "<u4"), ("purpose", "<u2"), ("kind", "u1"), ("reserved", "V25")]
)
LIMIT_RECORD: Final = np.dtype(
    [
        ("day_amount_max", "<u8"),
        ("day_count_max", "<u4"),
        ("form", "u1"),
        ("reserved", "V3"),
        ("payment_max", "<u8"),
        ("low_balance", "<u8"),
    ]
)
LIMIT_SIZES: Final = (16, 24, LIMIT_RECORD.itemsize)
"""Bytes of a limit's record by its form: the first ends before payment_max, the second
before low_balance."""
PARTICIPANT_RECORD: Final = np.dtype(
    [
        ("record", "u1"),
        ("role", "u1"),
        ("active", "u1"),
        ("reserved_0", "V5"),
        ("code", "S32"),
        ("may_state_dues", "u1"),
        ("never_credits_late", "u1"),
        ("signs_on", "u1"),
        ("reserved_1", "V1"),
        ("answer_hours", "<u2"),
        ("reserved_2", "V18"),
    ]
)
SERVICE_RECORD: Final = np.dtype(
    [
        ("record", "u1"),
        ("amount_rule", "u1"),
        ("mode", "u1"),
        ("duplicate_rule", "u1"),
        ("key_rule", "u1"),
        ("deadline_policy", "u1"),
        ("active", "u1"),
        ("heads_count", "u1"),
        ("code", "S16"),
        ("amount_min", "<u8"),
        ("amount_max", "<u8"),
        ("duplicate_hours", "<u4"),
        ("deadline_s", "<u4"),
        ("biller", "<u4"),
        ("heads", "<u4", (8,)),
        ("price_rule", "u1"),
        ("letters", "u1"),
        ("ignored", "u1"),
        ("check_digit", "u1"),
        ("items_count", "u1"),
        ("reserved_0", "V1"),
        ("series", "<u2"),
        ("reserved_1", "V4"),
        ("amount_step", "<u8"),
        ("reserved_2", "V24"),
        ("pattern", "S64"),
        ("reserved_3", "V64"),
    ]
)
TARIFF_ITEM: Final = np.dtype(
    [("code", "<u8"), ("fee", "<u8"), ("valid_from", "<u4"), ("reserved", "<u4")]
)
"""Behind a service's record. The code's bytes are read as one number."""
ITEM_LINE: Final = np.dtype([("code", "<u8"), ("count", "<u4")])
BILL_PART: Final = np.dtype(
    [
        ("reference", "<u8", (4,)),
        ("amount_due", "<u8"),
        ("fetched", "<u8"),
        ("period", "<u4"),
        ("due_day", "<u2"),
        ("amount_rule", "u1"),
        ("form", "u1"),
    ]
)
TARIFF_PART: Final = np.dtype(
    [
        ("items", ITEM_LINE, (4,)),
        ("reserved", "u1", (6,)),
        ("items_count", "u1"),
        ("form", "u1"),
    ]
)
PART_SIZE: Final = 56
"""Bytes of what a payment's tail begins with, whatever its form."""
SHIFT_RECORD: Final = np.dtype(
    [
        ("after_sequence", "<u8"),
        ("payments_amount", "<u8"),
        ("refunds_amount", "<u8"),
        ("cash_expected", "<u8"),
        ("cash_counted", "<u8"),
        ("payments_count", "<u4"),
        ("refunds_count", "<u4"),
        ("open_count", "<u4"),
        ("operator_", "<u4"),
        ("difference", "u1"),
        ("reserved", "V7"),
    ]
)
RULES_RECORD: Final = np.dtype(
    [("record", "u1"), ("reserved", "V3"), ("version", "<u4")]
)
REVOCATION_RECORD: Final = np.dtype(
    [
        ("record", "u1"),
        ("serial_size", "u1"),
        ("reserved_0", "V2"),
        ("participant", "<u4"),
        ("authority", "V32"),
        ("serial", "V20"),
        ("reserved_1", "V4"),
    ]
)
CONFIRMATION_RECORD: Final = np.dtype(
    [("record", "u1"), ("reserved", "V3"), ("revocation", "<u4")]
)
PINS_RECORD: Final = np.dtype(
    [
        ("record", "u1"),
        ("count", "u1"),
        ("reserved", "V2"),
        ("participant", "<u4"),
        ("pins", "V64"),
    ]
)
BUDGET_RECORD: Final = np.dtype(
    [
        ("record", "u1"),
        ("budget", "u1"),
        ("reserved", "V2"),
        ("participant", "<u4"),
        ("value", "<u8"),
    ]
)
PERSON_RECORD: Final = np.dtype(
    [
        ("record", "u1"),
        ("role", "u1"),
        ("active", "u1"),
        ("reserved_0", "V1"),
        ("participant", "<u4"),
        ("number", "<u4"),
        ("bank", "<u4"),
        ("key", "V32"),
    ]
)
THRESHOLDS_RECORD: Final = np.dtype(
    [
        ("record", "u1"),
        ("wait_days", "u1"),
        ("reserved", "V2"),
        ("wait_s", "<u4"),
        ("single", "<u8"),
        ("batch", "<u8"),
        ("day", "<u8"),
    ]
)
BANK_ACCOUNT_RECORD: Final = np.dtype(
    [
        ("record", "u1"),
        ("active", "u1"),
        ("reserved_0", "V2"),
        ("participant", "<u4"),
        ("purpose", "<u2"),
        ("reserved_1", "V6"),
        ("account", "S40"),
    ]
)
STATEMENT_RECORD: Final = np.dtype(
    [
        ("record", "u1"),
        ("source", "u1"),
        ("reserved", "V2"),
        ("bank", "<u4"),
        ("number", "<u4"),
        ("first_day", "<u4"),
        ("last_day", "<u4"),
        ("lines_count", "<u4"),
        ("opening", "<i8"),
        ("closing", "<i8"),
        ("name", "V8"),
    ]
)
BENEFICIARY_RECORD: Final = np.dtype(
    [
        ("record", "u1"),
        ("active", "u1"),
        ("reserved", "V2"),
        ("account", "<u4"),
        ("number", "S40"),
        ("ifsc", "S16"),
    ]
)
MARGIN_RECORD: Final = np.dtype(
    [
        ("record", "u1"),
        ("reserved_0", "V3"),
        ("margin_ms", "<u4"),
        ("count", "<u4"),
        ("reserved_1", "V4"),
    ]
)
BILLER_MARGIN: Final = np.dtype(
    [("code", "S32"), ("margin_ms", "<u4"), ("reserved", "V4")]
)
SCHEDULE_RECORD: Final = np.dtype(
    [
        ("record", "u1"),
        ("weekdays", "u1"),
        ("cutoffs_count", "u1"),
        ("reserved_0", "V1"),
        ("holidays_count", "<u2"),
        ("reserved_1", "V2"),
        ("cutoffs", "<u2", (8,)),
    ]
)
"""Behind it stand the holidays, as many as it says."""
BILLS_RECORD: Final = np.dtype(
    [
        ("form", "u1"),
        ("reserved_0", "V3"),
        ("count", "<u4"),
        ("amount", "<u8"),
        ("hash", "V32"),
        ("reserved_1", "V16"),
    ]
)
"""Of what a biller has put in; it is no record of the register."""
PROPOSED_LINE: Final = np.dtype(
    [
        ("kind", "u1"),
        ("reserved", "u1"),
        ("flags", "<u2"),
        ("tail_size", "<u4"),
        ("amount", "<u8"),
        ("resolves", "<u8"),
        ("debit", "<u4"),
        ("credit", "<u4"),
        ("reference", "<u8", (4,)),
    ]
)
WINDOW_LINE: Final = np.dtype(
    [
        ("account", "<u4"),
        ("reserved", "<u4"),
        ("debits", "<u8"),
        ("credits", "<u8"),
        ("carried", "<u8"),
        ("payable", "<u8"),
    ]
)

INDEX_META: Final = np.dtype(
    [
        ("magic", "<u4"),
        ("format", "<u4"),
        ("instance", "V16"),
        ("as_of", "<u8"),
        ("window", "<u8"),
        ("run_next", "<u8"),
        ("step_rows", "<u8"),
        ("transaction", "<u8"),
        ("fresh", "<u8", (3,)),
        ("secret", "V16"),
        ("records_count", "<u8", (16,)),
        ("records_sum", "<u8", (16,)),
        ("accounts_count", "<u4"),
        ("runs_count", "<u4"),
        ("merges_count", "<u4"),
        ("retired_count", "<u4"),
        ("segments_count", "<u4"),
        ("chunk_check", "<u4"),
        ("behind", "<u4"),
        ("stage", "<u4"),
        ("stage_parts", "<u4"),
        ("check", "<u4"),
    ]
)
INDEX_PIECE: Final = np.dtype([("steps", "<u4"), ("check", "<u4")])
INDEX_HOLDS: Final = np.dtype(
    [
        ("magic", "<u4"),
        ("number", "<u4"),
        ("as_of", "<u8"),
        ("count", "<u4"),
        ("check", "<u4"),
    ]
)
INDEX_HOLD: Final = np.dtype([("sequence", "<u8"), ("due", "<u8")])

SIZES: Final = {
    128: (ROW,),
    184: (ACCOUNT,),
    64: (
        *(CHUNK, PARTICIPANT_RECORD, SHIFT_RECORD, REVOCATION_RECORD),
        *(PROPOSED_LINE, BENEFICIARY_RECORD, BILLS_RECORD),
    ),
    48: (PERSON_RECORD, STATEMENT_RECORD),
    72: (PINS_RECORD,),
    256: (SERVICE_RECORD,),
    400: (INDEX_META,),
    24: (INDEX_HOLDS, SCHEDULE_RECORD, TARIFF_ITEM),
    12: (ITEM_LINE,),
    PART_SIZE: (BILL_PART, TARIFF_PART, BANK_ACCOUNT_RECORD),
    8: (INDEX_PIECE, RULES_RECORD, CONFIRMATION_RECORD),
    32: (META, SEGMENT, ACCOUNT_RECORD, THRESHOLDS_RECORD, LIMIT_RECORD),
    16: (INDEX_HOLD, BUDGET_RECORD, MARGIN_RECORD),
    40: (WINDOW_LINE, BILLER_MARGIN),
}
for _size, _dtypes in SIZES.items():
    for _dtype in _dtypes:
        if _dtype.itemsize != _size:
            raise ImportError(f"a layout has {_dtype.itemsize} bytes, not {_size}")

RECORD_RULES: Final = 4
"""A register row that says by which rules the rows behind it were decided."""

PAYOUT_RULES: Final = 10
"""The first rules that know beneficiaries, what a wallet owes, openings, cut-offs, low
balances and signed revocations."""

RECALL_RULES: Final = 11
"""The first rules by which what was released to a bank may be recalled, and that know
participants who only read."""

COUNTER_RULES: Final = 12
"""The first rules that know operators, complaints, bills that are put in, and the role
of the public check."""

CANCEL_RULES: Final = 13
"""The first rules by which a void that cancels says which operator has wished it."""

HANDOUT_RULES: Final = 14
"""The first rules that know cash which a row of its own hands out."""

CHANNEL_RULES: Final = 14
"""The first rules by which a bank's connection is of one bank account."""

COUNTERS_OWN_RULES: Final = 14
"""The first rules by which a centre that signs on asks for what its counter does."""

SETTLED_RULES: Final = 17
"""The first rules by which a payout is at most what was settled and not paid out."""

HEADS_RULES: Final = 14
"""The first rules by which the heads of a service only grow."""

STAKE_RULES: Final = 14
"""The first rules whose thresholds look at what a proposal moves or releases."""

CORRECT_RULES: Final = 16
"""The first rules by which a correction releases what is left of a bill, and can be
undone, and direct services have no bills in parts."""

DECIDED_RULES: Final = 14
"""The first rules by which what people decided is asked again when it is done."""

APPROVER_RULES: Final = 18
"""The first rules by which three want what makes more people approve, or two wait; and
by which a ledger begins with three."""

RECOVERY_RULES: Final = 19
"""The first rules that know recoverers."""

SIGN_OFF_RULES: Final = 20
"""The first rules by which signing off is a row."""

EMPTY_RULES: Final = 20
"""The first rules by which no window is closed by command that has nothing in it."""

PUT_RULES: Final = 15
"""The first rules by which what was fetched does not outlive a file of bills."""

MARGIN_RULES: Final = 15
"""The first rules by which the switch says its margins."""

ROW_SIZE: Final = 128
CHUNK_SIZE: Final = 64
SEGMENT_SIZE: Final = 32
TAIL_ITEM_SIZE: Final = 8
INDEX_RUN_SIZE: Final = 56
INDEX_MERGE_SIZE: Final = 88
INDEX_RETIRED_SIZE: Final = 24
CHUNK_MAGIC: Final = 0x314B4843
INDEX_MAGIC: Final = 0x31584449
SEGMENT_MAGIC: Final = 0x31474553
HOLDS_MAGIC: Final = 0x31444C48
FORMAT: Final = 5
INDEX_FORMAT: Final = 12

GROUP_MAX: Final = 8190
TAIL_ITEM_MAX: Final = 262_144
WINDOW_ITEM_MAX: Final = 65_000 * WINDOW_LINE.itemsize + 64
LINES_ITEM_MAX: Final = 2_600_000
LINES_MAX: Final = 8_000
LINE_TAIL_MAX: Final = 65_536
BOOKED_TAIL_MAX: Final = 1_024
SIGNATURE_SIZE: Final = 64
ACCOUNTS_MAX: Final = 2_097_152
SERVICES_MAX: Final = 65_535
SEGMENT_ACCOUNTS: Final = 512
HOLD_PIECES: Final = 64
BASKET_MIN: Final = 2
BASKET_MAX: Final = 16
NOTE_MAX: Final = 64
TARIFF_ITEMS_MAX: Final = 64
PAYMENT_ITEMS_MAX: Final = 4
ITEM_COUNT_MAX: Final = 9_999
PERIOD_MAX: Final = 119_999
TAKERS_MAX: Final = 16

NS: Final = 1_000_000_000
HOUR_NS: Final = 3600 * NS
DAY_NS: Final = 86_400 * NS
TOKEN_LIFE_NS: Final = DAY_NS
"""From that age on a quotation is expired, whatever its biller said."""
PROPOSAL_LIFE_NS: Final = 30 * DAY_NS
"""From that age on a proposal is approved no more."""
REQUEST_LIFE_NS: Final = 30 * DAY_NS
"""From that age on a request is met no more."""
IST_OFFSET_NS: Final = 19_800 * NS

TAIL: Final = int(RowFlag.TAIL)
CLAIM: Final = int(RowFlag.CLAIM)
RECENT: Final = int(RowFlag.RECENT)
RELEASE: Final = int(RowFlag.RELEASE)
CASE: Final = int(RowFlag.CASE)
UNDOES: Final = int(RowFlag.UNDOES)
THIRD: Final = int(RowFlag.THIRD)
UNFREEZE: Final = int(RowFlag.UNFREEZE)
REVERSAL: Final = int(RowFlag.REVERSAL)
OWED: Final = int(RowFlag.OWED)
MATCHED: Final = int(RowFlag.MATCHED)
KEEP: Final = int(RowFlag.KEEP)
RECOVERY: Final = int(RowFlag.RECOVERY)
EVIDENCE: Final = int(RowFlag.EVIDENCE)
STATED: Final = int(RowFlag.STATED)
PARTIAL: Final = int(RowFlag.PARTIAL)
PRICE_FLAGS: Final = CLAIM | RECENT | STATED | PARTIAL
"""Only a payment has them, and what ends or refunds it; a top-up has a claim."""
TENDER_MASK: Final = 0x3000
"""How the citizen had paid."""
COPIED_FLAGS: Final = PRICE_FLAGS | 0x0E00 | TENDER_MASK
"""What a resolving row and a refund copy, beside head and tender."""
REFUSED_FLAGS: Final = TAIL | int(RowFlag.UNFREEZE) | STATED | 0x0E00 | TENDER_MASK
"""What a refused row keeps: what its sender said."""

OK: Final = int(Result.OK)
REFUSALS_FROM: Final = int(Result.SERVICE_UNKNOWN)
"""The least result that leaves a row; smaller ones answer without a trace. Results are
appended, so that one that is not known here is a refusal like the others."""


def pick(rows: Rows, index: "Index | Mask") -> Rows:
    """A copy of some rows, each moved as a whole and not field by field."""
    if index.dtype == np.bool_:
        index = np.flatnonzero(index)
    words = rows.view(np.uint64).reshape(len(rows), ROW_SIZE // 8)
    return words.take(index, axis=0).view(ROW).reshape(len(index))


def ist_days(timestamps: U64) -> U64:
    """IST days since 1970-01-01 of timestamps in ns UTC."""
    return (timestamps + np.uint64(IST_OFFSET_NS)) // np.uint64(DAY_NS)


def financial_years(days: U64) -> U64:
    """The calendar year in which the financial year of each IST day began."""
    months = days.astype(np.int64).astype("datetime64[D]").astype("datetime64[M]")
    return ((months.astype(np.int64) - 3) // 12 + 1970).astype(np.uint64)


def mix(seed: int, *words: npt.NDArray[np.generic]) -> U64:
    """A 64-bit hash of rows of words, to find equal ones; equality is then proven."""
    state = np.full(len(words[0]), seed, dtype=np.uint64)
    for word in words:
        state ^= word.astype(np.uint64)
        state *= np.uint64(0x9E3779B97F4A7C15)
        state ^= state >> np.uint64(32)
        state *= np.uint64(0xD6E8FEB86659FD93)
        state ^= state >> np.uint64(29)
    return state
