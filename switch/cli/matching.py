"""What `payswitch match` does: scrolls against a biller's list and a bank, as files.

May use `bank` and `matching`. Asks no switch: what the same files give is the same.
"""

import datetime as dt
import json
from argparse import Namespace
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from switch.bank.lines import canonical_account, tidy_text
from switch.bank.payees import read_payees
from switch.bank.sequence import distinct_lines
from switch.calendar import ist_date
from switch.cli.bank_statements import read_files
from switch.cli.match_files import bytes_of, opened, show_breaks, write_file
from switch.column_maps import MAP_MAX
from switch.console.output import Exit, Screen
from switch.errors import UsageError
from switch.ids import parse_id
from switch.matching.acknowledged import read_words, with_words
from switch.matching.breaks import (
    BANK_KEYS,
    FILE_MAX,
    Break,
    State,
    plain_break,
    read_match,
    write_breaks,
)
from switch.matching.cells import ListError
from switch.matching.judging import match as match_sides
from switch.matching.lines import Texts
from switch.matching.lists import NO_LIST, read_list
from switch.matching.maps import By, ListMap, read_map
from switch.matching.payouts import (
    Booked,
    KeptPaid,
    PaidFound,
    Payout,
    Recall,
    match_payouts,
)
from switch.matching.report import (
    evidence_bytes,
    make_report,
    name_of,
    report_bytes,
)
from switch.matching.scrolls import DAYS_BEFORE, read_scrolls
from switch.matching.sides import Undecided, Wanted

LINES_MAX = 400_000
"""Lines of the file of undecided payments."""
LINE_MAX = 65_536
"""Bytes of one of them."""
DAYS_MAX = 366
"""Days of one match: a year of a biller."""


def match(args: Namespace, screen: Screen) -> Exit:
    """See `match`. Raises ListError, StatementError, ConfigError, UsageError."""
    breaks, wanted, report = match_files(args, screen)
    _show(breaks, wanted, report, args, screen)
    return Exit.FINDINGS if report["breaks"]["open"] else Exit.DONE


def match_files(
    args: Namespace,
    screen: Screen,
    booked: Sequence[Booked] | None = None,
    kept: Callable[[Wanted], KeptPaid | None] = lambda _: None,
) -> tuple[list[Break], Wanted, dict[str, Any]]:
    """Match the files and write what comes of it: breaks, what was laid side by side,
    and the report. `booked`: a bank's lines, if they were read before; `kept`: what an
    earlier run has found of the bank, if this one does not look at it.

    Raises ListError, StatementError, ConfigError, UsageError.
    """
    first, last = _days(args)
    columns = _columns(args)
    heads = Texts()
    matched, before = None, None
    since = first
    if args.open is not None:
        data = bytes_of(args.open, FILE_MAX)
        matched, before = read_match(data, str(args.open))
        if matched is None:
            raise ListError(str(args.open), "does not say of which match it is")
        since = min(first, matched.last)
        if matched.before is not None:
            since = min(since, matched.before[0])
    since -= dt.timedelta(days=DAYS_BEFORE)
    scrolls = read_scrolls(args.scrolls, args.biller, columns.by, heads, since)
    listed, words = NO_LIST, None
    if args.acknowledged is not None:
        with opened(args.acknowledged) as file:
            words = read_words(file, args.acknowledged.name)
    else:
        with opened(args.list) as file:
            listed = read_list(
                file,
                args.list.name,
                columns,
                heads,
                count=args.count,
                total=args.total,
            )
    undecided: tuple[Undecided, ...] = ()
    if args.undecided is not None:
        undecided = tuple(_undecided(args.undecided, args.biller, columns.by))
    wanted = Wanted(
        first=first,
        last=last,
        by=columns.by,
        scrolls=scrolls,
        list=listed,
        heads=heads,
        has_heads=bool(columns.head),
        has_refunds=columns.refunds,
        has_baskets=columns.baskets,
        opened=tuple(before or ()),
        matched=matched,
        undecided=undecided,
    )
    if words is not None:
        wanted = with_words(wanted, words)
    found = match_sides(wanted)
    paid: PaidFound | KeptPaid | None = None
    if booked is None:
        booked = list(booked_lines(args, screen))
    if args.payouts or args.files or booked:
        paid = match_payouts(
            scrolls.scrolls,
            _payouts(args),
            booked,
            biller=args.biller,
            first=first,
            last=last,
            opened=before,
            recalls=_recalls(args.recalls) if args.recalls else {},
        )
    else:
        paid = kept(wanted)
    breaks = [*found.breaks, *(paid.breaks if paid else _of_a_bank(before or ()))]
    report = make_report(wanted, found, paid)
    name = name_of(wanted)
    files = {
        f"breaks-{name}.csv": write_breaks(breaks, last, wanted.as_matched),
        f"match-{name}.json": report_bytes(report),
    }
    if wanted.list.is_complete and undecided:
        files[f"evidence-{name}.csv"] = evidence_bytes(wanted, found.not_listed)
    for file_name, data in files.items():
        write_file(args.out / file_name, data)
    return breaks, wanted, report


BY_NUMBER = ListMap(By.NUMBER, key="", date="", date_format="", amount="")
"""How acknowledgements name payments."""


def _columns(args: Namespace) -> ListMap:
    """What the list has, if it is one. Raises UsageError, ListError."""
    if args.acknowledged is None:
        if args.list is None or args.map is None:
            raise UsageError("give --list and --map, or --acknowledged")
        return read_map(bytes_of(args.map, MAP_MAX), str(args.map))
    if not (args.list is args.map is args.count is args.total is None):
        raise UsageError("acknowledgements are in the place of a list, or not at all")
    return BY_NUMBER


def _of_a_bank(breaks: Iterable[Break]) -> Iterator[Break]:
    """What travels on although no bank was asked."""
    return (one for one in breaks if one.by in BANK_KEYS and one.state is State.OPEN)


def _days(args: Namespace) -> tuple[dt.date, dt.date]:
    if args.day is not None and (args.first is not None or args.last is not None):
        raise UsageError("give either --day or --from and --to")
    first = args.day or args.first
    last = args.day or args.last
    if first is None or last is None or first > last:
        raise UsageError("which days? --day DATE, or --from DATE --to DATE")
    if (last - first).days >= DAYS_MAX:
        raise UsageError(f"at most {DAYS_MAX} days")
    return first, last


# --- files that are read --------------------------------------------------------------


def _undecided(path: Path, biller: str, by: By) -> Iterator[Undecided]:
    """The lines of `payswitch exceptions --json`: payments without a biller's word."""
    if by in (By.RECEIPT, By.BILLER_REFERENCE):
        raise UsageError(f"no undecided payment has a {by}: no list can name it so")
    with opened(path) as file:
        count = 0
        while raw := file.readline(LINE_MAX + 1):
            count += 1
            place = f"{path}, line {count}"
            if len(raw) > LINE_MAX or count > LINES_MAX:
                raise ListError(place, "is too long, or one too many")
            try:
                one = _undecided_of(json.loads(raw), biller)
            except (ValueError, KeyError, TypeError, RecursionError):
                raise ListError(place, "is no line of `exceptions --json`") from None
            if one is not None:
                yield one


def _undecided_of(said: dict[str, Any], biller: str) -> Undecided | None:
    if "kind" not in said:
        # The last line has the sums.
        return None
    if said["kind"] not in ("kept", "unverified", "overdue"):
        return None
    payment = said["payment"]
    if payment["biller"] != biller:
        return None
    return Undecided(
        entry=int(said["sequence"]),
        kind=str(said["kind"]),
        payment=int(payment["sequence"]),
        payment_id=parse_id(payment["id"]).hex(),
        reference=str(payment["reference"]),
        amount=int(said["amount"]),
        day=ist_date(int(payment["time_ns"])),
    )


def _payouts(args: Namespace) -> Iterator[Payout]:
    """The payouts that instructions tell, by the beneficiaries of heads. Raises
    ListError if one may be this biller's, and nobody can say of which head.
    """
    owners = Owners(args.payees) if args.payees else None
    for path in args.payouts:
        source = tidy_text(str(path))
        for one in read_payees(bytes_of(path, FILE_MAX), source):
            payout = Payout(one.reference, one.amount, one.day, file=path.name)
            if owners is not None:
                account = one.account, one.ifsc
                biller, head = owners.of(payout, account, args.biller)
                payout = replace(payout, biller=biller, head=head)
            yield payout


def _recalls(path: Path) -> dict[int, Recall]:
    """What was recalled, by the entries of the releases: the lines of `explain` with
    --rows transfer-out of banks' transit accounts. Raises ListError, ConfigError.
    """
    found: dict[int, Recall] = {}
    for number, raw in enumerate(bytes_of(path, FILE_MAX).splitlines(), 1):
        try:
            said = json.loads(raw)
            release, entry = int(said["resolves"]), int(said["sequence"])
            if said["kind"] != "transfer" or not 0 < release < entry:
                raise ValueError("recalls no release")
            if found.setdefault(release, made := Recall(entry, _day(said))) != made:
                raise ValueError("recalls a release twice")
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
            what = "is no line of `explain … --rows transfer-out --json`"
            raise ListError(f"{path}, line {number}", what) from None
    return found


def _day(said: dict[str, Any]) -> dt.date:
    return ist_date(int(said["time_ns"]))


Owner = tuple[str, str]
"""Biller and head."""


class Owners:
    """The lines of `payswitch beneficiaries --json`: whose account is whose; and of
    releases that are named (`release`, `biller`, `head`), whose money each was.
    """

    def __init__(self, path: Path) -> None:
        """Raises ListError for another file."""
        self._by_account: dict[tuple[str, str], set[Owner]] = defaultdict(set)
        self._by_release: dict[int, Owner] = {}
        for number, raw in enumerate(bytes_of(path, FILE_MAX).splitlines(), 1):
            try:
                said = json.loads(raw)
                owner = said["biller"], said["head"]
                if "release" in said:
                    self._by_release[int(said["release"])] = owner
                else:
                    key = canonical_account(said["number"]), said["ifsc"]
                    self._by_account[key].add(owner)
            except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
                place = f"{path}, line {number}"
                raise ListError(place, "is no line of `beneficiaries --json`") from None

    def of(self, payout: Payout, account: tuple[str, str], biller: str) -> Owner:
        """Whose it is; empty, if of nobody known, or of one of several others."""
        if payout.entry in self._by_release:
            return self._by_release[payout.entry]
        found = self._by_account.get(account, set())
        if len(found) == 1:
            return next(iter(found))
        if any(one == biller for one, _ in found):
            what = f"is paid to an account of {len(found)} heads"
            raise ListError(payout.file, f"{payout.reference[:35]!a} {what}")
        return "", ""


def booked_lines(args: Namespace, screen: Screen) -> Iterator[Booked]:
    """What the bank's files have, each movement once. Raises StatementError."""
    if not args.files:
        return
    statement = Namespace(files=args.files, map=args.bank_map, reference=None)
    for line in distinct_lines(read_files(statement, screen)):
        yield Booked(
            amount=line.amount,
            day=line.booked,
            is_debit=line.change < 0,
            texts=line.texts,
            place=line.place,
        )


# --- what is written, and shown -------------------------------------------------------


def _show(
    breaks: list[Break],
    wanted: Wanted,
    report: dict[str, Any],
    args: Namespace,
    screen: Screen,
) -> None:
    as_of = wanted.last
    if screen.as_json:
        for one in breaks:
            screen.value({"break": plain_break(one, as_of)})
        screen.value(report)
        return
    reach = max(one.day for one in wanted.scrolls.scrolls)
    if reach < as_of:
        screen.note(f"the scrolls end with {reach}: later payments are not there yet")
    still_open = [one for one in breaks if one.state is State.OPEN]
    show_breaks(still_open, as_of, args.limit, screen)
    word, amount = screen.language.word, screen.language.amount
    bank = report.get("bank")
    facts = [
        ("match here", amount(report["here"])),
        ("match there", amount(report["there"])),
        ("match difference", amount(report["difference"])),
    ]
    facts += [
        (f"  {word(f'break {name}')}", amount(paise))
        for name, paise in report["explained"].items()
    ]
    if bank is not None:
        facts += [
            ("payable", amount(bank["payable"])),
            ("released", amount(bank["released"])),
            ("booked by the bank", amount(bank["booked"])),
            ("not passed on", amount(bank["not_passed_on"])),
        ]
    counts = report["breaks"]
    facts += [
        ("breaks open", screen.language.count(counts["open"])),
        ("breaks closed", screen.language.count(counts["closed"])),
        ("complete list", word("yes" if wanted.list.is_complete else "no")),
        *_not_looked_at(report, screen),
        ("written", str(args.out / f"breaks-{name_of(wanted)}.csv")),
    ]
    screen.facts(facts)


def _not_looked_at(report: dict[str, Any], screen: Screen) -> list[tuple[str, str]]:
    """What this match says nothing of."""
    word = screen.language.word
    found = [word(f"break {one}") for one in report.get("not_looked_at", ())]
    if not report.get("bank", {"looked_at": True})["looked_at"]:
        found.append(word("the bank"))
    return [("not looked at", ", ".join(found))] if found else []
