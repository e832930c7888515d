"""What a bank answers to an instruction, written a second time: pain.002 by its parts;
and an instruction, pain.001, as short as ISO allows.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

INSTRUCTION = "P2026-27-0031-01-1-ABC"
FIRST, SECOND, THIRD = (f"R0000000000{at:02d}ABC" for at in (1, 2, 3))
AMOUNTS = {FIRST: "12.00", SECOND: "0.01", THIRD: "7.00"}


def reason(code: str, *texts: str) -> str:
    """Why."""
    said = "".join(f"<AddtlInf>{one}</AddtlInf>" for one in texts)
    return f"<StsRsnInf><Rsn><Cd>{code}</Cd></Rsn>{said}</StsRsnInf>"


@dataclass(frozen=True)
class Told:
    """What is said of one payment."""

    payment: str = FIRST
    status: str = "ACCP"
    reasons: str = ""
    amount: str = ""
    field: str = "OrgnlEndToEndId"

    def xml(self) -> str:
        status = f"<TxSts>{self.status}</TxSts>" if self.status else ""
        named = f"<{self.field}>{self.payment}</{self.field}>" if self.payment else ""
        amount = f'<Amt><InstdAmt Ccy="INR">{self.amount}</InstdAmt></Amt>'
        original = f"<OrgnlTxRef>{amount}</OrgnlTxRef>" if self.amount else ""
        return f"<TxInfAndSts>{named}{status}{self.reasons}{original}</TxInfAndSts>"


@dataclass(frozen=True)
class Report:
    """A pain.002."""

    told: Sequence[Told] = (Told(),)
    status: str = ""
    reasons: str = ""
    batch: str = ""
    batch_reasons: str = ""
    counts: str = ""
    name: str = "B-1"
    created: str = "2026-11-27T10:00:00+05:30"
    instruction: str = INSTRUCTION
    count: str = ""
    amount: str = ""
    version: int = 12
    with_batch: bool = True

    def but(self, **changes: object) -> "Report":
        """The same with some changes."""
        return replace(self, **changes)  # type: ignore[arg-type]

    def xml(self) -> bytes:
        count = f"<OrgnlNbOfTxs>{self.count}</OrgnlNbOfTxs>" if self.count else ""
        amount = f"<OrgnlCtrlSum>{self.amount}</OrgnlCtrlSum>" if self.amount else ""
        group = f"<GrpSts>{self.status}</GrpSts>" if self.status else ""
        batch = f"<PmtInfSts>{self.batch}</PmtInfSts>" if self.batch else ""
        inner = "\n".join(one.xml() for one in self.told)
        whole = (
            f"<OrgnlPmtInfAndSts><OrgnlPmtInfId>{self.instruction}</OrgnlPmtInfId>"
            f"{batch}{self.batch_reasons}{self.counts}\n{inner}</OrgnlPmtInfAndSts>"
        )
        return (
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            '<Document xmlns="urn:iso:std:iso:20022:tech:xsd:pain.002.001.'
            f'{self.version:02d}">\n<CstmrPmtStsRpt><GrpHdr><MsgId>{self.name}</MsgId>'
            f"<CreDtTm>{self.created}</CreDtTm></GrpHdr>\n<OrgnlGrpInfAndSts>"
            f"<OrgnlMsgId>{self.instruction}</OrgnlMsgId>"
            f"<OrgnlMsgNmId>pain.001.001.09</OrgnlMsgNmId>{count}{amount}{group}"
            f"{self.reasons}</OrgnlGrpInfAndSts>\n{whole if self.with_batch else ''}"
            "</CstmrPmtStsRpt></Document>\n"
        ).encode()


def instruction(name: str = INSTRUCTION, **changes: str) -> bytes:
    """What it answers."""
    values = {"count": "3", "sum": "19.01", "Nb": "3", **changes}
    payments = "".join(
        f"<CdtTrfTxInf><PmtId><EndToEndId>{one}</EndToEndId></PmtId><Amt>"
        f'<InstdAmt Ccy="INR">{amount}</InstdAmt></Amt></CdtTrfTxInf>'
        for one, amount in AMOUNTS.items()
    )
    return (
        '<Document xmlns="urn:iso:std:iso:20022:tech:xsd:pain.001.001.09">'
        f"<CstmrCdtTrfInitn><GrpHdr><MsgId>{name}</MsgId>"
        f"<CreDtTm>2026-11-27T09:00:00+05:30</CreDtTm><NbOfTxs>{values['count']}"
        f"</NbOfTxs><CtrlSum>{values['sum']}</CtrlSum><InitgPty/></GrpHdr><PmtInf>"
        f"<PmtInfId>{name}</PmtInfId><PmtMtd>TRF</PmtMtd><NbOfTxs>{values['Nb']}"
        "</NbOfTxs><ReqdExctnDt><Dt>2026-11-27</Dt></ReqdExctnDt><Dbtr/>"
        "<DbtrAcct><Id><Othr><Id>000123456789</Id></Othr></Id></DbtrAcct><DbtrAgt>"
        f"<FinInstnId/></DbtrAgt>{payments}</PmtInf></CstmrCdtTrfInitn></Document>"
    ).encode()
