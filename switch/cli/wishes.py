"""The verbs of `payswitch propose`, and `batch`, for what the treasury does by lines.

Each makes one wish of what was typed; `signing` shows and signs it.
"""

import csv
import hashlib
import io
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from switch.bank.lines import canonical_account
from switch.cli.arguments import add_id, as_argument, to_count
from switch.cli.signing import add_person, propose
from switch.codes import Budget, PersonRole
from switch.console.output import Exit, Screen
from switch.credentials import presented_by
from switch.errors import ConfigError, UsageError
from switch.ids import new_id
from switch.money import parse_amount
from switch.person_keys import parse_public
from switch.signed import LINES_MAX
from switch.v1 import people_pb2 as pb

Add = Callable[[str, Callable[[Namespace, Screen], Exit], str], ArgumentParser]


# --- a wish of what was typed --------------------------------------------------------


def _top_up(args: Namespace) -> pb.Wish:
    wish = pb.TopUpWish(centre=args.centre, amount=args.amount, utr=args.utr)
    return pb.Wish(top_up=wish)


def _fund_suspense(args: Namespace) -> pb.Wish:
    wish = pb.FundSuspenseWish(amount=args.amount, reason=args.reason)
    return pb.Wish(fund_suspense=wish)


def _recover(args: Namespace) -> pb.Wish:
    wish = pb.RecoverAdvanceWish(advance_sequence=args.entry, reason=args.reason)
    return pb.Wish(recover_advance=wish)


def _limit(args: Namespace) -> pb.Wish:
    wish = pb.LimitWish(
        centre=args.centre,
        day_amount_max=args.day_amount,
        day_count_max=args.day_count,
        payment_max=args.payment,
        low_balance=args.low,
    )
    return pb.Wish(limit=wish)


def _close(args: Namespace) -> pb.Wish:
    return pb.Wish(close=pb.CloseWish(centre=args.centre, reason=args.reason))


def _unfreeze(args: Namespace) -> pb.Wish:
    return pb.Wish(unfreeze=pb.UnfreezeWish(centre=args.centre, reason=args.reason))


def _settle(args: Namespace) -> pb.Wish:
    wish = pb.SettleWish(
        window=args.window, biller=args.biller, head=args.head, amount=args.amount
    )
    return pb.Wish(settle=wish)


def _give(args: Namespace) -> pb.Wish:
    wish = pb.GiveWish(
        biller=args.biller, head=args.head, amount=args.amount, reason=args.reason
    )
    return pb.Wish(give=wish)


def _pin(args: Namespace) -> pb.Wish:
    keys = [presented_by(file).key for file in args.files]
    return pb.Wish(pins=pb.PinsWish(participant=args.participant, pins=keys))


def _budget(args: Namespace) -> pb.Wish:
    wish = pb.BudgetWish(
        participant=args.participant,
        budget=int(Budget[args.budget.upper()]),  # type: ignore[arg-type]
        value=args.value,
    )
    return pb.Wish(budget=wish)


def _person(args: Namespace) -> pb.Wish:
    wish = pb.PersonWish(
        participant=args.participant,
        number=args.who,
        role=int(PersonRole[args.role.upper()]),  # type: ignore[arg-type]
        active=not args.inactive,
        key=args.public,
        bank_account=args.bank_account or "",
    )
    return pb.Wish(person=wish)


_UNITS_S = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


def _to_wait(text: str) -> int:
    """A span of time in seconds. Raises ValueError."""
    number, unit = text[:-1], text[-1:]
    if unit not in _UNITS_S or not number.isdecimal() or not 1 <= len(number) <= 7:
        raise ValueError(f"not a span of time: {text[:32]!r} (24h, 90m and 2d are)")
    found = int(number) * _UNITS_S[unit]
    if not found:
        raise ValueError("a beneficiary waits at least a second")
    return found


def _thresholds(args: Namespace) -> pb.Wish:
    wish = pb.Thresholds(
        single=args.single,
        batch=args.batch,
        day=args.day,
        wait_s=args.wait,
        approver_wait_days=args.approver_wait,
    )
    return pb.Wish(thresholds=wish)


def _participant(args: Namespace) -> pb.Wish:
    wish = pb.ParticipantWish(participant=args.participant, active=not args.off)
    return pb.Wish(participant=wish)


def _service(args: Namespace) -> pb.Wish:
    return pb.Wish(service=pb.ServiceWish(service=args.service, active=not args.off))


def _bank_number(text: str) -> str:
    found = canonical_account(text)
    if not found:
        raise ValueError(f"not an account's number: {text[:40]!r}")
    return found


def _bank_account(args: Namespace) -> pb.Wish:
    wish = pb.BankAccountWish(
        number=args.number_,
        participant=args.participant,
        active=not args.off,
        name=args.name,
    )
    return pb.Wish(bank_account=wish)


def proposing(
    make: Callable[[Namespace], pb.Wish],
) -> Callable[[Namespace, Screen], Exit]:
    """The command that proposes one wish."""

    def run(args: Namespace, screen: Screen) -> Exit:
        args.id = args.id or new_id()
        request = pb.PrepareRequest(wishes=[make(args)], reason=args.because)
        return propose(args, screen, request)

    return run


_AMOUNT = as_argument(parse_amount)


def add_verbs(add: Add) -> None:
    """Add the verbs of `payswitch propose` that are lines."""
    for name, make, text, arguments in _VERBS:
        verb = add(name, proposing(make), text)
        for argument, options in arguments.items():
            verb.add_argument(argument, **options)
        add_signed(verb, name)


def add_signed(verb: ArgumentParser, because: str) -> None:
    """Why it is proposed, and by whom."""
    verb.add_argument(
        "--because",
        default=because,
        metavar="TEXT",
        help="why, 1 to 32 plain characters (default: %(default)s)",
    )
    add_person(verb)
    add_id(verb)


_CENTRE = {"centre": {"metavar": "CENTRE", "help": "whose wallet it is"}}
_RUPEES = {"amount": {"type": _AMOUNT, "metavar": "AMOUNT", "help": "in rupees"}}
_REASON = {"reason": {"metavar": "REASON", "help": "1 to 32 plain characters"}}
_WHOSE = {"participant": {"metavar": "PARTICIPANT", "help": "of the register"}}
_OFF = {"--off": {"action": "store_true", "help": "off, not on"}}
_AT_MOST = {"type": _AMOUNT, "metavar": "AMOUNT"}
_DAY_AMOUNT = {**_AT_MOST, "help": "in rupees: what it may spend in a day; 0: no limit"}
_ONE_AMOUNT = {**_AT_MOST, "help": "in rupees: what one payment may be of; 0: no limit"}

_Arguments = Mapping[str, Mapping[str, Any]]
_VERBS: tuple[tuple[str, Callable[[Namespace], pb.Wish], str, _Arguments], ...] = (
    (
        "top-up",
        _top_up,
        "credit a wallet for money in the bank",
        {
            **_CENTRE,
            **_RUPEES,
            "--utr": {"required": True, "help": "the bank's reference, used once"},
        },
    ),
    (
        "fund-suspense",
        _fund_suspense,
        "put money aside, for advances",
        {**_RUPEES, **_REASON},
    ),
    (
        "recover",
        _recover,
        "get an advance back, or a correction that its biller rejects",
        {
            "entry": {
                "type": to_count,
                "metavar": "ENTRY",
                "help": "of the advance, or of the late rejection",
            },
            **_REASON,
        },
    ),
    (
        "limit",
        _limit,
        "say what a wallet may spend, and when it is low; what is left out stays",
        {
            **_CENTRE,
            "--day-amount": _DAY_AMOUNT,
            "--day-count": {
                "type": to_count,
                "metavar": "N",
                "help": "payments in a day; 0: any number",
            },
            "--payment": _ONE_AMOUNT,
            "--low": {
                "type": _AMOUNT,
                "metavar": "AMOUNT",
                "help": "in rupees: with less available the wallet is low; 0: never",
            },
        },
    ),
    ("close-wallet", _close, "close a wallet for ever", {**_CENTRE, **_REASON}),
    ("unfreeze", _unfreeze, "end the freeze of a wallet", {**_CENTRE, **_REASON}),
    (
        "settle",
        _settle,
        "move a window's net of a biller account to settlement",
        {
            "window": {"type": to_count, "metavar": "WINDOW", "help": "its entry"},
            "biller": {"metavar": "BILLER", "help": "whose account it is"},
            "head": {"metavar": "HEAD", "help": "of account"},
            **_RUPEES,
        },
    ),
    (
        "give",
        _give,
        "give a biller what lies in settlement and was settled for nobody",
        {
            "biller": {"metavar": "BILLER", "help": "whose account it is"},
            "head": {"metavar": "HEAD", "help": "of account"},
            **_RUPEES,
            **_REASON,
        },
    ),
    (
        "pin",
        _pin,
        "say which keys a participant's certificates may have; none: any",
        {
            **_WHOSE,
            "files": {
                "type": Path,
                "nargs": "*",
                "metavar": "FILE",
                "help": "certificates with these keys, in PEM",
            },
        },
    ),
    (
        "budget",
        _budget,
        "say what a participant may use; 0: what the settings say",
        {
            **_WHOSE,
            "budget": {
                "choices": [one.name.lower() for one in Budget],
                "help": "what is bounded",
            },
            "value": {"type": to_count, "metavar": "VALUE", "help": "how much of it"},
        },
    ),
    (
        "person",
        _person,
        "register a person, or change one",
        {
            **_WHOSE,
            "who": {
                "type": to_count,
                "metavar": "NUMBER",
                "help": "of the person there",
            },
            "role": {
                "choices": [one.name.lower() for one in PersonRole],
                "help": "what the person may do",
            },
            "--public": {
                "type": as_argument(parse_public),
                "default": b"",
                "metavar": "KEY",
                "help": "the public key, as `person-key` prints it (default: as it is)",
            },
            "--bank-account": {
                "type": as_argument(_bank_number),
                "metavar": "NUMBER",
                "help": "of a channel: the bank account that it books for (default: "
                "as it is)",
            },
            "--inactive": {"action": "store_true", "help": "may do nothing any more"},
        },
    ),
    (
        "thresholds",
        _thresholds,
        "say from where on a third person must approve, in rupees",
        {
            "single": {"type": _AMOUNT, "help": "one amount of more"},
            "batch": {"type": _AMOUNT, "help": "a proposal of more"},
            "day": {"type": _AMOUNT, "help": "a person's day of more"},
            "--wait": {
                "type": as_argument(_to_wait),
                "default": 0,
                "metavar": "TIME",
                "help": "from a change of a beneficiary to a payout, such as 24h, 90m "
                "or 2d (default: as it is)",
            },
            "--approver-wait": {
                "type": to_count,
                "default": 0,
                "metavar": "DAYS",
                "help": "how long what lets more people approve waits, by two people's "
                "word, 1 to 21 (default: as it is)",
            },
        },
    ),
    (
        "bank-account",
        _bank_account,
        "register a bank account, with its three accounts, or switch one on or off",
        {
            "number_": {
                "type": as_argument(_bank_number),
                "metavar": "NUMBER",
                "help": "the bank's, letters and digits",
            },
            "--participant": {
                "default": "",
                "metavar": "PARTICIPANT",
                "help": "of the treasury, whose it is (default: treasury)",
            },
            "--name": {"default": "", "metavar": "TEXT", "help": "for people"},
            **_OFF,
        },
    ),
    ("participant", _participant, "switch a participant on", {**_WHOSE, **_OFF}),
    (
        "service",
        _service,
        "switch a service on",
        {"service": {"metavar": "SERVICE", "help": "its code"}, **_OFF},
    ),
)


# --- many ----------------------------------------------------------------------------

_BATCHED: Mapping[str, tuple[Callable[[Namespace], pb.Wish], tuple[str, ...]]] = {
    "top-up": (_top_up, ("centre", "amount", "utr")),
    "fund-suspense": (_fund_suspense, ("amount", "reason")),
    "recover": (_recover, ("entry", "reason")),
    "limit": (_limit, ("centre", "day_amount", "day_count", "payment", "low")),
    "close-wallet": (_close, ("centre", "reason")),
    "unfreeze": (_unfreeze, ("centre", "reason")),
    "settle": (_settle, ("window", "biller", "head", "amount")),
    "give": (_give, ("biller", "head", "amount", "reason")),
}
"""What a line of a batch may be, and the columns that it takes."""
_NUMBERS = ("entry", "window", "day_count")
_AMOUNTS = ("amount", "day_amount", "payment", "low")
_OPTIONAL = ("day_amount", "day_count", "payment", "low")
_COLUMNS = {"what", *(name for _, names in _BATCHED.values() for name in names)}


def batch(args: Namespace, screen: Screen) -> Exit:
    """One proposal of a file, if its control figures are those that were given."""
    try:
        data = args.file.read_bytes()
    except OSError as error:
        raise ConfigError(f"cannot read {args.file}: {error.strerror}") from error
    wishes, total = read_batch(data)
    found = hashlib.sha256(data).hexdigest()
    for name, given, is_so in (
        ("count", args.count, len(wishes)),
        ("total", args.total, total),
        ("SHA-256", args.hash.lower(), found),
    ):
        if given != is_so:
            raise UsageError(
                f"{args.file} is not what was announced: its {name} is {is_so}, "
                f"not {given}; nothing was proposed"
            )
    args.id = args.id or new_id()
    request = pb.PrepareRequest(wishes=wishes, reason=args.because)
    return propose(args, screen, request)


def read_batch(data: bytes) -> tuple[list[pb.Wish], int]:
    """The wishes of a file of CSV, and the sum of their amounts. Raises UsageError."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UsageError("a batch is CSV in UTF-8") from None
    rows = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    wishes: list[pb.Wish] = []
    total = 0
    try:
        names = rows.fieldnames or []
        if "what" not in names or not set(names) <= _COLUMNS:
            known = ", ".join(sorted(_COLUMNS))
            raise UsageError(f"the columns of a batch are what, and any of {known}")
        for row in rows:
            wish, amount = _batched(row, f"line {rows.line_num}")
            wishes.append(wish)
            total += amount
    except csv.Error as error:
        raise UsageError(f"line {rows.line_num} is no CSV: {error}") from None
    if not 0 < len(wishes) <= LINES_MAX:
        raise UsageError(f"a batch has 1 to {LINES_MAX} lines, not {len(wishes)}")
    return wishes, total


def _batched(row: Mapping[str, str | None], place: str) -> tuple[pb.Wish, int]:
    what = row.get("what") or ""
    if what not in _BATCHED or None in row:
        raise UsageError(f"{place}: {what!r} is none of {', '.join(_BATCHED)}")
    make, wanted = _BATCHED[what]
    values: dict[str, object] = {}
    for name, value in row.items():
        if name in wanted:
            values[name] = _value(name, value or "", place)
        elif value and name != "what":
            raise UsageError(f"{place}: {what} takes no {name}")
    # A column that came later: older files have it not.
    values.setdefault("low", None)
    missing = [name for name in wanted if name not in values]
    if missing:
        raise UsageError(f"{place}: {what} needs {', '.join(missing)}")
    amount = values.get("amount", 0)
    assert isinstance(amount, int)
    return make(Namespace(**values)), amount


def _value(name: str, text: str, place: str) -> object:
    is_optional = name in _OPTIONAL
    if is_optional and not text:
        return None
    try:
        if name in _AMOUNTS:
            return parse_amount(text)
        if name in _NUMBERS:
            if not text.isdecimal() or len(text) > 20:
                raise ValueError(f"not a whole number: {text[:32]!r}")
            return int(text)
    except ValueError as error:
        raise UsageError(f"{place}: {name}: {error}") from None
    if not text:
        raise UsageError(f"{place}: {name} is empty")
    return text


def add_batch(add: Add) -> Iterator[ArgumentParser]:
    """Add `payswitch batch`; gives the commands whose attempts have an id."""
    many = add("batch", batch, "propose what a file of CSV lists, in one proposal")
    many.add_argument("file", type=Path, metavar="FILE", help="with a line of columns")
    many.add_argument(
        "--count", type=to_count, required=True, metavar="N", help="of its lines"
    )
    many.add_argument(
        "--total", type=_AMOUNT, required=True, metavar="AMOUNT", help="in rupees"
    )
    many.add_argument(
        "--hash", required=True, metavar="SHA256", help="of the file, as sha256sum says"
    )
    many.add_argument("--because", default="batch", metavar="TEXT", help="why")
    add_person(many)
    yield many
