"""The commands of `payswitch` that ask a switch, each one function.

Over the wire only. Each returns its exit code; what can go wrong on the way is
raised and put into words in one place, `cli.main`.
"""

import itertools
import json
import subprocess
import time
from argparse import Namespace
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import TypeVar

from switch.authority.development import DevAuthority
from switch.calendar import format_ist, ist_date, parse_moment
from switch.client import NOW, Client, Point, balance_of
from switch.client.messages import form_of
from switch.codes import Result, Role
from switch.console.output import Exit, Screen, enum_word, plain
from switch.console.words import Language
from switch.credentials import Credentials
from switch.errors import ConfigError, UsageError
from switch.ids import new_id
from switch.programs import program, tethered
from switch.references import PatternError, describe
from switch.specs import (
    TREASURY,
    enum_text,
)
from switch.tariffs import ITEM_COUNT_MAX
from switch.v1 import admin_pb2, network_pb2, types_pb2

T = TypeVar("T")

STATEMENT_LINES = 20
"""Lines of a statement when no number is asked for."""


# --- who asks, and whom --------------------------------------------------------------


def credentials_of(tls: Path, role: Role, participant: str) -> Credentials:
    """The certificate of `role`/`participant` in the directory `tls`.

    A development authority there makes it when it is first asked for. Raises
    ConfigError if there is neither.
    """
    name = f"{role.name.lower()}-{participant}"
    files = Credentials(tls / f"{name}.pem", tls / f"{name}.key", tls / "ca.pem")
    if files.certificate.exists() and not (tls / "ca.key").exists():
        return files
    if (tls / "ca.pem").exists() and (tls / "ca.key").exists():
        return DevAuthority(tls).leaf(role, participant)
    raise ConfigError(
        f"no certificate for {role.name.lower()}/{participant} in {tls}: start "
        f"`payswitch serve --dev` with that directory first, or put {name}.pem, "
        f"{name}.key and ca.pem there, or name another with --tls"
    )


def open_client(args: Namespace, role: Role, participant: str) -> Client:
    """A client as `--as` says, or else as this participant."""
    if args.identity is not None:
        role, participant = args.identity
    return Client(args.address.split(","), credentials_of(args.tls, role, participant))


def open_office(args: Namespace) -> Client:
    """A client of the treasury, unless another identity is asked for."""
    return open_client(args, Role.TREASURY, TREASURY)


def centre_named(args: Namespace) -> str:
    """The centre to name in a request: none where the caller is the centre."""
    acts_for_others = args.identity is not None and args.identity[0] is not Role.CENTRE
    return str(args.centre) if acts_for_others else ""


# --- wallets and feeds --------------------------------------------------------------


def balance(args: Namespace, screen: Screen) -> Exit:
    """A wallet's balance, now or at a past sequence."""
    with open_office(args) as client:
        reply = client.wallet(args.centre, *args.at)
    if screen.as_json:
        screen.value(plain(reply))
        return Exit.DONE
    wallet, language = reply.wallet, screen.language
    facts = [
        ("centre", wallet.centre),
        ("balance", language.amount(wallet.balance)),
        ("pending", language.amount(wallet.pending)),
        ("available", language.amount(wallet.available)),
    ]
    if wallet.owed:
        facts.insert(2, ("owed", language.amount(wallet.owed)))
    if args.at == NOW:
        count = language.count(wallet.kept_count)
        facts.insert(-1, ("kept", f"{language.amount(wallet.kept)} ({count})"))
        if wallet.low_balance:
            facts.append(("low balance", language.amount(wallet.low_balance)))
        if wallet.low_since_sequence:
            facts.append(("low since", str(wallet.low_since_sequence)))
    if args.at == NOW and wallet.day:
        count = f"{wallet.day_count} {language.word('spent payments')}"
        spent = f"{language.amount(wallet.day_amount)} ({count})"
        facts.append(("spent today", f"{wallet.day}: {spent}"))
    facts.append(("as of", str(reply.as_of_sequence)))
    screen.facts(facts)
    return Exit.DONE


def statement(args: Namespace, screen: Screen) -> Exit:
    """A wallet's entries, newest first."""
    with open_office(args) as client:
        found = client.statement(args.centre, *args.at)
        lines = limited(found, args.limit, screen)
    if screen.as_json:
        for line in lines:
            screen.value(plain(line))
        return Exit.DONE
    language = screen.language
    screen.table(
        ("time", "entry", "kind", "service", "reference", "change", "balance", "who"),
        [
            (
                format_ist(line.entry.time_ns),
                str(line.entry.sequence),
                kind_of(line.entry, language),
                line.entry.service,
                line.entry.reference,
                language.amount(line.change),
                language.amount(line.balance - line.owed),
                who(line.entry),
            )
            for line in lines
        ],
        drop=("who", "service", "entry", "reference"),
    )
    return Exit.DONE


def feed(args: Namespace, screen: Screen) -> Exit:
    """A biller's entries from a cursor. How far they go is said before the first."""
    screen.note(_feed_text(args, screen.language))
    with open_office(args) as client:
        entries = client.feed(args.biller, args.cursor, follow=args.follow)
        for entry in itertools.islice(entries, args.limit or None):
            if screen.as_json:
                screen.value(plain(entry))
                continue
            kind = kind_of(entry, screen.language)
            screen.line(
                f"{entry.sequence:>10}  {format_ist(entry.time_ns)}  "
                f"{kind:<7}  {entry.service:<12}  {entry.reference:<32}  "
                f"{screen.language.amount(entry.amount)}  {who(entry)}".rstrip()
            )
    return Exit.DONE


def _feed_text(args: Namespace, language: Language) -> str:
    word = language.word
    end = word("feed follows" if args.follow else "feed to newest")
    most = f"{word('feed limit')} {language.count(args.limit)}, " if args.limit else ""
    return f"{word('feed after')} {language.count(args.cursor)}: {most}{end}"


def kind_of(entry: types_pb2.Entry, language: Language) -> str:
    """What an entry is, as lists call it. An undoing is a transfer to the rules."""
    if entry.undoes:
        return language.word("entry undoing")
    return enum_word(types_pb2.EntryKind.DESCRIPTOR, entry.kind)


def taken(items: Iterable[T], limit: int) -> tuple[list[T], bool]:
    """The first of them, as `--limit` asks, 0 for all; and whether there are more."""
    found: list[T] = []
    for one in items:
        if limit and len(found) == limit:
            return found, True
        found.append(one)
    return found, False


def limited(items: Iterable[T], limit: int, screen: Screen) -> list[T]:
    """The same, with a line on standard error if there are more."""
    found, is_cut = taken(items, limit)
    if is_cut:
        screen.note(screen.language.word("there is more"))
    return found


def who(entry: types_pb2.Entry) -> str:
    """The people behind an entry: who wanted it and who approved it, or else who sent
    it, unless that is the centre whose wallet it is of.
    """
    if entry.HasField("maker"):
        people = [_actor(entry.maker)]
        if entry.HasField("checker"):
            people.append(_actor(entry.checker))
        return " + ".join(people)
    if entry.sender.participant in ("", entry.centre):
        return ""
    return _actor(entry.sender)


def _actor(actor: types_pb2.Actor) -> str:
    number = f"/{actor.operator}" if actor.operator else ""
    return f"{actor.participant}{number}"


# --- the treasury --------------------------------------------------------------------


def top_up(args: Namespace, screen: Screen) -> Exit:
    """Credit a wallet for money that reached the bank."""
    with open_office(args) as client:
        outcome = client.top_up(
            args.centre, args.amount, args.utr, move_id=args.id or new_id()
        )
    result = Result(outcome.result)
    if screen.as_json:
        screen.value(plain(outcome))
    elif result is Result.OK:
        amount = screen.language.amount
        screen.facts(
            [
                ("state", screen.language.word("done")),
                ("balance", amount(outcome.wallet_balance)),
                ("pending", amount(outcome.wallet_pending)),
                ("entry", str(outcome.sequence)),
            ]
        )
        if outcome.repeat:
            screen.line(screen.language.word("repeat"))
    else:
        word = screen.language.word("refused")
        screen.line(f"{word}: {screen.language.result(result)} ({result.name})")
        if result is Result.NOT_APPROVED:
            screen.line(screen.language.word("use people"))
            screen.command("propose", "top-up", "--help")
    return Exit.DONE if result is Result.OK else Exit.REFUSED


def accounts(args: Namespace, screen: Screen) -> Exit:
    """Every account, or the totals of each kind."""
    if args.low:
        return _low(args, screen)
    with open_office(args) as client:
        found, sequence = client.accounts(*args.at)
    if args.owed:
        found = [one for one in found if one.owed]
    if args.kind:
        found = [one for one in found if _account_kind(one) == args.kind]
    if screen.as_json:
        screen.value(
            {"as_of_sequence": sequence, "accounts": [plain(one) for one in found]}
        )
        return Exit.DONE
    if args.owed:
        _show_owed(found, screen)
    elif args.kind:
        _show_accounts(found, screen)
    else:
        _show_totals(found, screen)
    screen.facts([("as of", str(sequence))])
    return Exit.DONE


def _show_owed(found: list[admin_pb2.Account], screen: Screen) -> None:
    """What centres owe: each makes up for it with what comes into its wallet next."""
    language = screen.language
    screen.table(
        ("account", "centre", "owed"),
        [(str(one.index), one.participant, language.amount(one.owed)) for one in found],
        right=("owed",),
        footer=("", "", language.amount(sum(one.owed for one in found))),
    )


def _low(args: Namespace, screen: Screen) -> Exit:
    """Wallets that are low, those first that have been so for longest."""
    if args.at != NOW or args.kind or args.owed:
        raise UsageError("which wallets are low is known of now, and of wallets alone")
    with open_office(args) as client:
        found, sequence = client.low_balances()
    if screen.as_json:
        wallets = [
            {**plain(one), "lacking": max(one.low_balance - one.available, 0)}
            for one in found
        ]
        screen.value({"as_of_sequence": sequence, "wallets": wallets})
        return Exit.DONE
    amount = screen.language.amount
    money = ("low balance", "available", "lacking", "owed")
    screen.table(
        ("centre", "low since", "entry", *money),
        [
            (
                one.centre,
                format_ist(one.low_since_ns) if one.low_since_ns else "",
                str(one.low_since_sequence),
                amount(one.low_balance),
                amount(one.available),
                amount(max(one.low_balance - one.available, 0)),
                amount(one.owed) if one.owed else "",
            )
            for one in found
        ],
        right=money,
        drop=("entry", "owed", "low since"),
    )
    screen.facts([("as of", str(sequence))])
    return Exit.DONE


def _account_kind(account: admin_pb2.Account) -> str:
    return enum_word(admin_pb2.AccountKind.DESCRIPTOR, account.kind)


def _show_accounts(found: list[admin_pb2.Account], screen: Screen) -> None:
    amount = screen.language.amount
    screen.table(
        ("account", "name", "head", "balance", "pending", "holds"),
        [
            (
                str(one.index),
                one.participant,
                one.head,
                amount(balance_of(one)),
                amount(one.debits_pending + one.credits_pending),
                str(one.holds_count),
            )
            for one in found
        ],
        drop=("holds", "pending", "head"),
    )


def _show_totals(found: list[admin_pb2.Account], screen: Screen) -> None:
    count: dict[str, int] = defaultdict(int)
    total: dict[str, int] = defaultdict(int)
    for one in found:
        kind = _account_kind(one)
        count[kind] += 1
        total[kind] += balance_of(one) + one.owed
        if one.owed:
            # Apart: what some owe is no part of what others have.
            owes = screen.language.word("owed by wallets")
            count[owes] += 1
            total[owes] -= one.owed
    language = screen.language
    screen.table(
        ("kind", "account", "balance"),
        [
            (kind, language.count(count[kind]), language.amount(total[kind]))
            for kind in count
        ],
        right=("account", "balance"),
        footer=("", language.count(len(found)), language.amount(sum(total.values()))),
    )


def rights(args: Namespace, screen: Screen) -> Exit:
    """Which role may call what, said by what the server goes by."""
    command = tethered(program("switch.register"))
    done = subprocess.run(command, stdout=subprocess.PIPE, check=False)
    if done.returncode:
        return Exit.UNKNOWN
    told = json.loads(done.stdout)
    if screen.as_json:
        screen.value(told)
        return Exit.DONE
    screen.table(
        ("method", "roles"),
        [
            (method.removeprefix("/payswitch.v1."), ", ".join(roles))
            for method, roles in told["rights"].items()
        ],
    )
    return Exit.DONE


def services(args: Namespace, screen: Screen) -> Exit:
    """What can be paid."""
    with open_office(args) as client:
        found = client.services()
    if screen.as_json:
        screen.value({"services": [plain(one) for one in found]})
        return Exit.DONE
    bengali = screen.language.value == "bn"
    screen.table(
        ("code", "name", "biller", "price", "reference", "department"),
        [
            (
                one.code,
                one.name_bn if bengali and one.name_bn else one.name_en,
                one.biller,
                _price(one, screen.language),
                _references(one),
                one.department_bn if bengali else one.department_en,
            )
            for one in found
        ],
        drop=("department", "biller", "reference"),
    )
    return Exit.DONE


def _price(service: network_pb2.Service, language: Language) -> str:
    """What it costs, as far as the register says."""
    if service.price_rule == network_pb2.PRICE_RULE_TARIFF:
        today = ist_date(time.time_ns()).isoformat()
        lines = sorted(service.tariff, key=lambda fee: (fee.code, fee.valid_from))
        fees = {one.code: one.amount for one in lines if one.valid_from <= today}
        return ", ".join(f"{code} {language.amount(fees[code])}" for code in fees)
    rule = enum_word(network_pb2.AmountRule.DESCRIPTOR, service.amount_rule)
    text = rule.replace("_", "-")
    if service.price_rule == network_pb2.PRICE_RULE_BILL:
        text = f"{language.word('bill')}, {text}"
    if service.price_rule == network_pb2.PRICE_RULE_OPEN:
        least, most = service.amount_min, service.amount_max
        text = f"{language.amount(least)} – {language.amount(most)}"
        if service.amount_step:
            text += f", {language.word('step')} {language.amount(service.amount_step)}"
    return text


def _references(service: network_pb2.Service) -> str:
    """How its references are written, and whose bills they are."""
    try:
        text = describe(form_of(service)) if service.pattern else "-"
    except (ValueError, PatternError):
        # Of a switch that is newer than this command.
        text = service.pattern
    return f"{text} ({service.series})" if service.series else text


def ledger(args: Namespace, screen: Screen) -> Exit:
    """Where the ledger stands."""
    with open_office(args) as client:
        reply = client.ledger()
    if screen.as_json:
        screen.value(plain(reply))
    else:
        _show_ledger(reply, screen)
    return Exit.DONE


def _show_ledger(reply: admin_pb2.GetLedgerResponse, screen: Screen) -> None:
    """The same in words. The index lacks up to a step of entries as a rule: it is said
    what it does next, and that it is behind only where it is.
    """
    count = screen.language.count
    lacking = reply.sequence - reply.index_sequence
    facts = [
        ("last entry", str(reply.sequence)),
        ("indexed", str(reply.index_sequence)),
        ("not indexed", count(lacking)),
        ("index goes on", str(reply.index_sequence + reply.index_step_rows)),
        ("instance", reply.instance.hex() or "-"),
        ("state hash", reply.state_hash.hex()),
        ("accounts", count(reply.accounts_count)),
        ("last window", str(reply.last_window)),
        ("holds", count(reply.holds_count)),
        ("quotation key", str(reply.quotation_key_number)),
        ("damaged requests", count(reply.damaged_requests_count)),
        ("holds turned away", count(reply.holds_turned_away_count)),
    ]
    if not reply.index_step_rows:
        # Of a switch that is older than this command.
        facts = [one for one in facts if one[0] != "index goes on"]
    screen.facts(facts)
    # One step may be under way.
    if reply.index_step_rows and lacking >= 2 * reply.index_step_rows:
        text = screen.language.word("index is behind")
        screen.line(f"{text} {count(reply.index_lag_max)}")


# --- what an argument may be -------------------------------------------------------


def to_identity(text: str) -> tuple[Role, str]:
    """`role/participant`. Raises ValueError."""
    role, _, participant = text.partition("/")
    roles = {enum_text(one): one for one in Role}
    if role not in roles or not participant:
        raise ValueError(f"not an identity: {text!r} (treasury/treasury is)")
    return roles[role], participant


def to_point(text: str) -> Point:
    """An entry's number, or a time. Raises ValueError."""
    if text.isdecimal() and len(text) <= 19 and int(text):
        return Point(sequence=int(text))
    try:
        return Point(time_ns=max(parse_moment(text), 1))
    except ValueError as error:
        raise ValueError(f"{error}, and so is an entry's number") from error


def to_item(text: str) -> tuple[str, int]:
    """`CODE` or `CODE:COUNT` of a tariff. Raises ValueError."""
    code, has_count, count = text.partition(":")
    if not has_count:
        count = "1"
    if not code or not count.isdecimal() or not 1 <= int(count[:9]) <= ITEM_COUNT_MAX:
        raise ValueError(f"not an item: {text[:64]!r} (COPY and COPY:3 are)")
    return code, int(count)
