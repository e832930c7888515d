"""What a bank wrote about money that a proposal is about, beside what it asks for.

Over the wire only. What a line explains is in its own bytes; what the bank wrote of it
is the switch's word, as it is of accounts.
"""

from switch.console.words import Language
from switch.errors import SwitchError
from switch.said import booked_day, quoted
from switch.v1 import banks_pb2, proposals_pb2


def item_facts(
    item: banks_pb2.BankItem, explains: int, language: Language
) -> list[tuple[str, str]]:
    """A booked item, name by name: account, amount, the bank's reference and words.

    Raises SwitchError if the switch tells of another entry than the line explains.
    """
    if item.sequence != explains:
        text = f"the switch has shown entry {item.sequence} for"
        raise SwitchError(f"{text} {explains}: nothing is signed")
    facts = [
        ("bank account", item.account),
        ("booked", language.amount(item.amount)),
        ("bank reference", quoted(item.reference) if item.reference else ""),
        ("booked day", booked_day(item.booked) if item.booked else ""),
        ("bank words", " ".join(map(quoted, item.texts)) + " …" * item.texts_cut),
    ]
    return [(name, value) for name, value in facts if value]


def lines_text(one: proposals_pb2.Proposal, language: Language) -> str:
    """What a proposal of lines is about, for a list: its first line, the bank's words
    about that, and how many more lines there are. What the first lines change stands
    under the list.
    """
    parts = [one.first_line] if one.first_line and not one.changes else []
    if one.HasField("bank_item"):
        facts = item_facts(one.bank_item, one.bank_item.sequence, language)
        parts += [f"{language.word(name)} {value}" for name, value in facts]
    if one.lines_count > 1:
        count = language.count(one.lines_count - 1)
        parts.append(f"{language.word('more lines')} {count}")
    return ", ".join(parts)
