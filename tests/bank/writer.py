"""A bank's files, written a second time: camt by its parts, so that one is spoilt."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

ACCOUNT = "0123456789"
UTR = "SBINR52026112800123456"
OTHER_UTR = "UTIB026332000017"
SHORT_UTR = "633212345678"


@dataclass(frozen=True)
class Detail:
    """A transaction of an entry."""

    amount: str = "1500.00"
    reference: str = UTR
    field: str = "TxId"
    side: str = ""
    end_to_end: str = "REQ-17"
    remittance: str = ""
    inner: str = ""

    def xml(self, version: int) -> str:
        amount = f'<Amt Ccy="INR">{self.amount}</Amt>'
        if version < 8:
            amount = f"<AmtDtls><TxAmt>{amount}</TxAmt></AmtDtls>"
        before, after = "", ""
        named = f"<{self.field}>{self.reference}</{self.field}>"
        if self.field in {"AcctSvcrRef", "InstrId"}:
            before = named
        else:
            after = named
        side = f"<CdtDbtInd>{self.side}</CdtDbtInd>" if self.side else ""
        note = f"<RmtInf><Ustrd>{self.remittance}</Ustrd></RmtInf>"
        return (
            f"<TxDtls><Refs>{before}<EndToEndId>{self.end_to_end}</EndToEndId>{after}"
            f"</Refs>{amount}{side}{note if self.remittance else ''}{self.inner}"
            "</TxDtls>"
        )


@dataclass(frozen=True)
class Entry:
    """An entry of a statement."""

    amount: str = "1500.00"
    side: str = "CRDT"
    status: str = "BOOK"
    reversal: str = ""
    currency: str = "INR"
    day: str | None = None
    """The last one of its sheet, if none is given."""
    own: str = ""
    family: str = "ESCT"
    batch: int = 0
    details: Sequence[Detail] = (Detail(),)

    def xml(self, version: int, day: str) -> str:
        booked = day if self.day is None else self.day
        status = self.status if version < 8 else f"<Cd>{self.status}</Cd>"
        reversal = f"<RvslInd>{self.reversal}</RvslInd>" if self.reversal else ""
        own = f"<AcctSvcrRef>{self.own}</AcctSvcrRef>" if self.own else ""
        batch = f"<Btch><NbOfTxs>{self.batch}</NbOfTxs></Btch>" if self.batch else ""
        inner = "".join(one.xml(version) for one in self.details)
        details = f"<NtryDtls>{batch}{inner}</NtryDtls>" if batch or inner else ""
        return (
            f'<Ntry><Amt Ccy="{self.currency}">{self.amount}</Amt>'
            f"<CdtDbtInd>{self.side}</CdtDbtInd>{reversal}<Sts>{status}</Sts>"
            f"<BookgDt><Dt>{booked}</Dt></BookgDt>{own}<BkTxCd><Domn><Cd>PMNT</Cd>"
            f"<Fmly><Cd>RCDT</Cd><SubFmlyCd>{self.family}</SubFmlyCd></Fmly></Domn>"
            f"</BkTxCd>{details}</Ntry>"
        )


@dataclass(frozen=True)
class Sheet:
    """A camt.053, or of `advice` a camt.054."""

    entries: Sequence[Entry] = field(default_factory=lambda: (Entry(),))
    opening: str | None = "100.00"
    closing: str | None = "1600.00"
    name: str = "S-2026-331"
    number: int | None = 331
    account: str = ACCOUNT
    currency: str = "INR"
    first: str = "2026-11-27T00:00:00+05:30"
    last: str = "2026-11-27T23:59:59+05:30"
    pages: str = ""
    summary: str = ""
    version: int = 8
    advice: bool = False
    has_period: bool = True

    def but(self, **changes: object) -> "Sheet":
        """The same with some changes."""
        return replace(self, **changes)  # type: ignore[arg-type]

    def xml(self) -> bytes:
        kind, body, report = "53", "BkToCstmrStmt", "Stmt"
        if self.advice:
            kind, body, report = "54", "BkToCstmrDbtCdtNtfctn", "Ntfctn"
        day = self.first[:10]
        number = "" if self.number is None else str(self.number)
        counted = f"<ElctrncSeqNb>{number}</ElctrncSeqNb>" if number else ""
        balances = "".join(
            f"<Bal><Tp><CdOrPrtry><Cd>{code}</Cd></CdOrPrtry></Tp>"
            f'<Amt Ccy="INR">{amount.removeprefix("-")}</Amt>'
            f"<CdtDbtInd>{'DBIT' if amount.startswith('-') else 'CRDT'}</CdtDbtInd>"
            f"<Dt><Dt>{day}</Dt></Dt></Bal>"
            for code, amount in (("OPBD", self.opening), ("CLBD", self.closing))
            if amount is not None and not self.advice
        )
        period = f"<FrDtTm>{self.first}</FrDtTm><ToDtTm>{self.last}</ToDtTm>"
        # Of the order in which ISO wants them: pages came later than version 2.
        text = (
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            f'<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.0{kind}.001.'
            f'{self.version:02d}">\n<{body}><GrpHdr><MsgId>M-1</MsgId>'
            f"<CreDtTm>{self.last}</CreDtTm></GrpHdr>\n<{report}><Id>{self.name}</Id>"
            f"{self.pages}{counted}<CreDtTm>{self.last}</CreDtTm>"
            f"{f'<FrToDt>{period}</FrToDt>' if self.has_period else ''}"
            f"<Acct><Id><Othr><Id>{self.account}</Id></Othr></Id>"
            f"<Ccy>{self.currency}</Ccy></Acct>{balances}{self.summary}\n"
            + "\n".join(
                entry.xml(self.version, self.last[:10]) for entry in self.entries
            )
            + f"\n</{report}></{body}></Document>\n"
        )
        return text.encode()


def page(number: int, *, last: bool) -> str:
    """Which page of a statement it is."""
    flag = "true" if last else "false"
    return f"<StmtPgntn><PgNb>{number}</PgNb><LastPgInd>{flag}</LastPgInd></StmtPgntn>"
