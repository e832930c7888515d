"""The commands of `payswitch` for certificates: revoke, confirm, pin, and lists.

Over the wire only, as `commands`, whose ways they share.
"""

from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator
from pathlib import Path

from switch.calendar import format_ist
from switch.cli.commands import open_office
from switch.cli.office import show_outcome
from switch.console.output import Exit, Screen, plain
from switch.credentials import presented_by
from switch.ids import new_id


def revoke(args: Namespace, screen: Screen) -> Exit:
    """Have a certificate not accepted any more."""
    known = presented_by(args.file)
    serial = known.serial.to_bytes((known.serial.bit_length() + 7) // 8)
    with open_office(args) as client:
        reply = client.revoke_certificate(
            args.participant,
            known.authority,
            serial,
            args.reason,
            move_id=args.id or new_id(),
        )
    shown = show_outcome(reply.outcome, screen)
    if reply.revocation and not screen.as_json:
        screen.line(screen.language.word("to be confirmed"))
        screen.command("confirm-revocation", str(reply.revocation))
    return shown


def confirm(args: Namespace, screen: Screen) -> Exit:
    """Stand by another person's revocation."""
    with open_office(args) as client:
        outcome = client.confirm_revocation(args.number, move_id=args.id or new_id())
    return show_outcome(outcome, screen)


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
                one.revoked_by,
                one.confirmed_by,
                one.reason,
            )
            for one in found
        ],
    )
    return Exit.DONE


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
    yield revoking
    what = "stand by the revocation of another person"
    confirming = add("confirm-revocation", confirm, what)
    confirming.add_argument(
        "number", type=int, metavar="NUMBER", help="of `revocations`"
    )
    yield confirming
    pinning = add("pin", pin, "say which keys a participant may have; none: any")
    pinning.add_argument("participant", metavar="ID", help="whose keys")
    pinning.add_argument(
        "files", type=Path, nargs="*", metavar="FILE", help="certificates with them"
    )
    yield pinning
