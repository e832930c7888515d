"""Commands on a terminal of a given width, as a person runs them."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[2]


def on_terminal(
    *words: str, columns: int = 80, env: Mapping[str, str] | None = None
) -> str:
    """What `payswitch` prints on a terminal; its lines end as text does."""
    near, far = pty.openpty()
    fcntl.ioctl(far, termios.TIOCSWINSZ, struct.pack("HHHH", 25, columns, 0, 0))
    shell = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "TERM": "xterm"}
    process = subprocess.Popen(
        [sys.executable, "-m", "switch", *words],
        stdin=far,
        stdout=far,
        stderr=subprocess.STDOUT,
        env={**shell, **(env or {})},
        cwd=ROOT,
    )
    os.close(far)
    told = b""
    try:
        # A terminal whose other side is closed is an error, not an end.
        while part := os.read(near, 65_536):
            told += part
    except OSError:
        pass
    finally:
        os.close(near)
        process.wait(timeout=60)
    return told.decode().replace("\r\n", "\n")


_MOVE = re.compile(r"\x1b\[(\??\d*)([A-Za-z])")


def left_on(told: str) -> list[str]:
    """The lines that stay on a terminal: bars go back over what they have drawn.

    Lines are as long as they are: nothing that is read here wraps.
    """
    lines = [""]
    row = column = at = 0
    while at < len(told):
        move = _MOVE.match(told, at)
        if move:
            at = move.end()
            if move[2] == "A":
                row = max(row - int(move[1] or 1), 0)
            elif move[2] == "K":
                lines[row] = "" if move[1] == "2" else lines[row][:column]
            continue
        letter = told[at]
        at += 1
        if letter == "\n":
            row, column = row + 1, 0
            lines += [""] * (row + 1 - len(lines))
        elif letter == "\r":
            column = 0
        else:
            line = lines[row].ljust(column)
            lines[row] = line[:column] + letter + line[column + 1 :]
            column += 1
    return lines
