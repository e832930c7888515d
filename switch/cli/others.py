"""The commands of `payswitch` that are other programs, each in a process of its own."""

import os
import signal
import subprocess
import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path

from switch.console.output import Exit, Screen
from switch.programs import program, tethered

_AUDIT_EXITS = {
    0: Exit.DONE,
    1: Exit.FINDINGS,
    2: Exit.USAGE,
    4: Exit.FINDINGS,
    78: Exit.CONFIG,
}
"""The auditor's exit codes; its others mean that the ledger could not be read. Damaged
files are a finding, too."""
_BACKUP_EXITS = (0, 2, 3, 4, 78, 130)
"""Exit codes that copying and verifying give on purpose."""


def serve(args: Namespace, screen: Screen) -> Exit:
    """Become the server."""
    sys.stdout.flush()
    command = program("server", *args.rest)
    os.execv(command[0], command)  # noqa: S606


AUDIT_OPTIONS = ("at", "only", "live", "ca", "cert", "key", "log")
"""What is handed on to the auditor; its own parser says the same of each."""


def add_audit(command: ArgumentParser) -> None:
    """What the auditor takes. It is said here, too: nothing of it may be imported."""
    command.epilog = "The report is in English, in every language."
    command.add_argument("dir", type=Path, metavar="DIR", help="ledger directory")
    command.add_argument(
        "--at",
        type=int,
        default=0,
        metavar="SEQ",
        help="end at this row (default: the last)",
    )
    command.add_argument(
        "--only",
        choices=("chain", "all"),
        default="all",
        help="chain: bytes, totals and balances, not each row's meaning "
        "(default: %(default)s)",
    )
    live = command.add_argument_group("a live server to compare with")
    live.add_argument(
        "--live",
        metavar="HOST:PORT",
        help="its address; wants --ca, --cert and --key, too",
    )
    for name, text in (
        ("ca", "the authority's certificate"),
        ("cert", "the auditor's certificate"),
        ("key", "the auditor's key"),
    ):
        live.add_argument(f"--{name}", type=Path, metavar="FILE", help=text)
    command.add_argument(
        "--log",
        metavar="DSN",
        help="hold every chunk against the log of a ledger with several switches",
    )


def audit(args: Namespace, screen: Screen) -> Exit:
    """Run the auditor in a process of its own."""
    command = program("switch.audit", str(args.dir))
    for name in AUDIT_OPTIONS:
        if getattr(args, name):
            command.append(f"--{name}={getattr(args, name)}")
    if args.json:
        command.append("--json")
    code = subprocess.run(tethered(command), check=False).returncode
    return _AUDIT_EXITS.get(code, Exit.UNKNOWN)


def backup(args: Namespace, screen: Screen) -> Exit:
    """Copy a ledger, in a process of its own."""
    return _run_backup(screen, "copy", str(args.data), str(args.to))


def verify(args: Namespace, screen: Screen) -> Exit:
    """Prove a copy, in a process of its own."""
    return _run_backup(screen, "verify", str(args.copy))


def _run_backup(screen: Screen, *words: str) -> Exit:
    command = program("switch.backup", *words, "--lang", screen.language.value)
    if screen.as_json:
        command.append("--json")
    code = subprocess.run(tethered(command), check=False).returncode
    if code < 0:
        # LMDB trusts the pages that it maps.
        screen.note(
            f"payswitch: reading was ended by {signal.Signals(-code).name}: the files "
            "are damaged, or the disk does not give them"
        )
        return Exit.FINDINGS
    return Exit(code) if code in _BACKUP_EXITS else Exit.UNKNOWN
