"""`payswitch`: the command line of the switch.

Parses, runs one command, and turns what went wrong into words and an exit code:

    0  done
    1  refused by a rule, or not there
    2  wrong usage or rights; nothing was done
    3  the switch (or a ledger) could not be reached, or the outcome is not known
    4  the auditor found something, or a day did not prove right
    78  a setting, file, directory or certificate cannot be used: one line says which
    130  interrupted
"""

import argparse
import os
import shlex
import sys
from collections.abc import Callable, Sequence
from functools import cache, partial
from pathlib import Path

import grpc

from switch.cli import (
    acknowledged,
    bank_statements,
    banks,
    beneficiaries,
    bills,
    bookings,
    breaks,
    budgets,
    certificates,
    close_day,
    cluster,
    commands,
    complaints,
    counter,
    day_list,
    endings,
    exceptions,
    explain,
    files,
    handouts,
    instructions,
    match,
    network,
    office,
    openings,
    others,
    pages,
    papers,
    payments,
    people,
    public,
    put_bills,
    search,
    totals,
    windows,
    wishes,
)
from switch.cli.arguments import add_id, add_reason, as_argument, to_count
from switch.cli.verbs import Add, Verbs
from switch.client import NOW
from switch.client.calls import CallError, LostReplyError
from switch.client.counter import WAIT_S
from switch.config import Config
from switch.console.output import Exit, Screen, program_name
from switch.console.tokens import parse_token
from switch.console.words import Language, language_of
from switch.day import command as day
from switch.errors import ConfigError, SwitchError
from switch.ids import format_id
from switch.money import parse_amount
from switch.simulator import command as simulator
from switch.specs import enum_text

_PASSED_ON = "serve"
"""The command whose arguments are all another program's, `--help` included."""
_ALONE = (
    *("audit", "rights", "backup", "verify", "bank-statement", "day", "biller"),
    *("init", "person-key", "match", "counter", "cluster"),
)
"""Commands that ask no switch, or say themselves which."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return its exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    parser = _parser()
    args, rest = parser.parse_known_args(words)
    if rest and args.command != _PASSED_ON:
        args.parser.error(f"unrecognized arguments: {' '.join(rest)}")
    args.rest = rest
    language = Language(args.language) if args.language else language_of(os.environ)
    where, caller = _chosen(args)
    screen = Screen(
        as_json=args.json,
        language=language,
        wide=args.wide,
        where=where,
        caller=caller,
    )
    try:
        return int(args.run(args, screen))
    except LostReplyError as error:
        screen.note(f"{error}")
        takes_cash = getattr(args, "takes_cash", False)
        screen.note(language.word("unknown" if takes_cash else "unknown move"))
        screen.note(f"  {_again(words, args, error)}")
        return Exit.UNKNOWN
    except CallError as error:
        return _explain(error, args, screen)
    except ConfigError as error:
        screen.note(f"payswitch: {error}")
        return Exit.CONFIG
    except SwitchError as error:
        screen.note(f"payswitch: {error}")
        return Exit.USAGE
    except KeyboardInterrupt:
        return Exit.INTERRUPTED
    except BrokenPipeError:
        # Who read our output has seen enough; nothing can be written to it any more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.DONE
    except OSError as error:
        if error.filename is None:
            raise
        screen.note(f"payswitch: cannot use {error.filename}: {error.strerror}")
        return Exit.CONFIG


def _chosen(args: argparse.Namespace) -> tuple[list[str], list[str]]:
    """Which switch was chosen, and as whom, as options: none for what is so anyway."""
    usual = Config()
    where: list[str] = []
    if getattr(args, "address", None) not in (None, usual.address):
        where += ["--address", args.address]
    # Of a cluster or a day it is something else.
    tls = getattr(args, "tls", None)
    if isinstance(tls, Path) and tls != usual.tls_dir:
        where += ["--tls", str(tls)]
    identity = getattr(args, "identity", None)
    if identity is None:
        return where, []
    role, participant = identity
    return where, ["--as", f"{enum_text(role)}/{participant}"]


def _again(
    words: Sequence[str], args: argparse.Namespace, error: LostReplyError
) -> str:
    """The command that safely does the same once more."""
    again = [program_name(), *words]
    takes_id = getattr(args, "has_id", False) and not args.id
    if len(error.ids) == 1 and takes_id:
        again += ["--id", format_id(error.ids[0])]
    return shlex.join(again)


def _explain(error: CallError, args: argparse.Namespace, screen: Screen) -> Exit:
    """Say what a failed call means and what to do."""
    code = grpc.StatusCode
    if error.code is code.NOT_FOUND:
        screen.note(f"payswitch: {error.text}")
        return Exit.REFUSED
    if error.code in (code.PERMISSION_DENIED, code.UNAUTHENTICATED):
        screen.note(f"payswitch: {error.text}; choose who you are with --as")
        return Exit.USAGE
    if error.code in (code.INVALID_ARGUMENT, code.FAILED_PRECONDITION):
        screen.note(f"payswitch: {error.text}")
        for field, text in error.violations:
            # A message of one violation is that violation.
            if error.text != f"{field}: {text}":
                screen.note(f"  {field}: {text}")
        return Exit.USAGE
    screen.note(f"payswitch: {error}")
    if error.unreachable and not error.reason:
        screen.note(
            f"is a switch running at {args.address}? "
            f"start one with `{program_name()} serve --dev`"
        )
    return Exit.UNKNOWN


# --- arguments ---------------------------------------------------------------------


class _Version(argparse.Action):
    """Looks the version up when it is asked for: no other command waits for that."""

    def __call__(
        self, parser: argparse.ArgumentParser, *_unused: object, **_more: object
    ) -> None:
        from importlib.metadata import version

        print(f"payswitch {version('payswitch')}")
        parser.exit()


def _ordinal(text: str) -> int:
    number = to_count(text)
    if not number:
        raise argparse.ArgumentTypeError("bills are counted from 1")
    return number


def _common() -> argparse.ArgumentParser:
    """What every command takes."""
    common = argparse.ArgumentParser(add_help=False)
    group = common.add_argument_group("common")
    group.add_argument("--json", action="store_true", help="answer for machines")
    group.add_argument(
        "--lang",
        dest="language",
        choices=[one.value for one in Language],
        help="language of the answer (default: that of LANG, else en)",
    )
    group.add_argument(
        "--wide", action="store_true", help="tables with all columns, however wide"
    )
    return common


def _remote() -> argparse.ArgumentParser:
    """What every command takes that asks a switch."""
    config = Config()
    remote = argparse.ArgumentParser(add_help=False)
    group = remote.add_argument_group("which switch, and as whom")
    group.add_argument(
        "--address", default=config.address, help="host:port (default: %(default)s)"
    )
    group.add_argument(
        "--tls",
        type=Path,
        default=config.tls_dir,
        metavar="DIR",
        help="directory of the certificates (default: %(default)s)",
    )
    group.add_argument(
        "--as",
        dest="identity",
        type=as_argument(commands.to_identity),
        metavar="ROLE/ID",
        help="whose certificate to use, such as treasury/treasury",
    )
    return remote


@cache
def _parser() -> argparse.ArgumentParser:
    """Of all commands. It is made once: to make it takes longer than most commands."""
    parser = argparse.ArgumentParser(
        prog="payswitch",
        description="Pay, look, and prove: the command line of the payment switch.",
        epilog=(
            "exit codes: 0 done, 1 refused by a rule or not there, 2 wrong usage or "
            "rights, 3 unreachable or unknown outcome, 4 audit findings, "
            "78 a setting, file or certificate cannot be used, 130 interrupted"
        ),
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="tell it and end")
    common, remote = _common(), _remote()
    found = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(
        name: str, run: Callable[[argparse.Namespace, Screen], Exit], text: str
    ) -> argparse.ArgumentParser:
        passed_on = name == _PASSED_ON
        parents = [common] if name in _ALONE else [common, remote]
        command = found.add_parser(
            name,
            help=text,
            description=text,
            parents=[] if passed_on else parents,
            allow_abbrev=False,
            add_help=not passed_on,
        )
        command.set_defaults(run=run, parser=command)
        return command

    serve = add("serve", others.serve, "start the server, which has a help of its own")
    serve.set_defaults(json=False, language=None, wide=False)
    audit = add("audit", others.audit, "prove a ledger's directory, beside the switch")
    others.add_audit(audit)
    add("rights", commands.rights, "which role may call what")
    backup = add(
        "backup", others.backup, "copy a ledger, beside the switch, and prove it"
    )
    backup.add_argument(
        *("to",),
        type=Path,
        metavar="TO",
        help="a directory to be made; -: a stream on standard output",
    )
    backup.add_argument(
        "--data",
        type=Path,
        default=Config().data_dir,
        metavar="DIR",
        help="the ledger's directory (default: %(default)s); -: such a stream, on "
        "standard input",
    )
    statement = add(
        "bank-statement", bank_statements.bank_statement, bank_statements.TEXT
    )
    bank_statements.add_arguments(statement)
    status = add("payment-status", instructions.payment_status, instructions.TEXT)
    instructions.add_arguments(status)
    match.add_arguments(add("match", match.match, match.TEXT))
    close_day.add_arguments(add("close-day", close_day.close_day, close_day.TEXT))
    verify = add("verify", others.verify, "prove a copy: its pages, chunks and sums")
    verify.add_argument("copy", type=Path, metavar="COPY", help="its directory")

    cluster.add_verbs(Verbs(found, "cluster", cluster.TEXT, (common,)))
    network.add_verbs(Verbs(found, "network", network.TEXT, (common, remote)))

    _add_payments(add)
    search.add_commands(add)
    papers.add_commands(add)
    complaints.add_commands(add)
    handouts.add_commands(add)
    complaints.add_verbs(Verbs(found, "complaint", complaints.TEXT, (common, remote)))
    put_bills.add_arguments(add("put-bills", put_bills.put_bills, put_bills.TEXT))
    what = "fetch, pay and follow a bill"
    _add_bills(Verbs(found, "bill", what, (common, remote)))
    _add_shifts(Verbs(found, "shift", "close and sign a shift", (common, remote)))
    _add_wallets(add)
    _add_office(add)
    for of in (
        *(certificates.add_commands, budgets.add_commands),
        *(people.add_commands, wishes.add_batch, banks.add_commands),
        *(beneficiaries.add_commands, windows.add_commands),
    ):
        for one in of(add):
            add_id(one)
    explanation = add("explain", explain.explain, explain.TEXT)
    explain.add_arguments(explanation)
    _add_at(explanation)
    totals.add_arguments(add("totals", totals.totals, totals.TEXT))
    files.add_arguments(add("scrolls", files.scrolls, files.TEXT))
    public.add_arguments(add("public", public.public, public.TEXT))
    exceptions.add_commands(add)
    what = "ask for what two people must want; another one approves it"
    propose = Verbs(found, "propose", what, (common, remote))
    exceptions.add_verbs(propose)
    wishes.add_verbs(propose)
    endings.add_verbs(propose.nested("ending", endings.TEXT))
    bookings.add_verb(propose)
    beneficiaries.add_verb(propose)
    windows.add_verb(propose)
    openings.add_verb(propose)
    told = add("acknowledged", acknowledged.acknowledged, acknowledged.TEXT)
    acknowledged.add_arguments(told)
    day_list.add_arguments(add("day-list", day_list.day_list, day_list.TEXT))
    breaks.add_verbs(Verbs(found, "breaks", breaks.TEXT, (common, remote)))
    what = "freeze, or switch off, at once; another person stands by it afterwards"
    people.add_stops(Verbs(found, "stop", what, (common, remote)))
    add("services", commands.services, "what can be paid")
    add("ledger", commands.ledger, "where the ledger stands")
    simulate = partial(simulator.run, credentials_of=commands.credentials_of)
    pages.add_commands(add)
    biller = add("biller", simulate, "simulate billers that dial in")
    simulator.add_arguments(biller)
    day.add_arguments(add("day", day.run, "replay a whole March day and prove it"))
    return parser


def _add_bills(add: Add) -> None:
    fetch = add("fetch", bills.fetch, "what references owe, as their biller says")
    _add_bill(fetch)
    fetch.add_argument(
        "references", nargs="+", metavar="REFERENCE", help="the citizen's; 100 at most"
    )

    pay = add("pay", payments.pay_bill, "pay a bill and wait for its biller")
    _add_bill(pay)
    _add_paid(pay)
    pay.add_argument(
        "--wait",
        type=_wait,
        default=int(WAIT_S),
        metavar="SECONDS",
        help="for the biller, 1 to 30 (default: %(default)s)",
    )
    add_id(pay)

    watch = add("watch", counter.watch, "follow a payment until it is final")
    papers.add_asked(watch)


def _wait(text: str) -> int:
    seconds = to_count(text)
    if not 1 <= seconds <= 30:
        raise argparse.ArgumentTypeError(f"not 1 to 30 seconds: {text}")
    return seconds


def _add_bill(command: argparse.ArgumentParser) -> None:
    command.add_argument("centre", metavar="CENTRE", help="the centre's participant id")
    command.add_argument("service", metavar="SERVICE", help="code, such as BSK0199")


def _add_paid(command: argparse.ArgumentParser) -> None:
    """What is paid of a service, and how: a citizen's money is taken for it."""
    command.set_defaults(takes_cash=True)
    command.add_argument(
        "amount", type=as_argument(parse_amount), metavar="AMOUNT", help="in rupees"
    )
    command.add_argument("reference", metavar="REFERENCE", help="the citizen's own")
    fetched = command.add_mutually_exclusive_group()
    fetched.add_argument(
        "--bill",
        type=_ordinal,
        default=0,
        metavar="N",
        help="fetch the reference's bills, and pay this one of them (1, 2 …)",
    )
    fetched.add_argument(
        "--quotation",
        type=as_argument(parse_token),
        default=b"",
        metavar="TEXT",
        help="of the bill, as `bill fetch --json` gives it",
    )
    command.add_argument(
        "--item",
        dest="items",
        type=as_argument(commands.to_item),
        action="append",
        default=[],
        metavar="CODE[:COUNT]",
        help="of the service's tariff; up to 4",
    )
    command.add_argument(
        "--in-addition-to",
        dest="additional_to",
        type=as_argument(parse_token),
        default=b"",
        metavar="HANDLE",
        help="from a refusal, if the citizen does mean another payment",
    )
    command.add_argument(
        "--operator", type=to_count, default=0, metavar="N", help="who took the money"
    )
    command.add_argument(
        "--tender",
        choices=sorted(payments.TENDERS),
        default="cash",
        help="how the citizen pays (default: %(default)s)",
    )
    command.add_argument(
        "--head", type=to_count, metavar="N", help="default: that of --bill, else 0"
    )
    command.add_argument("--note", default="", metavar="TEXT", help="for the receipt")


def _add_shifts(add: Add) -> None:
    close = add("close", counter.close, "count an operator's shift, and record it")
    sign = add("sign", counter.sign, "sign the shift of another operator off")
    for command, whose in ((close, "whose shift it is"), (sign, "who signs")):
        command.add_argument("centre", metavar="CENTRE", help="where the shift was")
        command.add_argument("operator", type=to_count, metavar="OPERATOR", help=whose)
        add_id(command)
    close.add_argument(
        "cash",
        type=as_argument(parse_amount),
        metavar="CASH",
        help="counted, in rupees",
    )
    sign.add_argument(
        "shift", type=to_count, metavar="SHIFT", help="entry of the shift"
    )


def _add_payments(add: Add) -> None:
    pay = add("pay", payments.pay, "pay out of a centre's wallet")
    _add_bill(pay)
    _add_paid(pay)
    amount = as_argument(parse_amount)
    pay.add_argument(
        "--due",
        type=amount,
        metavar="AMOUNT",
        help="what the bill says, of who may state that (default: the amount)",
    )
    add_id(pay)

    status = add("status", payments.status, "what became of a payment")
    papers.add_asked(status)

    top_up = add("top-up", commands.top_up, "credit a wallet for money in the bank")
    top_up.add_argument("centre", metavar="CENTRE", help="whose wallet it is")
    top_up.add_argument("amount", type=amount, metavar="AMOUNT", help="in rupees")
    top_up.add_argument(
        "--utr", required=True, metavar="UTR", help="the bank's reference, used once"
    )
    add_id(top_up)


def _add_office(add: Add) -> None:
    found = {name: add(name, run, text) for name, run, text in office.COMMANDS}
    clock = found["accept-clock"]
    add_id(clock)
    add_reason(clock)
    found["rotate-quotation-key"].add_argument(
        "number",
        type=to_count,
        metavar="NUMBER",
        help="of the newest key, which is to be followed: `payswitch ledger` tells it",
    )


def _add_wallets(add: Add) -> None:
    balance = add("balance", commands.balance, "what a wallet holds")
    balance.add_argument("centre", metavar="CENTRE", help="whose wallet it is")
    _add_at(balance)

    statement = add("statement", commands.statement, "a wallet's entries, newest first")
    statement.add_argument("centre", metavar="CENTRE", help="whose wallet it is")
    statement.add_argument(
        "--limit",
        type=to_count,
        default=commands.STATEMENT_LINES,
        metavar="N",
        help="lines at most, 0 for all (default: %(default)s)",
    )

    _add_at(statement)

    feed = add("feed", commands.feed, "a biller's entries in the ledger's order")
    feed.add_argument("biller", metavar="BILLER", help="the biller's participant id")
    feed.add_argument(
        "--from",
        dest="cursor",
        type=to_count,
        default=0,
        metavar="CURSOR",
        help="after this entry (default: from the first)",
    )
    feed.add_argument(
        "--follow",
        action="store_true",
        help="wait for more, until Ctrl-C (default: end at the newest entry)",
    )
    feed.add_argument(
        "--limit",
        type=to_count,
        default=0,
        metavar="N",
        help="entries at most, 0 for all (default: %(default)s)",
    )

    accounts = add("accounts", commands.accounts, "the accounts and what they hold")
    accounts.add_argument(
        "--owed", action="store_true", help="wallets whose centres owe, and how much"
    )
    accounts.add_argument(
        "--low", action="store_true", help="wallets that have less than they should"
    )
    accounts.add_argument(
        "--kind",
        choices=(
            *("wallet", "biller", "float", "suspense", "settlement"),
            *("bank", "bank_suspense", "bank_transit"),
        ),
        help="list these instead of the totals of each kind",
    )
    _add_at(accounts)


def _add_at(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--at",
        type=as_argument(commands.to_point),
        default=NOW,
        metavar="TIME|SEQ",
        help="as it was then: after an entry, at a time (RFC 3339), or at the end of "
        "an IST date",
    )
