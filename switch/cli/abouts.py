"""What a proposal is about, for whoever approves it or looks through the list.

Over the wire only. The entry that is named is the ledger's; what it and its payment
are called is the switch's word, as it is of accounts.
"""

from switch.calendar import financial_year, format_financial_year
from switch.cli.bank_lines import lines_text
from switch.client import Client
from switch.codes import Kind
from switch.console.output import enum_word
from switch.console.words import Language
from switch.errors import SwitchError
from switch.signed import Row
from switch.v1 import proposals_pb2, types_pb2

_CLOSE = types_pb2.PROPOSAL_KIND_CLOSE_CASE
_LINES = types_pb2.PROPOSAL_KIND_LINES


def about_text(one: proposals_pb2.Proposal, language: Language) -> str:
    """The entry, and whose payment it is: biller and head, receipt, reference, amount.
    Of lines what the first one says; of what is damaged no more than the number.
    """
    if one.lines_count:
        return lines_text(one, language)
    number = str(one.proposed.resolves or "")
    facts = about_facts(one, language)
    parts = [value for name, value in facts if name != "payment"]
    if facts and one.payment.sequence != one.proposed.resolves:
        number += f" ({language.word('of payment')} {one.payment.sequence})"
    return f"{number}: {', '.join(parts)}" if parts else number


def about_facts(
    one: proposals_pb2.Proposal, language: Language
) -> list[tuple[str, str]]:
    """The same, name by name. Raises SwitchError if the switch tells of another entry
    than is named.
    """
    if not one.HasField("about"):
        return []
    return payment_facts(one.about, one.payment, one.proposed.resolves, language)


def payment_facts(
    about: types_pb2.Entry, payment: types_pb2.Entry, named: int, language: Language
) -> list[tuple[str, str]]:
    """The same of a named entry and its payment; who proposes reads it, too. They may
    have asked by the payment's own entry, and a refund names the one that confirmed it.
    """
    if about.sequence != named:
        text = f"the switch has shown entry {about.sequence} for"
        raise SwitchError(f"{text} {named}")
    word = language.word
    number = str(payment.sequence)
    if about.kind == types_pb2.ENTRY_KIND_POST:
        number += f" ({word('confirmed by entry')} {named})"
    facts = [
        ("payment", number),
        ("centre", payment.centre),
        ("biller", f"{payment.biller}/{payment.head}"),
        ("receipt", receipt_text(about)),
        ("reference", payment.citizen_reference or payment.reference),
        ("paid", language.amount(payment.amount)),
    ]
    if about.kind == types_pb2.ENTRY_KIND_CASE:
        case = enum_word(types_pb2.CaseType.DESCRIPTOR, about.case_type)
        facts.insert(1, ("kind", word(f"case {case}")))
        if about.reported_amount not in (0, payment.amount):
            facts.append(("says", language.amount(about.reported_amount)))
    return [(name, value) for name, value in facts if value]


def refund_facts(
    client: Client, row: Row, payment: types_pb2.Entry, language: Language
) -> list[tuple[str, str]]:
    """Of a refund that is to be signed: what was given back of its payment before, and
    what is left; a warning if it is more. Of anything else nothing.
    """
    if row.kind is not Kind.PROPOSE or row.total != Kind.REFUND:
        return []
    paid = client.get_payment(payment.id, payment.sender.participant)
    left = paid.entry.amount - paid.refunded_amount
    facts = [
        ("given back so far", language.amount(paid.refunded_amount)),
        ("left of payment", language.amount(left)),
    ]
    if row.amount > left:
        facts.append(("warning", language.word("more than is left")))
    return facts


def receipt_text(entry: types_pb2.Entry) -> str:
    """`centre/2026-27/000123`, or nothing."""
    if not entry.receipt:
        return ""
    year = format_financial_year(financial_year(entry.time_ns))
    return f"{entry.centre}/{year}/{entry.receipt:06d}"


def amount_text(asks: int, amount: int, language: Language) -> str:
    """What a proposal moves: it has no amount where that is the whole, or nothing."""
    if amount or asks == _LINES:
        return language.amount(amount)
    return language.word("nothing moves" if asks == _CLOSE else "the whole")
