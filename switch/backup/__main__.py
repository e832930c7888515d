"""`python -m switch.backup copy FROM TO` and `… verify COPY`, run by `payswitch`.

FROM or TO may be `-`: a stream on standard input, or output.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from switch.backup.copying import Copied, copy, finish, partial_of, receive
from switch.backup.ending import ended
from switch.backup.proof import Proof, Tell, UnprovedError, prove
from switch.backup.streaming import STREAM, Stream, check_no_terminal, send
from switch.console.output import Exit, Screen
from switch.console.words import Language
from switch.errors import ConfigError

SHOWN_MAX = 20
"""Findings that are printed for people."""


class Steps:
    """Bars on standard error, one for each part of the work. They have gone before
    anything is printed: a bar that goes takes lines of the terminal with it.
    """

    def __init__(self, screen: Screen, stack: ExitStack) -> None:
        self._screen = screen
        self._stack = stack

    def __call__(self, text: str) -> Tell:
        """A receiver of progress under this text."""
        word = self._screen.language.word(text)
        shown = 0
        step: Any = None

        def tell(done: int, total: int) -> None:
            nonlocal shown, step
            if step is None:
                step = self._stack.enter_context(self._screen.progress(total, word))
            step.advance(done - shown)
            shown = done

        return tell

    def end(self) -> None:
        """Take the bars away."""
        self._stack.close()


def parser() -> argparse.ArgumentParser:
    """The command line."""
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--json", action="store_true")
    common.add_argument("--lang", default="en", choices=[one.value for one in Language])
    made = argparse.ArgumentParser(prog="python -m switch.backup", description=__doc__)
    verbs = made.add_subparsers(dest="verb", required=True)
    one = verbs.add_parser("copy", parents=[common])
    one.add_argument("source", type=Path)
    one.add_argument("target", type=Path)
    one = verbs.add_parser("verify", parents=[common])
    one.add_argument("target", type=Path)
    return made


def main(argv: Sequence[str] | None = None) -> int:
    """Run it; gives the exit code."""
    args = parser().parse_args(argv)
    screen = Screen(as_json=args.json, language=Language(args.lang))
    return ended(lambda: _run(args, screen), screen)


def _run(args: argparse.Namespace, screen: Screen) -> Exit:
    run = _copy if args.verb == "copy" else _verify
    if args.verb == "copy" and str(args.target) == STREAM:
        run = _send
    with ExitStack() as stack:
        return run(args, screen, Steps(screen, stack))


def _copy(args: argparse.Namespace, screen: Screen, steps: Steps) -> Exit:
    """Copy, prove, put in place."""
    begin = time.monotonic()
    copied = _copied(args, steps("copying"))
    proof = prove(partial_of(args.target), steps)
    steps.end()
    if not proof.findings and proof.sequence != copied.sequence:
        text = f"it ends at {proof.sequence}, and {copied.sequence} were copied"
        proof = Proof([text])
    told: dict[str, Any] = {
        "backup": "damaged" if proof.findings else "ok",
        "to": str(args.target),
        "sequence": copied.sequence,
        "chunks": copied.chunks,
        "bytes": copied.size,
        "check": copied.check,
        "state_hash": proof.state_hash,
        "findings": proof.findings,
        "seconds": round(time.monotonic() - begin, 3),
    }
    if proof.findings:
        # What is wrong was copied: the ledger itself has it, or one of the disks.
        return _damaged(screen, told, partial_of(args.target))
    finish(args.target)
    if screen.as_json:
        screen.value(told)
        return Exit.DONE
    word, count = screen.language.word, screen.language.count
    screen.line(f"{word('copy whole')}: {args.target}")
    screen.facts(
        [
            ("as of", str(copied.sequence)),
            ("chunks", count(copied.chunks)),
            ("last check", copied.check),
            ("state hash", proof.state_hash),
        ]
    )
    screen.line(word("keep apart"))
    return Exit.DONE


def _copied(args: argparse.Namespace, tell: Tell) -> Copied:
    if str(args.source) != STREAM:
        return copy(args.source, args.target, tell)
    check_no_terminal(sys.stdin, "--data -")
    stream = Stream(sys.stdin.buffer)
    return receive(stream, args.target, is_clusters=stream.begin.is_clusters, tell=tell)


def _send(args: argparse.Namespace, screen: Screen, steps: Steps) -> Exit:
    """Write a copy to standard output; it is proved where it is read."""
    check_no_terminal(sys.stdout, STREAM)
    if str(args.source) == STREAM:
        raise ConfigError("a stream is read, or written, and not both")
    try:
        # Its own end of the pipe: what is left in it is nobody else's to write.
        with os.fdopen(os.dup(sys.stdout.fileno()), "wb") as out:
            copied = send(args.source, out, steps("copying"))
        steps.end()
    except BrokenPipeError:
        raise UnprovedError("nobody reads the copy any more: it was cut off") from None
    told = {
        "backup": "sent",
        "sequence": copied.sequence,
        "chunks": copied.chunks,
        "bytes": copied.size,
        "check": copied.check,
    }
    if screen.as_json:
        screen.note(json.dumps(told))
        return Exit.DONE
    word = screen.language.word
    screen.note(
        f"{word('copy sent')}: {word('as of')} {copied.sequence}, "
        f"{word('last check')} {copied.check}"
    )
    return Exit.DONE


def _verify(args: argparse.Namespace, screen: Screen, steps: Steps) -> Exit:
    """Prove a copy."""
    proof = prove(args.target, steps)
    steps.end()
    told: dict[str, Any] = {
        "verify": "damaged" if proof.findings else "ok",
        "copy": str(args.target),
        "sequence": proof.sequence,
        "state_hash": proof.state_hash,
        "findings": proof.findings,
    }
    if proof.findings:
        return _damaged(screen, told, args.target)
    if screen.as_json:
        screen.value(told)
        return Exit.DONE
    screen.line(f"{screen.language.word('copy whole')}: {args.target}")
    screen.facts(
        [("as of", str(proof.sequence)), ("state hash", proof.state_hash)],
    )
    return Exit.DONE


def _damaged(screen: Screen, told: dict[str, Any], path: Path) -> Exit:
    """Say what is wrong."""
    if screen.as_json:
        screen.value(told)
        return Exit.FINDINGS
    screen.line(f"{screen.language.word('copy damaged')}: {path}")
    for finding in told["findings"][:SHOWN_MAX]:
        screen.line(f"  {finding}")
    screen.line(screen.language.word("use another copy"))
    return Exit.FINDINGS


if __name__ == "__main__":
    sys.exit(main())
