"""What a person is shown before a signature, and the key that makes it.

Over the wire only, as `commands`, whose ways they share. What is shown is read from the
bytes that are signed; only what accounts are called is the switch's word.
"""

import json
import sys
from argparse import ArgumentParser, Namespace
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from switch.bank_numbers import find_number
from switch.bank_rows import read_booked
from switch.calendar import format_ist
from switch.cli.abouts import amount_text, payment_facts, refund_facts
from switch.cli.arguments import to_count
from switch.cli.bank_lines import item_facts
from switch.cli.commands import open_office
from switch.cli.next_steps import show_proposed
from switch.cli.register_changes import (
    changes_as_json,
    changes_of,
    record_texts,
)
from switch.client import Client
from switch.client.people import Prepared, Signer
from switch.codes import PROPOSE_LINES, Kind, Result
from switch.console.output import Exit, Screen, enum_word, plain
from switch.console.terminal import ask_secret
from switch.console.words import Language
from switch.errors import ConfigError, UsageError
from switch.person_keys import read_key
from switch.said import payee_text, say
from switch.signed import Ledger, Line, Row, hash_of, read_line
from switch.specs import TREASURY
from switch.v1 import people_pb2 as pb
from switch.v1 import results_pb2, types_pb2

WITHOUT_TERMINAL: Final = "name a file that has the passphrase with --passphrase-file"


def add_person(command: ArgumentParser, *, required: bool = True) -> None:
    """Who signs, and with what."""
    command.add_argument(
        "--person",
        dest="number",
        type=to_count,
        required=required,
        metavar="N",
        help="who signs: the number of a person of this participant",
    )
    command.add_argument(
        "--key", type=Path, required=required, metavar="FILE", help="the person's key"
    )
    command.add_argument(
        "--passphrase-file",
        type=Path,
        metavar="FILE",
        help="with the passphrase of the key (default: it is asked for)",
    )
    command.add_argument(
        "--yes", action="store_true", help="sign what is shown without asking"
    )


def is_signed(args: Namespace) -> bool:
    """Whether a person signs it, as in a ledger with people one must."""
    return bool(args.number) or args.key is not None


def passphrase(args: Namespace) -> bytes:
    """That of an encrypted key. Raises ConfigError."""
    file = args.passphrase_file
    if file is None:
        return ask_secret("passphrase: ", WITHOUT_TERMINAL).encode()
    try:
        read: bytes = file.read_bytes()
    except OSError as error:
        raise ConfigError(f"cannot read {file}: {error.strerror}") from error
    return read.rstrip(b"\r\n")


def signer_of(args: Namespace, client: Client) -> Signer:
    """The person who signs. Raises ConfigError, UsageError."""
    if not args.number or args.key is None:
        raise UsageError("give both --person and --key")
    key = read_key(args.key, lambda: passphrase(args))
    participant = TREASURY if args.identity is None else args.identity[1]
    return client.signer(participant, args.number, key)


# --- what is shown -------------------------------------------------------------------


def show_lines(
    lines: Sequence[pb.ProposedLine], ledger: Ledger, screen: Screen
) -> None:
    """What each line says. Whose money a line of a bank is its maker has put beside its
    texts: what these do not say is told.
    """
    language, word = screen.language, screen.language.word
    shown = []
    unsaid = 0
    warned: Counter[str] = Counter()
    for number, message in enumerate(lines):
        line = read_line(message.line)
        said = say(line, message.debit, message.credit, _payee(message))
        facts = [message.participant] if message.participant else []
        facts += record_texts(message, line, said, language)
        facts += [f"{word(name)} {text}" for name, text in behind(message, language)]
        if message.HasField("bank_item"):
            words = item_facts(message.bank_item, line.resolves, language)
            facts += [f"{word(name)} {text}" for name, text in words]
        for warning in warnings_of(message, line, said.what):
            warned[warning] += 1
            facts.insert(0, word(warning).upper())
        if names_what_it_says(line, ledger) is False:
            unsaid += 1
            facts.insert(0, word("not in its texts").upper())
        shown.append(
            (
                str(number),
                word(f"what {said.what}"),
                message.debit,
                message.credit,
                language.amount(line.amount) if line.amount else "",
                line.text,
                ", ".join(facts),
                str(message.done_sequence) if message.done_sequence else "",
            )
        )
    columns = ("line", "what", "from", "to", "amount", "reference", "detail")
    screen.table((*columns, "done"), shown, whole=True)
    if unsaid:
        screen.line(f"{word('lines not in texts')}: {language.count(unsaid)}")
    for warning, count in warned.items():
        screen.line(f"{word(f'lines {warning}')}: {language.count(count)}")


def names_what_it_says(line: Line, ledger: Ledger) -> bool | None:
    """Whether a bank's line names the entry whose number stands in its texts; None if
    it is no such line, or names none.
    """
    if line.kind is not Kind.BOOKED or not line.resolves:
        return None
    found = find_number(read_booked(line.tail).texts, ledger.instance)
    return found is not None and found.sequence == line.resolves


ABOVE: Final = "above what was settled"
NO_RELEASE: Final = "no such release"
NOT_KNOWN: Final = "what was settled is not known"


def warnings_of(message: pb.ProposedLine, line: Line, what: str) -> list[str]:
    """What is wrong with a line that pays out, or takes a release back, and is not done
    yet: the ledger refuses one only as it is done.
    """
    if message.done_sequence:
        return []
    if what == "recall" and not message.HasField("release"):
        return [NO_RELEASE]
    if not message.HasField("beneficiary"):
        return []
    if not message.HasField("standing"):
        return [NOT_KNOWN]
    one = message.standing
    paid = one.paid_out + one.in_lines_before + line.amount
    return [ABOVE] if paid > one.settled else []


def behind(message: pb.ProposedLine, language: Language) -> list[tuple[str, str]]:
    """What stands behind such a line, by the switch's word."""
    amount = language.amount
    if message.HasField("release"):
        released = message.release
        text = f"{format_ist(released.time_ns)} {amount(released.amount)}"
        return [("released at", f"{text} {json.dumps(released.reference)}")]
    if not message.HasField("standing"):
        return []
    one = message.standing
    facts = [("settled ever", amount(one.settled)), ("paid out", amount(one.paid_out))]
    if one.in_lines_before:
        facts.append(("lines before", amount(one.in_lines_before)))
    return facts


def _payee(message: pb.ProposedLine) -> str:
    """To whom a payout goes."""
    to = message.beneficiary
    return payee_text(to.biller, to.head, to.number, to.ifsc)


def lines_as_json(
    lines: Sequence[pb.ProposedLine], ledger: Ledger
) -> list[dict[str, object]]:
    """The same for machines."""
    found = []
    for number, message in enumerate(lines):
        line = read_line(message.line)
        said = say(line, message.debit, message.credit, _payee(message))
        found.append(
            {
                "line": number,
                "what": said.what,
                "amount": line.amount,
                "reference": line.text,
                "debit": message.debit,
                "credit": message.credit,
                "participant": message.participant,
                "facts": dict(said.facts),
                "changes": changes_as_json(changes_of(message, line)),
                "names_what_it_says": names_what_it_says(line, ledger),
                "standing": (
                    plain(message.standing) if message.HasField("standing") else None
                ),
                "release": (
                    plain(message.release) if message.HasField("release") else None
                ),
                "bank_item": (
                    plain(message.bank_item) if message.HasField("bank_item") else None
                ),
                "warnings": warnings_of(message, line, said.what),
                "done_sequence": message.done_sequence,
            }
        )
    return found


def asked_for(row: Row) -> str:
    """What a proposal asks for: one word, of its own bytes."""
    return enum_word(types_pb2.ProposalKind.DESCRIPTOR, row.total)


def facts_of(
    row: Row, count: int, digest: bytes, ledger: Ledger, screen: Screen
) -> None:
    """The figures by which two people compare what they have before them."""
    language = screen.language
    facts = [("instance", ledger.instance.hex())]
    if row.kind is Kind.PROPOSE:
        facts.append(("what", language.word(f"propose {asked_for(row)}")))
    if row.total == PROPOSE_LINES:
        facts.append(("lines", language.count(count)))
    if row.resolves:
        facts.append(("about", str(row.resolves)))
    shown = language.amount(row.amount)
    if row.kind is Kind.PROPOSE:
        shown = amount_text(row.total, row.amount, language)
    facts.append(("amount", shown))
    if row.kind is not Kind.APPROVE and row.reference.rstrip(b"\0"):
        reason = row.reference.rstrip(b"\0").decode("ascii", "replace")
        facts.append(("reason", reason))
    facts.append(("hash", digest.hex()))
    screen.facts(facts)


def agreed(args: Namespace, screen: Screen) -> bool:
    """Whether the person signs what was shown. Raises UsageError if nobody is asked."""
    if args.yes:
        return True
    if screen.as_json or not sys.stdin.isatty():
        # What machines are told comes when it is signed: nobody has seen it by then.
        raise UsageError("nobody to ask at a terminal; add --yes to sign what is shown")
    screen.note(screen.language.word("sign it"))
    if sys.stdin.readline().strip().lower() in ("y", "yes"):
        return True
    screen.note(screen.language.word("not signed"))
    return False


# --- what is signed ------------------------------------------------------------------


def propose(args: Namespace, screen: Screen, request: pb.PrepareRequest) -> Exit:
    """Have it made, show it, sign it."""
    with open_office(args) as client:
        signer = signer_of(args, client)
        made = client.prepare(request)
        return sign_prepared(args, screen, client, signer, made)


def sign_prepared(
    args: Namespace,
    screen: Screen,
    client: Client,
    signer: Signer,
    made: Prepared,
) -> Exit:
    """Show what was made, and sign it."""
    word = screen.language.word
    for warning in made.warnings:
        screen.note(warning)
    if made.row is None:
        if screen.as_json:
            screen.value({"lines_count": 0, "already_count": made.already_count})
        else:
            screen.line(word("nothing to do"))
            screen.facts([("already so", str(made.already_count))])
        return Exit.DONE
    row_id = args.id
    digest = _digest(made.row, row_id, signer)
    if not screen.as_json:
        if made.lines:
            show_lines(made.lines, signer.ledger, screen)
        facts_of(made.row, len(made.lines), digest, signer.ledger, screen)
        if made.about is not None:
            language = screen.language
            facts = payment_facts(*made.about, made.row.resolves, language)
            facts += refund_facts(client, made.row, made.about[1], language)
            screen.facts(facts)
        if made.already_count:
            screen.facts([("already so", str(made.already_count))])
    if not agreed(args, screen):
        return Exit.REFUSED
    outcome = client.submit(made.row, signer, move_id=row_id, as_of=made.as_of)
    if screen.as_json:
        value = plain(outcome)
        value |= {
            "lines_count": len(made.lines),
            "amount": made.row.amount,
            "already_count": made.already_count,
            "left_count": made.left_count,
            "hash": digest.hex(),
        }
        screen.value(value)
        return Exit.DONE if _is_ok(outcome) else Exit.REFUSED
    shown = show_proposed(outcome, screen)
    if shown is Exit.DONE and made.left_count:
        screen.facts([("left", screen.language.count(made.left_count))])
    return shown


def _digest(row: Row, row_id: bytes, signer: Signer) -> bytes:
    person = signer.person
    return hash_of(row, row_id, person.participant_index, person.number, signer.ledger)


def _is_ok(outcome: results_pb2.Outcome) -> bool:
    return outcome.result == int(Result.OK)
