"""`python -m switch.register.begin`, run by `payswitch init`: a new ledger with people.

Its treasury's participants, an auditor's, the first three people, or two, and two
recoverers go into an empty ledger in one commit; they need nobody's approval, and
everything after them does. May use the core, `ledger` and the register.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from switch._core import Ledger
from switch.codes import (
    APPROVERS_ENOUGH,
    RECOVERERS_FIRST,
    Kind,
    PersonRole,
    Record,
    Result,
    Role,
)
from switch.errors import BusyError, ConfigError, SwitchError, UsageError
from switch.ledger.committer import Committer
from switch.ledger.opening import open_ledger
from switch.ledger.shapes import check_alone
from switch.ledger.templates import Templates, derived_id, join, template
from switch.person_keys import parse_public
from switch.register.tails import participant_tail
from switch.signed import person_tail
from switch.specs import TREASURY, ParticipantSpec, check_specs

TWO_COST = (
    "with two people nobody can be made a third at once: it takes a proposal, an "
    "approval and a week in which anybody who may propose can withdraw it. If one of "
    "the two loses a key, nobody can approve anything"
)
"""What `--two-people` says that it costs."""
NO_RECOVERY = (
    "nobody recovers: if the treasury's people lose their keys, nobody can make "
    "others, and nothing is approved in this ledger again. Name an auditor and two of "
    "its people with --auditor and --recoverer; once the ledger has begun each is "
    "proposed, as any person is (`payswitch propose person AUDITOR NUMBER recoverer`)"
)
"""What it costs that no recoverer is named."""
STOP_S = 30.0
_DONE, _USAGE, _FAILED, _CONFIG = 0, 2, 3, 78


def begin(
    ledger: Ledger,
    participants: Sequence[str],
    people: Sequence[str],
    *,
    two: bool = False,
    auditors: Sequence[str] = (),
    recoverers: Sequence[str] = (),
) -> None:
    """Write them into an empty ledger. `people` are three `PARTICIPANT/NUMBER:KEY`, or
    two if that is meant; `recoverers` two of an auditor, or none.

    Raises UsageError, SwitchError if it is refused.
    """
    names = list(dict.fromkeys((TREASURY, *participants)))
    audits = list(dict.fromkeys(auditors))
    if both := set(names) & set(audits):
        raise UsageError(f"{min(both)} cannot be of the treasury and an auditor")
    roles = dict.fromkeys(names, Role.TREASURY) | dict.fromkeys(audits, Role.AUDITOR)
    specs = [
        ParticipantSpec(id=name, role=role, name_en=name.replace("-", " "))
        for name, role in roles.items()
    ]
    check_specs(specs, [])
    tails = [participant_tail(spec) for spec in specs]
    wanted = 2 if two else APPROVERS_ENOUGH
    if len(people) != wanted:
        count = "two people" if two else "three people (or two, with --two-people)"
        raise UsageError(f"name {count} with --person; all others are proposed")
    if len(recoverers) not in (0, RECOVERERS_FIRST) or bool(audits) != bool(recoverers):
        text = "name two recoverers with --recoverer and their auditor with --auditor"
        raise UsageError(f"{text}, or none of these")
    keys: set[bytes] = set()
    numbers: set[tuple[str, int]] = set()
    # In this order: recoverers need nobody right behind the first people alone.
    for option, text, role, of in (
        *(("person", one, PersonRole.CHECKER, Role.TREASURY) for one in people),
        *(("recoverer", one, PersonRole.RECOVERER, Role.AUDITOR) for one in recoverers),
    ):
        participant, number, key = _person(option, text)
        if roles.get(participant) is not of:
            raise UsageError(
                f"--{option} {text}: name {participant} with --{of.name.lower()}"
            )
        keys.add(key)
        numbers.add((participant, number))
        # Participants are numbered as they are registered.
        index = list(roles).index(participant) + 1
        tails.append(person_tail(index, number, role, key))
    if {len(keys), len(numbers)} != {wanted + len(recoverers)}:
        raise UsageError(
            "they are as many people, each with a number and a key of their own"
        )
    if any(len(ledger.records(one)) > 1 for one in (Record.PARTICIPANT, 0)):
        raise UsageError(
            f"{ledger.path} is in use: people are the first that a ledger has"
        )
    _commit(ledger, join(_row(tail) for tail in tails))


def _row(tail: bytes) -> Templates:
    row_id = derived_id(Kind.REGISTER, 0, tail)
    return template(Kind.REGISTER, row_id=row_id, tail=tail)


def _person(option: str, text: str) -> tuple[str, int, bytes]:
    name, _, key = text.partition(":")
    participant, _, number = name.partition("/")
    if not number.isdecimal() or not 0 < int(number) < 1 << 32:
        raise UsageError(f"--{option} {text}: write PARTICIPANT/NUMBER:KEY")
    try:
        return participant, int(number), parse_public(key)
    except ValueError as error:
        raise UsageError(f"--{option} {name}: {error}") from None


def _commit(ledger: Ledger, rows: Templates) -> None:
    committer = Committer(ledger)
    # The rules come before everything.
    committer.start()
    try:
        reply = committer.commit_now(rows.request())
    finally:
        committer.stop(STOP_S)
    assert not isinstance(reply, bytes)
    refused = {Result(int(one)).name for one in reply["result"]} - {Result.OK.name}
    if refused:
        raise SwitchError(f"the ledger refused them: {', '.join(sorted(refused))}")


def main(argv: Sequence[str] | None = None) -> int:
    """Run it; gives the exit code."""
    parser = argparse.ArgumentParser(prog="payswitch init", description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--treasury", action="append", default=[])
    parser.add_argument("--person", action="append", default=[])
    parser.add_argument("--two-people", action="store_true")
    parser.add_argument("--auditor", action="append", default=[])
    parser.add_argument("--recoverer", action="append", default=[])
    args = parser.parse_args(argv)
    try:
        ledger = open_ledger(args.data)
        try:
            check_alone(args.data)
            begin(
                ledger,
                args.treasury,
                args.person,
                two=args.two_people,
                auditors=args.auditor,
                recoverers=args.recoverer,
            )
            made = {"instance": ledger.instance.hex(), "sequence": ledger.sequence}
        finally:
            ledger.close()
    except ConfigError as error:
        print(f"payswitch: {error}", file=sys.stderr)
        return _CONFIG
    except (UsageError, BusyError, ValueError) as error:
        print(f"payswitch: {error}", file=sys.stderr)
        return _USAGE
    except (SwitchError, OSError) as error:
        print(f"payswitch: {error}", file=sys.stderr)
        return _FAILED
    if args.two_people:
        print(f"payswitch: {TWO_COST}", file=sys.stderr)
    if not args.recoverer:
        print(f"payswitch: {NO_RECOVERY}", file=sys.stderr)
    print(json.dumps(made))
    return _DONE


if __name__ == "__main__":
    sys.exit(main())
