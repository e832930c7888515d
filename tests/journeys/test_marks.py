"""Goal: what the documents show is run, or a mark says why not, and there are never
more marks; no block has a command that the command line would not even read.

Method: the six pages, read as `make journeys` reads them; each command's words go
through the product's own parser of arguments, which is all that is run here.
"""

import re
import shlex

import pytest

from switch.cli import entry
from tests.journeys.blocks import PAGES, Block, all_blocks, blocks_of, marks_committed
from tests.server.harness import ROOT

BLOCKS = all_blocks()
_LEFT_OUT = {True: "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"}
_LEFT_OUT[False] = "0199c3f054e370828be320e50a1f9a90"
"""A public key, and an id, whose end a page leaves out."""
_PUT_IN = (("ENTRY", "6"), ("PAYMENT-ID", "0199c3f054e370828be320e50a1f9a90"))
"""Words in capitals that a reader puts something else for."""


def test_marks_only_fall() -> None:
    marked = [f"{block.place}: {block.mark}" for block in BLOCKS if block.mark]
    assert len(marked) == marks_committed(), (
        "tests/journeys/marks.txt has how many blocks are not run: it may only fall\n"
        + "\n".join(marked)
    )


def test_every_block_is_found_and_every_mark_is_of_one() -> None:
    assert {block.page for block in BLOCKS} >= set(PAGES) - {"docs/network.md"}
    for page in PAGES:
        blocks = blocks_of(page)
        text = (ROOT / page).read_text(encoding="utf-8")
        assert len(blocks) == len(re.findall(r"^```sh$", text, re.MULTILINE)), page
        marks = len(re.findall(r"<!-- not run:", text))
        assert marks == sum(bool(block.mark) for block in blocks), page


def test_a_mark_says_why() -> None:
    for block in BLOCKS:
        assert not block.mark or len(block.mark.split()) >= 3, block.place


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.place)
def test_commands_can_be_read(block: Block) -> None:
    for command in block.commands:
        for line in command.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True) if "<<" not in line else []
            if words and words[0].rpartition("/")[2] == "payswitch":
                read(words[1:], block)


def read(words: list[str], block: Block) -> None:
    for name, value in _PUT_IN:
        words = [word.replace(name, value) for word in words]
    # Keys, ids and the like that the page leaves out.
    before = ["", *words]
    words = [
        re.sub(r"[0-9a-f-]+…", _LEFT_OUT[name == "--public" or ":" in word], word)
        for name, word in zip(before, words, strict=False)
    ]
    parser = entry._parser()
    try:
        parser.parse_known_args(words)
    except SystemExit as error:
        raise AssertionError(f"{block.place}: {shlex.join(words)}") from error
