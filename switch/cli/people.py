"""The commands of `payswitch` for people: keys, approvals, deeds, stops, lists.

Over the wire only, as `commands`, whose ways they share; but `init`, which begins a
ledger beside the switch, in a process of its own.
"""

import json
import subprocess
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from switch.calendar import format_ist
from switch.cli.abouts import about_facts, refund_facts
from switch.cli.arguments import add_id, span_text, to_count, to_reason
from switch.cli.commands import open_office
from switch.cli.next_steps import hint_approval, show_approved
from switch.cli.office import show_outcome
from switch.cli.register_changes import widening_facts
from switch.cli.signing import (
    NO_RELEASE,
    WITHOUT_TERMINAL,
    add_person,
    agreed,
    asked_for,
    facts_of,
    lines_as_json,
    passphrase,
    show_lines,
    signer_of,
    warnings_of,
)
from switch.client import Client
from switch.client.people import Shown
from switch.codes import PROPOSE_LINES, Kind, PersonRole, Result
from switch.console.output import Exit, Screen, enum_word, plain
from switch.console.terminal import ask_secret
from switch.errors import UsageError
from switch.ids import new_id
from switch.person_keys import make_key
from switch.programs import program, tethered
from switch.said import payee_text, say
from switch.signed import read_line
from switch.v1 import people_pb2 as pb
from switch.v1 import proposals_pb2, types_pb2

_INIT_EXITS = {0: Exit.DONE, 2: Exit.USAGE, 78: Exit.CONFIG}


# --- a ledger begins, a person gets a key --------------------------------------------


def person_key(args: Namespace, screen: Screen) -> Exit:
    """Make a key in a file; print what the register is to know of it."""
    secret = b""
    if args.passphrase_file is not None:
        secret = passphrase(args)
    elif args.passphrase:
        secret = ask_secret("passphrase: ", WITHOUT_TERMINAL).encode()
        if secret != ask_secret("once more: ", WITHOUT_TERMINAL).encode():
            raise UsageError("the two are not the same; no key was made")
    if (args.passphrase or args.passphrase_file) and not secret:
        raise UsageError("the passphrase is empty; no key was made")
    public = make_key(args.file, secret).public.hex()
    if screen.as_json:
        screen.value({"public_key": public})
    else:
        screen.facts([("public key", public)])
    return Exit.DONE


def init(args: Namespace, screen: Screen) -> Exit:
    """Begin a ledger with its treasury and its first people."""
    words = ["--data", str(args.data)]
    for name in args.treasury:
        words += ["--treasury", name]
    for one in args.person:
        words += ["--person", one]
    for name in args.auditor:
        words += ["--auditor", name]
    for one in args.recoverer:
        words += ["--recoverer", one]
    if args.two_people:
        words.append("--two-people")
    command = tethered(program("switch.register.begin", *words))
    made = subprocess.run(command, check=False, stdout=subprocess.PIPE)
    if made.returncode:
        return _INIT_EXITS.get(made.returncode, Exit.UNKNOWN)
    said = json.loads(made.stdout)
    if screen.as_json:
        screen.value(said)
    else:
        screen.facts([("state", screen.language.word("done"))])
        screen.facts([("instance", said["instance"]), ("entry", str(said["sequence"]))])
    return Exit.DONE


# --- who there is --------------------------------------------------------------------


def people(args: Namespace, screen: Screen) -> Exit:
    """Who is registered, and what needs a third person."""
    with open_office(args) as client:
        found = client.people()
    thresholds = found.thresholds
    if screen.as_json:
        value: dict[str, Any] = {"people": [plain(one) for one in found.people]}
        value["thresholds"] = plain(thresholds) if thresholds else None
        value["wait_s"] = found.wait_s
        value["approvers_count"] = found.approvers_count
        value["approver_wait_days"] = found.approver_wait_days
        value["recoverers_count"] = found.recoverers_count
        screen.value(value | {"instance": found.ledger.instance.hex()})
        return Exit.DONE
    word = screen.language.word
    screen.table(
        ("participant", "number", "role", "active", "key", "time"),
        [
            (
                one.participant,
                str(one.number),
                PersonRole(one.role).name.lower(),
                word("yes" if one.active else "no"),
                one.key.hex(),
                format_ist(one.time_ns),
            )
            for one in found.people
        ],
        drop=("key", "time"),
    )
    facts = [("instance", found.ledger.instance.hex())]
    if thresholds:
        amount = screen.language.amount
        facts += [
            ("single", amount(thresholds.single)),
            ("batch", amount(thresholds.batch)),
            ("day", amount(thresholds.day)),
        ]
    facts.append(("beneficiary waits", span_text(found.wait_s)))
    days = f"{found.approver_wait_days} {word('days waited')}"
    facts += [("approvers", str(found.approvers_count)), ("approver waits", days)]
    facts += [("recoverers", str(found.recoverers_count))]
    screen.facts(facts)
    return Exit.DONE


# --- one proposal --------------------------------------------------------------------


def proposal(args: Namespace, screen: Screen) -> Exit:
    """Show a proposal, or a stop, with all its lines."""
    with open_office(args) as client:
        shown = client.proposal(args.entry)
    if screen.as_json:
        screen.value(_as_json(shown))
    else:
        _show(shown, screen)
    return Exit.DONE


def _as_json(shown: Shown) -> dict[str, object]:
    row = shown.stored.row
    return {
        "sequence": shown.stored.sequence,
        "hash": shown.hash.hex(),
        "asks_for": asked_for(row) if row.kind is Kind.PROPOSE else None,
        "amount": row.amount,
        "lines": lines_as_json(shown.lines, shown.ledger),
        "proposal": (
            plain(shown.answer.proposal) if shown.answer.HasField("proposal") else None
        ),
        "stop": plain(shown.answer.stop) if shown.answer.HasField("stop") else None,
    }


def _show(shown: Shown, screen: Screen) -> None:
    if shown.lines:
        show_lines(shown.lines, shown.ledger, screen)
    row = shown.stored.row
    facts_of(row, len(shown.lines), shown.hash, shown.ledger, screen)
    word, answer = screen.language.word, shown.answer
    facts = []
    if answer.HasField("proposal"):
        facts += about_facts(answer.proposal, screen.language)
    if answer.HasField("stop"):
        facts += [("what", answer.stop.about)]
        facts += [("stopped by", actor(answer.stop.person))]
    else:
        stands = answer.proposal
        state = enum_word(proposals_pb2.ProposalState.DESCRIPTOR, stands.state)
        facts += [("proposed by", actor(stands.proposed.sender))]
        facts += [("state", word(f"proposal {state}"))]
        if shown.stored.row.total == PROPOSE_LINES:
            facts += [("lines done", screen.language.count(stands.lines_done))]
        if stands.approvals:
            facts += [("approvals", ", ".join(map(actor, stands.approvals)))]
        if stands.by_channel:
            facts += [("approvals", word("by channel"))]
        if stands.third_needed:
            facts += [("third", word("third needed"))]
        facts += widening_facts(stands, screen.language)
    screen.facts(facts)


def actor(by: types_pb2.Actor) -> str:
    """A person: participant and number."""
    return f"{by.participant}/{by.operator}" if by.operator else by.participant


def approve(args: Namespace, screen: Screen) -> Exit:
    """Show what somebody else has signed, and sign that."""
    with open_office(args) as client:
        signer = signer_of(args, client)
        shown = client.proposal(args.entry)
        if not screen.as_json:
            _show(shown, screen)
            _show_left(shown, client, screen)
        _check_releases(shown)
        if not agreed(args, screen):
            return Exit.REFUSED
        outcome = client.approve_signed(shown, signer, move_id=args.id or new_id())
        waits, stands = False, proposals_pb2.Proposal()
        if outcome.result == int(Result.OK) and shown.answer.HasField("proposal"):
            stands = client.proposal(args.entry).answer.proposal
            waits = stands.state == proposals_pb2.PROPOSAL_STATE_OPEN
    if screen.as_json:
        screen.value(plain(outcome) | {"hash": shown.hash.hex(), "third_waits": waits})
        is_done = outcome.result == int(Result.OK)
        return Exit.DONE if is_done else Exit.REFUSED
    if outcome.result != int(Result.OK) or not shown.answer.HasField("proposal"):
        return show_outcome(outcome, screen)
    show_approved(args.entry, outcome, screen, waits=waits)
    screen.facts(widening_facts(stands, screen.language))
    return Exit.DONE


def _show_left(shown: Shown, client: Client, screen: Screen) -> None:
    """Of a refund, what is left of its payment before somebody signs."""
    proposal = shown.answer.proposal
    if not proposal.HasField("payment") or proposal.HasField("done"):
        return
    row, language = shown.stored.row, screen.language
    screen.facts(refund_facts(client, row, proposal.payment, language))


def _check_releases(shown: Shown) -> None:
    """Raise UsageError if what is taken back is no release to a bank: an entry by that
    number may be one only after others have approved that it comes back.
    """
    for number, message in enumerate(shown.lines):
        line = read_line(message.line)
        what = say(line, message.debit, message.credit).what
        if NO_RELEASE in warnings_of(message, line, what):
            raise UsageError(
                f"line {number} takes entry {line.resolves} back, which is no "
                "release to a bank: nothing is signed"
            )


def withdraw(args: Namespace, screen: Screen) -> Exit:
    """Take a proposal back, signed."""
    with open_office(args) as client:
        signer = signer_of(args, client)
        outcome = client.withdraw_signed(
            args.entry, args.reason, signer, move_id=args.id or new_id()
        )
    return show_outcome(outcome, screen, state="proposal withdrawn")


def do(args: Namespace, screen: Screen) -> Exit:
    """Do what was approved; what was done before stays as it is."""
    language = screen.language
    done = count = 0
    with open_office(args) as client:
        total = max(client.proposal(args.entry).answer.proposal.lines_count, 1)
        with screen.progress(total, language.word("lines done")) as step:
            shown = 0

            def tell(reply: pb.DoLinesResponse) -> None:
                nonlocal shown, done, count
                done, count = reply.lines_done, reply.lines_count
                # A proposal without lines is one thing, done when it is answered.
                now = done if count else 1
                step.advance(max(now - shown, 0))
                shown = max(now, shown)

            outcomes = client.do_lines(
                args.entry, lines_max=args.lines_max, progress=tell
            )
        waiting = {
            one.outcome.other_sequence
            for one in outcomes
            if one.outcome.result == int(Result.BENEFICIARY_WAITS)
        }
        usable = [
            one
            for one in (client.beneficiaries() if waiting else ())
            if one.sequence in waiting
        ]
    # What a bank has said before is in the ledger: there is nothing to be done.
    there = [one for one in outcomes if one.outcome.result == _ALREADY]
    refused = [
        one for one in outcomes if one.outcome.result not in (int(Result.OK), _ALREADY)
    ]
    if screen.as_json:
        screen.value(
            {
                "lines_count": count,
                "lines_done": done,
                "done_now": len(outcomes) - len(refused) - len(there),
                "already_booked": len(there),
                "refused": [plain(one) for one in refused],
            }
        )
    else:
        for to in usable:
            payee = payee_text(to.biller, to.head, to.number, to.ifsc)
            word = language.word("may be used from")
            screen.line(f"{payee}: {word} {format_ist(to.usable_from_ns)}")
        for one in refused[:REFUSED_SHOWN]:
            result = Result(one.outcome.result)
            text = language.result(result)
            if one.changed_sequence:
                text = f"{language.word('changed since')}: {one.changed_sequence}"
            line = f"{language.word('line')} {one.line}: {text} ({result.name})"
            screen.line(line)
        count_done = len(outcomes) - len(refused) - len(there)
        facts = [("done", language.count(count_done))]
        if there:
            facts += [("booked before", language.count(len(there)))]
        if count:
            facts += [("lines", language.count(count))]
            facts += [("lines done", language.count(done))]
        screen.facts(facts)
    return Exit.REFUSED if refused else Exit.DONE


_ALREADY = int(Result.ALREADY_BOOKED)
REFUSED_SHOWN = 20
"""Lines that were refused of which people are told one by one."""


# --- stops ---------------------------------------------------------------------------


def stop(args: Namespace, screen: Screen) -> Exit:
    """Freeze, or switch off, at once, by one person's word."""
    wish = pb.StopWish()
    if args.verb == "wallet":
        wish.wallet = args.name
    elif args.verb == "participant":
        wish.participant = args.name
    elif args.verb == "service":
        wish.service = args.name
    else:
        wish.person.participant, wish.person.number = args.name, args.who
    request = pb.PrepareRequest(stop=wish, reason=getattr(args, "reason", ""))
    with open_office(args) as client:
        signer = signer_of(args, client)
        made = client.prepare(request)
        assert made.row is not None
        outcome = client.submit(made.row, signer, move_id=args.id or new_id())
    shown = show_outcome(outcome, screen)
    if shown is Exit.DONE and not screen.as_json:
        screen.line(screen.language.word("stopped"))
        hint_approval(outcome.sequence, screen)
    return shown


def stops(args: Namespace, screen: Screen) -> Exit:
    """What one person has stopped, and nobody else has looked at."""
    with open_office(args) as client:
        found = list(client.stops())
    if screen.as_json:
        for one in found:
            screen.value(plain(one))
        return Exit.DONE
    if not found:
        screen.line(screen.language.word("nothing open"))
        return Exit.DONE
    screen.table(
        ("entry", "time", "what", "reason", "stopped by"),
        [
            (
                str(one.sequence),
                format_ist(one.time_ns),
                one.about,
                one.reason,
                actor(one.person),
            )
            for one in found
        ],
    )
    return Exit.DONE


# --- arguments -----------------------------------------------------------------------

Add = Callable[[str, Callable[[Namespace, Screen], Exit], str], ArgumentParser]


def add_commands(add: Add) -> Iterator[ArgumentParser]:
    """Add them; gives those whose attempts have an id."""
    key = add("person-key", person_key, "make a person's key, and print its public one")
    key.add_argument("file", type=Path, metavar="FILE", help="a new file, yours alone")
    key.add_argument(
        "--passphrase", action="store_true", help="ask for one, and encrypt the key"
    )
    key.add_argument(
        "--passphrase-file", type=Path, metavar="FILE", help="encrypt it with this one"
    )
    begin = add("init", init, "begin a ledger: its treasury and its first three people")
    begin.add_argument("--data", type=Path, required=True, metavar="DIR", help="empty")
    begin.add_argument(
        "--treasury",
        action="append",
        default=[],
        metavar="NAME",
        help="a participant of the treasury; may be given several times",
    )
    begin.add_argument(
        "--person",
        action="append",
        default=[],
        metavar="PARTICIPANT/N:KEY",
        help="a checker with its public key; three times",
    )
    begin.add_argument(
        "--two-people",
        action="store_true",
        help="begin with two: a third takes a week then, and if one is lost nobody "
        "approves",
    )
    begin.add_argument(
        "--auditor",
        action="append",
        default=[],
        metavar="NAME",
        help="an auditor, whose two recoverers make people if the treasury's are lost",
    )
    begin.add_argument(
        "--recoverer",
        action="append",
        default=[],
        metavar="AUDITOR/N:KEY",
        help="who recovers, with the public key; twice, or never",
    )
    add("people", people, "who may propose and approve, and what needs a third person")
    shown = add("proposal", proposal, "a proposal, or a stop, with all its lines")
    shown.add_argument("entry", type=to_count, metavar="ENTRY", help="of the proposal")
    doing = add("do", do, "do what was approved; again: what is left of it")
    doing.add_argument("entry", type=to_count, metavar="ENTRY", help="of the proposal")
    doing.add_argument(
        "--lines-max",
        type=to_count,
        default=0,
        metavar="N",
        help="lines of one call, 1 to 1,000 (default: as many as it takes)",
    )
    add("stops", stops, "what one person has stopped and nobody else has looked at")
    yield from ()


def add_stops(add: Add) -> None:
    """The verbs of `payswitch stop`."""
    for name, text in (
        ("wallet", "freeze a centre's wallet"),
        ("participant", "switch a participant off"),
        ("service", "switch a service off"),
        ("person", "switch a person off"),
    ):
        verb = add(name, stop, text)
        verb.add_argument(
            "name",
            metavar="CODE" if name == "service" else "ID",
            help="of what is stopped",
        )
        if name == "person":
            verb.add_argument(
                "who", type=to_count, metavar="NUMBER", help="of the person there"
            )
        if name == "wallet":
            verb.add_argument(
                "reason",
                type=to_reason,
                metavar="REASON",
                help="1 to 32 plain characters",
            )
        add_person(verb)
        add_id(verb)
