"""One core ledger and one model that are given the same, and compared.

Every commit compares all outcomes and all new rows; `compare_all` compares
everything that can be read.
"""

import itertools
import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from switch._core import ACCOUNT, OUTCOME, ROW, Ledger, Request, parse_answers
from switch.audit.crc import crc32c
from switch.codes import AccountKind, Kind, Link, PriceRule, Record
from tests.core import wire
from tests.core.quoting import KEYS
from tests.flags import RowFlag
from tests.model import Answers, Ask, Model, Payments, Rows
from tests.model_quotations import Keys
from tests.model_state import PAYS, SECOND_NS, ist_day
from tests.records import (
    ACCOUNT_BYTES,
    ACCOUNT_FIELDS,
    OUTCOME_BYTES,
    OUTCOME_FIELDS,
    ROW_BYTES,
    ROW_FIELDS,
    ZERO_ID,
    Outcome,
    Row,
)

MAP_SIZE = 8 << 30
ROWS_AT_ONCE = 65_536
OPERATOR_NOT_SAID, OPERATOR_NOBODY = 0, 2**32
"""What the core is told of who is signed on, where that is not a number."""
SAMPLE = 40
"""Rows, ids and accounts that one comparison looks up one by one."""


def pack_row(row: Row) -> bytes:
    """A whole row, its check included, as the journal holds it."""
    body = row.pack()
    return body + crc32c(body).to_bytes(4, "little")


def to_request(ask: Ask) -> Request:
    """What the core is given for one request of the model's."""
    if isinstance(ask, Payments):
        body = wire.encode_request(ask.payments, ask.baskets)
        signed_on = ask.signed_on or OPERATOR_NOBODY
        if ask.signed_on is None:
            signed_on = OPERATOR_NOT_SAID
        return Request.payments(body, ask.sender, ask.centre, signed_on)
    if isinstance(ask, Answers):
        body = wire.encode_answers(ask.answers)
        return Request.answers(parse_answers(body), ask.biller)
    return rows_request(ask.rows)


def rows_request(rows: Sequence[Row]) -> Request:
    """Row templates, with a tail's flag where there is a tail."""
    packed = bytearray()
    tails = []
    for row in rows:
        flags = row.flags
        if row.tail is not None:
            tails.append(row.tail)
            row.flags |= RowFlag.TAIL
        packed += row.pack() + bytes(4)
        row.flags = flags
    return Request.rows(np.frombuffer(bytes(packed), dtype=ROW), tails)


def ids_of(ask: Payments) -> list[bytes]:
    """The ids of a payment request, as its answers give them back.

    What is no id is given back as none: its place in the reply says which it was.
    """
    payments = ask.payments + [each for basket in ask.baskets for each in basket]
    ids = [payment.id for payment in payments]
    return [id_ if len(id_) == 16 and id_ != ZERO_ID else b"" for id_ in ids]


def read_outcome(record: bytes) -> Outcome:
    """An outcome from its 80 bytes."""
    values = dict(zip(OUTCOME_FIELDS, OUTCOME_BYTES.unpack(record), strict=True))
    return Outcome(**values)


def catch_up(ledger: Ledger) -> None:
    """Whole steps, and then what can be done of the next one."""
    while ledger.index_step():
        pass
    while ledger.index_unit():
        pass


class Pair:
    """The two, and how to open the one again."""

    def __init__(self, path: Path, model: Model | None = None, **options: Any) -> None:
        self.path = path
        self.options = {"map_size": MAP_SIZE, "reserve_size": 0, **options}
        self.model = model or Model()
        self.ledger = Ledger(str(path), **self.options)
        self.model.instance = self.ledger.instance
        self.set_keys(KEYS)
        self.results: Counter[int] = Counter()
        self.operations = 0

    def close(self) -> None:
        """End the ledger; the model stays."""
        self.ledger.close()

    def reopen(self, *, without_index: bool = False) -> None:
        """Close and open, perhaps with nothing left but the journal."""
        self.ledger.close()
        if without_index:
            shutil.rmtree(self.path / "index")
        self.open_again()

    def open_again(self) -> None:
        """Open what an ended process has left at `path`."""
        self.ledger = Ledger(str(self.path), create=False, **self.options)
        self.model.biller_most.clear()
        self.model.holds_most = 0
        self.model.refusals.clear()
        self.model.refused_until.clear()
        if self.model.keys:
            self.ledger.set_quotation_keys(self.model.keys)

    def set_keys(self, keys: Keys) -> None:
        """What seals quotations from here on for both, after openings too."""
        self.ledger.set_quotation_keys(keys)
        self.model.keys = list(keys)

    def turn_away(self, biller: int, *, busy: bool) -> None:
        """All that comes for it, from here on for both, or no longer."""
        self.limit_biller(biller, 0 if busy else None)

    def limit_biller(self, biller: int, most: int | None) -> None:
        """Open holds of one biller, from here on for both; None: no bound."""
        self.ledger.limit_biller(biller, most)
        self.model.biller_most.pop(biller, None)
        if most is not None:
            self.model.biller_most[biller] = most

    def limit_holds(self, most: int) -> None:
        """Open holds of one wallet, from here on for both; 0: no bound."""
        self.ledger.limit_holds(most)
        self.model.holds_most = most

    def limit_refusals(self, role: int, per_second: int, at_once: int) -> None:
        """Refusals of each participant of a role that are rows; 0: no bound."""
        self.ledger.limit_refusals(role, per_second, at_once)
        self.model.refusals[role] = per_second, at_once

    # --- doing ------------------------------------------------------------------------

    def commit(self, asks: Sequence[Ask], now_ns: int) -> list[list[Outcome]]:
        """One group for both; the outcomes and the rows must be the same."""
        first = len(self.model.rows) + 1
        expected = self.model.commit(asks, now_ns)
        replies = self.ledger.commit([to_request(ask) for ask in asks], now_ns)
        assert len(replies) == len(asks)
        for ask, outcomes, reply in zip(asks, expected, replies, strict=True):
            self.compare_reply(ask, outcomes, reply)
            self.operations += len(outcomes)
            self.results.update(outcome.result for outcome in outcomes)
        self.compare_rows(first)
        return expected

    def one(self, row: Row, now_ns: int) -> Outcome:
        """One row template as a group of its own."""
        return self.commit([Rows([row])], now_ns)[0][0]

    def compare_reply(self, ask: Ask, expected: list[Outcome], reply: Any) -> None:
        """All outcomes of one request."""
        if isinstance(ask, Payments):
            if reply == wire.encode_reply(ids_of(ask), expected):
                return
            answers = wire.decode_reply(reply)
            assert [id_ for id_, _ in answers] == ids_of(ask)
            found = [outcome for _, outcome in answers]
            expected = list(map(wire.told, expected))
            requests: list[Any] = ask.payments + [p for b in ask.baskets for p in b]
        else:
            assert reply.dtype == OUTCOME
            packed = reply.tobytes()
            if packed == b"".join(outcome.pack() for outcome in expected):
                return
            found = [
                read_outcome(packed[i : i + 80]) for i in range(0, len(packed), 80)
            ]
            expected = [replace(each, handle=b"") for each in expected]
            requests = list(ask.answers if isinstance(ask, Answers) else ask.rows)
        assert len(found) == len(expected)
        for place, (request, want, got) in enumerate(
            zip(requests, expected, found, strict=True)
        ):
            differs = wire.differences(want, got)
            assert not differs, f"(model, core) {differs} at {place}: {want} {request}"

    def compare_rows(self, first: int) -> None:
        """The journal's rows from `first` on, byte for byte."""
        last = len(self.model.rows)
        assert self.ledger.sequence == last
        for start in range(first, last + 1, ROWS_AT_ONCE):
            expected = self.model.rows[start - 1 : start - 1 + ROWS_AT_ONCE]
            packed = self.ledger.rows(start, len(expected)).tobytes()
            if packed == b"".join(map(pack_row, expected)):
                continue
            for place, row in enumerate(expected):
                body = packed[128 * place : 128 * place + 124]
                differs = {
                    name: (want, got)
                    for name, want, got in zip(
                        ROW_FIELDS,
                        ROW_BYTES.unpack(row.pack()),
                        ROW_BYTES.unpack(body),
                        strict=True,
                    )
                    if want != got
                }
                assert not differs, f"(model, core) {differs} in {row}"
            raise AssertionError("a row's check differs")

    # --- reading ----------------------------------------------------------------------

    def compare_all(self, sequences: Sequence[int] = ()) -> None:
        """Accounts, registers, holds and heads; and what is asked of `sequences`."""
        model, ledger = self.model, self.ledger
        assert ledger.sequence == len(model.rows)
        assert ledger.timestamp == model.timestamp
        assert ledger.last_window == model.last_window
        assert ledger.holds_count == len(model.due)
        assert ledger.holds().tolist() == model.holds()
        assert ledger.kept().tolist() == sorted(model.kept)
        assert ledger.kept_count == len(model.kept)
        assert ledger.unverified().tolist() == sorted(model.unverified)
        assert ledger.unverified_count == len(model.unverified)
        assert ledger.expiry() == model.expiry()
        self.compare_accounts()
        self.compare_registers()
        self.compare_counters()
        for sequence in sequences:
            self.compare_sequence(sequence)

    def compare_accounts(self) -> None:
        """All account images, field by field."""
        images, sequence = self.ledger.accounts()
        assert images.dtype == ACCOUNT
        assert sequence == len(self.model.rows)
        packed = images.tobytes()
        size = ACCOUNT_BYTES.size
        assert len(packed) == size * len(self.model.accounts)
        assert packed[:size] == bytes(size)
        for index, account in enumerate(self.model.accounts[1:], 1):
            image = packed[size * index : size * index + size]
            if image != account.pack():
                pairs = zip(
                    ACCOUNT_FIELDS,
                    ACCOUNT_BYTES.unpack(account.pack()),
                    ACCOUNT_BYTES.unpack(image),
                    strict=True,
                )
                differs = {name: (a, b) for name, a, b in pairs if a != b}
                raise AssertionError(f"account {index}: (model, core) {differs}")

    def compare_registers(self) -> None:
        """Participants, services and accounts, by code and by index."""
        model, ledger = self.model, self.ledger
        opened = [account.opened for account in model.accounts]
        participants = [each.sequence for each in model.participants]
        services = [0, *(each.sequence for each in model.services)]
        assert ledger.records(0).tolist() == opened
        assert ledger.records(Record.PARTICIPANT).tolist() == participants
        assert ledger.records(Record.SERVICE).tolist() == services
        people = [0, *(each.sequence for each in model.persons.values())]
        assert ledger.records(Record.PERSON).tolist() == people
        thresholds = [0, model.thresholds_row] if model.thresholds_row else [0]
        assert ledger.records(Record.THRESHOLDS).tolist() == thresholds
        banks = [0, *(each.sequence for each in model.banks.values())]
        assert ledger.records(Record.BANK_ACCOUNT).tolist() == banks
        statements = [0] * len(banks)
        for index, statement in model.statements.items():
            statements[index] = statement.sequence
        found = ledger.records(Record.STATEMENT).tolist()
        assert found == statements[: len(found)]
        assert not any(statements[len(found) :])
        payees = [0, *(each.sequence for each in model.beneficiaries.values())]
        assert ledger.records(Record.BENEFICIARY).tolist() == payees
        schedule = [0, model.schedule_row] if model.schedule_row else [0]
        assert ledger.records(Record.SCHEDULE).tolist() == schedule
        assert ledger.link(0, Link.MARGIN) == model.link(0, Link.MARGIN)
        for key, index in list(model.account_of.items())[-SAMPLE:]:
            assert ledger.find_account(*key) == index
        for code, index in list(model.participant_of.items())[-SAMPLE:]:
            assert ledger.find_participant(code.decode()) == index
        for code, index in list(model.service_of.items())[-SAMPLE:]:
            assert ledger.find_service(code.decode()) == index
        assert ledger.find_account(1, 999) == 0
        assert ledger.find_participant("nobody") == 0
        assert ledger.find_service("NONE") == 0

    def compare_counters(self) -> None:
        """Operators, complaints and bills."""
        model, ledger = self.model, self.ledger
        seated = [0, *(each.sequence for each in model.operators.values())]
        assert ledger.records(Record.OPERATOR).tolist() == seated
        for (centre, number), one in list(model.operators.items())[-SAMPLE:]:
            assert ledger.find_operator(centre, number) == one.sequence
            assert ledger.find_operator(centre, number + 1_000) == 0
        for centre in {centre for centre, _ in model.operators}:
            own = [o.sequence for (at, _), o in model.operators.items() if at == centre]
            assert ledger.operators(centre).tolist() == own[::-1]
        complaints = [0, *model.complaints]
        for before, limit in ((0, 1_000), (len(complaints) // 2 + 1, 5)):
            numbers, newest = ledger.complaints(before, limit)
            end = before or len(complaints)
            told = list(range(1, len(complaints)))[: end - 1][::-1][:limit]
            assert numbers.tolist() == told
            assert newest.tolist() == [complaints[number] for number in told]
        for raised in list(model.complaint_of.values())[-SAMPLE:]:
            assert ledger.complaint(raised) == complaints[raised]
        assert ledger.complaint(len(complaints)) == 0
        for service in range(len(model.services) + 1):
            assert ledger.bills(service) == model.bills_of.get(service, 0)

    def compare_sequence(self, sequence: int) -> None:
        """What can be asked of one row: id, resolution, tail, accounts' history."""
        model, ledger = self.model, self.ledger
        row = model.rows[sequence - 1]
        assert ledger.rows(sequence, 1).tobytes() == pack_row(row)
        assert ledger.tail(sequence) == (row.tail or b"")
        sequence_found = ledger.find(row.participant, row.id)
        assert sequence_found == model.find(row.participant, row.id)
        assert ledger.find(row.participant + 1, row.id) == model.find(
            row.participant + 1, row.id
        )
        assert ledger.resolution(sequence) == model.resolution(sequence)
        for link in Link:
            assert ledger.link(sequence, link) == model.link(sequence, link), link
        if row.kind in PAYS and row.service:
            self.compare_what_is_in_the_way(row)
        if row.kind in (Kind.BOOKED, Kind.REQUEST):
            self.compare_what_banks_are_asked(row)
        if row.kind == Kind.COMPLAINT:
            replies = model.replies.get(sequence, [])
            assert ledger.replies(sequence).tolist() == replies[-64:][::-1]
        for account in (row.debit, row.credit):
            window = row.resolves
            assert ledger.settled(window, account) == model.settled(window, account)
            if model.account(account) is None:
                continue
            assert ledger.balance_at(account, sequence) == model.balance_at(
                account, sequence
            )
            for before, limit in ((0, 5), (sequence, 7), (sequence + 1, 300)):
                found = ledger.account_rows(account, before, limit).tolist()
                assert found == model.account_rows(account, before, limit)

    def compare_what_banks_are_asked(self, row: Row) -> None:
        """A wallet's requests of a day, and what a bank has booked to either side."""
        model, ledger = self.model, self.ledger
        if row.kind == Kind.REQUEST:
            for day in (ist_day(row.timestamp), ist_day(row.timestamp) + 1):
                asked = model.requests.get((row.credit, day), [])
                assert ledger.requests(row.credit, day).tolist() == asked[::-1]
            return
        debit, credit = self.model.kinds_of(row)
        account = row.debit if debit == AccountKind.BANK else row.credit
        if AccountKind.BANK not in (debit, credit):
            account = row.debit or row.credit  # of a refused one
        for by_debit, reversal in itertools.product((False, True), repeat=2):
            sides = 2 * by_debit + reversal
            key = "booked", account * 4 + sides, row.reference, 0
            found = ledger.find_booked(account, by_debit, reversal, row.reference)
            assert found == model.claims.get(key, 0)

    def compare_what_is_in_the_way(self, row: Row) -> None:
        """Of a bill of this row's reference, the same and another, now and later."""
        model, ledger = self.model, self.ledger
        if model.services[row.service - 1].price_rule != PriceRule.BILL:
            return
        for reference in (row.reference, b"ANOTHER"):
            for later_s in (0, 1, 3_600, 7_200, 86_400):
                at = model.timestamp + 1 + later_s * SECOND_NS
                asked = row.service, reference, row.cited, at
                assert ledger.in_the_way(*asked) == model.in_the_way(*asked)
