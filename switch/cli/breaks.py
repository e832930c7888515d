"""`payswitch breaks`: what a match has found, decided in bulk.

Lists and downloads are of files; what is decided is proposed over the wire, and
approved by another person, each line with an outcome of its own.
"""

import hashlib
import time
from argparse import ArgumentParser, Namespace
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import NamedTuple, Self, TypeVar

from switch.calendar import ist_date, parse_date
from switch.canonical_csv import csv_line
from switch.cli.approved_breaks import breaks_of, show_proposals, wrong_with
from switch.cli.arguments import as_argument, to_count
from switch.cli.commands import open_office
from switch.cli.exceptions import PROPOSALS
from switch.cli.match_files import add_limit, bytes_of, show_breaks, write_file
from switch.cli.refunds_since import asked_before, refunds_since
from switch.cli.signing import add_person, agreed, signer_of
from switch.client import Client, Point
from switch.client.calls import CallError, LostReplyError
from switch.client.people import Signer
from switch.codes import Kind, Result
from switch.console.output import Exit, Screen
from switch.errors import SwitchError, UsageError
from switch.matching.breaks import (
    FILE_MAX,
    Break,
    Owner,
    State,
    plain_break,
    read_breaks,
    read_rows,
    write_breaks,
)
from switch.matching.cells import ListError
from switch.matching.decisions import (
    AGAIN_MAX,
    OUTCOME_COLUMNS,
    Act,
    Left,
    outcome_line,
    read_decided,
)
from switch.signed import Row
from switch.v1 import people_pb2, proposals_pb2, results_pb2, types_pb2

TEXT = "what differs: look, decide in bulk, propose, approve"

T = TypeVar("T")
Add = Callable[[str, Callable[[Namespace, Screen], Exit], str], ArgumentParser]

PROPOSED = "proposed"
REFUSED = "refused"
UNKNOWN = "unknown"
NOT_SENT = "not_sent"
APPROVED = "approved"
NOT_OPEN = "not_open"

_DECISIONS = frozenset(
    PROPOSALS[one]
    for one in ("refund", "correction", "post", "void", "verify", "close")
)


_WORDS = {"close": "propose close_case"}


class Outcome(NamedTuple):
    """What became of one line."""

    word: str
    entry: int
    text: str


def believing(
    run: Callable[[Namespace, Screen], Exit],
) -> Callable[[Namespace, Screen], Exit]:
    """The command, for which a file that is not believed is no error of the program."""

    def believed(args: Namespace, screen: Screen) -> Exit:
        try:
            return run(args, screen)
        except ListError as error:
            screen.note(f"not believed: {error}")
            return Exit.REFUSED

    return believed


def _open_ones(path: Path) -> list[Break]:
    found = read_breaks(bytes_of(path, FILE_MAX), str(path))
    return [one for one in found if one.state is State.OPEN]


def list_breaks(args: Namespace, screen: Screen) -> Exit:
    """The open breaks of a file, the oldest first."""
    found = _open_ones(args.file)
    as_of = args.as_of or ist_date(time.time_ns())
    if args.owner:
        found = [one for one in found if one.owner(as_of) == args.owner]
    if screen.as_json:
        for one in found:
            screen.value({"break": plain_break(one, as_of)})
        types = Counter(str(one.type) for one in found)
        screen.value({"open": len(found), "types": dict(sorted(types.items()))})
        return Exit.DONE
    show_breaks(found, as_of, args.limit, screen)
    return Exit.DONE


def download(args: Namespace, screen: Screen) -> Exit:
    """The open breaks as a file to decide in."""
    if args.to.exists():
        raise UsageError(
            f"{args.to} is there: what is decided in it is not overwritten"
        )
    found = _open_ones(args.file)
    as_of = args.as_of or ist_date(time.time_ns())
    write_file(args.to, write_breaks(found, as_of, to_decide=True))
    if screen.as_json:
        screen.value({"open": len(found), "file": str(args.to)})
    else:
        screen.facts([("breaks open", str(len(found))), ("written", str(args.to))])
    return Exit.DONE


# --- what is decided is proposed ------------------------------------------------------


def upload(args: Namespace, screen: Screen) -> Exit:
    """Propose what was decided, each line for itself."""
    breaks: dict[str, Break] = {}
    if args.of is not None:
        breaks = {
            one.number: one
            for one in read_breaks(bytes_of(args.of, FILE_MAX), str(args.of))
        }
    data = bytes_of(args.file, FILE_MAX)
    decided = list(read_decided(data, str(args.file), breaks))
    acts = [one for one in decided if isinstance(one, Act)]
    with _Sender(args) as sender:
        if not args.dry_run:
            sender.look_at_others(acts, breaks)
        if not args.dry_run and _signs(args):
            _ask(sender.prepare(acts), args, screen)
        lines = []
        words: Counter[str] = Counter()
        for one in decided:
            if isinstance(one, Left):
                outcome = Outcome(one.outcome, 0, one.text)
            elif args.dry_run:
                outcome = Outcome("would_propose", 0, "")
            else:
                outcome = sender.send(one)
            words[outcome.word] += 1
            lines.append(outcome_line(one, *outcome))
            if screen.as_json:
                screen.value(
                    {"line": one.line, "number": one.number, **outcome._asdict()}
                )
    beside = args.outcomes or args.file.with_suffix(".outcomes.csv")
    write_file(beside, (csv_line(OUTCOME_COLUMNS) + "".join(lines)).encode())
    _tell(words, beside, screen)
    return _exit(words)


def _signs(args: Namespace) -> bool:
    """Whether a person signs what is sent."""
    return args.number is not None or args.key is not None


def _ask(made: list[tuple[Act, Row]], args: Namespace, screen: Screen) -> None:
    """Whoever signs sees what, once for all lines. Raises UsageError."""
    if not made:
        return
    if not screen.as_json:
        show_made(made, screen)
    if not agreed(args, screen):
        raise UsageError("nothing was proposed")


def show_made(made: Iterable[tuple[Act, Row]], screen: Screen) -> None:
    """What is to be proposed, by the very rows that are signed. Where the switch has
    put an entry in the place of the one that was decided about, that stands behind it.
    """
    word, amount = screen.language.word, screen.language.amount
    rows = list(made)
    screen.table(
        ("break", "what", "about", "amount", "reason"),
        [
            (
                one.number,
                word(_WORDS.get(one.decision, f"propose {one.decision}")),
                str(row.resolves)
                + (f" ({one.about})" if row.resolves != one.about else ""),
                amount(row.amount) if row.amount else word("the whole"),
                row.reference.decode("ascii", "replace"),
            )
            for one, row in rows
        ],
        whole=True,
    )
    screen.facts(
        [
            ("lines", screen.language.count(len(rows))),
            ("amount", amount(sum(row.amount for _, row in rows))),
        ]
    )


class _Sender:
    """Proposes one line after the other, until the switch cannot be reached."""

    def __init__(self, args: Namespace) -> None:
        self._args = args
        self._client: Client | None = None
        self._signer: Signer | None = None
        self._made: dict[int, Row | Outcome] = {}
        self._refunds: dict[int, list[int]] = {}
        """By payment the open proposals to give of it back."""
        self._given: dict[int, int] = {}
        """By payment the newest refund of it."""
        self._is_away = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._client is not None:
            self._client.__exit__(None, None, None)

    def _reach(self) -> Client:
        if self._client is None:
            self._client = open_office(self._args).__enter__()
            if _signs(self._args):
                self._signer = signer_of(self._args, self._client)
        return self._client

    def look_at_others(self, acts: Iterable[Act], breaks: Mapping[str, Break]) -> None:
        """None is proposed whose payment was given back otherwise since the match, and
        none once more that was proposed before and not withdrawn.
        """
        again = self._args.again
        refunds = [one for one in acts if one.decision == "refund"]
        if refunds:
            self._leave_out(
                refunds, lambda: refunds_since(self._reach(), refunds, breaks, again)
            )
        if again:
            every = [one for one in acts if one.line not in self._made]
            self._leave_out(every, lambda: asked_before(self._reach(), every, again))

    def _leave_out(
        self, acts: Iterable[Act], find: Callable[[], dict[int, str]]
    ) -> None:
        found = self._guarded(find)
        if isinstance(found, Outcome):
            # What nobody could look at is not proposed.
            self._made |= {one.line: found for one in acts}
            return
        self._made |= {line: Outcome(REFUSED, 0, text) for line, text in found.items()}

    def prepare(self, acts: Iterable[Act]) -> list[tuple[Act, Row]]:
        """Have the rows of all made, before anybody is asked: what is signed then is
        what was shown. Those that cannot be made have their outcome.
        """
        made = []
        for act in acts:
            if act.line in self._made:
                continue
            row = self._guarded(partial(_prepared, self._reach(), act))
            self._made[act.line] = row
            if isinstance(row, Row):
                made.append((act, row))
        return made

    def send(self, act: Act) -> Outcome:
        """The outcome of one."""
        made = self._made.get(act.line)
        if isinstance(made, Outcome):
            return made
        return self._guarded(lambda: told(self._propose(self._reach(), act, made)))

    def approve(self, entry: int, listed: proposals_pb2.Proposal) -> Outcome:
        """The same of an approval, with what it then does."""
        client = self._reach()
        if listed.proposed.proposal_kind == PROPOSALS["refund"]:
            paid = listed.proposed.resolves
            for other in self._refunds[paid]:
                if other != entry:
                    text = f"entry {other} asks for a refund of the same payment, too"
                    return Outcome(REFUSED, 0, text)
            if self._given.get(paid, 0) > entry:
                text = f"entry {self._given[paid]} has given of it back since"
                return Outcome(REFUSED, 0, text)
        return self._guarded(lambda: self._approve(client, entry, listed))

    def open_proposals(self, entries: set[int]) -> dict[int, proposals_pb2.Proposal]:
        """Those that are open, and about a payment or a case: nothing else is approved
        by a file.
        """
        found = {}
        for page in self._reach().proposal_pages():
            for one in page.proposals:
                said = one.proposed
                if said.proposal_kind == PROPOSALS["refund"]:
                    self._refunds.setdefault(said.resolves, []).append(said.sequence)
                if said.sequence in entries and said.proposal_kind in _DECISIONS:
                    found[said.sequence] = one
        refunds = [
            entry
            for entry, one in found.items()
            if one.proposed.proposal_kind == PROPOSALS["refund"]
        ]
        if refunds:
            after = Point(sequence=min(refunds))
            kind = types_pb2.ENTRY_KIND_REFUND
            for done in self._reach().movements(kind=kind, after=after):
                self._given[done.resolves] = max(
                    self._given.get(done.resolves, 0), done.sequence
                )
        return found

    def _guarded(self, run: Callable[[], T]) -> T | Outcome:
        if self._is_away:
            return Outcome(NOT_SENT, 0, "the switch could not be reached before")
        try:
            return run()
        except LostReplyError as error:
            self._is_away = True
            return Outcome(UNKNOWN, 0, str(error)[:200])
        except CallError as error:
            if error.unreachable:
                self._is_away = True
                return Outcome(NOT_SENT, 0, error.text[:200])
            return Outcome(REFUSED, 0, error.text[:200])
        except SwitchError as error:
            return Outcome(REFUSED, 0, str(error)[:200])

    def _propose(
        self, client: Client, act: Act, made: Row | None
    ) -> results_pb2.Outcome:
        row_id = act.id(self._args.again)
        if self._signer is None:
            return client.propose(
                PROPOSALS[act.decision],  # type: ignore[arg-type]
                act.about,
                act.reason,
                act.amount,
                move_id=row_id,
            )
        assert made is not None
        return client.submit(made, self._signer, move_id=row_id)

    def _approve(
        self, client: Client, entry: int, listed: proposals_pb2.Proposal
    ) -> Outcome:
        identity = f"{self._args.identity}\n{self._args.number}\n{entry}".encode()
        row_id = hashlib.blake2b(identity, digest_size=16, person=b"breaks-ok").digest()
        if self._signer is None:
            reply = client.approve(entry, move_id=row_id)
            refused = told(reply.outcome)
            done = [told(one) for one in reply.done]
            wrong = [one for one in done if one.word == REFUSED]
            if wrong:
                return wrong[0]
            return refused if not done else Outcome(APPROVED, done[-1].entry, "")
        shown = client.proposal(entry)
        if not is_listed(shown.stored.row, listed):
            text = f"the switch has listed entry {entry} as something else than it is"
            raise SwitchError(f"{text}: nothing is signed")
        signed = told(client.approve_signed(shown, self._signer, move_id=row_id))
        if signed.word == REFUSED:
            return signed
        stands = client.proposal(entry).answer.proposal
        if stands.state == proposals_pb2.PROPOSAL_STATE_OPEN:
            return Outcome(APPROVED, entry, "a third person must approve it, too")
        outcomes = [one.outcome for one in client.do_lines(entry)]
        wrong = [one for one in map(told, outcomes) if one.word == REFUSED]
        return wrong[0] if wrong else Outcome(APPROVED, entry, "")


def _prepared(client: Client, act: Act) -> Row:
    """The row that a switch makes of what was decided. Raises SwitchError."""
    wish = people_pb2.PaymentWish(
        kind=PROPOSALS[act.decision],  # type: ignore[arg-type]
        sequence=act.about,
        amount=act.amount,
    )
    made = client.prepare(people_pb2.PrepareRequest(payment=wish, reason=act.reason))
    if made.row is None:
        raise SwitchError("there is nothing to do")
    return made.row


def is_listed(row: Row, listed: proposals_pb2.Proposal) -> bool:
    """Whether a proposal, whose hash is signed, is what its line in a list said."""
    said = listed.proposed
    return row.kind is Kind.PROPOSE and (
        (row.total, row.resolves, row.amount, row.reference.rstrip(b"\0"))
        == (said.proposal_kind, said.resolves, said.amount, said.reference.encode())
    )


def told(outcome: results_pb2.Outcome) -> Outcome:
    """What the ledger has answered to one move."""
    result = Result(outcome.result)
    if result is Result.OK:
        text = "it was so already" if outcome.repeat else ""
        return Outcome(PROPOSED, outcome.sequence, text)
    text = result.name
    if outcome.other_sequence:
        text += f", see entry {outcome.other_sequence}"
    return Outcome(REFUSED, 0, text)


def approve(args: Namespace, screen: Screen) -> Exit:
    """Approve what somebody else has proposed by a decided file, and do it."""
    rows = list(_proposed(args.file))
    if not rows:
        screen.note(screen.language.word("nothing proposed"))
        return Exit.REFUSED
    words: Counter[str] = Counter()
    breaks = breaks_of(args.of, rows)
    with _Sender(args) as sender:
        wanted = sender.open_proposals({entry for _, entry in rows})
        wrong = {
            (number, entry): why
            for number, entry in rows
            if entry in wanted and (why := wrong_with(number, wanted[entry], breaks))
        }
        if not screen.as_json:
            right = [one for one in rows if one not in wrong]
            show_proposals(right, wanted, breaks, screen)
        if args.key is not None and not agreed(args, screen):
            return Exit.REFUSED
        for number, entry in rows:
            outcome = Outcome(NOT_OPEN, 0, "")
            if (number, entry) in wrong:
                outcome = Outcome(REFUSED, 0, wrong[number, entry])
            elif entry in wanted:
                outcome = sender.approve(entry, wanted[entry])
            words[outcome.word] += 1
            if screen.as_json:
                screen.value({"number": number, "proposal": entry, **outcome._asdict()})
            elif outcome.word != APPROVED or outcome.text:
                screen.line(f"{number}: {outcome.word} {outcome.text}".rstrip())
    _tell(words, None, screen)
    return _exit(words)


def _proposed(path: Path) -> Iterator[tuple[str, int]]:
    """(number of the break, entry of the proposal) of a file of outcomes."""
    data = bytes_of(path, FILE_MAX)
    for place, row in read_rows(data, str(path), OUTCOME_COLUMNS):
        if row["outcome"] != PROPOSED:
            continue
        entry = row["entry"]
        if not (entry.isascii() and entry.isdecimal() and 0 < len(entry) <= 18):
            raise ListError(place, "has no entry of a proposal")
        yield row["number"], int(entry)


def _tell(words: Counter[str], beside: Path | None, screen: Screen) -> None:
    """How many lines came to what."""
    if screen.as_json:
        end: dict[str, object] = {"outcomes": dict(sorted(words.items()))}
        if beside is not None:
            end["file"] = str(beside)
        screen.value(end)
        return
    count = screen.language.count
    word = screen.language.word
    facts = [(word(f"outcome {one}"), count(words[one])) for one in sorted(words)]
    if beside is not None:
        facts.append(("written", str(beside)))
    screen.facts(facts)


def _exit(words: Counter[str]) -> Exit:
    if words[UNKNOWN] or words[NOT_SENT]:
        return Exit.UNKNOWN
    wrong = words["wrong"] or words[REFUSED] or words[NOT_OPEN]
    return Exit.REFUSED if wrong else Exit.DONE


# --- arguments ------------------------------------------------------------------------


def add_verbs(add: Add) -> None:
    """Add the verbs of `payswitch breaks`."""
    shown = add("list", believing(list_breaks), "the open ones, and whose turn it is")
    down = add("download", believing(download), "a file of them, to decide in")
    up = add("upload", believing(upload), "propose what was decided, line by line")
    second = add("approve", believing(approve), "approve what somebody else proposed")
    for command in (shown, down):
        command.add_argument("file", type=Path, metavar="FILE", help="of a match")
        command.add_argument(
            "--as-of",
            type=as_argument(parse_date),
            metavar="DATE",
            help="for their ages (default: today)",
        )
    shown.add_argument(
        "--owner", choices=[str(one) for one in Owner], help="only what is its turn"
    )
    add_limit(shown)
    down.add_argument("to", type=Path, metavar="TO", help="a file that is not there")
    up.add_argument("file", type=Path, metavar="DECIDED", help="CSV")
    up.add_argument(
        "--of", type=Path, metavar="FILE", help="of the match whose breaks they are"
    )
    up.add_argument(
        "--outcomes", type=Path, metavar="FILE", help="where they are written"
    )
    up.add_argument(
        "--again",
        type=as_argument(_to_again),
        default=0,
        metavar="N",
        help="after a proposal was withdrawn, refused or too old: the Nth more",
    )
    up.add_argument("--dry-run", action="store_true", help="say what would be proposed")
    second.add_argument("file", type=Path, metavar="OUTCOMES", help="of an upload")
    second.add_argument(
        "--of",
        type=Path,
        metavar="FILE",
        help="of the match whose breaks they are: your own, not the proposer's",
    )
    add_person(up, required=False)
    add_person(second, required=False)


def _to_again(text: str) -> int:
    found = to_count(text)
    if found > AGAIN_MAX:
        raise ValueError(f"at most {AGAIN_MAX}")
    return found
