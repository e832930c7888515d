"""A department's billing system at the switch, with all that it needs to be correct.

    python biller.py BOOK BILLER --load bills.csv      # new bills into the book
    python biller.py BOOK BILLER                       # serves until SIGTERM
    python biller.py BOOK BILLER --close-day DATE      # sends the day's complete list

Two rules make it correct. What is decided about a payment is on disk before the switch
hears of it, so that this program may be killed at any moment and started again. And it
is decided once: whoever asks again, however late, gets the same answer.

Copy it, and put your own tables in the place of `bills`. It takes exact amounts, of
services that are paid by bill.
"""

import argparse
import csv
import datetime as dt
import logging
import queue
import random
import signal
import sqlite3
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NoReturn

import grpc

from switch.v1 import billers_pb2 as pb
from switch.v1 import billers_pb2_grpc, payments_pb2

log = logging.getLogger("biller")

IST = dt.timezone(dt.timedelta(hours=5, minutes=30))
ANSWERS_MAX = 1_000  # in a message, so that it stays far below the switch's 4 MiB
BILLS_MAX = 16  # in an answer
WAIT_FIRST_S, WAIT_MAX_S = 0.5, 30.0  # before dialling again
CLOCK_S = 60.0  # between two words about our clock
LIST_S = 600.0  # that the switch may take for a day's list

SCHEMA = """
CREATE TABLE IF NOT EXISTS bills (
    service TEXT, key TEXT, reference TEXT, id TEXT, period TEXT, amount INTEGER,
    credited_by BLOB, PRIMARY KEY (service, key));
CREATE TABLE IF NOT EXISTS payments (
    id BLOB PRIMARY KEY, number INTEGER, service TEXT, key TEXT, amount INTEGER,
    question BLOB, day TEXT, credited INTEGER, text TEXT, acknowledged INTEGER);
CREATE INDEX IF NOT EXISTS by_number ON payments (number);
CREATE INDEX IF NOT EXISTS by_question ON payments (question);
CREATE INDEX IF NOT EXISTS by_day ON payments (day);
CREATE INDEX IF NOT EXISTS not_heard ON payments (number) WHERE NOT acknowledged;
CREATE TABLE IF NOT EXISTS closed_days (day TEXT PRIMARY KEY);
"""
KNOWN = "SELECT question, service, key, amount FROM payments WHERE id = ?"
ANSWERS = "SELECT min(number), question, sum(amount), credited, text FROM payments "
OF_NUMBER = "WHERE question IN (SELECT question FROM payments WHERE number = ?)"
ACKNOWLEDGE = (
    "UPDATE payments SET acknowledged = 1"
    " WHERE question IN (SELECT question FROM payments WHERE number = ?)"
)
REWORD = (
    "UPDATE payments SET text = hex(question)"
    " WHERE question IN (SELECT question FROM payments WHERE number = ?)"
)


class SwitchClock:
    """What time it is at the switch, by our monotonic clock, which nobody sets."""

    def __init__(self) -> None:
        self.ahead_ns = -(1 << 63)

    def hear(self, sent_ns: int) -> None:
        """Every message was sent before it was heard: the quickest tells best."""
        self.ahead_ns = max(self.ahead_ns, sent_ns - time.monotonic_ns())

    def is_too_late(self, question: pb.Question) -> bool:
        """Whether it must not be credited any more, by whichever clock is ahead.

        The commit is still to come, and takes far less than the switch's margin.
        """
        age_ns = time.monotonic_ns() + self.ahead_ns - question.sent_ns
        return (
            time.time_ns() >= question.credit_until_ns
            or age_ns >= question.credit_within_ms * 1_000_000
        )


class Book:
    """What is owed, and what was decided about each payment: one file of SQLite."""

    def __init__(self, path: Path) -> None:
        # Without an isolation level we say ourselves where a transaction begins.
        self.db = sqlite3.connect(path, isolation_level=None)
        self.db.execute("PRAGMA journal_mode = WAL")
        self.db.execute("PRAGMA synchronous = FULL")  # a commit survives a power cut
        self.db.executescript(SCHEMA)

    def load(self, bills: Iterable[dict[str, str]]) -> None:
        """Add bills; those that are known stay as they are."""
        with self.db:
            self.db.execute("BEGIN IMMEDIATE")
            self.db.executemany(
                # The key is what the switch knows a bill by, as the register says.
                "INSERT OR IGNORE INTO bills VALUES (:service, iif(:id <> '', :id,"
                " :reference || '/' || :period), :reference, :id, :period,"
                " CAST(:paise AS INTEGER), NULL)",
                bills,
            )

    def take(self, message: pb.ConnectResponse, clock: SwitchClock) -> list[pb.Answer]:
        """Answers to a message, all in one commit: what it returns is on disk."""
        with self.db:
            # No other process decides anything, or closes a day, before the commit.
            self.db.execute("BEGIN IMMEDIATE")
            # Numbers of questions about bills do not fit into SQLite; sequences do.
            heard = [(one,) for one in message.acknowledged if one < 1 << 63]
            self.db.executemany(ACKNOWLEDGE, heard)
            for ended in message.ended:
                self.compare(ended)
            answers = [one for text in message.refused for one in self.reword(text)]
            return answers + [self.answer(one, clock) for one in message.questions]

    def answer(self, question: pb.Question, clock: SwitchClock) -> pb.Answer:
        """The answer to one question."""
        clock.hear(question.sent_ns)
        answer = pb.Answer(number=question.number, id=question.id)
        if question.kind == pb.QUESTION_KIND_FETCH_BILL:
            answer.bills.extend(self.due(question.service, question.reference))
            if answer.bills:
                answer.kind = pb.ANSWER_KIND_CONFIRMED
            else:
                answer.kind, answer.reason = pb.ANSWER_KIND_REJECTED, "NOTHING_DUE"
            return answer
        payments = list(question.basket) or [question]
        known = [self.db.execute(KNOWN, (one.id,)).fetchone() for one in payments]
        if not any(known) and question.kind != pb.QUESTION_KIND_CONFIRM:
            # It promises nothing, as a question to credit it may be on its way. By
            # `sent_ns` the switch knows whether one still can be.
            answer.kind, answer.sent_ns = pb.ANSWER_KIND_NOT_SEEN, question.sent_ns
            return answer
        if not any(known):
            self.decide(question, payments, clock)
        elif known != [
            (question.id, one.service, one.reference, one.amount) for one in payments
        ]:
            # Somebody else's payment has this id already. This one never is credited.
            answer.kind, answer.reason = pb.ANSWER_KIND_REJECTED, "ID_OF_ANOTHER"
            return answer
        [answer] = self.decided("WHERE question = ?", question.id)
        answer.number = question.number
        return answer

    def due(self, service: str, reference: str) -> list[pb.DueBill]:
        """What a reference owes, the oldest first."""
        rows = self.db.execute(
            "SELECT id, period, amount FROM bills WHERE service = ? AND reference = ?"
            " AND credited_by IS NULL ORDER BY period, id LIMIT ?",
            (service, reference, BILLS_MAX),
        )
        return [pb.DueBill(id=row[0], period=row[1], amount_due=row[2]) for row in rows]

    def decide(
        self, question: pb.Question, payments: Sequence[pb.Question], clock: SwitchClock
    ) -> None:
        """Credit all the payments of a question, or refuse them all: for ever."""
        time_s = question.time_ns // 1_000_000_000
        day = dt.datetime.fromtimestamp(time_s, IST).date().isoformat()
        closed = self.db.execute("SELECT 1 FROM closed_days WHERE day = ?", (day,))
        if clock.is_too_late(question):
            reason = "TOO_LATE"  # its money goes back, and the bill may be paid again
        elif closed.fetchone():
            reason = "DAY_CLOSED"  # its list has said that no other is ever credited
        else:
            reason = "" if self.credit(payments) else "NOT_DUE"
        # The text is ours: the id again, or better the number of your own receipt.
        about = (question.id, day, not reason, reason or question.id.hex())
        self.db.executemany(
            "INSERT INTO payments VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 0)",
            [
                (one.id, one.number, one.service, one.reference, one.amount, *about)
                for one in payments
            ],
        )

    def credit(self, payments: Sequence[pb.Question]) -> bool:
        """Credit all or none; whether each bill was due, and of just this amount."""
        self.db.execute("SAVEPOINT basket")
        for one in payments:
            changed = self.db.execute(
                "UPDATE bills SET credited_by = ? WHERE service = ? AND key = ?"
                " AND amount = ? AND credited_by IS NULL",
                (one.id, one.service, one.reference, one.amount),
            )
            if not changed.rowcount:
                self.db.execute("ROLLBACK TO basket")
                return False
        return True

    def decided(self, where: str, *values: object) -> list[pb.Answer]:
        """Final answers as they are in the book, of a basket one with the sum."""
        answers = []
        for number, id_, amount, credited, text in self.db.execute(
            ANSWERS + where + " GROUP BY question", values
        ):
            answer = pb.Answer(number=number, id=id_)
            if credited:
                answer.kind, answer.amount = pb.ANSWER_KIND_CONFIRMED, amount
                answer.biller_reference = text
            else:
                answer.kind, answer.reason = pb.ANSWER_KIND_REJECTED, text
            answers.append(answer)
        return answers

    def reword(self, refused: pb.RefusedAnswer) -> list[pb.Answer]:
        """The switch cannot keep our text: the same again, with one that it can."""
        log.critical("answer %d: %s %s", refused.number, refused.field, refused.text)
        if refused.field not in ("biller_reference", "reason"):
            return []  # a mistake in this program: to say it again would not help
        self.db.execute(REWORD, (refused.number,))
        return self.decided(OF_NUMBER, refused.number)

    def compare(self, ended: pb.Ended) -> None:
        """How a payment ended at the switch, beside how it stands here."""
        row = self.db.execute(
            "SELECT credited FROM payments WHERE number = ?", (ended.number,)
        ).fetchone()
        credited = bool(row and row[0])
        state = payments_pb2.PaymentState.Name(ended.state)
        paid = state in ("PAYMENT_STATE_COMPLETED", "PAYMENT_STATE_REFUNDED")
        if paid != credited:
            # For a person. The switch has the same in its list of exceptions.
            log.critical("%d: %s, here %s", ended.number, state, credited)
        elif state == "PAYMENT_STATE_REFUNDED":
            log.warning("%d: refunded, take the credit back here too", ended.number)

    def close_day(self, day: str) -> list[pb.Answer]:
        """All that was credited of a day. From now on nothing more of it is."""
        with self.db:
            self.db.execute("BEGIN IMMEDIATE")
            self.db.execute("INSERT OR IGNORE INTO closed_days VALUES (?)", (day,))
            return self.decided("WHERE day = ? AND credited", day)


def parts(answers: Sequence[pb.Answer]) -> Iterator[Sequence[pb.Answer]]:
    """As many at a time as go into a message."""
    for at in range(0, len(answers), ANSWERS_MAX):
        yield answers[at : at + ANSWERS_MAX]


def requests(
    outbox: "queue.SimpleQueue[Sequence[pb.Answer] | None]",
) -> Iterator[pb.ConnectRequest]:
    """What goes to the switch: answers, and what time it is here."""
    answers: Sequence[pb.Answer] | None = ()
    while answers is not None:
        yield pb.ConnectRequest(answers=answers, clock_ns=time.time_ns())
        try:
            answers = outbox.get(timeout=CLOCK_S)
        except queue.Empty:
            answers = ()


def converse(book: Book, stub: billers_pb2_grpc.BillerServiceStub) -> None:
    """One connection, until it breaks."""
    # Not bounded here: the switch asks no more before it has answers.
    outbox: queue.SimpleQueue[Sequence[pb.Answer] | None] = queue.SimpleQueue()
    # What was said and perhaps not heard, on a connection or in a life before.
    for part in parts(book.decided("WHERE NOT acknowledged")):
        outbox.put(part)
    clock = SwitchClock()
    try:
        for message in stub.Connect(requests(outbox)):
            for part in parts(book.take(message, clock)):
                outbox.put(part)
    finally:
        outbox.put(None)


def serve(book: Book, args: argparse.Namespace) -> NoReturn:
    """Keep a connection, for ever."""
    wait_s = WAIT_FIRST_S
    while True:
        began_s = time.monotonic()
        try:
            with dial(args) as channel:
                converse(book, billers_pb2_grpc.BillerServiceStub(channel))
        except grpc.RpcError as error:
            log.warning("disconnected: %s %s", error.code(), error.details())
        except sqlite3.OperationalError:
            # Nothing was decided or said. The switch will ask what became of it.
            log.critical("the book cannot be used", exc_info=True)
        if time.monotonic() - began_s > WAIT_MAX_S:
            wait_s = WAIT_FIRST_S
        # Not in the same moment as all other departments.
        time.sleep(wait_s * random.uniform(0.5, 1.0))
        wait_s = min(2 * wait_s, WAIT_MAX_S)


def close_day(book: Book, args: argparse.Namespace) -> int:
    """Send the complete list of a day; the exit code."""
    if args.close_day >= dt.datetime.now(IST).date():
        sys.exit("that day is not over: all that is still to be paid would be refused")
    day = args.close_day.isoformat()
    credited = book.close_day(day)
    amount = sum(one.amount for one in credited)
    head = pb.DayList(day=day, count=len(credited), amount=amount)
    messages = [pb.SendDayListRequest(list=head)]
    messages += [pb.SendDayListRequest(credited=part) for part in parts(credited)]
    try:
        with dial(args) as channel:
            stub = billers_pb2_grpc.BillerServiceStub(channel)
            told = stub.SendDayList(iter(messages), timeout=LIST_S)
    except grpc.RpcError as error:
        print(f"not known: {error.code()} {error.details()}")
        return 3
    print(f"{day}: {len(credited)} credited, {amount} paise", told, sep="\n")
    if told.HasField("lacks") or told.disputed:
        return 1  # it lacks too much, and nothing was done; or an amount is disputed
    if told.differing or told.late or told.missing or told.unknown or told.damaged:
        return 1  # for people: the numbers are printed
    return 3 if told.too_early else 0  # 3: send it again later, it does no harm


def dial(args: argparse.Namespace) -> grpc.Channel:
    """A channel to the switch, which knows us by our certificate alone."""
    own = args.tls / f"biller-{args.biller}"
    credentials = grpc.ssl_channel_credentials(
        (args.tls / "ca.pem").read_bytes(),
        own.with_suffix(".key").read_bytes(),
        own.with_suffix(".pem").read_bytes(),
    )
    options = [
        ("grpc.max_receive_message_length", 16 << 20),
        # A machine that is gone says nothing. Without this we would wait for ever.
        ("grpc.keepalive_time_ms", 30_000),
        ("grpc.http2.max_pings_without_data", 0),
    ]
    return grpc.secure_channel(args.switch, credentials, options)


def main() -> int:
    """Runs it; the exit code."""
    parser = argparse.ArgumentParser(description="A department's billing system.")
    parser.add_argument("book", type=Path, help="a file, on a disk of this machine")
    parser.add_argument("biller", help="participant id, as in the certificate")
    parser.add_argument("--switch", default="127.0.0.1:7443", help="host:port")
    parser.add_argument("--tls", type=Path, default=Path("data/tls"))
    parser.add_argument("--load", type=Path, metavar="CSV")
    parser.add_argument("--close-day", type=dt.date.fromisoformat, metavar="DATE")
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO)
    book = Book(args.book)
    if args.load:
        with args.load.open(newline="") as file:
            book.load(csv.DictReader(file))
        return 0
    if args.close_day:
        return close_day(book, args)
    # To end here is as harmless as a power cut: what was said is in the book.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        serve(book, args)
    except KeyboardInterrupt:
        return 0


if __name__ == "__main__":
    sys.exit(main())
