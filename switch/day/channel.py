"""A bank's connection: what the bank writes goes into the ledger, signed by its key.

May use the client and `bank`. Files are judged as `payswitch propose statement` judges
them; what the ledger has already is not sent again.
"""

import time
from typing import NamedTuple

from switch.bank.booking import Bank
from switch.bank.camt import read_camt
from switch.bank.planning import Standing, plan
from switch.bank.sequence import Break, join_pages, look_through
from switch.bank_rows import StatementRecord
from switch.calendar import day_date, day_number
from switch.client import Client
from switch.client.banks import Banks, booking_id, booking_row
from switch.client.people import Signer
from switch.codes import Result, Source
from switch.errors import SwitchError, WireError
from switch.signed import Row, count_lines

REASON = "statement"


class Taken(NamedTuple):
    """What became of some files."""

    proposals: int
    booked: int
    """Lines that the ledger did not have, and the rows of statements."""
    already: int
    """Lines that it had."""
    refused: tuple[str, ...] = ()
    """Results of the others."""


class Channel:
    """The connection of one bank. The client stays the caller's."""

    def __init__(self, client: Client, signer: Signer) -> None:
        """For a person who is registered as a channel."""
        self._client = client
        self._signer = signer
        self._last: list[tuple[Row, bytes]] = []

    def take(self, *files: bytes) -> Taken:
        """Have the ledger take what some files say and it lacks.

        Raises StatementError, of a file that is not believed or does not follow, and
        SwitchError for what should be looked at by people, or is refused.
        """
        pages = [
            page
            for at, data in enumerate(files, 1)
            for page in read_camt(data, f"file {at}")
        ]
        statements = join_pages(pages)
        findings = [
            one for one in look_through(statements) if one.what is not Break.REPEATED
        ]
        if findings:
            raise SwitchError(f"{findings[0].what}: {findings[0].text}")
        standing = _standing(self._client.bank_accounts(), self._signer)
        today = day_date(day_number(time.time_ns()))
        wanted = plan(statements, standing, Source.CAMT, today)
        if wanted.late:
            raise SwitchError(f"{wanted.late[0].name} is told too late")
        taken = Taken(0, 0, 0)
        if wanted.wanted:
            self._last = []
        for one in wanted.wanted:
            row = booking_row(one.piece.lines, REASON)
            self._last.append((row, booking_id(row, self._signer)))
            taken = _sum(taken, self.submit(*self._last[-1]))
        return taken

    def submit(self, row: Row, row_id: bytes) -> Taken:
        """Have one proposal recorded, and done. Raises WireError."""
        outcome = self._client.submit(row, self._signer, move_id=row_id)
        if outcome.result != Result.OK.value:
            name = Result(outcome.result).name
            raise WireError(f"what the bank says was refused: {name}")
        lines = self._client.do_lines(outcome.sequence)
        results = [Result(one.outcome.result) for one in lines]
        fine = (Result.OK, Result.ALREADY_BOOKED)
        refused = tuple(one.name for one in results if one not in fine)
        booked = results.count(Result.OK)
        # What the ledger had is not done again, and not among the outcomes.
        count = 0 if outcome.repeat else count_lines(row.tail)
        return Taken(
            0 if outcome.repeat else 1,
            booked,
            max(count - booked - len(refused), 0),
            refused,
        )

    def repeat(self) -> Taken:
        """Send what was sent last once more, as a bank's machine might."""
        taken = Taken(0, 0, 0)
        for row, row_id in self._last:
            taken = _sum(taken, self.submit(row, row_id))
        return taken


def _sum(one: Taken, other: Taken) -> Taken:
    return Taken(
        one.proposals + other.proposals,
        one.booked + other.booked,
        one.already + other.already,
        one.refused + other.refused,
    )


def _standing(banks: Banks, signer: Signer) -> dict[str, Standing]:
    """The bank accounts that take lines, by their numbers."""
    found = {}
    for one in banks.accounts:
        if not one.active:
            continue
        known = one.statement
        record = StatementRecord(
            Source(known.source or Source.CAMT),
            one.index,
            known.number,
            known.first_day,
            known.last_day,
            known.lines_count,
            known.opening,
            known.closing,
            known.name,
        )
        # Numbers are looked for of the ledger that it is signed for.
        bank = Bank(one.index, one.account, signer.ledger.instance)
        has_one = one.HasField("statement")
        found[one.number] = Standing(bank, record if has_one else None)
    return found
