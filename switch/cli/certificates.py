"""The commands of `payswitch` for certificates: revoke, confirm, pin, and lists.

Over the wire only, as `commands`, whose ways they share.
"""

from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator
from pathlib import Path

from switch.calendar import format_ist
from switch.cli.arguments import APPROVER, SIGNER, to_count
from switch.cli.commands import open_office
from switch.cli.office import show_outcome
from switch.cli.signing import add_person, is_signed, signer_of
from switch.codes import Result
from switch.console.output import Exit, Screen, plain
from switch.credentials import presented_by
from switch.ids import new_id
from switch.v1 import certificates_pb2, results_pb2, types_pb2
from switch.v1 import people_pb2 as pb


def revoke(args: Namespace, screen: Screen) -> Exit:
    """Have a certificate not accepted any more."""
    known = presented_by(args.file)
    serial = known.serial.to_bytes((known.serial.bit_length() + 7) // 8)
    if is_signed(args):
        wish = pb.RevocationWish(
            participant=args.participant,
            authority=known.authority,
            serial=serial,
            reason=args.reason,
        )
        return _sign(args, screen, pb.StopWish(revocation=wish))
    with open_office(args) as client:
        reply = client.revoke_certificate(
            args.participant,
            known.authority,
            serial,
            args.reason,
            move_id=args.id or new_id(),
        )
    shown = show_outcome(reply.outcome, screen)
    _tell_to_sign(reply.outcome, screen, "revoke", args.participant, str(args.file))
    if reply.revocation and not screen.as_json:
        screen.line(screen.language.word("to be confirmed"))
        screen.command("confirm-revocation", str(reply.revocation))
    return shown


def confirm(args: Namespace, screen: Screen) -> Exit:
    """Stand by another person's revocation."""
    if is_signed(args):
        return _sign(args, screen, pb.StopWish(confirmation=args.number_))
    with open_office(args) as client:
        outcome = client.confirm_revocation(args.number_, move_id=args.id or new_id())
    shown = show_outcome(outcome, screen)
    _tell_to_sign(outcome, screen, "confirm-revocation", str(args.number_))
    return shown


def _tell_to_sign(outcome: results_pb2.Outcome, screen: Screen, *words: str) -> None:
    """What to run in a ledger with people, where this is no proposal."""
    if outcome.result == int(Result.NOT_SIGNED) and not screen.as_json:
        screen.command(*words, *SIGNER)


def _sign(args: Namespace, screen: Screen, wish: pb.StopWish) -> Exit:
    """Have a row made, show whose certificate another one has revoked, sign it."""
    with open_office(args) as client:
        signer = signer_of(args, client)
        made = client.prepare(pb.PrepareRequest(stop=wish))
        assert made.row is not None
        if wish.confirmation and not screen.as_json:
            for one in client.revocations():
                if one.number == wish.confirmation:
                    _show_revoked(one, screen)
        outcome = client.submit(made.row, signer, move_id=args.id or new_id())
        number = 0
        if wish.HasField("revocation") and outcome.result == int(Result.OK):
            number = next(
                one.number
                for one in client.revocations()
                if one.sequence == outcome.sequence
            )
    shown = show_outcome(outcome, screen)
    if number and not screen.as_json:
        screen.line(screen.language.word("to be confirmed"))
        screen.command("confirm-revocation", str(number), *APPROVER)
    return shown


def _show_revoked(one: certificates_pb2.Revocation, screen: Screen) -> None:
    """What a person stands by: the row names no more than its number."""
    screen.facts(
        [
            ("participant", one.participant),
            ("serial", one.serial.hex()),
            ("revoked by", _by(one.revoked_by, one.revoker)),
            ("why", one.reason),
        ]
    )


def pin(args: Namespace, screen: Screen) -> Exit:
    """Say by which keys a participant is known; without files by any."""
    pins = [presented_by(file).key for file in args.files]
    with open_office(args) as client:
        outcome = client.pin_keys(args.participant, pins, move_id=args.id or new_id())
    return show_outcome(outcome, screen)


def revocations(args: Namespace, screen: Screen) -> Exit:
    """What was revoked."""
    with open_office(args) as client:
        found = list(client.revocations(unconfirmed_only=args.unconfirmed))
    if screen.as_json:
        screen.value({"revocations": [plain(one) for one in found]})
        return Exit.DONE
    screen.table(
        (
            "number",
            "participant",
            "serial",
            "time",
            "revoked by",
            "confirmed by",
            "why",
        ),
        [
            (
                str(one.number),
                one.participant,
                one.serial.hex(),
                format_ist(one.time_ns),
                _by(one.revoked_by, one.revoker),
                _by(one.confirmed_by, one.confirmer),
                one.reason,
            )
            for one in found
        ],
        drop=("revoked by", "time", "why"),
    )
    return Exit.DONE


def _by(participant: str, signed: types_pb2.Actor) -> str:
    """Who said it: a participant, or the person of one."""
    number = signed.operator
    return f"{participant}/{number}" if number else participant


def pins(args: Namespace, screen: Screen) -> Exit:
    """Which keys are pinned."""
    with open_office(args) as client:
        found = list(client.pins())
    if screen.as_json:
        screen.value({"pins": [plain(one) for one in found]})
        return Exit.DONE
    screen.table(
        ("participant", "key", "time", "pinned by"),
        [
            (one.participant, key.hex(), format_ist(one.time_ns), one.pinned_by)
            for one in found
            for key in one.pins
        ],
        drop=("key",),
    )
    return Exit.DONE


Add = Callable[[str, Callable[[Namespace, Screen], Exit], str], ArgumentParser]


def add_commands(add: Add) -> Iterator[ArgumentParser]:
    """Add them; gives those whose attempts have an id."""
    listed = add("revocations", revocations, "certificates that are not accepted")
    listed.add_argument(
        "--unconfirmed", action="store_true", help="only what nobody stands by yet"
    )
    add("pins", pins, "the keys that participants must have")
    revoking = add("revoke", revoke, "accept a certificate no longer")
    revoking.add_argument("participant", metavar="ID", help="whose certificate it is")
    revoking.add_argument("file", type=Path, metavar="FILE", help="it, in PEM")
    revoking.add_argument("reason", metavar="REASON", help="why")
    add_person(revoking, required=False)
    yield revoking
    what = "stand by the revocation of another person"
    confirming = add("confirm-revocation", confirm, what)
    confirming.add_argument(
        "number_", type=to_count, metavar="NUMBER", help="of `revocations`"
    )
    add_person(confirming, required=False)
    yield confirming
    pinning = add("pin", pin, "say which keys a participant may have; none: any")
    pinning.add_argument("participant", metavar="ID", help="whose keys")
    pinning.add_argument(
        "files", type=Path, nargs="*", metavar="FILE", help="certificates with them"
    )
    yield pinning
