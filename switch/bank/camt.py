"""ISO 20022: camt.053, a statement with balances, and camt.054, an advice without.

May use `lines`, `values` and `xml`. Versions 02 to 14; what they call differently is
read either way. Everything counts that is said: sums and counts that are given must be
right, all amounts are in rupees, and a file that contradicts itself is not believed.
"""

import datetime as dt
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from switch.bank.lines import (
    LINES_MAX,
    TEXTS_MAX,
    BankLine,
    LineKind,
    Problem,
    Side,
    Statement,
    StatementError,
    canonical_account,
    first_reference,
    tidy_text,
)
from switch.bank.values import (
    maybe_day,
    read_amount,
    read_count,
    read_day,
    read_decimal,
    read_flag,
    read_side,
)
from switch.bank.xml import Element, parse

REFERENCE_FIELDS = ("TxId", "ClrSysRef", "AcctSvcrRef")
"""Where a bank writes its own reference, in this order, unless it is known to write it
elsewhere: the payer's fields (EndToEndId) may look like one and be none."""
ALL_REFERENCE_FIELDS = (
    *REFERENCE_FIELDS,
    "EndToEndId",
    "InstrId",
    "MsgId",
    "PmtInfId",
)
"""Where a bank may be known to write it."""

_NAMESPACE = re.compile(
    r"urn:iso:std:iso:20022:tech:xsd:camt\.05([34])\.001\.([0-9]{2})"
)
_VERSIONS = range(2, 15)
_CHARGES = frozenset({"CHRG", "COMM", "FEES", "TAXE"})
_TEXT_PATHS = (
    "Refs/EndToEndId",
    "Refs/InstrId",
    "Refs/MsgId",
    "RmtInf/Ustrd",
    "RmtInf/Strd/CdtrRefInf/Ref",
    "RmtInf/Strd/RfrdDocInf/Nb",
    "RltdPties/CdtrAcct/Id/Othr/Id",
    "RltdPties/CdtrAcct/Id/IBAN",
    "RltdPties/DbtrAcct/Id/Othr/Id",
    "RltdPties/DbtrAcct/Id/IBAN",
    "RltdPties/Dbtr/Nm",
    "RltdPties/Dbtr/Pty/Nm",
    "AddtlTxInf",
)


def read_camt(
    data: bytes, source: str, *, references: Sequence[str] = REFERENCE_FIELDS
) -> list[Statement]:
    """The statements or advices of one file, or pages of them.

    `references`: names of fields below `Refs` that may have the bank's reference, the
    first that has one counts. Raises StatementError.
    """
    namespace, root = parse(data, source)
    found = _NAMESPACE.fullmatch(namespace)
    if found is None or root.path != "Document" or int(found[2]) not in _VERSIONS:
        raise StatementError(source, "is neither camt.053 nor camt.054, 02 to 14")
    if found[1] == "3":
        body, reports, is_advice = root.one("BkToCstmrStmt"), "Stmt", False
    else:
        body, reports, is_advice = root.one("BkToCstmrDbtCdtNtfctn"), "Ntfctn", True
    pages = _page(body.maybe("GrpHdr/MsgPgntn"))
    statements = [
        replace(_statement(one, source, pages, tuple(references)), is_advice=is_advice)
        for one in body.all(reports)
    ]
    for one, report in zip(statements, body.all(reports), strict=True):
        _look_at_balances(one, report)
        _look_at_days(one, report)
    if not statements:
        raise StatementError(source, f"has no {reports}")
    return statements


def _statement(
    report: Element, source: str, pages: tuple[int, bool], references: tuple[str, ...]
) -> Statement:
    account = _account(report.one("Acct"))
    balances = _balances(report)
    page, last_page = _page(
        report.maybe("StmtPgntn") or report.maybe("NtfctnPgntn"), pages
    )
    entries = report.all("Ntry")
    booked = [entry for entry in entries if _is_booked(entry)]
    _look_at_summary(report, entries)
    lines: list[BankLine] = []
    for entry in booked:
        lines.extend(_lines(entry, account, references))
        if len(lines) > LINES_MAX:
            raise StatementError(report.place, f"has more than {LINES_MAX} lines")
    first_day = maybe_day(report.maybe("FrToDt/FrDtTm"))
    last_day = maybe_day(report.maybe("FrToDt/ToDtTm")) or _closing_day(report)
    if first_day and last_day and last_day < first_day:
        raise StatementError(report.place, "ends before it begins")
    number = report.text_of("ElctrncSeqNb") or report.text_of("LglSeqNb")
    return Statement(
        account=account,
        name=_name(report.one("Id")),
        lines=tuple(lines),
        opening=balances.get("OPBD", balances.get("PRCD")),
        closing=balances.get("CLBD"),
        number=read_count(report, number) if number else None,
        first_day=first_day,
        last_day=last_day,
        page=page,
        last_page=last_page,
        pending_count=len(entries) - len(booked),
        sources=(source,),
    )


def _closing_day(report: Element) -> dt.date | None:
    closing = [
        balance
        for balance in report.all("Bal")
        if balance.text_of("Tp/CdOrPrtry/Cd") == "CLBD"
    ]
    day = closing[0].maybe("Dt") if closing else None
    return read_day(day) if day is not None else None


def _look_at_days(one: Statement, report: Element) -> None:
    """What a statement has booked, it has booked in its days."""
    if one.is_advice or one.first_day is None or one.last_day is None:
        return
    for line in one.lines:
        if not one.first_day <= line.booked <= one.last_day:
            raise StatementError(line.place or report.place, "is of another day")


def _look_at_balances(one: Statement, report: Element) -> None:
    """A statement has both, on its first and its last page; an advice has none."""
    if one.is_advice:
        if (one.opening, one.closing) != (None, None):
            raise StatementError(report.place, "an advice with balances")
    elif one.page == 1 and one.opening is None:
        raise StatementError(report.place, "has no OPBD and no PRCD balance")
    elif one.last_page and one.closing is None:
        raise StatementError(report.place, "has no CLBD balance")


def _name(element: Element) -> str:
    if not 1 <= len(element.text) <= 35:
        raise StatementError(element.place, "is no name of 1 to 35 characters")
    return tidy_text(element.text)


def _page(
    element: Element | None, without: tuple[int, bool] = (1, True)
) -> tuple[int, bool]:
    if element is None:
        return without
    page = read_count(element, element.text_of("PgNb"))
    if page < 1:
        raise StatementError(element.place, "pages are counted from 1")
    return page, read_flag(element.one("LastPgInd"))


def _account(element: Element) -> str:
    currency = element.text_of("Ccy")
    if currency not in {"", "INR"}:
        raise StatementError(element.place, f"is in {currency[:3]!a}, not in INR")
    account = element.text_of("Id/IBAN") or element.one("Id/Othr/Id").text
    bare = canonical_account(account)
    if not bare:
        raise StatementError(element.place, "is no account number")
    return bare


def _balances(report: Element) -> dict[str, int]:
    found: dict[str, int] = {}
    for balance in report.all("Bal"):
        code = balance.text_of("Tp/CdOrPrtry/Cd")
        if code in found:
            raise StatementError(balance.place, f"a second {code} balance")
        if code not in {"OPBD", "PRCD", "CLBD"}:
            continue
        amount = read_amount(balance.one("Amt"))
        found[code] = amount if read_side(balance) is Side.CREDIT else -amount
    if "OPBD" in found and found.get("PRCD", found["OPBD"]) != found["OPBD"]:
        raise StatementError(report.place, "OPBD is not PRCD")
    return found


def _is_booked(entry: Element) -> bool:
    status = entry.one("Sts")
    code = status.text_of("Cd") or status.text
    if code not in {"BOOK", "PDNG", "INFO", "FUTR"}:
        raise StatementError(status.place, f"no status of an entry: {code[:35]!a}")
    return code == "BOOK"


def _look_at_summary(report: Element, entries: list[Element]) -> None:
    """Counts and sums that are given must be those of the entries."""
    summary = report.maybe("TxsSummry")
    if summary is None:
        return
    for name, side in (
        ("TtlNtries", None),
        ("TtlCdtNtries", Side.CREDIT),
        ("TtlDbtNtries", Side.DEBIT),
    ):
        total = summary.maybe(name)
        if total is None:
            continue
        those = [entry for entry in entries if side is None or read_side(entry) is side]
        count, amount = total.text_of("NbOfNtries"), total.text_of("Sum")
        if count and read_count(total, count) != len(those):
            raise StatementError(total.place, f"{count} of {len(those)} entries")
        there = sum(read_amount(entry.one("Amt")) for entry in those)
        if amount and read_decimal(total, amount) != there:
            raise StatementError(total.place, "is not the sum of its entries")
        _look_at_net(total, those)


def _look_at_net(total: Element, entries: list[Element]) -> None:
    # Version 2 has amount and side in the total itself.
    beside = total.maybe("TtlNetNtry")
    amount = total.text_of("TtlNetNtryAmt" if beside is None else "TtlNetNtry/Amt")
    if not amount:
        return
    net = sum(
        read_amount(entry.one("Amt")) * (1 if read_side(entry) is Side.CREDIT else -1)
        for entry in entries
    )
    given = read_decimal(total, amount)
    if read_side(beside or total) is Side.DEBIT:
        given = -given
    if given != net:
        raise StatementError(total.place, "is not what its entries come to")


def _lines(
    entry: Element, account: str, references: tuple[str, ...]
) -> Iterator[BankLine]:
    amount, side = read_amount(entry.one("Amt")), read_side(entry)
    if amount == 0:
        raise StatementError(entry.place, "moves nothing")
    details = entry.all("NtryDtls/TxDtls")
    _look_at_batches(entry, side, amount)
    if len(details) > 1:
        parts = [_detail_amount(one, side) for one in details]
        if sum(parts) != amount:
            raise StatementError(entry.place, "is not the sum of its transactions")
        for part, one in zip(parts, details, strict=True):
            # A part may go the other way; it is a line of that side then.
            way = side if part > 0 else _other(side)
            yield _line(entry, one, account, way, abs(part), references, alone=False)
        return
    if details and _detail_amount(details[0], side, amount) != amount:
        raise StatementError(entry.place, "is not the sum of its transactions")
    yield _line(
        entry, details[0] if details else None, account, side, amount, references
    )


def _look_at_batches(entry: Element, side: Side, amount: int) -> None:
    """Counts and sums of an entry's groups are those of what is in them."""
    groups = entry.all("NtryDtls")
    for group in groups:
        batch = group.maybe("Btch")
        if batch is None:
            continue
        details = group.all("TxDtls")
        count, total = batch.text_of("NbOfTxs"), batch.maybe("TtlAmt")
        itemised = details or len(groups) > 1
        if count and itemised and read_count(batch, count) != len(details):
            raise StatementError(batch.place, f"{count} of {len(details)} transactions")
        if total is None:
            continue
        there = amount
        if len(groups) > 1:
            there = sum(_detail_amount(one, side) for one in details)
        way = read_side(batch) if batch.maybe("CdtDbtInd") is not None else side
        if (read_amount(total) if way is side else -read_amount(total)) != there:
            raise StatementError(batch.place, "is not the sum of its transactions")


def _line(
    entry: Element,
    detail: Element | None,
    account: str,
    side: Side,
    amount: int,
    references: tuple[str, ...],
    *,
    alone: bool = True,
) -> BankLine:
    named: list[str] = []
    if detail is not None:
        named += [detail.text_of(f"Refs/{name}") for name in references]
    if alone and "AcctSvcrRef" in references:
        # Of one transaction the entry's is its own.
        named.append(entry.text_of("AcctSvcrRef"))
    reference = first_reference(named)
    problem = None if reference else Problem.NO_REFERENCE
    batches = entry.all("NtryDtls/Btch/NbOfTxs")
    if detail is None and sum(read_count(one, one.text) for one in batches) > 1:
        problem, reference = Problem.NOT_ITEMISED, ""
    reversal = entry.maybe("RvslInd")
    return BankLine(
        account=account,
        side=side,
        amount=amount,
        booked=read_day(entry.one("BookgDt")),
        reference=reference,
        reversal=read_flag(reversal) if reversal is not None else False,
        kind=_kind(entry, detail),
        # Of several transactions none has what the entry says of all.
        charges=_charges(detail) or (_charges(entry) if alone else 0),
        texts=_texts(entry, detail),
        problem=problem,
        place=entry.place,
    )


def _detail_amount(detail: Element, side: Side, without: int | None = None) -> int:
    """Of one transaction, below zero if it goes against its entry."""
    found = detail.maybe("Amt") or detail.maybe("AmtDtls/TxAmt/Amt")
    if found is not None:
        amount = read_amount(found)
    elif without is not None:
        amount = without
    else:
        raise StatementError(detail.place, "does not say how much")
    if amount == 0:
        raise StatementError(detail.place, "moves nothing")
    against = detail.maybe("CdtDbtInd") is not None and read_side(detail) is not side
    return -amount if against else amount


def _kind(entry: Element, detail: Element | None) -> LineKind:
    for one in (detail, entry):
        if one is None:
            continue
        family = one.text_of("BkTxCd/Domn/Fmly/SubFmlyCd")
        if family in _CHARGES:
            return LineKind.CHARGE
        if family == "INTR":
            return LineKind.INTEREST
        if family == "RRTN" or one.maybe("RtrInf") is not None:
            return LineKind.RETURN
    return LineKind.TRANSFER


def _charges(one: Element | None) -> int:
    if one is None:
        return 0
    total = 0
    # Version 2 has a `Chrgs` for each, those after it one `Chrgs` with records.
    for charges in one.all("Chrgs"):
        whole = charges.maybe("TtlChrgsAndTaxAmt") or charges.maybe("Amt")
        if whole is not None:
            total += read_amount(whole)
        else:
            total += sum(read_amount(part.one("Amt")) for part in charges.all("Rcrd"))
    return total


def _texts(entry: Element, detail: Element | None) -> tuple[str, ...]:
    found = [
        tidy_text(one.text)
        for path in (_TEXT_PATHS if detail is not None else ())
        for one in (detail.all(path) if detail is not None else ())
    ]
    found.append(tidy_text(entry.text_of("AddtlNtryInf")))
    # Each once, in the order in which they stand.
    return tuple(dict.fromkeys(text for text in found if text))[:TEXTS_MAX]


def _other(side: Side) -> Side:
    return Side.DEBIT if side is Side.CREDIT else Side.CREDIT
