"""The oracle: the ledger's rules as docs/data-model.md states them, in plain Python.

Lists, dicts and whole numbers; no storage, no threads, no speed. This file takes
requests apart, keeps ids and baskets, and reads; the rules themselves stand in
tests/model_rules.py, model_register.py and model_bills.py. They may use `switch.codes`
and tests/records.py; they must not use the compiled core, which is what they judge.
"""

import hashlib
import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from switch.codes import (
    AMOUNT_MAX,
    HEAD_MASK,
    TENDER_MASK,
    AccountKind,
    Field,
    Kind,
    Mode,
    Result,
    Role,
    RowFlag,
    Tender,
)
from tests.model_bills import Bills
from tests.model_register import WITH_RECORD
from tests.model_rules import DAY_S, NEVER, PAYS, Answer, financial_year
from tests.records import (
    KINDS_WITHOUT_ID,
    ZERO_ID,
    Account,
    Outcome,
    Payment,
    Row,
    Said,
    flags_of,
)

DEADLINE_MAX_S = 31 * DAY_S
GROUP_MAX = 8190
BASKET_SIZES = range(2, 17)
NOTE_MAX = 64
REQUESTABLE = frozenset(Kind) - {Kind.EXPIRE, Kind.CASE}
WITH_AMOUNT = PAYS | {
    Kind.POST,
    Kind.REFUND,
    Kind.TOP_UP,
    Kind.TRANSFER,
    Kind.SETTLE,
    Kind.PROPOSE,
}
WITH_REFERENCE = PAYS | {
    Kind.TOP_UP,
    Kind.TRANSFER,
    Kind.FREEZE,
    Kind.CLOSE,
    Kind.CASE_CLOSE,
    Kind.PROPOSE,
}
PROPOSED = frozenset({Kind.REFUND, Kind.TRANSFER, Kind.VOID})
WITH_TOTAL = PAYS | {Kind.CASE_CLOSE, Kind.PROPOSE}
REFERENCE = re.compile(rb"(?! )[\x20-\x7e]{1,32}(?<! )")
NO_REFERENCE = re.compile(b"")

GIVEN = int(RowFlag.UNFREEZE) | HEAD_MASK | TENDER_MASK
DECIDED = int(RowFlag.CLAIM | RowFlag.RECENT | RowFlag.RELEASE)
REFUSED, HELD, COMPLETED, REVERSED, EXPIRED, REFUNDED = range(1, 7)

Shaped = tuple[Row, int]
Part = tuple[list[Row], list[int]]


class Model(Bills):
    """A ledger. `commit` is the only way in; everything else reads."""

    def commit(self, requests: Sequence["Ask"], now_ns: int) -> list[list[Outcome]]:
        """Apply one group: first what is due, then the requests in order."""
        self.now = now_ns
        self.expire_due(GROUP_MAX - sum(request.size() for request in requests))
        return [list(self.answer(request)) for request in requests]

    def answer(self, request: "Ask") -> Iterator[Outcome]:
        """One request's outcomes, in its order."""
        if isinstance(request, Answers):
            for said in request.answers:
                yield self.hear(said, request.biller)
            return
        last: tuple[int, Outcome] = (0, Outcome(0))
        behind = False
        for rows, shapes in request.parts(self):
            kind = rows[0].kind
            # The holds of a basket are released behind one approval.
            behind = (last[0] == Kind.APPROVE and kind in PROPOSED) or (
                behind and last[0] == kind == Kind.VOID
            )
            if len(rows) > 1 or rows[0].basket:
                outcomes = self.basket(rows, shapes)
            elif behind and last[1].result != Result.OK:
                # Without the approval there is nothing to do.
                outcomes = [Outcome(last[1].result)]
            else:
                outcomes = [self.one(rows[0], shapes[0])]
            yield from outcomes
            last = rows[-1].kind, outcomes[-1]

    def expire_due(self, room: int) -> None:
        """End the holds whose deadline has come, or keep them; the earliest first."""
        now = self.clock()
        while self.due and self.due[0][0] <= now:
            first = self.rows[self.due[0][1] - 1]
            behind = (
                (first.basket >> 8) - 1 - (first.basket & 0xFF) if first.basket else 0
            )
            # A basket ends as a whole, and waits for a group with room for it.
            room -= 1 + behind
            if room < 0:
                break
            for sequence in range(first.sequence, first.sequence + behind + 1):
                if sequence in self.resolved or sequence in self.kept:
                    room += 1
                else:
                    self.end_hold(self.rows[sequence - 1])

    # --- one request ------------------------------------------------------------------

    def one(self, row: Row, shape: int) -> Outcome:
        """Shape, then the id, then the rules."""
        if shape:
            return Outcome(shape)
        if row.kind in KINDS_WITHOUT_ID:
            return self.without_id(row)
        first = self.first_of(row)
        if first is not None:
            return self.again(row, first)
        if self.turns_away(row):
            return Outcome(Result.BILLER_BUSY)
        return self.decide(row)

    def turns_away(self, row: Row) -> bool:
        """Whether too much waits for the biller of a payment from a message."""
        if not row.hot or row.kind != Kind.HOLD:
            return False
        return self.services[row.service - 1].biller in self.busy

    def hear(self, said: Said, biller: int) -> Outcome:
        """A biller's answer: the whole hold is posted, or voided."""
        kind = Kind.POST if said.confirmed else Kind.VOID
        row = Row(kind, resolves=said.number, flags=int(RowFlag.EVIDENCE))
        row.tail = said.text or None
        hold = self.hold_of(row)
        if hold is None or hold.id != said.id:
            return Outcome(Result.HOLD_NOT_FOUND)
        if self.services[hold.service - 1].biller != biller:
            return Outcome(Result.HOLD_NOT_FOUND)
        row.amount = hold.amount
        outcome = self.without_id(row)
        contradicted = self.contradiction(row, outcome.result)
        if contradicted is not None:
            case, new = contradicted
            told = self.outcome(case, repeat=0 if new else 1)
            told.result, told.other = outcome.result, outcome.other
            return told
        return outcome

    def first_of(self, row: Row) -> Row | None:
        """The row that already has this id of this participant."""
        sequence = self.ids.get((row.participant, row.id), 0)
        return self.rows[sequence - 1] if sequence else None

    def again(self, row: Row, first: Row) -> Outcome:
        """An id that is known: the first answer, or what differs."""
        field = self.difference(row, first)
        if not field:
            return self.outcome(first, repeat=1)
        wallet = self.wallet_of(row)
        return Outcome(
            Result.ID_REUSED,
            field=field,
            other=first.sequence,
            other_id=first.id,
            balance=wallet.balance if wallet else 0,
            pending=wallet.debits_pending if wallet else 0,
        )

    def decide(self, row: Row) -> Outcome:
        """A new id: refused by the first check that fails, or done."""
        answer = self.check(row)
        if answer.result == Result.OK:
            self.do(row)
        else:
            self.refuse(row, answer)
        return self.outcome(row)

    def without_id(self, row: Row) -> Outcome:
        """post, void, window: found by what they resolve; no row when refused."""
        answer = self.check(row)
        if answer.repeat:
            return self.outcome(self.rows[answer.other - 1], repeat=1)
        if answer.result != Result.OK:
            return Outcome(answer.result, other=answer.other)
        self.do(row)
        return self.outcome(row)

    def refuse(self, row: Row, answer: Answer) -> None:
        """A refusal is a row: the same id gets the same answer for ever."""
        row.total = answer.other
        row.flags &= ~DECIDED
        self.append(row, answer.result)

    def outcome(self, row: Row, repeat: int = 0) -> Outcome:
        """What is told of a row, with the wallet as it is now."""
        wallet = self.wallet_of(row)
        other = row.total if row.result != Result.OK else 0
        made = row.kind in (Kind.OPEN, Kind.REGISTER) and row.result == Result.OK
        state, paid = self.standing(row, repeat)
        return Outcome(
            row.result,
            sequence=row.sequence,
            timestamp=row.timestamp,
            balance=wallet.balance if wallet else 0,
            pending=wallet.debits_pending if wallet else 0,
            other=other,
            other_id=self.rows[other - 1].id if other else ZERO_ID,
            receipt=paid.receipt,
            index=row.debit if made else 0,
            year=financial_year(paid.timestamp) if paid.receipt else 0,
            repeat=repeat,
            state=state,
        )

    def standing(self, row: Row, repeat: int) -> tuple[int, Row]:
        """Where a payment stands, told again: by now; and the row with its receipt."""
        if row.kind not in PAYS:
            return 0, row
        if row.result != Result.OK:
            return REFUSED, row
        paid = row
        if row.kind == Kind.HOLD:
            end = self.resolved.get(row.sequence)
            if not end or not repeat:
                return HELD, row
            paid = self.rows[end - 1]
            if paid.kind != Kind.POST:
                return (REVERSED if paid.kind == Kind.VOID else EXPIRED), row
        back = repeat and self.refunded.get(paid.sequence)
        return (REFUNDED if back else COMPLETED), paid

    def wallet_of(self, row: Row) -> Account | None:
        """The wallet a row touches or speaks of."""
        if row.kind == Kind.REGISTER:
            return None
        for index in (row.debit, row.credit):
            account = self.account(index)
            if account is not None and account.kind == AccountKind.WALLET:
                return account
        return None

    # --- baskets ----------------------------------------------------------------------

    def basket(self, rows: list[Row], shapes: list[int]) -> list[Outcome]:
        """All or nothing: tried on the state, which is put back if one fails."""
        if any(shapes) or not self.basket_is_whole(rows):
            return [Outcome(shape or Result.INVALID_BASKET) for shape in shapes]
        known = [self.first_of(row) for row in rows]
        for row in rows:
            self.name_credit(row)
        kinds = {row.kind for row in rows if row.service}
        given = {row.deadline for row in rows if not row.hot}
        if not any(known) and (len(kinds) > 1 or len(given) > 1):
            return [Outcome(Result.INVALID_BASKET) for _ in rows]
        if self.turns_away(rows[0]):
            return [
                self.again(row, first) if first else Outcome(Result.BILLER_BUSY)
                for row, first in zip(rows, known, strict=True)
            ]
        failed: dict[int, Answer] = {}
        if not any(known):
            self.join_deadlines(rows)
            done, failed = self.attempt(rows)
            if done:
                return done
        outcomes = []
        for place, (row, first) in enumerate(zip(rows, known, strict=True)):
            if first is not None:
                outcomes.append(self.again(row, first))
            else:
                self.refuse(row, failed.get(place, Answer(Result.BASKET_FAILED)))
                outcomes.append(self.outcome(row))
        return outcomes

    def attempt(self, rows: list[Row]) -> tuple[list[Outcome], dict[int, Answer]]:
        """Do the rows one after the other; at a refusal undo them all and say why."""
        touched = {index for row in rows for index in (row.debit, row.credit)}
        accounts = {i: self.accounts[i].copy() for i in touched if self.account(i)}
        before = [replace(row) for row in rows]
        claims, due = dict(self.claims), list(self.due)
        mark, timestamp = len(self.rows), self.timestamp
        done = []
        for place, row in enumerate(rows):
            answer = self.check(row)
            if answer.result == Result.OK:
                self.do(row)
                done.append(self.outcome(row))
                continue
            for index, account in accounts.items():
                self.accounts[index] = account
                while self.history[index] and self.history[index][-1][0] > mark:
                    self.history[index].pop()
            for undone in self.rows[mark:]:
                del self.ids[undone.participant, undone.id]
            del self.rows[mark:]
            self.claims, self.due, self.timestamp = claims, due, timestamp
            for each, old in zip(rows, before, strict=True):
                each.flags, each.receipt, each.total = old.flags, 0, 0
            # A row of this basket was in the way: it has not come to be.
            other = answer.other if answer.other <= mark else 0
            return [], {place: Answer(answer.result, other)}
        return done, {}

    # --- the rule of a row's kind -----------------------------------------------------

    def check(self, row: Row) -> Answer:
        """The first check that refuses the row, or OK."""
        if row.kind in PAYS:
            return self.check_pay(row)
        name = f"check_{Kind(row.kind).name.lower()}"
        answer: Answer = getattr(self, name)(row)
        return answer

    def do(self, row: Row) -> None:
        """Make the change; no check is left that could fail."""
        getattr(self, f"do_{Kind(row.kind).name.lower()}")(row)

    # --- shape: what leaves no trace --------------------------------------------------

    def shape(self, row: Row) -> int:
        """What is wrong with a row template before any rule is asked, or 0."""
        if row.kind not in REQUESTABLE:
            return Result.INVALID_KIND
        if row.kind == Kind.PROPOSE and row.total not in PROPOSED:
            return Result.INVALID_KIND
        if (row.id == ZERO_ID) != (row.kind in KINDS_WITHOUT_ID):
            return Result.INVALID_ID
        least, most = (1, AMOUNT_MAX) if row.kind in WITH_AMOUNT else (0, 0)
        if not least <= row.amount <= most:
            return Result.INVALID_AMOUNT
        pattern = REFERENCE if row.kind in WITH_REFERENCE else NO_REFERENCE
        if row.kind not in WITH_RECORD and not pattern.fullmatch(row.reference):
            return Result.INVALID_REFERENCE
        if row.kind in PAYS:
            return self.shape_of_pay(row)
        if row.kind in WITH_RECORD and not self.record_is_valid(row):
            return Result.INVALID_RECORD
        if row.deadline:
            return Result.INVALID_DEADLINE
        return 0

    def shape_of_pay(self, row: Row) -> int:
        """The rest of a payment's shape."""
        wallet = self.account(row.debit)
        if wallet is None or wallet.kind != AccountKind.WALLET:
            return Result.INVALID_CENTRE
        if row.tender > Tender.CARD:
            return Result.INVALID_TENDER
        if row.tail is not None and not note_is_valid(row.tail):
            return Result.INVALID_NOTE
        least, most = (1, DEADLINE_MAX_S) if row.kind == Kind.HOLD else (0, 0)
        if not least <= row.deadline <= most:
            return Result.INVALID_DEADLINE
        return 0

    def read_payment(self, payment: Payment, sender: int, centre: int) -> "Shaped":
        """A payment from the wire as a row template, and what is wrong with it."""
        service = self.service_of.get(payment.service, 0)
        row = Row(
            Kind.PAY,
            id=payment.id[:16].ljust(16, b"\0"),
            amount=payment.amount,
            reference=payment.reference,
            operator_=payment.operator & 0xFFFFFFFF,
            participant=sender,
            service=service,
            debit=self.wallet_named(payment.centre, centre),
            flags=flags_of(payment.head, payment.tender & 3),
            total=payment.amount_due,
            tail=payment.note or None,
            hot=True,
        )
        if service and self.services[service - 1].mode == Mode.CONFIRMED:
            row.kind = Kind.HOLD
            row.deadline = self.services[service - 1].deadline_s
        if len(payment.id) != 16 or payment.id == ZERO_ID:
            return row, Result.INVALID_ID
        if not 0 < payment.amount <= AMOUNT_MAX:
            return row, Result.INVALID_AMOUNT
        if not REFERENCE.fullmatch(payment.reference):
            return row, Result.INVALID_REFERENCE
        if payment.operator > 0xFFFFFFFF:
            return row, Result.INVALID_OPERATOR
        if not row.debit:
            return row, Result.INVALID_CENTRE
        if payment.tender > Tender.CARD:
            return row, Result.INVALID_TENDER
        if payment.head > 7:
            return row, Result.INVALID_HEAD
        if not note_is_valid(payment.note):
            return row, Result.INVALID_NOTE
        return row, 0

    def wallet_named(self, name: bytes, centre: int) -> int:
        """The wallet of the centre that a payment names, or is bound to; 0 if wrong."""
        named = self.participant_of.get(name, 0) if name else centre
        if not named or (centre and named != centre):
            return 0
        one = self.participants[named]
        if one.role != Role.CENTRE or not one.active:
            return 0
        index = self.account_of.get((named, 0), 0)
        return index if self.accounts[index].kind == AccountKind.WALLET else 0

    def basket_is_whole(self, rows: list[Row]) -> bool:
        """2 to 16 payments, ids unlike, of one wallet to one biller where known."""
        billers = {
            self.services[row.service - 1].biller
            for row in rows
            if 0 < row.service <= len(self.services)
        }
        if not all(row.kind in PAYS for row in rows):
            return False
        wallets, ids = {row.debit for row in rows}, {row.id for row in rows}
        if len(wallets) != 1 or len(billers) > 1:
            return False
        return len(rows) in BASKET_SIZES and len(ids) == len(rows)

    # --- the id again -----------------------------------------------------------------

    def difference(self, row: Row, first: Row) -> int:
        """The first field in which a request differs from the row that has its id."""
        pays = row.kind in PAYS
        # Of a message the register decides whether it pays or holds, and how long.
        alike = row.hot and pays and first.kind in PAYS
        if row.kind != first.kind and not alike:
            return Field.KIND
        if (row.flags ^ first.flags) & RowFlag.UNFREEZE:
            return Field.KIND
        closed = row.kind == Kind.CASE_CLOSE and first.result == Result.OK
        unknown = first.result == Result.SERVICE_UNKNOWN
        derived = row.kind in (Kind.REFUND, Kind.OPEN, Kind.REGISTER)
        reference = row.reference
        if row.kind in WITH_RECORD:
            reference = hashlib.blake2b(row.tail or b"", digest_size=32).digest()
        checks = (
            (Field.SERVICE, pays and not unknown and row.service != first.service),
            (Field.AMOUNT, row.amount != first.amount),
            (
                Field.REFERENCE,
                row.kind != Kind.REFUND and reference != first.reference,
            ),
            (Field.OPERATOR, row.operator_ != first.operator_),
            (Field.DEBIT, not derived and row.debit != first.debit),
            (Field.CREDIT, not derived and not pays and row.credit != first.credit),
            (Field.TENDER, pays and row.tender != first.tender),
            (Field.HEAD, pays and row.head != first.head),
            (Field.BASKET, row.basket != first.basket),
            (Field.NOTE, pays and (row.tail or b"") != (first.tail or b"")),
            (Field.RESOLVES, row.resolves != first.resolves),
            (Field.RESOLVES, closed and row.total != first.total),
            (Field.CHECKER, row.checker != first.checker),
            (Field.DEADLINE, not alike and row.deadline != first.deadline),
        )
        return next((field for field, differs in checks if differs), Field.NONE)

    # --- reading ----------------------------------------------------------------------

    def find(self, sender: int, id_: bytes) -> int:
        """Sequence of the row with this id of this participant, 0 if there is none."""
        return self.ids.get((sender, id_), 0)

    def resolution(self, sequence: int) -> tuple[int, int]:
        """What resolved a row last, and the total of that."""
        resolver = self.resolved.get(sequence, 0)
        return resolver, self.rows[resolver - 1].total if resolver else 0

    def settled(self, window: int, account: int) -> int:
        """Sequence of the settle row of this window and account, 0 if none."""
        return self.settled_by.get((window, account), 0)

    def account_rows(self, account: int, before: int, limit: int) -> list[int]:
        """Sequences of an account's accepted money rows, descending."""
        sequences = [sequence for sequence, _ in self.history[account]]
        end = bisect_left(sequences, before) if before else len(sequences)
        return sequences[max(0, end - limit) : end][::-1]

    def balance_at(self, account: int, sequence: int) -> tuple[int, int, int, int]:
        """The four totals of an account after the row `sequence`."""
        history = self.history[account]
        end = bisect_left(history, (sequence + 1,))
        return history[end - 1][1] if end else (0, 0, 0, 0)

    def holds(self) -> list[int]:
        """Sequences of the open holds, ascending."""
        return sorted(sequence for _, sequence in self.due)

    def expiry(self) -> int:
        """When the next hold is due, 0 if none is."""
        return self.due[0][0] if self.due and self.due[0][0] != NEVER else 0


def note_is_valid(note: bytes) -> bool:
    """At most 64 bytes of UTF-8."""
    try:
        note.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return len(note) <= NOTE_MAX


@dataclass(slots=True)
class Rows:
    """A request made of row templates; baskets are contiguous rows."""

    rows: list[Row]

    def size(self) -> int:
        """Rows it can become."""
        return len(self.rows)

    def parts(self, model: Model) -> Iterator[Part]:
        """Single rows and baskets, each with its shape; one after the other."""
        index = 0
        while index < len(self.rows):
            size = self.basket_size(index)
            rows = [replace(row) for row in self.rows[index : index + size]]
            for row in rows:
                row.flags &= GIVEN
                row.total = row.total if row.kind in WITH_TOTAL else 0
            shapes = [model.shape(row) for row in rows]
            yield rows, shapes
            index += size

    def basket_size(self, index: int) -> int:
        """Rows from here on that are one basket, 1 if there is none."""
        size = self.rows[index].basket >> 8
        places = [size << 8 | place for place in range(size)]
        rows = self.rows[index : index + size]
        whole = size and places == [row.basket for row in rows]
        return size if whole else 1


@dataclass(slots=True)
class Payments:
    """A request of payments as it stands on the wire: single ones, then baskets."""

    payments: list[Payment]
    baskets: list[list[Payment]]
    sender: int
    centre: int = 0

    def size(self) -> int:
        """Rows it can become."""
        return len(self.payments) + sum(map(len, self.baskets))

    def parts(self, model: Model) -> Iterator[Part]:
        """Single payments and baskets, each with its shape; one after the other."""
        for payment in self.payments:
            row, shape = model.read_payment(payment, self.sender, self.centre)
            yield [row], [shape]
        for basket in self.baskets:
            shaped = [model.read_payment(p, self.sender, self.centre) for p in basket]
            rows, shapes = [row for row, _ in shaped], [shape for _, shape in shaped]
            for place, row in enumerate(rows):
                row.basket = (len(rows) & 0xFF) << 8 | place & 0xFF
            yield rows, shapes


@dataclass(slots=True)
class Answers:
    """What a biller answered about holds, in one message."""

    answers: list[Said]
    biller: int

    def size(self) -> int:
        """Rows it can become."""
        return len(self.answers)


Ask = Rows | Payments | Answers
