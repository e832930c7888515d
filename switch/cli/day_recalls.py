"""Payouts that two people have taken back: a part of `payswitch close-day`.

Over the wire.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from switch.bank.payees import Payee, read_payees
from switch.cli.day_files import DayFiles
from switch.cli.match_files import bytes_of
from switch.cli.recalls import recalls_of
from switch.cli.written_files import write_file
from switch.client import Client
from switch.matching.breaks import FILE_MAX
from switch.matching.payouts import Payout


def note_recalls(client: Client, day: DayFiles, folder: Path) -> None:
    """Note what was recalled, and of each of the day's instructions how much.

    Raises what the client raises, ConfigError, StatementError, ListError.
    """
    for bank in client.bank_accounts().accounts:
        day.recalls += recalls_of(client, bank)
    entries = {one.resolves for one in day.recalls}
    # A file may have many payouts: it is read only if it may have one of these.
    if not any(entry > day.after for entry in entries):
        return
    with instructions_at_hand(client, day, folder) as paths:
        for told, path in zip(day.instructions, paths, strict=True):
            taken = [one for one in payees_of(path) if entry_of(one) in entries]
            told["recalled_payments"] = len(taken)
            told["recalled_paise"] = sum(one.amount for one in taken)


@contextmanager
def instructions_at_hand(
    client: Client, day: DayFiles, folder: Path
) -> Iterator[list[Path]]:
    """The day's instructions, to be read. One that is not in the folder is made again,
    in another place, and is gone afterwards: nobody is to take it to a bank.

    Raises what the client raises, ConfigError.
    """
    with TemporaryDirectory(prefix="payswitch-") as place:
        paths = []
        for told in day.instructions:
            path = folder / told["file"]
            if not path.exists():
                write_file(client, path.name, Path(place), although_recalled=True)
                path = Path(place) / path.name
            paths.append(path)
        yield paths


def payees_of(instruction: Path) -> list[Payee]:
    """Its payments. Raises StatementError, ListError, ConfigError."""
    return read_payees(bytes_of(instruction, FILE_MAX), str(instruction))


def entry_of(payee: Payee) -> int:
    """The entry of a payout by its number; 0 of a number that is none of ours."""
    return Payout(payee.reference, payee.amount, payee.day).entry
