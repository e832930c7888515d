"""A simulated bank with one account: its book, and what it writes of it.

Uses nothing of the product: the book is what is true, and the files are a bank's
(ISO 20022, version 08: camt.053, a statement with balances; camt.054, an advice). A
statement has what was booked since the one before it. With a path the book is kept in
a file, append-only, a JSON array on each line; a bank that is opened again goes on.
"""

import datetime as dt
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from xml.sax.saxutils import escape

TRANSFER: Final = "ESCT"
CHARGE: Final = "CHRG"
INTEREST: Final = "INTR"
RETURN: Final = "RRTN"
"""What a bank calls a movement."""
_NEW_YEAR: Final = (4, 1)
"""Month and day on which a bank counts its statements from 1 again."""
_PAISE: Final = 100


@dataclass(frozen=True, slots=True)
class Movement:
    """What the bank has booked once."""

    day: dt.date
    change: int
    """Paise, above zero to the account's credit."""
    reference: str
    """The bank's; empty if it gives none."""
    text: str
    """What the payer wrote, or the bank."""
    party: str
    """Who has paid, or was paid."""
    family: str = TRANSFER
    reversal: bool = False


@dataclass(frozen=True, slots=True)
class Sheet:
    """A statement."""

    account: str
    number: int
    first: dt.date
    last: dt.date
    opening: int
    """Paise."""
    movements: tuple[Movement, ...]

    @property
    def closing(self) -> int:
        """The balance at its end, paise."""
        return self.opening + sum(one.change for one in self.movements)

    @property
    def name(self) -> str:
        """The bank's for it, once for ever."""
        return f"STMT-{_year(self.last)}-{self.number:05d}"

    def pages(self, count: int = 1) -> list[bytes]:
        """The files of its pages, camt.053."""
        size = max(1, -(-len(self.movements) // count))
        # ISO wants a balance on each page: they are the whole statement's.
        balances = _balance("OPBD", self.opening, self.first)
        balances += _balance("CLBD", self.closing, self.last)
        report = _Report("53", "BkToCstmrStmt", "Stmt", self.account, self.last)
        files = []
        for page in range(1, count + 1):
            part = self.movements[(page - 1) * size : page * size]
            head = (
                f"<StmtPgntn><PgNb>{page}</PgNb><LastPgInd>"
                f"{'true' if page == count else 'false'}</LastPgInd></StmtPgntn>"
                f"<ElctrncSeqNb>{self.number}</ElctrncSeqNb>"
                f"<CreDtTm>{self.last}T20:00:00+05:30</CreDtTm>"
                f"<FrToDt><FrDtTm>{self.first}T00:00:00+05:30</FrDtTm>"
                f"<ToDtTm>{self.last}T23:59:59+05:30</ToDtTm></FrToDt>"
            )
            files.append(report.write(self.name, head, balances, part))
        return files


class SimulatedBank:
    """The bank. Whoever has it guards it."""

    def __init__(
        self,
        account: str,
        day: dt.date,
        *,
        opening: int = 0,
        number: int = 1,
        path: Path | None = None,
    ) -> None:
        """An account with `opening` paise, whose first statement has this number; or
        as it stands in the file at `path`, on `day` if that is later.
        """
        self.account = account
        self.day = day
        self.opening = opening
        """What it had before the first movement."""
        self.movements: list[Movement] = []
        """All that was ever booked, in order."""
        self.sheets: list[Sheet] = []
        """All statements, in order."""
        self._number = number
        self._told = 0
        self._advised = 0
        self._path: Path | None = None
        if path is not None:
            self._read(path)
            self._path = path
        self.go_on(max(day, self.day))

    # --- money -------------------------------------------------------------------

    @property
    def balance(self) -> int:
        """What the account has, paise."""
        return self.opening + sum(one.change for one in self.movements)

    @property
    def untold(self) -> list[Movement]:
        """What no statement has yet."""
        return self.movements[self._told :]

    def receive(
        self, amount: int, text: str, reference: str = "", party: str = ""
    ) -> Movement:
        """A transfer to the account; without a reference it is given one."""
        return self._book(amount, reference or self._reference(), text, party)

    def pay(self, amount: int, text: str, party: str = "") -> Movement:
        """A transfer from the account, that its owner has ordered."""
        return self._book(-amount, self._reference(), text, party)

    def give_back(self, payout: Movement) -> Movement:
        """A payout could not be delivered: its money comes again, with its text."""
        return self._book(
            -payout.change, self._reference(), payout.text, payout.party, RETURN
        )

    def reverse(self, one: Movement) -> Movement:
        """Take an earlier movement back, under its own reference."""
        return self._book(
            -one.change, one.reference, one.text, one.party, one.family, reversal=True
        )

    def charge(self, amount: int) -> Movement:
        """What the bank takes for itself; it has no reference."""
        return self._book(-amount, "", "QUARTERLY CHARGES", "", CHARGE)

    def interest(self, amount: int) -> Movement:
        """What the bank pays by itself; it has no reference either."""
        return self._book(amount, "", "INTEREST", "", INTEREST)

    def _book(
        self,
        change: int,
        reference: str,
        text: str,
        party: str,
        family: str = TRANSFER,
        *,
        reversal: bool = False,
    ) -> Movement:
        one = Movement(self.day, change, reference, text, party, family, reversal)
        fields = [str(one.day), change, reference, text, party, family, reversal]
        self._write(["booked", *fields])
        self.movements.append(one)
        return one

    def _reference(self) -> str:
        """16 capitals and digits, each once."""
        return f"SIMB{len(self.movements) + 1:012d}"

    # --- what it writes -----------------------------------------------------------

    def go_on(self, day: dt.date) -> None:
        """It is another day, never an earlier one."""
        if day < self.day:
            raise ValueError(f"{day} is before {self.day}")
        if self.sheets and _year(self.sheets[-1].last) != _year(day):
            self._number = 1
        self.day = day

    def close(self) -> Sheet:
        """The statement of what no statement has yet, up to today; it may be empty."""
        self._write(["closed", str(self.day), self._number])
        return self._cut()

    def _cut(self) -> Sheet:
        there = self.untold
        first = there[0].day if there else self.day
        opening = self.balance - sum(one.change for one in there)
        sheet = Sheet(
            self.account, self._number, first, self.day, opening, tuple(there)
        )
        self.sheets.append(sheet)
        self._told = len(self.movements)
        self._number += 1
        return sheet

    def advise(self, movements: Sequence[Movement]) -> bytes:
        """An advice of some movements, camt.054, which a statement will tell again."""
        self._advised += 1
        name = f"ADVC-{self.day}-{self._advised:05d}"
        head = f"<CreDtTm>{self.day}T12:00:00+05:30</CreDtTm>"
        body = "BkToCstmrDbtCdtNtfctn"
        report = _Report("54", body, "Ntfctn", self.account, self.day)
        return report.write(name, head, "", movements)

    # --- its file -----------------------------------------------------------------

    def _write(self, fields: list[object]) -> None:
        if self._path is not None:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(fields) + "\n")

    def _read(self, path: Path) -> None:
        if not path.exists():
            return
        for line in path.read_text(encoding="utf-8").splitlines():
            what, day, *rest = json.loads(line)
            self.day = dt.date.fromisoformat(day)
            if what == "booked":
                self.movements.append(Movement(self.day, *rest))
                continue
            self._number = rest[0]
            self._cut()


def _year(day: dt.date) -> int:
    """The financial year, by the calendar year in which it begins."""
    return day.year - ((day.month, day.day) < _NEW_YEAR)


# --- XML ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Report:
    """What a statement and an advice have in common."""

    kind: str
    body: str
    report: str
    account: str
    day: dt.date

    def write(
        self, name: str, head: str, balances: str, movements: Sequence[Movement]
    ) -> bytes:
        """A whole file."""
        text = (
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            f'<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.0{self.kind}'
            f'.001.08">\n<{self.body}><GrpHdr><MsgId>{name}</MsgId>'
            f"<CreDtTm>{self.day}T20:00:00+05:30</CreDtTm></GrpHdr>\n"
            f"<{self.report}><Id>{name}</Id>{head}"
            f"<Acct><Id><Othr><Id>{self.account}</Id></Othr></Id><Ccy>INR</Ccy></Acct>"
            f"{balances}\n{''.join(_entries(movements))}"
            f"</{self.report}></{self.body}></Document>\n"
        )
        return text.encode()


def _entries(movements: Sequence[Movement]) -> Iterator[str]:
    for one in movements:
        amount = f'<Amt Ccy="INR">{_rupees(abs(one.change))}</Amt>'
        is_credit = one.change > 0
        reference = f"<TxId>{one.reference}</TxId>" if one.reference else ""
        role = "Dbtr" if is_credit else "Cdtr"
        party = f"<{role}><Pty><Nm>{escape(one.party)}</Nm></Pty></{role}>"
        yield (
            f"<Ntry>{amount}<CdtDbtInd>{_side(one.change)}</CdtDbtInd>"
            f"{'<RvslInd>true</RvslInd>' if one.reversal else ''}"
            f"<Sts><Cd>BOOK</Cd></Sts><BookgDt><Dt>{one.day}</Dt></BookgDt>"
            f"<BkTxCd><Domn><Cd>PMNT</Cd><Fmly><Cd>{'RCDT' if is_credit else 'ICDT'}"
            f"</Cd><SubFmlyCd>{one.family}</SubFmlyCd></Fmly></Domn></BkTxCd>"
            f"<NtryDtls><TxDtls><Refs><EndToEndId>NOTPROVIDED</EndToEndId>{reference}"
            f"</Refs>{amount}"
            f"{f'<RltdPties>{party}</RltdPties>' if one.party else ''}"
            f"<RmtInf><Ustrd>{escape(one.text)}</Ustrd></RmtInf></TxDtls></NtryDtls>"
            "</Ntry>\n"
        )


def _balance(code: str, amount: int, day: dt.date) -> str:
    return (
        f"<Bal><Tp><CdOrPrtry><Cd>{code}</Cd></CdOrPrtry></Tp>"
        f'<Amt Ccy="INR">{_rupees(abs(amount))}</Amt>'
        f"<CdtDbtInd>{_side(amount)}</CdtDbtInd><Dt><Dt>{day}</Dt></Dt></Bal>"
    )


def _rupees(paise: int) -> str:
    return f"{paise // _PAISE}.{paise % _PAISE:02d}"


def _side(change: int) -> str:
    return "CRDT" if change >= 0 else "DBIT"
