"""The commands of `payswitch` for what people put right: the list, proposals, deeds.

Over the wire only, as `commands`, whose ways they share.
"""

import time
from argparse import ArgumentParser, Namespace
from collections.abc import Callable

from switch.calendar import DAY_S, NS_IN_S, format_ist, ist_date
from switch.cli import people, signing
from switch.cli.abouts import about_text, amount_text
from switch.cli.arguments import add_id, add_reason, as_argument, to_count
from switch.cli.commands import kind_of, open_office, who
from switch.cli.next_steps import show_proposed
from switch.cli.office import show_outcome
from switch.cli.register_changes import show_listed_changes
from switch.codes import Result
from switch.console.output import Exit, Screen, enum_word, plain
from switch.console.words import Language
from switch.errors import UsageError
from switch.ids import new_id
from switch.money import parse_amount
from switch.v1 import exceptions_pb2, people_pb2, proposals_pb2, types_pb2
from switch.v1 import exceptions_pb2 as pb


def _names(enum: object) -> dict[str, int]:
    """The names of an enumeration, as commands take and print them."""
    found = {}
    for number in enum.values_by_number:  # type: ignore[attr-defined]
        if number:
            found[enum_word(enum, number)] = number
    return found


KINDS = _names(exceptions_pb2.ExceptionKind.DESCRIPTOR)
OWNERS = _names(exceptions_pb2.ExceptionOwner.DESCRIPTOR)
PROPOSALS = {
    name.removesuffix("_case"): number
    for name, number in _names(types_pb2.ProposalKind.DESCRIPTOR).items()
}
"""What can be proposed, by the verb of `propose`."""
WHOLE = ("void", "verify", "close")
"""What is proposed without an amount."""


def exceptions(args: Namespace, screen: Screen) -> Exit:
    """What people must see to, oldest first."""
    request = pb.ListExceptionsRequest(
        kinds=[KINDS[name] for name in args.kind],  # type: ignore[misc]
        biller=args.biller,
        centre=args.centre,
        owner=OWNERS.get(args.owner, 0),  # type: ignore[arg-type]
        overdue_only=args.overdue,
        with_history=args.history,
    )
    found: list[pb.Exception] = []
    with open_office(args) as client:
        pages = client.exception_pages(request)
        first = next(pages)
        found.extend(first.exceptions)
        for page in pages:
            found.extend(page.exceptions)
    if first.damaged_count:
        entries = ", ".join(map(str, first.damaged_sequences))
        screen.note(f"damaged at the switch, and open: {entries}")
    if first.more_count:
        screen.note(f"{first.more_count} newer ones are open, and not listed")
    if screen.as_json:
        for one in found:
            screen.value(plain(one))
        end = {
            "totals": [plain(total) for total in first.totals],
            "as_of_sequence": first.as_of_sequence,
            "more_count": first.more_count,
        }
        screen.value(end)
        return Exit.DONE
    if not found:
        screen.line(screen.language.word("nothing open"))
        return Exit.DONE
    _show_list(found, screen)
    _show_totals(list(first.totals), screen)
    if args.history:
        for one in found:
            _show_history(one, screen)
    return Exit.DONE


def _show_list(found: list[pb.Exception], screen: Screen) -> None:
    language = screen.language
    now_ns = time.time_ns()
    names = ("entry", "kind", "payment", "centre", "biller", "reference")
    numbers = ("amount", "says", "age")
    screen.table(
        (*names, *numbers, "decide by", "turn"),
        [
            (
                str(one.sequence),
                _kind(one, screen),
                str(one.payment.sequence or "-"),
                one.payment.centre,
                one.payment.biller,
                one.payment.reference,
                language.amount(one.amount),
                language.amount(one.reported_amount) if one.reported_amount else "",
                _age(one, now_ns, screen),
                _decide_by(one),
                language.word(f"turn {_word(pb.ExceptionOwner, one.owner)}"),
            )
            for one in found
        ],
        right=numbers,
        drop=("says", "payment", "biller", "age", "reference", "centre", "decide by"),
        wraps=("kind", "turn"),
    )


def _show_totals(totals: list[pb.ExceptionTotal], screen: Screen) -> None:
    language = screen.language
    screen.table(
        ("kind", "count", "amount", "oldest"),
        [
            (
                language.word(f"kind {_word(pb.ExceptionKind, one.kind)}"),
                language.count(one.count),
                language.amount(one.amount),
                format_ist(one.oldest_since_ns) if one.oldest_since_ns else "",
            )
            for one in totals
        ],
        right=("count", "amount"),
    )


def _show_history(one: pb.Exception, screen: Screen) -> None:
    language = screen.language
    screen.table(
        ("time", "entry", "kind", "amount", "reference", "detail", "who"),
        [
            (
                format_ist(entry.time_ns),
                str(entry.sequence),
                _entry_kind(entry, language),
                language.amount(entry.reported_amount or entry.amount),
                entry.reference,
                entry.note,
                who(entry),
            )
            for entry in one.history
        ],
        title=f"{_kind(one, screen)} {one.sequence}",
        drop=("who", "detail", "entry"),
    )


def _word(enum: object, number: int) -> str:
    return enum_word(enum.DESCRIPTOR, number)  # type: ignore[attr-defined]


def _kind(one: pb.Exception, screen: Screen) -> str:
    word = screen.language.word
    kind = word(f"kind {_word(pb.ExceptionKind, one.kind)}")
    if one.proposal_kind and one.kind != pb.EXCEPTION_KIND_ADVANCE:
        asked = _word(types_pb2.ProposalKind, one.proposal_kind)
        kind += f": {word(f'propose {asked}')}"
    return kind


def _age(one: pb.Exception, now_ns: int, screen: Screen) -> str:
    """Days since it was raised."""
    if not one.since_ns:
        return ""
    days = max(now_ns - one.since_ns, 0) // (DAY_S * NS_IN_S)
    return screen.language.count(days)


def _decide_by(one: pb.Exception) -> str:
    """The last day to decide it, marked if T+1 has passed."""
    if not one.decide_until_ns:
        return ""
    date = ist_date(one.decide_until_ns - 1).isoformat()
    return f"{date} !" if one.overdue else date


def _entry_kind(entry: types_pb2.Entry, language: Language) -> str:
    if entry.kind == types_pb2.ENTRY_KIND_CASE:
        return _word(types_pb2.CaseType, entry.case_type)
    kind = kind_of(entry, language)
    if entry.proposal_kind:
        kind += f" {_word(types_pb2.ProposalKind, entry.proposal_kind)}"
    return kind


# --- what two people want -------------------------------------------------------------


def propose(args: Namespace, screen: Screen) -> Exit:
    """Ask for something; another person approves it."""
    amount = 0
    if args.verb not in WHOLE:
        amount = args.amount or 0
        if args.amount is None and _is_amount(args.reason):
            raise UsageError(
                f"is {args.reason} the amount or the reason? Give both: AMOUNT REASON"
            )
    if args.number is not None or args.key is not None:
        wish = people_pb2.PaymentWish(
            kind=PROPOSALS[args.verb],  # type: ignore[arg-type]
            sequence=args.entry,
            amount=amount,
        )
        args.id = args.id or new_id()
        request = people_pb2.PrepareRequest(payment=wish, reason=args.reason)
        return signing.propose(args, screen, request)
    with open_office(args) as client:
        outcome = client.propose(
            PROPOSALS[args.verb],  # type: ignore[arg-type]
            args.entry,
            args.reason,
            amount,
            move_id=args.id or new_id(),
        )
    return show_proposed(outcome, screen, signs=False)


def _is_amount(text: str) -> bool:
    try:
        parse_amount(text)
    except ValueError:
        return False
    return True


def proposals(args: Namespace, screen: Screen) -> Exit:
    """What was proposed, by whom, and who has answered."""
    with open_office(args) as client:
        pages = list(client.proposal_pages(all=args.all))
    found = [one for page in pages for one in page.proposals]
    damaged = [str(one) for page in pages for one in page.damaged_sequences]
    if damaged:
        screen.note(f"damaged at the switch: {', '.join(damaged)}")
    if screen.as_json:
        for one in found:
            screen.value(plain(one))
        return Exit.DONE
    if not found:
        screen.line(screen.language.word("nothing open"))
        return Exit.DONE
    language, word = screen.language, screen.language.word
    screen.table(
        (
            *("entry", "kind", "about", "amount", "reason", "proposed", "proposed by"),
            *("state", "answered", "answered by", "done as", "lines done"),
        ),
        [
            (
                str(one.proposed.sequence),
                word(f"propose {_proposed(one)}"),
                about_text(one, language),
                amount_text(one.proposed.proposal_kind, one.proposed.amount, language),
                one.proposed.reference,
                format_ist(one.proposed.time_ns),
                who(one.proposed),
                word(f"proposal {_word(proposals_pb2.ProposalState, one.state)}"),
                format_ist(one.answer.time_ns) if one.HasField("answer") else "",
                word("by channel") if one.by_channel else _answered_by(one),
                str(one.done.sequence) if one.HasField("done") else "",
                _lines_done(one, language),
            )
            for one in found
        ],
        drop=(
            *("done as", "answered", "lines done", "proposed", "reason"),
            *("answered by", "proposed by", "kind", "amount"),
        ),
        wraps=("kind", "proposed by", "state", "answered by"),
        below="about",
    )
    show_listed_changes(found, screen)
    return Exit.DONE


def _proposed(one: proposals_pb2.Proposal) -> str:
    return _word(types_pb2.ProposalKind, one.proposed.proposal_kind)


def _answered_by(one: proposals_pb2.Proposal) -> str:
    """Who has withdrawn, or approved it; of what needs a third also who has so far."""
    found = list(map(people.actor, one.approvals))
    if not found or one.state == proposals_pb2.PROPOSAL_STATE_WITHDRAWN:
        found = [people.actor(one.answer.sender)]
    if one.third_needed:
        found.append("(3)")
    return " ".join(found)


def _lines_done(one: proposals_pb2.Proposal, language: Language) -> str:
    if not one.lines_count:
        return ""
    return f"{language.count(one.lines_done)} / {language.count(one.lines_count)}"


def withdraw(args: Namespace, screen: Screen) -> Exit:
    """Take a proposal back."""
    if args.number is not None or args.key is not None:
        return people.withdraw(args, screen)
    with open_office(args) as client:
        outcome = client.withdraw(args.entry, args.reason, move_id=args.id or new_id())
    return show_outcome(outcome, screen, state="proposal withdrawn")


def approve(args: Namespace, screen: Screen) -> Exit:
    """Approve a proposal of somebody else, and do it; if it is signed, `do` does."""
    if args.number is not None or args.key is not None:
        return people.approve(args, screen)
    with open_office(args) as client:
        reply = client.approve(args.entry, move_id=args.id or new_id())
    if screen.as_json:
        screen.value(plain(reply))
    else:
        # What is done is done, also if it was approved before, by whomever.
        if not reply.done or reply.outcome.result == int(Result.OK):
            show_outcome(reply.outcome, screen)
        for one in reply.done:
            show_outcome(one, screen)
    done = {one.result for one in reply.done} == {int(Result.OK)}
    return Exit.DONE if done else Exit.REFUSED


def recover(args: Namespace, screen: Screen) -> Exit:
    """Get an advance back."""
    with open_office(args) as client:
        outcome = client.recover_advance(
            args.entry, args.reason, move_id=args.id or new_id()
        )
    return show_outcome(outcome, screen)


def fund_suspense(args: Namespace, screen: Screen) -> Exit:
    """Put money aside for advances."""
    with open_office(args) as client:
        outcome = client.fund_suspense(
            args.amount, args.reason, move_id=args.id or new_id()
        )
    return show_outcome(outcome, screen)


Command = tuple[str, Callable[[Namespace, Screen], Exit], str]

COMMANDS: tuple[Command, ...] = (
    ("exceptions", exceptions, "what people must see to, whose turn it is, by when"),
    ("proposals", proposals, "what was proposed and by whom, and who answered"),
    ("withdraw", withdraw, "take a proposal back that is not done, approved or not"),
    (
        "approve",
        approve,
        "approve a proposal of somebody else; what is signed is then done by `do`",
    ),
    ("fund-suspense", fund_suspense, "put money aside, for advances"),
    (
        "recover",
        recover,
        "get an advance back from its wallet, or a correction from its biller",
    ),
)
VERBS: tuple[Command, ...] = tuple(
    (name, propose, text)
    for name, text in (
        ("refund", "give a completed payment back, whole or in part"),
        ("correction", "make a payment after all that its biller credited late"),
        ("post", "complete a kept payment: its biller has credited it"),
        ("void", "give a kept payment back: its biller has not credited it"),
        ("verify", "say of what was given back that its biller has not credited it"),
        ("advance", "lend the wallet what a kept payment holds"),
        ("close", "close a case although nothing more moves"),
    )
)
"""What can be proposed."""

Add = Callable[[str, Callable[[Namespace, Screen], Exit], str], ArgumentParser]


def add_commands(add: Add) -> None:
    """The commands of what people put right."""
    found = {name: add(name, run, text) for name, run, text in COMMANDS}
    listed = found["exceptions"]
    listed.add_argument(
        "--kind",
        action="append",
        default=[],
        choices=tuple(KINDS),
        help="only these; may be given several times",
    )
    listed.add_argument("--biller", default="", metavar="BILLER", help="only of it")
    listed.add_argument("--centre", default="", metavar="CENTRE", help="only of it")
    listed.add_argument("--owner", choices=tuple(OWNERS), help="only what is its turn")
    listed.add_argument(
        "--overdue", action="store_true", help="only of payments that are after T+1"
    )
    listed.add_argument(
        "--history", action="store_true", help="with all that happened to each payment"
    )
    for name, help_text in (
        ("withdraw", "of the proposal"),
        ("approve", "of the proposal"),
        ("recover", "of the advance, or of the late rejection"),
    ):
        command = found[name]
        command.add_argument("entry", type=to_count, metavar="ENTRY", help=help_text)
        add_id(command)
        if name != "recover":
            signing.add_person(command, required=False)
    which = found["proposals"].add_mutually_exclusive_group()
    which.add_argument(
        "--open", action="store_true", help="what nobody has answered (the default)"
    )
    which.add_argument("--all", action="store_true", help="all that ever were")
    fund = found["fund-suspense"]
    fund.add_argument(
        "amount", type=as_argument(parse_amount), metavar="AMOUNT", help="in rupees"
    )
    add_id(fund)
    for name in ("withdraw", "recover", "fund-suspense"):
        add_reason(found[name])


def add_verbs(add: Add) -> None:
    """The verbs of `payswitch propose` about one payment."""
    for name, run, text in VERBS:
        verb = add(name, run, text)
        verb.add_argument(
            "entry",
            type=to_count,
            metavar="ENTRY",
            help="of the payment, its hold, or what `payswitch exceptions` names",
        )
        if name not in WHOLE:
            verb.add_argument(
                "amount",
                nargs="?",
                type=as_argument(parse_amount),
                metavar="AMOUNT",
                help="in rupees (default: the whole)",
            )
        add_reason(verb)
        add_id(verb)
        signing.add_person(verb, required=False)
