"""`payswitch scrolls`: files that are made of the ledger, listed and written.

Over the wire only, as `commands`, whose ways they share.
"""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from switch.cli.arguments import as_argument, to_count
from switch.cli.commands import limited, open_office
from switch.cli.parquet import write_parquet
from switch.cli.written_files import (
    Written,
    hash_file,
    is_recalled,
    make_folder,
    write_file,
)
from switch.client import CallError, Client
from switch.console.output import Exit, Screen, enum_word, plain
from switch.errors import UsageError
from switch.file_names import parse_name
from switch.v1 import files_pb2 as pb

TEXT = "scrolls, memoranda, statements: which there are, and into a folder"
SHOWN = 100
"""Files that a person is shown when no number is asked for."""

_KINDS = {
    enum_word(pb.FileKind.DESCRIPTOR, number): number
    for number in pb.FileKind.values()
    if number
}


def _to_name(text: str) -> str:
    return parse_name(text).text


def add_arguments(command: ArgumentParser) -> None:
    """What it takes."""
    command.add_argument(
        "names",
        nargs="*",
        type=as_argument(_to_name),
        metavar="NAME",
        help="files, by their names, instead of a list",
    )
    command.add_argument(
        "--window",
        type=to_count,
        default=0,
        metavar="SEQ",
        help="of this window alone, by its entry",
    )
    command.add_argument(
        "--biller", default="", metavar="ID", help="of this biller alone"
    )
    command.add_argument(
        "--kind", choices=sorted(_KINDS), help="of this kind alone (default: all)"
    )
    command.add_argument(
        "--limit",
        type=to_count,
        metavar="N",
        help=f"files at most, 0 for all (default: {SHOWN} to show, all to write)",
    )
    command.add_argument(
        "--write",
        type=Path,
        metavar="DIR",
        help="write them into this folder; what is there already is compared",
    )
    command.add_argument(
        "--although-recalled",
        action="store_true",
        help="instructions, too, in which payouts were recalled: the bank must be told "
        "to leave these out",
    )
    command.add_argument(
        "--parquet",
        action="store_true",
        help="with --write: each table as Parquet, too",
    )


def scrolls(args: Namespace, screen: Screen) -> Exit:
    """List files, or write them into a folder."""
    names: list[str] = args.names
    if args.parquet and args.write is None:
        raise UsageError("--parquet goes with --write DIR")
    if names and (args.window or args.biller or args.kind):
        raise UsageError("name files, or say of what they are, not both")
    if names and args.write is None:
        raise UsageError("say with --write where named files are to go")
    with open_office(args) as client:
        if args.write is None:
            return _list(client, args, screen)
        if not names:
            names = [one.name for one in _asked(client, args, screen, 0)]
        return write_all(client, names, args, screen)


def _asked(
    client: Client, args: Namespace, screen: Screen, limit: int
) -> list[pb.File]:
    kind = pb.FileKind.ValueType(_KINDS[args.kind] if args.kind else 0)
    found = client.files(args.window, args.biller, kind)
    return limited(found, limit if args.limit is None else args.limit, screen)


def _list(client: Client, args: Namespace, screen: Screen) -> Exit:
    found = _asked(client, args, screen, SHOWN)
    if screen.as_json:
        for one in found:
            screen.value(plain(one))
        return Exit.DONE
    screen.table(
        ("file", "kind", "window", "accounting day", "biller", "head"),
        [
            (
                one.name,
                enum_word(pb.FileKind.DESCRIPTOR, one.kind),
                str(one.window),
                one.day,
                one.biller,
                one.head,
            )
            for one in found
        ],
    )
    return Exit.DONE


def write_all(
    client: Client, names: list[str], args: Namespace, screen: Screen
) -> Exit:
    """Write files into a folder, one after the other; a line of JSON for each. An
    instruction in which payouts were recalled stops none of the others.
    """
    folder: Path = args.write
    make_folder(folder)
    done: list[Written] = []
    recalled: list[str] = []
    with screen.progress(len(names), screen.language.word("files")) as step:
        for name in names:
            written = []
            try:
                written = [write_file(client, name, folder)]
            except CallError as error:
                if not is_recalled(error):
                    raise
                recalled.append(error.text)
                if args.although_recalled:
                    written = [write_file(client, name, folder, although_recalled=True)]
                elif screen.as_json:
                    screen.value({"name": name, "recalled": error.text})
            if args.parquet and name.endswith(".csv"):
                written.append(_parquet(folder / name))
            for one in written:
                if screen.as_json:
                    screen.value(
                        {
                            "name": one.name,
                            "size": one.size,
                            "sha256": one.sha256,
                            "written": one.is_new,
                        }
                    )
            done += written
            step.advance()
    if not screen.as_json:
        new = sum(one.is_new for one in done)
        count = screen.language.count
        screen.facts(
            [
                ("folder", str(folder)),
                ("written", count(new)),
                ("there already", count(len(done) - new)),
                ("bytes", count(sum(one.size for one in done))),
            ]
        )
    for text in recalled:
        screen.note(f"{text}; no bank is to pay them")
    return Exit.REFUSED if recalled and not args.although_recalled else Exit.DONE


def _parquet(table: Path) -> Written:
    path, is_new = write_parquet(table)
    hashed, size = hash_file(path)
    return Written(path.name, size, hashed.hexdigest(), is_new)
