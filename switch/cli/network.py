"""`payswitch network`: the register as a file, one record of it, and one field.

Over the wire only, as `commands`, whose ways they share. A file says some fields of
some records; all else stays, unless `--replace` is given.
"""

import json
import os
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from switch.cli.arguments import add_id
from switch.cli.commands import open_office
from switch.cli.next_steps import signer_words
from switch.cli.signing import add_person, propose, sign_prepared, signer_of
from switch.client import Client
from switch.client.messages import partial_messages, specs_of
from switch.client.network_file import (
    Kind,
    PartialNetwork,
    cleared,
    parse_field,
    read_records,
    records_of,
)
from switch.console.output import Exit, Screen, plain
from switch.durable_files import sync_directory
from switch.errors import ConfigError, UsageError
from switch.ids import new_id
from switch.sample import sample_specs
from switch.specs import (
    NetworkError,
    PartialRecord,
    ParticipantSpec,
    ServiceSpec,
    Specs,
    as_file,
    specs_to_json,
)
from switch.v1 import admin_pb2
from switch.v1 import people_pb2 as pb

_NAME: Final = "a participant's id, or a service's code"
TEXT: Final = "the register of centres and services"


def load(args: Namespace, screen: Screen) -> Exit:
    """Bring the register to what a file says, or to the sample network."""
    messages = partial_messages(read_network(args))
    with open_office(args) as client:
        reply = client.load_network(*messages)
    for warning in reply.warnings:
        screen.note(warning)
    if screen.as_json:
        screen.value(plain(reply))
        return Exit.DONE
    count = screen.language.count
    screen.line(
        f"{count(reply.added_count)} added, {count(reply.replaced_count)} replaced, "
        f"{count(reply.unchanged_count)} unchanged"
    )
    return Exit.DONE


def read_network(args: Namespace) -> PartialNetwork:
    """What the named file says, or the sample network. ConfigError, NetworkError."""
    if args.file is None:
        found = records_of(sample_specs())
        return cleared(found) if args.replace else found
    try:
        text = args.file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read {args.file}: {error}") from error
    return read_records(text, replace=args.replace)


def propose_file(args: Namespace, screen: Screen) -> Exit:
    """Propose what of a file is missing and can be there next."""
    wish = pb.NetworkWish(**partial_messages(read_network(args))._asdict())
    request = pb.PrepareRequest(network=wish, reason=args.because)
    args.id = args.id or new_id()
    with open_office(args) as client:
        signer = signer_of(args, client)
        made = client.prepare(request)
        shown = sign_prepared(args, screen, client, signer, made)
    if shown is Exit.DONE and made.row is not None and not screen.as_json:
        screen.line(screen.language.word("next phase"))
        words = [str(args.file)] if args.file else []
        words += ["--replace"] if args.replace else []
        words += signer_words(args)
        screen.command("network", "propose", *words)
    return shown


def export(args: Namespace, screen: Screen) -> Exit:
    """The whole register, as a file that can be loaded."""
    with open_office(args) as client:
        reply = client.network()
    text = specs_to_json(_sorted(_told(specs_of(reply.participants, reply.services))))
    if args.file in (None, Path("-")):
        sys.stdout.write(text)
    else:
        _write(args.file, text)
        _say_written(args.file, reply, screen)
    if any(not one.key for each in reply.participants for one in each.operators):
        screen.note(screen.language.word("no operators"))
    return Exit.DONE


def _say_written(
    file: Path, reply: admin_pb2.ListNetworkResponse, screen: Screen
) -> None:
    participants, services = len(reply.participants), len(reply.services)
    if screen.as_json:
        counts = {"participants": participants, "services": services}
        screen.value({**counts, "file": str(file)})
        return
    count, word = screen.language.count, screen.language.word
    told = [
        ("participant", count(participants)),
        ("service", count(services)),
        ("written", str(file)),
    ]
    screen.note("; ".join(f"{word(name)} {value}" for name, value in told))


def _write(file: Path, text: str) -> None:
    """Whole, or not at all; nothing that is there is overwritten. ConfigError."""
    try:
        with file.open("x", encoding="utf-8") as written:
            written.write(text)
            written.flush()
            os.fsync(written.fileno())
        sync_directory(file.parent)
    except FileExistsError:
        raise ConfigError(f"{file} is there already: name a new file") from None
    except OSError as error:
        raise ConfigError(f"cannot write {file}: {error.strerror}") from error


def _told(specs: Specs) -> Specs:
    """Without the operators of whom no key was told: such a file says nothing of them,
    and they stay as they are.
    """
    return Specs(
        tuple(
            replace(each, operators=tuple(one for one in each.operators if one.key))
            for each in specs.participants
        ),
        specs.services,
    )


def _sorted(specs: Specs) -> Specs:
    """By id and by code: one register is one file, however it came about."""
    return Specs(
        tuple(sorted(specs.participants, key=lambda each: each.id)),
        tuple(sorted(specs.services, key=lambda each: each.code)),
    )


def show(args: Namespace, screen: Screen) -> Exit:
    """One record, with every field of it that is set, by the names that `set` takes."""
    with open_office(args) as client:
        specs = _record(client, args.name)
    if screen.as_json:
        reply: dict[str, Any] = {"participants": [], "services": []}
        for name, spec in _named(specs):
            reply[name].append(as_file(spec))
        screen.value(reply)
        return Exit.DONE
    for _, spec in _named(specs):
        screen.facts(
            [(name, _text(value)) for name, value in as_file(spec).items()],
            as_typed=True,
        )
    return Exit.DONE


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _record(client: Client, name: str) -> Specs:
    reply = client.network_record(name)
    return _told(specs_of(reply.participants, reply.services))


def _named(specs: Specs) -> Iterator[tuple[str, ParticipantSpec | ServiceSpec]]:
    for participant in specs.participants:
        yield "participants", participant
    for service in specs.services:
        yield "services", service


def set_field(args: Namespace, screen: Screen) -> Exit:
    """Propose other values of a record's fields; all else of it stays."""
    with open_office(args) as client:
        specs = _record(client, args.name)
    if specs.participants and specs.services:
        text = f"{args.name} is a participant and a service: write a file"
        raise UsageError(f"{text}, and `payswitch network propose` it")
    kind: Kind = ParticipantSpec if specs.participants else ServiceSpec
    key = "id" if specs.participants else "code"
    values: dict[str, Any] = {key: args.name}
    for text in args.fields:
        name, value = parse_field(kind, text)
        if name in values:
            raise NetworkError(f"{name} is there twice")
        values[name] = value
    record = (PartialRecord(args.name, values),)
    network = PartialNetwork(participants=record)
    if kind is ServiceSpec:
        network = PartialNetwork(services=record)
    wish = pb.NetworkWish(**partial_messages(network)._asdict())
    request = pb.PrepareRequest(network=wish, reason=args.because)
    args.id = args.id or new_id()
    shown = propose(args, screen, request)
    if shown is Exit.DONE and len(args.fields) > 1 and not screen.as_json:
        # Limits, say, stand in another phase than a name.
        screen.line(screen.language.word("next phase"))
        screen.command("network", "set", args.name, *args.fields, *signer_words(args))
    return shown


def add_verbs(add: Any) -> None:
    """Add the verbs of `payswitch network`."""
    what = "bring the register to what a file says; what it leaves out stays"
    _add_file(add("load", load, what))
    what = "propose what of a file is missing, phase by phase"
    phase = add("propose", propose_file, what)
    _add_file(phase)
    _add_signed(phase, "network")
    whole = add("export", export, "write the register as a file that can be loaded")
    whole.add_argument(
        "file",
        type=Path,
        nargs="?",
        metavar="FILE",
        help="a new file (default, and of `-`: standard output)",
    )
    shown = add("show", show, "one participant, or one service, field by field")
    shown.add_argument(
        "name", metavar="ID", help="a participant's id, a service's code"
    )
    field = add("set", set_field, "propose other values of a record's fields")
    field.add_argument(
        "name", metavar="ID", help="a participant's id, a service's code"
    )
    field.add_argument(
        "fields",
        nargs="+",
        metavar="FIELD=VALUE",
        help="as in a file: a text or a word as it is, all else as JSON; "
        "amounts are in paise",
    )
    _add_signed(field, "a field")


def _add_file(verb: ArgumentParser) -> None:
    verb.add_argument(
        "file", type=Path, nargs="?", metavar="FILE", help="default: the sample network"
    )
    verb.add_argument(
        "--replace",
        action="store_true",
        help="clear the fields that its records leave out (default: they stay)",
    )


def _add_signed(verb: ArgumentParser, because: str) -> None:
    verb.add_argument("--because", default=because, metavar="TEXT", help="why")
    add_person(verb)
    add_id(verb)
