"""BillerService.PutBills: a file of bills, taken whole or not at all.

Each message is looked at and written as it comes, in a reading thread; nothing is
recorded before the last one. The file is durable before its row is, and its row before
the store has it: whatever ends the process between, the next start goes on from there.
"""

import hashlib
import json
import time
from collections.abc import Sequence
from contextlib import ExitStack

from google.protobuf.message import DecodeError

from server import convert
from server.node import Node
from server.rooms import Room
from server.services.arriving import Arriving
from server.shares import Halves
from server.status import ArgumentError, NotFoundError, PreconditionError
from server.tasks import Finisher
from server.transport import Call
from switch._core import BILLS_RECORD
from switch.billing.bill_files import Line, Writer, line_of
from switch.billing.bills import citizens_form, paid_as, read_stated
from switch.codes import (
    AMOUNT_MAX,
    AmountRule,
    BillsForm,
    DuplicateRule,
    KeyRule,
    Kind,
    PriceRule,
    Result,
)
from switch.errors import (
    BillUnreadableError,
    CorruptionError,
    OverloadError,
    WireError,
    shown,
)
from switch.ids import ID_SIZE
from switch.ledger import bills_put
from switch.ledger.opening import CORRUPTED
from switch.references import canonical
from switch.register.identity import Identity
from switch.register.register import Service
from switch.v1 import billers_pb2 as pb
from switch.v1 import results_pb2

BILLS_AT_ONCE_MAX = 3 * bills_put.COUNT_MAX
"""Bills that all files on their way may have, as they say; each takes 150 bytes."""
KEPT_AT_ONCE = 2
"""Files that have arrived and are recorded: each waits for the disk in a thread."""
KEPT_WAITING_MAX = 64
"""Files that may wait for it, one of a biller."""
MESSAGE_MAX = 8_190
"""Bills of one message."""
NUMBER_MAX = 10**15


class PutBills:
    """Files that are on their way: one of a biller, and so many bills in all."""

    def __init__(self, node: Node) -> None:
        """Serves from `node`."""
        self._node = node
        self._billers: set[int] = set()
        self._finisher = Finisher()
        self._bills = Halves("bills of files", BILLS_AT_ONCE_MAX)
        self._keeping = Room(
            "files",
            at_once=KEPT_AT_ONCE,
            own_at_once=1,
            all_max=KEPT_WAITING_MAX,
            own_max=1,
        )

    async def serve(self, call: Call, caller: Identity) -> None:
        """One PutBills call.

        Raises ArgumentError, WireError, LateError, PreconditionError and OverloadError
        before anything is recorded.
        """
        if caller.index in self._billers:
            raise OverloadError("another file of this biller is on its way")
        self._billers.add(caller.index)
        # To its end, also when the caller goes away: the next file comes behind it.
        response = await self._finisher.finish(self._take(call, caller))
        await call.write(response.SerializeToString())

    async def _take(self, call: Call, caller: Identity) -> pb.PutBillsResponse:
        with ExitStack() as leaving:
            leaving.callback(self._billers.discard, caller.index)
            file = await self._read(call, caller, leaving)
            async with self._keeping.enter():
                return await self._keep(file, caller)

    async def _read(self, call: Call, caller: Identity, leaving: ExitStack) -> "_File":
        """A file, all of whose messages have come; `leaving` lets go of its room."""
        node = self._node
        arriving = Arriving()
        message = await self._next(call, arriving)
        if message is None or not message.HasField("file"):
            raise ArgumentError("file", "must be in the first message")
        file = await node.read(_begin, node, message.file, caller)
        leaving.enter_context(file.writer)
        self._bills.claim(caller.index, file.told.count)
        leaving.callback(self._bills.release, caller.index, file.told.count)
        while message is not None:
            await node.read(file.take, message.bills)
            arriving.take(len(message.bills))
            message = await self._next(call, arriving)
            if message is not None and message.HasField("file"):
                raise ArgumentError("file", "stands in the first message alone")
        return file

    async def _keep(self, file: "_File", caller: Identity) -> pb.PutBillsResponse:
        node = self._node
        await node.read(file.close)
        is_known = False
        try:
            response = await self._record(file, caller)
            is_known = True
        finally:
            await node.read(
                node.put_in.done, file.service.index, file.writer, is_known=is_known
            )
        return response

    async def _next(self, call: Call, arriving: Arriving) -> pb.PutBillsRequest | None:
        self._node.check_running()
        body = await arriving.read(call)
        if body is None:
            return None
        try:
            return await self._node.read(pb.PutBillsRequest.FromString, body)
        except DecodeError as error:
            raise WireError(f"not a message of a file: {error}") from error

    async def _record(self, file: "_File", caller: Identity) -> pb.PutBillsResponse:
        node = self._node
        said = {"number": file.told.number, "sha256": file.told.sha256.hex()}
        digest = file.writer.digest
        move = bills_put.put_bills(
            file.told.id,
            file.service.index,
            file.after,
            bills_put.Bills(file.form, file.count, file.said_amount, digest),
            json.dumps(said).encode(),
            sender=caller.index,
        )
        reply = await node.commit_alone(move.request())
        assert not isinstance(reply, bytes)
        outcome = convert.outcome(reply[0])
        response = pb.PutBillsResponse(outcome=outcome)
        if outcome.result == results_pb2.RESULT_OK:
            state = await node.read(node.put_in.taken, file.service.index)
            response.bills_count = state.count
        return response


class _File:
    """One file, as far as it has come."""

    def __init__(
        self,
        node: Node,
        told: pb.BillFile,
        service: Service,
        after: int,
        taken: bills_put.Bills | None,
        biller: str,
    ) -> None:
        self._ledger = node.ledger
        self._put_in = node.put_in
        self._taken = taken
        """The file that was taken with this id, if one was."""
        self._biller = biller
        self._budget = node.file_budget
        self._bytes_max = node.config.biller_of(biller).file_bytes_per_day
        self.told = told
        self.service = service
        self.form = BillsForm(told.kind)
        self.after = after
        """The row of the file before, 0 before the first."""
        self._check_budget(1)
        self.writer: Writer = node.put_in.writer(service.index)
        self.count = 0
        self.amount = 0
        self._sent = hashlib.sha256()
        if taken is not None and self.form is BillsForm.DELTA:
            self.form = taken.form
        elif self.form is BillsForm.DELTA:
            # Until a line of it takes the place of another one.
            self.form = BillsForm.ADDITION
        # Hashes of what is paid, and their places. Two of a million hashes are the same
        # once in 30 million files: then a file is refused that could be taken.
        self._seen: dict[int, int] = {}

    @property
    def said_amount(self) -> int:
        """As the row has it: of a withdrawal nothing."""
        return 0 if self.form is BillsForm.WITHDRAWAL else self.amount

    def take(self, bills: Sequence[pb.DueBill]) -> None:
        """The bills of a message. Raises ArgumentError, FilesSpentError."""
        if len(bills) > MESSAGE_MAX:
            raise ArgumentError("bills", f"must be at most {MESSAGE_MAX:,} a message")
        if self.count + len(bills) > self.told.count:
            raise ArgumentError("file.count", "is less than there are bills")
        lines = []
        for place, stated in enumerate(bills):
            self._sent.update(line_of(stated).packed())
            lines.append(self._line(self.count + place, stated))
        self._compare(lines)
        self.writer.add(lines)
        self._check_budget(self.writer.size)
        self.count += len(lines)
        self.amount += sum(one.amount_due for one in lines)

    def _compare(self, lines: list[Line]) -> None:
        """Compare lines of a delta with the bills that are there.

        Raises ArgumentError, BillerUnavailableError.
        """
        if self._taken or self.told.kind != pb.BILL_FILE_KIND_DELTA:
            return
        met = self._put_in.meets(self.service.index, lines)
        if met.replaces:
            self.form = BillsForm.DELTA
        if met.other is not None:
            place, reference = met.other
            raise ArgumentError(
                f"bills[{self.count + place}].id",
                f"is that of the bill of reference {shown(reference)}, which a file "
                "before has put in: withdraw that one first",
            )

    def _check_budget(self, size: int) -> None:
        """Raise FilesSpentError if so much is too much today; not yet of a file that
        may have been taken before, whose biller has lost the answer.
        """
        if not self._taken:
            self._budget.check(self._biller, size, self._bytes_max, time.time_ns())

    def _line(self, place: int, stated: pb.DueBill) -> Line:
        """The bill at a place of the file, from 0."""
        try:
            bill = read_stated(stated, self.service, self._ledger)
        except BillUnreadableError as error:
            name = error.field.partition(".")[2] or "reference"
            text = str(error).partition(" ")[2]
            raise ArgumentError(f"bills[{place}].{name}", text) from error
        spec = self.service.spec
        reference = canonical(citizens_form(spec), stated.reference)
        known_as = paid_as(spec, reference, bill.id, bill.period)
        # By their ids alone, where these are what is paid: of one id under two
        # references the second citizen would be told that it is paid. Who withdraws
        # both of two such, of files before, may say so.
        by_id = spec.key_rule is KeyRule.BILL_ID
        if self.form is BillsForm.WITHDRAWAL:
            by_id = False
        key = hash(known_as if by_id else (reference, known_as))
        first = self._seen.setdefault(key, place)
        if first != place:
            what = f"id {shown(known_as)}" if by_id else "bill"
            raise ArgumentError(
                f"bills[{place}]",
                f"is there twice: bills[{first}] is of the same {what}",
            )
        return Line(
            reference,
            bill.id,
            bill.period,
            bill.amount_due,
            bill.due_time_ns,
            bill.valid_until_ns,
            bill.head,
            bill.supersedes,
        )

    def close(self) -> None:
        """All of it is here. Raises ArgumentError if it is not what it says, and
        FilesSpentError.
        """
        told = self.told
        if self.count != told.count:
            raise ArgumentError("file.count", f"there are {self.count} bills")
        if self.form is not BillsForm.WITHDRAWAL and self.amount != told.amount:
            raise ArgumentError("file.amount", f"the bills come to {self.amount}")
        if self._sent.digest() != told.sha256:
            raise ArgumentError("file.sha256", "is not that of the bills that came")
        if self._taken is None or self.writer.digest != self._taken.hash:
            size = self.writer.size
            self._budget.spend(self._biller, size, self._bytes_max, time.time_ns())
        self._put_in.keep(self.service.index, self.writer)


def _begin(node: Node, told: pb.BillFile, caller: Identity) -> _File:
    """In a reading thread: what a file says of itself, and its turn."""
    if len(told.id) != ID_SIZE:
        raise ArgumentError("file.id", f"must be {ID_SIZE} bytes")
    if told.kind not in (1, 2, 3):
        raise ArgumentError("file.kind", "must be FULL, DELTA or WITHDRAWAL")
    least, most = 0 if told.kind == pb.BILL_FILE_KIND_FULL else 1, bills_put.COUNT_MAX
    if not least <= told.count <= most:
        raise ArgumentError("file.count", f"must be {least} to {most:,}")
    if told.amount > AMOUNT_MAX:
        raise ArgumentError("file.amount", f"must be at most {AMOUNT_MAX}")
    if not 1 <= told.number <= NUMBER_MAX:
        raise ArgumentError("file.number", "must be 1 or more")
    service = node.register.find_service(told.service)
    if service is None or service.biller != caller.index:
        raise NotFoundError(f"file.service: no service {shown(told.service)} of yours")
    if service.spec.price_rule is not PriceRule.BILL:
        raise PreconditionError("NOT_PAID_BY_BILL", f"{told.service} has no bills")
    if not may_be_put_in(service):
        raise PreconditionError(
            "NOT_FOR_FILES",
            f"{told.service}: what is due after a payment only its biller can say",
        )
    after, number, taken = _turn(node, told.id, service, caller)
    if told.number != number:
        raise PreconditionError(
            "BILL_FILE_OUT_OF_TURN", f"the file that is next has the number {number}"
        )
    if told.kind != pb.BILL_FILE_KIND_FULL and node.put_in.needs_full(service.index):
        raise PreconditionError(
            "FULL_FILE_NEEDED", "too many files since the last full one: put one in"
        )
    return _File(node, told, service, after, taken, caller.participant)


def may_be_put_in(service: Service) -> bool:
    """Whether a file can say what is due of its bills: each is paid once, as a whole.

    Of bills that are paid in part, or again after some hours, a file would go on saying
    all of what is paid already.
    """
    spec = service.spec
    return (
        spec.duplicate_rule is DuplicateRule.ONCE
        and spec.key_rule is not None
        and spec.amount_rule is not AmountRule.EXACT_AND_BELOW
    )


def _turn(
    node: Node, row_id: bytes, service: Service, caller: Identity
) -> tuple[int, int, bills_put.Bills | None]:
    """The row that a file comes after, and its number; its own, and what it says, if it
    was taken.
    """
    ledger = node.ledger
    known = ledger.find(caller.index, row_id)
    if known:
        entry = ledger.row(known)
        if entry.kind == Kind.BILLS and entry.result == Result.OK:
            tail = ledger.tail(known)
            return entry.resolves, _number_of(tail), bills_put.read_bills(tail)
    newest = ledger.bills(service.index)
    return newest, _number_of(ledger.tail(newest)) + 1 if newest else 1, None


def _number_of(tail: bytes) -> int:
    try:
        return int(json.loads(tail[BILLS_RECORD.itemsize :])["number"])
    except (KeyError, TypeError, ValueError) as error:
        raise CorruptionError(
            CORRUPTED, "a file of bills has no number in its row"
        ) from error


def fetch_put_in(node: Node, service: Service, reference: str) -> tuple[int, bytes]:
    """When it was looked for, and the Answer that its biller would give.

    Raises what keeps it from being told.
    """
    at_ns = node.put_in.asked_ns(service.index)
    found = node.put_in.find(service.index, reference, at_ns)
    return at_ns, pb.Answer(bills=found).SerializeToString()
