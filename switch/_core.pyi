"""What type checkers see of the compiled core.

The core is the only writer of a ledger directory. One process at a time; one commit at
a time, be it the queue's or `commit`; any thread may read. Everything read is durable.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any, final

import numpy as np
import numpy.typing as npt

from switch.entries import Entry
from switch.errors import SwitchError
from switch.readings import ClockState, GroupMeter, LedgerHead

Rows = npt.NDArray[np.void]

ROW: np.dtype[np.void]
"""One journal row, 128 bytes; `layout.pxd` declares the fields."""
ACCOUNT: np.dtype[np.void]
"""One account image, 184 bytes."""
OUTCOME: np.dtype[np.void]
"""The answer to one requested row, 80 bytes."""
PARTICIPANT_RECORD: np.dtype[np.void]
SERVICE_RECORD: np.dtype[np.void]
ACCOUNT_RECORD: np.dtype[np.void]
LIMIT_RECORD: np.dtype[np.void]
WINDOW_LINE: np.dtype[np.void]
SHIFT_RECORD: np.dtype[np.void]
RULES_RECORD: np.dtype[np.void]
REVOCATION_RECORD: np.dtype[np.void]
CONFIRMATION_RECORD: np.dtype[np.void]
PINS_RECORD: np.dtype[np.void]
BUDGET_RECORD: np.dtype[np.void]
PERSON_RECORD: np.dtype[np.void]
THRESHOLDS_RECORD: np.dtype[np.void]
BANK_ACCOUNT_RECORD: np.dtype[np.void]
STATEMENT_RECORD: np.dtype[np.void]
SCHEDULE_RECORD: np.dtype[np.void]
OPERATOR_RECORD: np.dtype[np.void]
BILLS_RECORD: np.dtype[np.void]
PROPOSED_LINE: np.dtype[np.void]
"""One line of a proposal, 64 bytes, before its own tail."""
ANSWER: np.dtype[np.void]
"""What a biller answered to one question, 120 bytes; texts are zero-padded."""
QUOTATION: np.dtype[np.void]
"""What a biller said is owed, sealed: a token of 144 bytes."""
TARIFF_ITEM: np.dtype[np.void]
"""One line of a service's tariff, 24 bytes, behind its record."""
BILL_TAIL: np.dtype[np.void]
"""The first 56 bytes of the tail of a payment of a bill."""
TARIFF_TAIL: np.dtype[np.void]
"""The same of a payment by tariff; ITEM_LINE is one item of it, 12 bytes."""
ITEM_LINE: np.dtype[np.void]
KIND_TRAITS: tuple[int, ...]
"""What a row's kind is, by its number: bits as in `codes.Trait`."""
BUDGET_BOUNDS: tuple[tuple[int, int], ...]
"""The least and the most that a budget may be, by its number; (1, 0): there is none."""
GROUP_MAX: int
"""Rows in one group, expiries included."""
TAIL_MAX: int
"""Bytes of tail in one group."""
ANSWERS_MAX: int
QUESTIONS_MAX: int
"""Answers in one message of a biller; holds that one message asks about."""
LOG_DONE: int
LOG_FENCED: int
LOG_UNKNOWN: int
"""What came of an append: the chunk is in the log, never will be, may be or come."""
FOLLOW_CHUNKS_MAX: int
"""Chunks that are taken at a time."""
LMDB_VERSION: str
CRC_PORTABLE: bool
"""Checks are made without the processor's instruction: it has none, or a test asked."""
ASSERTS: bool
"""This build looks at what its functions rely on, and ends where it does not hold."""

def next_cutoff(schedule: bytes, after_ns: int) -> int:
    """Nanosecond time of the first cut-off after another, by the record of a schedule
    and its holidays; 0 for none. Raises ValueError if they are none."""

def test_assert() -> None:
    """End the process by an assert that does not hold, if this build has asserts."""

def crc32c(data: bytes | memoryview, seed: int = 0) -> int:
    """CRC-32C of `data`, continuing from `seed`, as the journal uses it."""

def test_walked() -> int: ...
def crc32c_portable(data: bytes, seed: int = 0) -> int: ...
def pack_page(entries: bytes, seed: int = 0) -> bytes: ...
def unpack_page(block: bytes, head: int, nth: int, seed: int = 0) -> bytes: ...
def blake2b_keyed(
    block: bytes, key: bytes, salt: bytes, person: bytes, size: int = 16
) -> bytes:
    """BLAKE2b of `block` (128 bytes) with a key of 1 to 64 bytes, as tokens are sealed;
    `salt` and `person` have 16 bytes, the digest `size`. ValueError otherwise."""

def compare_journal(
    path: str, instance: bytes, as_of: int, chunk_check: int, *, map_size: int = ...
) -> None:
    """Ask the journal in `path` for the chunk that an index was made up to; hold LOCK.
    JournalBehindError if it lacks it, or what opening a damaged journal raises."""

def entries_of(rows: Rows) -> list[Entry]:
    """Rows (dtype ROW) as entries, each on its own; of many ask their columns. Raises
    ValueError for another dtype, CorruptionError for a kind or result unknown."""

@final
class Request:
    """One message for the ledger, framing checked, ready to be committed.
    Immutable; may be made in any thread."""

    rows_count: int
    """Rows it can become: its share of GROUP_MAX."""
    payments_count: int
    """Of a message: payments outside baskets; of row templates 0."""
    baskets_count: int
    """Of a message: baskets, empty ones too; of row templates 0."""
    size: int
    """Bytes it can add to the tail of its group: its share of TAIL_MAX."""

    @staticmethod
    def payments(body: bytes, sender: int, centre: int, operator: int = 0) -> Request:
        """A CreatePayment(s)/CreateBasket/StreamPayments request as it came.
        `sender` is the participant index that sent it; `centre` the participant
        index it is bound to, or 0 if it may name any centre; `operator` who of that
        centre's operators is signed on, 0: nobody. Committing it gives the bytes of a
        CreatePaymentsResponse (bytes of several concatenate to one). Raises WireError
        if the bytes are not that message, hold no payment, or more than GROUP_MAX."""

    def decode(self) -> list[tuple[bytes, bytes, bytes, bytes, int, int]]:
        """The payments as the parser fills them, before any look-up; for tests.
        Of each, in the order on the wire: the row template (128 bytes), codes of
        service and centre (cut to 255 bytes) and the note (b"" if it is wrong);
        a mask with bit n for each `Result.INVALID_...` n that the shape alone
        earns; how many payments are left in its basket, itself included, 0 outside
        one. Raises ValueError if these are no payments."""

    @staticmethod
    def rows(rows: Rows, tails: Sequence[bytes] = ()) -> Request:
        """Row templates (dtype ROW) as the treasury and the register make them.

        The caller fills id, kind, amount, resolves, reference, debit, credit,
        operator_, checker, participant, service, flags (ROW_UNFREEZE, head, tender),
        basket, deadline; rows of kind open, limit, register, shift (and payments with a
        note) carry ROW_TAIL and take the next of `tails`. `total` is the amount due of
        a payment, what a propose asks for, and the proposal of what is done only if it
        is approved: a refund, a correction, an advance, a case_close, a verify, the
        post and the void of a kept hold; and the row of a line. Committing gives an
        array of OUTCOME, one for each row. Raises ValueError if there are no rows, more
        than GROUP_MAX, a wrong dtype, or tails that do not match."""

    @staticmethod
    def answers(answers: Rows, biller: int) -> Request:
        """A biller's word on holds: ANSWER records, `biller` its participant index.
        Each must be CONFIRMED with the `amount` that was credited (0: INVALID_AMOUNT),
        and posts the whole hold `number`, or REJECTED, and voids it, or verifies what
        has expired; `id` must be the hold's and its service the biller's, or it is
        HOLD_NOT_FOUND. The biller's reference, or its reason, becomes the tail of the
        row. For a basket give an answer for each of its holds, each with the sum. An
        answer with another amount is AMOUNT_DIFFERS and writes a case, as does one that
        contradicts what ended the hold: its result is ALREADY_..., `other` is what
        ended the hold and `sequence` the case. Committing gives an array of
        OUTCOME, one for each answer. Raises ValueError if there are no answers, more
        than GROUP_MAX, another kind of answer, or a text that is not printable."""

def parse_clock(body: bytes) -> int:
    """The clock of a ConnectRequest in nanoseconds, 0 if it has none. WireError if the
    bytes are not that message; what is in its answers is not looked at."""

def parse_answers(body: bytes) -> Rows:
    """The answers of a ConnectRequest, dtype ANSWER, in their order.
    `kind` is 0 if it is none of the contract's, `id` zero if it has not 16 bytes.
    A text that has more than 32 bytes or one that is not printable ASCII is left out,
    and `bad` has bit 0 for the biller's reference, bit 1 for the reason. Bills are
    counted (`bills_count`) and not read: the bytes of the Answer that has them are
    `body[at : at + size]`. Raises WireError if the bytes are not that message, or hold
    more than ANSWERS_MAX answers."""

def encode_outcomes(ids: bytes, outcomes: Rows) -> bytes:
    """The CreatePaymentsResponse for `outcomes` (dtype OUTCOME), as commits write it;
    for tests. `ids` has 16 bytes for each. Raises ValueError if they do not match."""

@final
class Ledger:
    """An open ledger directory: `journal/`, `index/`, `LOCK`."""

    path: str
    instance: bytes
    """16 bytes, chosen when the ledger was made."""
    sequence: int
    """Last durable sequence."""
    timestamp: int
    """Timestamp of that row, 0 if there is none."""
    index_sequence: int
    """What the index covers; the rows after it are replayed at opening."""
    last_window: int
    """Sequence of the window closed last, 0 before the first."""
    rules_version: int
    """Of the rules that the last rules row names, 0 before the first."""
    holds_count: int
    """Open holds."""
    kept_count: int
    """Those of them that are kept: only evidence or people end them."""
    unverified_count: int
    """Holds that have expired and are neither verified nor corrected."""
    damaged_requests: int
    """Payments and moves since the opening that had DATA_DAMAGED for their answer."""
    holds_turned_away: int
    billers_turned_away: int
    """Since the opening BILLER_BUSY, for too many holds of a wallet, of a biller."""
    refusals_turned_away: int
    ids_turned_away: int
    """Likewise refusals that were not recorded, requests with ANOTHER_ID_NEEDED."""
    stuck: str
    """Which of `index` and `journal` is being written for longer than `patience_s`, as
    when LMDB is in a loop; empty if none is. The next start walks the pages."""
    dead: str
    """Why the ledger refuses to commit for ever; empty while it is alive."""
    fenced: bool
    """Whether that is since another node leads."""
    unsettled: bool
    """Whether that is since the log did not say if it has the last chunk."""
    head: LedgerHead
    """Where the journal ends."""

    def __init__(
        self,
        path: str,
        *,
        create: bool = True,
        map_size: int = 4 << 40,
        reserve_size: int = 64 << 20,
        index_step_rows: int = 65536,
        index_lag_max: int = 1048576,
        index_segments_least: int = 16,
        room_least: int = 256 << 20,
        threads: bool = True,
        patience_s: float | None = None,
        lock_fd: int = -1,
        progress: npt.NDArray[np.uint64] | None = None,
        instance: bytes | None = None,
    ) -> None:
        """Open the ledger in `path`, making it if `create` and there is none.

        `map_size`: bytes of address space for each environment. `reserve_size`:
        bytes zero-written ahead of use in the journal's file; 0 for none.
        `index_segments_least`: segments of account images that a step of the index
        writes at least, if so many have changed; more if their term demands it.
        `room_least`: bytes that must be free on the disk before the index is written;
        with less it waits, and groups are refused once it lags `index_lag_max` rows.
        `threads`: start the index writer's and the reserve's thread; without them
        call `index_step` yourself. `patience_s`: who writes and is in LMDB for longer
        is taken for stuck, and leaves the mark `DOUBT` until it comes back; a minute if
        not given, and without `threads` not watched then.
        `lock_fd`: LOCK, which the caller has opened and locked; it keeps its own.
        `progress`: two numbers that another thread may read while an index is made
        anew: rows indexed so far, and rows in all. `instance`: 16 bytes that a ledger
        made now gets, to follow the one that has them; FormatError if it has others.

        Raises BusyError if another process has it, FormatError, CorruptionError (of
        the journal), IndexDamagedError, JournalBehindError, StorageError."""

    def close(self) -> None:
        """Stop the threads, close the environments, release LOCK. Idempotent.
        With threads the index is brought to the last whole step before."""

    def __enter__(self) -> Ledger: ...
    def __exit__(self, *exc: object) -> None: ...
    def commit(self, requests: Sequence[Request], now_ns: int) -> list[bytes | Rows]:
        """Apply `requests` in order as one group; return their replies when durable.
        `now_ns` is the wall clock; rows get max(now, last + 1). A window of a cut-off
        closes first, in a group of its own; holds that are due end in this one. Empty
        requests do only that. ValueError if they exceed GROUP_MAX or TAIL_MAX together,
        SpaceError if there is no reserve left (nothing changed, try later), DeadError
        if the ledger is dead, StorageError if this commit killed it, NotLeaderError
        without the log that it had before (`replicate`)."""

    def replicate(self, log: object | Callable[[bytes], int], epoch: int) -> None:
        """From now on each chunk, of this epoch, is appended to `log`, then committed.

        `log` is a capsule of the struct in `core/log_api.h`, or a callable that takes
        the chunk and gives LOG_DONE, LOG_FENCED or LOG_UNKNOWN, which counts if it
        raises. Who commits calls it, one at a time; it may block for long. Unless it is
        done the ledger is dead: NotLeaderError if it was fenced, and nothing was done,
        else UnknownOutcomeError. Once, before the queue starts. ValueError if a log is
        there, or the epoch is lower than the last chunk's."""

    def follow(self, chunks: Sequence[bytes]) -> int:
        """Take chunks in order, at most FOLLOW_CHUNKS_MAX, that another node has made;
        the last durable sequence then. The first ones may be here already. All are
        verified before one is taken: FollowError if one cannot be, and nothing has
        changed. As many as fit a group are stored in one transaction. SpaceError if
        there is no room now; what was taken by then stays. ValueError after
        `replicate`, DeadError, StorageError if this killed the ledger."""

    def state_hash(self) -> tuple[int, bytes]:
        """The last durable sequence, and 8 bytes that follow from the journal up to it:
        of accounts, holds, register and complaints. Waits for commits."""

    def step_hash(self) -> tuple[int, bytes]:
        """The same behind the chunk that ended the last step of `index_step_rows`, of
        a ledger that replicates or follows; (0, b"") before the first since opening."""

    def expiry(self) -> int:
        """Nanosecond time at which a hold is due, or a window's cut-off; 0: neither."""

    def index_step(self) -> bool:
        """Bring the index one step forward if a whole step is durable. True if so."""

    def set_quotation_keys(self, keys: Sequence[tuple[int, bytes]]) -> None:
        """Seal quotations with the first of `keys` and accept all of them from here on:
        one or two, each a number from 1 to 255 and 32 secret bytes. Not kept: one that
        is opened has none. Any thread; waits while a group is decided. ValueError."""

    def seal_quotation(self, quotation: Rows) -> bytes:
        """The token, 144 bytes, of one element of the dtype QUOTATION: its format, key
        and seal are filled in, its `valid_until` is cut to a day after `fetched` (0:
        that). Any thread. ValueError: a field is out of its bounds, or no key is set.
        """

    def open_quotation(self, token: bytes, now_ns: int) -> tuple[int, Rows]:
        """What a token is at `now_ns` (`codes.Opened`), and what it says (shape (); all
        zeros if it is wrong). Whose it is, and for what, is the caller's to compare."""

    # --- reading; each raises CorruptionError rather than serve a bad check
    def index_unit(self) -> bool:
        """Do what the index writer's thread does while it does not lag: one unit, in a
        transaction. False: all is done before the next step is due."""

    def accounts(self) -> tuple[Rows, int]:
        """All account images (element 0 is nobody, dtype ACCOUNT), their sequence: one
        consistent copy, made while nothing is decided: a million in tens of ms."""

    def account(self, index: int) -> tuple[Rows, int]:
        """One account image (shape ()) and its sequence. LookupError if none."""

    def find_account(self, participant: int, purpose: int) -> int:
        """Index of the participant's account for `purpose`, 0 if there is none."""

    def find_participant(self, code: str) -> int:
        """Index of the participant with this id, 0 if there is none."""

    def find_service(self, code: str) -> int:
        """Index of the service with this code, 0 if there is none."""

    def canonical(self, service: int, reference: bytes) -> bytes | None:
        """A reference in the service's one form, or None. LookupError: no service."""

    def canonical_bill(self, service: int, bill: bytes) -> bytes | None:
        """A bill's id, as its biller gave it, in the one form of this service: neither
        pattern nor check digit are asked of it. None if nothing is left. LookupError:
        no service."""

    def in_the_way(
        self, service: int, reference: bytes, citizen: bytes, now_ns: int
    ) -> int:
        """The sequence of the row in the way of a payment of a bill fetched now, or 0.
        `reference` is what the payment's row would have, `citizen` the citizen's
        reference, both canonical. Durable rows only: later ones may be in the way too.
        """

    def records(self, record: int) -> npt.NDArray[np.uint64]:
        """Sequences of the current `register` rows of RECORD_*, by index; 0 is none.
        With record 0: the sequences of the `open` rows, by account index."""

    def people(self) -> tuple[Rows, npt.NDArray[np.uint64]]:
        """Who is registered, PERSON_RECORD by index (0 is nobody: zeros), and the
        sequences of their rows. With nobody this is no ledger with people."""

    def thresholds(self) -> tuple[int, int, int] | None:
        """Paise above which a third person is needed, of one amount, of a proposal, and
        of a person's day; None before the first."""

    def rows(self, first: int, count: int) -> Rows:
        """Up to `count` (at most 65,536) rows from sequence `first` on."""

    def limit_biller(self, biller: int, most: int | None) -> None:
        """From the next group on answer new payments in messages with BILLER_BUSY, and
        no row, if more than `most` open holds, without kept ones, would wait for a
        biller, by its index; None: no bound. Not kept. LookupError: no such index."""

    def limit_holds(self, most: int) -> None:
        """The same with FIELD_DEBIT, of holds that debit a wallet; 0: no bound."""

    def limit_refusals(self, role: int, per_second: int, at_once: int) -> None:
        """Likewise record so many refusals of each participant of a role without a
        budget of its own; what is beyond is TOO_MANY_REFUSALS, without a row. 0: no
        bound. LookupError: no role. ValueError: above 1,000,000 a second, or fewer than
        16 at once."""

    def gather(self, sequences: npt.NDArray[np.uint64]) -> Rows:
        """The rows with these sequences, in this order; at most 65,536."""

    def gather_whole(
        self, sequences: npt.NDArray[np.uint64]
    ) -> tuple[Rows, npt.NDArray[np.uint64]]:
        """The same without the rows that are damaged, and the sequences of those."""

    def questions(
        self,
        sequences: npt.NDArray[np.uint64],
        kind: int,
        deadline_ns: int,
        sent_ns: int,
        until_ns: npt.NDArray[np.uint64],
    ) -> bytes:
        """A ConnectResponse that asks about accepted holds: `kind` 2 to confirm them,
        3 for their status; `deadline_ns` is when an answer is no longer waited for,
        `sent_ns` is now, `until_ns` until when each may be credited. A basket's first
        hold carries it, later ones are passed over. ValueError for more than
        QUESTIONS_MAX, LookupError if one is no durable accepted hold."""

    def row(self, sequence: int) -> Entry:
        """One row as an entry. LookupError if it is not durable."""

    def tail(self, sequence: int) -> bytes:
        """The tail item of a row, b"" if it has none."""

    def tails(self, sequences: npt.NDArray[np.uint64]) -> list[bytes]:
        """Tail items of at most GROUP_MAX rows; ascending ones are the cheapest."""

    def find(self, sender: int, id: bytes) -> int:
        """Sequence of the row with this id of this participant, 0 if there is none."""

    def find_entries(
        self, wanted: list[tuple[int, bytes, int | None]]
    ) -> list[tuple[Entry, int, int] | Exception | None]:
        """Of each (sender, id, wallet) what `find` finds, with a wallet only if it is
        debited (its time does not tell), and its `resolution`. At most 64."""

    def resolution(self, sequence: int) -> tuple[int, int]:
        """(sequence of the row that resolved `sequence` last or 0, its `total`), as an
        end of a hold, or a refund (the total is what was refunded so far)."""

    def link(self, sequence: int, what: int) -> int:
        """Sequence of the newest row linked to another as `codes.Link` says, or 0."""

    def settled(self, window: int, account: int) -> int:
        """Sequence of the settle row of this window and account, 0 if there is none."""

    def requests(self, wallet: int, day: int) -> npt.NDArray[np.uint64]:
        """Sequences of the requests for a wallet on an IST day, descending."""

    def find_booked(
        self, account: int, debit: bool, reversal: bool, reference: bytes
    ) -> int:
        """Sequence of what a bank has booked to this side of its account, or 0."""

    def find_payments(self, service: int, reference: bytes) -> npt.NDArray[np.uint64]:
        """Accepted pays and holds of a reference as it was typed, or of a bill's id, of
        this service or another of its series: the 16 newest, descending. LookupError:
        no service. ValueError: no reference can be that."""

    def find_posts(self, biller: int, word: bytes) -> npt.NDArray[np.uint64]:
        """Accepted posts for which a biller (a participant's index) gave this word: the
        16 newest, descending. ValueError: no word can be that."""

    def bills(self, service: int) -> int:
        """Sequence of the newest accepted bills row of a service, or 0."""

    def complaint(self, number: int) -> int:
        """Sequence of the newest row about a complaint, by its number, or 0."""

    def complaints(
        self, before: int, limit: int
    ) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.uint64]]:
        """Numbers of complaints, descending, below `before` (0: from the newest), and
        the newest row about each. `limit` 1 to 1,000."""

    def replies(self, complaint: int) -> npt.NDArray[np.uint64]:
        """Replies to a complaint, or answers to a proposal: 64 newest, descending."""

    def find_operator(self, participant: int, number: int) -> int:
        """Sequence of the newest row about an operator of a centre, or 0."""

    def operators(self, participant: int) -> npt.NDArray[np.uint64]:
        """The same of each operator of a centre, the one registered last first."""

    def account_rows(
        self, account: int, before: int, limit: int
    ) -> npt.NDArray[np.uint64]:
        """Sequences of accepted money rows of an account, descending, below `before`
        (0: from the newest). `limit` 1 to 65,536."""

    def balance_at(self, account: int, sequence: int) -> tuple[int, int, int, int]:
        """Debits pending and posted, credits likewise, after the row `sequence`."""

    def balances_at(self, accounts: npt.ArrayLike, sequence: int) -> Rows:
        """`balance_at` of up to 1,024 accounts, one row of four for each."""

    def chunk_of(self, sequence: int) -> tuple[int, int, int, int]:
        """Of a row's chunk: ordinal, first row, rows, and its check, verified."""

    def holds(self) -> npt.NDArray[np.uint64]:
        """Sequences of the open holds, ascending. DeadError once the ledger is dead."""

    def kept(self) -> npt.NDArray[np.uint64]:
        """Those of the open holds that are kept. Raises likewise."""

    def unverified(self) -> npt.NDArray[np.uint64]:
        """Those that have expired, neither verified nor corrected. Raises likewise."""

    def holds_aside(self) -> npt.NDArray[np.uint64]:
        """Those due since the opening that damage has left open. Raises likewise."""

    def info(self) -> dict[str, Any]:
        """Sizes and counts for operators: file bytes, reserve, lag, runs, memory; what
        damage has cost since the ledger was opened, and the row that was found last."""

@final
class Queue:
    """What waits to be committed, and the loop that commits it, without the GIL. Any
    thread may call it. Its C face stands in `_core.pxd`."""

    stopping: bool
    """Whether it takes no more, because of `stop` or of death."""
    died: str
    """Why the ledger is dead, as its loop has found; empty while it is alive."""
    rows_waiting: int
    """Rows submitted and not yet in a group."""
    bytes_waiting: int
    """Bytes of their bodies, and of the tails that these may need."""

    def __new__(
        cls,
        ledger: Ledger,
        *,
        rows_max: int = ...,
        bytes_max: int = 64 << 20,
        gather_s: float = 0.001,
        clock: npt.NDArray[np.uint64] | None = None,
    ) -> Queue:
        """A queue before `ledger`, which must have threads of its own.

        `rows_max` rows and `bytes_max` bytes, of bodies and tails, may wait: 16 groups
        and 64 MiB, of a sender half of what others leave (`core/engine/senders.pxi`).
        `gather_s`: after a group of four requests or more the next begins no sooner
        than so long after it, as long as more arrive each 250 µs; 0: it never waits.
        `clock`, for tests: wall and boot time in ns, and the kernel's word (1, 0, minus
        an errno). Both clocks are believed now. ValueError; DeadError: it is closed."""

    def start(self, ended: Callable[[], None] | None = None) -> None:
        """Loop in a thread "committer", which calls `ended` last; ValueError: twice."""

    def stop(self, drain_s: float) -> bool:
        """Take no more, commit what waits within so long, end; True if all was done."""

    def submit(self, request: Request, tag: int) -> None:
        """Queue `request`; its answer is taken under `tag` (64 bits). Never blocks on
        the disk. OverloadError: it is full; DeadError; NotLeaderError: not leader."""

    def commit(self, request: Request) -> bytes | Rows:
        """Queue `request` and block until it is durable; its reply. Raises what
        `submit` raises, or what became of its group: SpaceError, ClockError,
        NotLeaderError, DeadError (nothing was done), UnknownOutcomeError."""

    def clock_state(self) -> ClockState:
        """Both clocks now; waits for a commit that is under way."""

    def vouched_clock(self) -> ClockState | None:
        """`clock_state` if the kernel vouches for it, else None; OSError if mute."""

    def anchor_clock(self, state: ClockState) -> None:
        """Believe this reading from here on; ValueError once it was started."""

    def accept_clock(self, request: Request, ahead_ns: int) -> Rows:
        """Commit the one row of `request`, give its OUTCOME, believe the clock. It
        must be `ahead_ns` ahead, to within a leap: ClockError. Raises as `commit`."""

    def fileno(self) -> int:
        """Readable when there is something to take. From then on `take` gets each
        group, also one without tagged requests; at most 8 wait, then none begins."""

    def take(
        self,
    ) -> list[
        tuple[SwitchError | None, list[tuple[int, int, bytes | Rows | SwitchError]]]
    ]:
        """The groups that are done since, oldest first; never blocks. Each as (error,
        answers). An answer is (tag, rows, reply): the replies to all payments of one
        tag joined to one, in order, with the number of their rows; requests of rows
        have answers of their own, and divide those around them. After an error each
        reply is that error; without memory for one it is an UnknownOutcomeError, or a
        MemoryError loses nothing: call again."""

    def capsule(self) -> object:
        """A PyCapsule of the struct in `core/queue_api.h`, which keeps the queue. Who
        opened a taker by it takes all its answers before letting it go."""

    def meter(self) -> GroupMeter:
        """How large groups are, how long their commits take; never blocks."""

    def paused(self) -> AbstractContextManager[None]:
        """For tests: no commit begins in the block, which one thread must hold."""
