"""The oracle: the ledger's rules as docs/data-model.md states them, in plain Python.

Lists, dicts and whole numbers; no storage, no threads, no speed. This file takes
requests apart, keeps ids and baskets, and reads; the rules themselves stand in
tests/model_rules.py, model_prices.py, model_claims.py, model_doubts.py,
model_register.py, model_persons.py, model_cases.py, model_windows.py,
model_beneficiaries.py, model_people.py, model_signed.py, model_banks.py,
model_counters.py, model_shapes.py and model_answers.py. They may use `switch.codes`,
tests/records.py and signing.py; they must not use the compiled core, which is what they
judge.
"""

import hashlib
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from switch.codes import HEAD_MASK, TENDER_MASK, Field, Kind, Link, Result
from tests.flags import RowFlag
from tests.model_answers import BillersAnswers, balance_told
from tests.model_counters import COMPLAINS
from tests.model_register import WITH_RECORD
from tests.model_signed import said
from tests.model_state import NEVER, PAYS, Answer
from tests.records import KINDS_WITHOUT_ID, Outcome, Payment, Row, Said

GROUP_MAX = 8190
NO_BOUND = 1 << 32
BASKET_SIZES = range(2, 17)
WITH_TOTAL = PAYS | COMPLAINS | {Kind.PROPOSE}
GIVEN = int(RowFlag.UNFREEZE) | HEAD_MASK | TENDER_MASK
DECIDED = int(RowFlag.CLAIM | RowFlag.RECENT | RowFlag.RELEASE | RowFlag.PARTIAL)
LINKED = {
    int(Link.CORRECTION): "corrected",
    int(Link.VERIFY): "verified",
    int(Link.ADVANCE): "advanced",
    int(Link.RECOVERY): "recovered",
    int(Link.UNDOING): "undone",
    int(Link.ENDING): "ended",
    int(Link.MATCHED): "matched",
    int(Link.PAYOUT): "paid_out",
    int(Link.HANDED_OUT): "handed_out",
    int(Link.LIMIT): "limits",
    int(Link.MARGIN): "margins",
}
"""Where the newest row of each link is kept; complaints and cases have their own."""

Part = tuple[list[Row], list[int]]


class Model(BillersAnswers):
    """A ledger. `commit` is the only way in; everything else reads."""

    def commit(
        self, requests: Sequence["Ask"], now_ns: int, ahead_ns: int = 0
    ) -> list[list[Outcome]]:
        """Apply one group: before it the windows that cut-offs close, each a nanosecond
        later than the one before, then what is due, then the requests in order. Of the
        clock `ahead_ns` have not passed as far as anybody knows.
        """
        self.now = now_ns
        self.passed = now_ns - max(0, ahead_ns)
        while self.close_if_due():
            pass
        self.expire_due(GROUP_MAX - sum(request.size() for request in requests))
        return [list(self.answer(request)) for request in requests]

    def answer(self, request: "Ask") -> Iterator[Outcome]:
        """One request's outcomes, in its order."""
        if isinstance(request, Answers):
            for said in request.answers:
                yield self.hear(said, request.biller)
            return
        for rows, shapes in request.parts(self):
            if len(rows) > 1 or rows[0].basket:
                yield from self.basket(rows, shapes)
            else:
                yield self.one(rows[0], shapes[0])

    def expire_due(self, room: int) -> None:
        """End the holds whose deadline has come, or keep them; the earliest first."""
        while self.due and self.due[0][0] <= self.passed:
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
        if row.kind in PAYS:
            self.name_payment(row)
        first = self.first_of(row)
        if first is not None:
            return self.again(row, first)
        if row.kind in PAYS and not self.can_pay(row):
            return Outcome(Result.INVALID_CENTRE)
        if not self.has_operator(row):
            return Outcome(Result.OPERATOR_UNKNOWN)
        busy = self.turned_away(row, 1)
        if busy is not None:
            return busy
        doubt = self.believe(row) if row.kind in PAYS else Result.OK
        if doubt != Result.OK:
            return Outcome(doubt)
        if self.must_be_signed(row):
            return self.decide_signed(row)
        if self.needs_approval(row):
            return self.do_if_wanted(row)
        return self.decide(row)

    def decide_signed(self, row: Row) -> Outcome:
        """What a person stands by, or its id stays free."""
        if not self.is_signed(row):
            return Outcome(Result.NOT_SIGNED)
        stops = self.is_stop(row)
        outcome = self.decide(row)
        if outcome.sequence:
            self.keep_in_mind(outcome.sequence, stops=stops)
        return outcome

    def do_if_wanted(self, row: Row) -> Outcome:
        """What two people want is done now, or its id stays free for a later time."""
        if not self.is_approved(row):
            return Outcome(Result.NOT_APPROVED)
        few = self.too_few_wanted(row)
        if few != Result.OK:
            return Outcome(few)
        answer = self.check(row)
        if answer.result != Result.OK:
            if row.kind == Kind.BOOKED:
                return self.refused(row, answer)
            return Outcome(answer.result, other=answer.other)
        if self.needs_lines(row):
            row.total = row.proposal
            row.flags |= self.rows[row.proposal - 1].flags & RowFlag.RECOVERY
        self.do(row)
        return self.outcome(row)

    def turned_away(self, row: Row, count: int) -> Outcome | None:
        """The answer to a payment from a message if too much waits for its biller, or
        its wallet holds too much for `count` more.
        """
        if not row.hot or row.kind != Kind.HOLD:
            return None
        biller = self.services[row.service - 1].biller
        waiting = sum(
            one.holds_count - one.kept_count
            for one in self.accounts
            if one.participant == biller
        )
        if waiting + count > self.biller_most.get(biller, NO_BOUND):
            return Outcome(Result.BILLER_BUSY)
        wallet = self.accounts[row.debit]
        holds = wallet.holds_count - wallet.kept_count + count
        if self.holds_most and holds > self.holds_most:
            return Outcome(Result.BILLER_BUSY, field=Field.DEBIT)
        return None

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
            balance=balance_told(wallet),
            pending=wallet.debits_pending if wallet else 0,
        )

    def decide(self, row: Row) -> Outcome:
        """A new id: refused by the first check that fails, or done."""
        answer = self.check(row)
        if answer.result != Result.OK:
            return self.refused(row, answer)
        self.do(row)
        return self.outcome(row)

    def refused(self, row: Row, answer: Answer) -> Outcome:
        """A refusal that is a row, if its kind leaves one, and its sender may."""
        if row.kind == Kind.BOOKED and answer.result != Result.BOOKED_DIFFERS:
            return Outcome(answer.result, other=answer.other)
        if not self.has_refusals_left(row, 1):
            return Outcome(Result.TOO_MANY_REFUSALS)
        self.refuse(row, answer)
        return self.outcome(row)

    def has_refusals_left(self, row: Row, count: int) -> bool:
        """Whether so many refusals of its sender may be rows; then they count."""
        if not 0 < row.participant < len(self.participants):
            return True
        per_s, at_once = self.refusals_of(row.participant)
        interval = 10**9 // per_s if per_s else 0
        now = self.clock()
        since = max(self.refused_until.get(row.participant, 0), now)
        if interval and since + count * interval > now + at_once * interval:
            return False
        self.refused_until[row.participant] = since + count * interval
        return True

    def without_id(self, row: Row) -> Outcome:
        """Found by what it resolves: post, void, verify, window. Refused: no row."""
        if self.must_be_signed(row) and not self.is_signed(row):
            return Outcome(Result.NOT_SIGNED)
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

    # --- baskets ----------------------------------------------------------------------

    def basket(self, rows: list[Row], shapes: list[int]) -> list[Outcome]:
        """All or nothing: tried on the state, which is put back if one fails."""
        if any(shapes) or not basket_is_formed(rows):
            return [Outcome(shape or Result.INVALID_BASKET) for shape in shapes]
        known = [self.first_of(row) for row in rows]
        new = [row for row, first in zip(rows, known, strict=True) if first is None]
        for row in rows:
            self.name_payment(row)
        waits = self.basket_waits(rows, new) if new else []
        if waits:
            left = iter(waits)
            return [
                self.again(row, first) if first is not None else next(left)
                for row, first in zip(rows, known, strict=True)
            ]
        failed: dict[int, Answer] = {}
        if not any(known):
            self.join_deadlines(rows)
            self.tried = len(self.rows)
            done, failed = self.attempt(rows)
            self.tried = None
            if done:
                return done
        outcomes = []
        is_recorded = not new or self.has_refusals_left(rows[0], len(new))
        for place, (row, first) in enumerate(zip(rows, known, strict=True)):
            if first is not None:
                outcomes.append(self.again(row, first))
            elif not is_recorded:
                outcomes.append(Outcome(Result.TOO_MANY_REFUSALS))
            else:
                self.refuse(row, failed.get(place, Answer(Result.BASKET_FAILED)))
                outcomes.append(self.outcome(row))
        return outcomes

    def attempt(self, rows: list[Row]) -> tuple[list[Outcome], dict[int, Answer]]:
        """Do the rows one after the other; at a refusal undo them all and say why."""
        touched = {index for row in rows for index in (row.debit, row.credit)}
        accounts = {i: self.accounts[i].copy() for i in touched if self.account(i)}
        before = [row.copy() for row in rows]
        claims, takers = dict(self.claims), dict(self.takers)
        claimants = dict(self.claimants)
        due = list(self.due)
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
            self.claims, self.takers = claims, takers
            self.claimants = claimants
            self.due, self.timestamp = due, timestamp
            for each, old in zip(rows, before, strict=True):
                each.flags, each.receipt, each.total = old.flags, 0, 0
            # A row of this basket was in the way: it has not come to be.
            other = answer.other if answer.other <= mark else 0
            return [], {place: Answer(answer.result, other)}
        return done, {}

    def basket_waits(self, rows: list[Row], new: list[Row]) -> list[Outcome]:
        """What those of a basket that are new have if they get no row by now."""
        billers = {self.services[row.service - 1].biller for row in rows if row.service}
        wallets = {row.debit for row in rows}
        whole = len(wallets) == 1 and len(billers) <= 1 and all(map(self.can_pay, new))
        if len(new) == len(rows):
            kinds = {row.kind for row in rows if row.service}
            given = {row.deadline for row in rows if not row.hot}
            whole = whole and len(kinds) <= 1 and len(given) <= 1
        if not whole:
            invalid = Result.INVALID_BASKET, Result.INVALID_CENTRE
            return [Outcome(invalid[not self.can_pay(row)]) for row in new]
        strange = [not self.has_operator(row) for row in new]
        if any(strange):
            invalid = Result.INVALID_BASKET, Result.OPERATOR_UNKNOWN
            return [Outcome(invalid[is_strange]) for is_strange in strange]
        busy = self.turned_away(rows[0], len(new))
        if busy is not None:
            return [replace(busy) for _ in new]
        doubts = [self.believe(row, ahead) for ahead, row in enumerate(new)]
        if all(doubt == Result.OK for doubt in doubts):
            return []
        return [
            Outcome(Result.INVALID_BASKET if doubt == Result.OK else doubt)
            for doubt in doubts
        ]

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
        says = row.kind in WITH_TOTAL - PAYS and first.result == Result.OK
        of_service = row.kind == Kind.BILLS or (pays and first.service)
        derived = row.kind in (
            Kind.REFUND,
            Kind.OPEN,
            Kind.REGISTER,
            Kind.CASE_CLOSE,
            Kind.BOOKED,
            *COMPLAINS,
        )
        noted = row.kind in COMPLAINS
        reference = row.reference
        if row.kind in WITH_RECORD:
            reference = hashlib.blake2b(row.tail or b"", digest_size=32).digest()
        same = reference == first.reference
        if row.sent and first.kind in PAYS:
            same = self.same_reference(row, first)
        signed = first.sequence in self.signed
        if signed and row.kind == Kind.REGISTER:
            same = True  # its signature is in the hash: what was said is compared
        checks = (
            (Field.SERVICE, of_service and row.service != first.service),
            (Field.AMOUNT, row.amount != first.amount),
            (
                Field.REFERENCE,
                row.kind != Kind.REFUND and not same,
            ),
            (Field.OPERATOR, not pays and row.operator_ != first.operator_),
            (Field.DEBIT, not derived and row.debit != first.debit),
            (Field.CREDIT, not derived and not pays and row.credit != first.credit),
            (Field.TENDER, pays and row.tender != first.tender),
            (Field.HEAD, pays and row.head != first.head),
            (Field.BASKET, row.basket != first.basket),
            (Field.NOTE, pays and not self.same_note(row, first)),
            (Field.NOTE, noted and (row.tail or b"") != (first.tail or b"")),
            (Field.NOTE, signed and said(row) != said(first)),
            (Field.RESOLVES, row.resolves != first.resolves),
            (Field.RESOLVES, says and row.total != first.total),
            (Field.CHECKER, row.checker != first.checker),
            (Field.DEADLINE, not alike and row.deadline != first.deadline),
            (Field.ITEMS, pays and not self.same_items(row, first)),
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

    def link(self, sequence: int, what: int) -> int:
        """The newest row that is linked to another in this way, 0 if there is none."""
        if what == Link.COMPLAINT:
            number = self.complaint_of.get(sequence, 0)
            return self.raised_by(number) if number else 0
        if what == Link.FIRST_SHIFT:
            operator, wallet = divmod(sequence, 1 << 32)
            return self.followed.get((wallet, operator, 0), 0)
        if what == Link.SHIFT:
            row = self.rows[sequence - 1]
            return self.followed.get((row.debit, row.operator_, sequence), 0)
        if what in LINKED:
            linked: dict[int, int] = getattr(self, LINKED[what])
            return linked.get(sequence, 0)
        return self.cases.get((sequence, what - Link.CORRECTION), 0)

    def settled(self, window: int, account: int) -> int:
        """Sequence of the settle row of this window and account, 0 if none."""
        return self.settled_by.get((window, account), 0)

    def account_rows(self, account: int, before: int, limit: int) -> list[int]:
        """Sequences of an account's accepted money rows, descending."""
        history = self.history[account]
        end = bisect_left(history, (before,)) if before else len(history)
        return [sequence for sequence, _ in history[max(0, end - limit) : end][::-1]]

    def balance_at(self, account: int, sequence: int) -> tuple[int, int, int, int]:
        """The four totals of an account after the row `sequence`."""
        history = self.history[account]
        end = bisect_left(history, (sequence + 1,))
        return history[end - 1][1] if end else (0, 0, 0, 0)

    def holds(self) -> list[int]:
        """Sequences of the open holds, ascending."""
        return sorted(sequence for _, sequence in self.due)

    def expiry(self) -> int:
        """When the next hold is due, or the next cut-off comes; 0 if neither."""
        due = self.due[0][0] if self.due else NEVER
        first = min(due, self.cut_off or NEVER)
        return first if first != NEVER else 0


def basket_is_formed(rows: list[Row]) -> bool:
    """2 to 16 payments, ids unlike."""
    ids = {row.id for row in rows}
    pays = all(row.kind in PAYS for row in rows)
    return pays and len(rows) in BASKET_SIZES and len(ids) == len(rows)


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
            rows = [row.copy() for row in self.rows[index : index + size]]
            for row in rows:
                row.flags &= GIVEN
                row.proposal = row.total
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
    signed_on: int | None = None
    """Who of that centre's operators the server knows to be there; 0: nobody."""

    def size(self) -> int:
        """Rows it can become."""
        return len(self.payments) + sum(map(len, self.baskets))

    def parts(self, model: Model) -> Iterator[Part]:
        """Single payments and baskets, each with its shape; one after the other."""
        for payment in self.payments:
            row, shape = self.read(model, payment)
            yield [row], [shape]
        for basket in self.baskets:
            shaped = [self.read(model, payment) for payment in basket]
            rows, shapes = [row for row, _ in shaped], [shape for _, shape in shaped]
            for place, row in enumerate(rows):
                row.basket = (len(rows) & 0xFF) << 8 | place & 0xFF
            yield rows, shapes

    def read(self, model: Model, payment: Payment) -> tuple[Row, int]:
        """One payment as a row template, and what is wrong with it."""
        row, shape = model.read_payment(payment, self.sender, self.centre)
        if self.signed_on is not None:
            model.sign_on(row, self.signed_on)
        return row, shape


@dataclass(slots=True)
class Answers:
    """What a biller answered about holds, in one message."""

    answers: list[Said]
    biller: int

    def size(self) -> int:
        """Rows it can become."""
        return len(self.answers)


Ask = Rows | Payments | Answers
