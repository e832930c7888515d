"""The `sh` blocks of the documents that are run, and the marks of those that are not.

A mark is a comment of HTML before the block: `<!-- not run: needs systemd -->`.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from tests.server.harness import ROOT

PAGES: Final = (
    "README.md",
    "docs/examples/README.md",
    "docs/counter.md",
    "docs/network.md",
    "docs/billers.md",
    "docs/operating.md",
)
MARKS: Final = ROOT / "tests" / "journeys" / "marks.txt"
"""How many blocks carry a mark. The number may only fall."""

_BLOCK: Final = re.compile(
    r"(?:^<!-- not run: (?P<mark>.*?) -->\n+)?^```sh\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
_HEREDOC: Final = re.compile(r"<<'?(\w+)'?$")


class Block(NamedTuple):
    """One block, where it stands, and why it is not run, if it is not."""

    page: str
    line: int
    text: str
    mark: str

    @property
    def place(self) -> str:
        """`docs/counter.md:13`."""
        return f"{self.page}:{self.line}"

    @property
    def commands(self) -> list[str]:
        """Its commands, each as it is typed: lines that go on are one, and all lines
        are where a function of the shell is made.
        """
        return [self.text] if "() {" in self.text else list(_commands(self.text))


def blocks_of(page: str, root: Path = ROOT) -> list[Block]:
    """The blocks of one page, in order."""
    text = (root / page).read_text(encoding="utf-8")
    return [
        Block(
            page,
            text.count("\n", 0, found.start("text")) + 1,
            found["text"],
            (found["mark"] or "").strip(),
        )
        for found in _BLOCK.finditer(text)
    ]


def all_blocks() -> list[Block]:
    """Those of every page."""
    return [block for page in PAGES for block in blocks_of(page)]


def marks_committed() -> int:
    """The number that may only fall."""
    return int(MARKS.read_text())


def _commands(text: str) -> Iterator[str]:
    held: list[str] = []
    end = ""
    for line in text.splitlines():
        if not held and (not line.strip() or line.lstrip().startswith("#")):
            continue
        held.append(line)
        if end:
            if line.strip() == end:
                yield "\n".join(held)
                held, end = [], ""
            continue
        begins = _HEREDOC.search(line)
        if begins:
            end = begins[1]
        elif not line.endswith("\\"):
            yield "\n".join(held)
            held = []
    if held:
        yield "\n".join(held)
