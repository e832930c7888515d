"""Runs the documents' blocks as a person would who reads them from the top.

What a reader puts in place of a document's examples stands here: numbers that were
learnt from an answer before, files of their own, people of this ledger. Nothing is put
in place of a command.
"""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from tests.journeys.blocks import Block, blocks_of
from tests.journeys.terminal import Running
from tests.journeys.world import World
from tests.server.harness import ROOT

README: Final = "README.md"
EXAMPLES: Final = "docs/examples/README.md"
COUNTER: Final = "docs/counter.md"
OPERATING: Final = "docs/operating.md"

FRESH: Final = "127.0.0.1:7553"
"""Where the ledger is served that `docs/operating.md` begins with its own authority."""
FRESH_BLOCKS: Final = (
    *("openssl req", "payswitch init", "propose network.json"),
    "propose person checker 2",
    *("propose bank-account", "propose schedule"),
)
"""Blocks of that page whose commands are for that ledger, by what is in them."""
_ASKS: Final = re.compile(
    r"^payswitch (?!init|serve|person-key)[^#\n]*?(?= *(#|$))", re.MULTILINE
)

_LEARNT: Final = re.compile(r"\{(\w+)(?:\.(\d+))?\}")

Places = Sequence[tuple[str, str]]
_ENTRY: Final[Places] = ((r"\bENTRY\b", "{entry}"),)
_OWN: Final[Places] = (
    (r"(?<=[ =])/srv/", "srv/"),
    (r'(?<=")/srv/', "srv/"),
    # A proposal's number, as it was named.
    (r"(?<=proposal )6\b|(?<=approve )(6|71)\b|(?<=do )(6|71)\b", "{entry}"),
)
"""What a reader of the operator's page has of their own, whichever ledger it is of."""
_FRESH: Final[Places] = (
    *_OWN,
    # Five people have made a key before the ledger begins; later ones make one each.
    (r"(?<=treasury/1:)3f0c…", "{key.4}"),
    (r"(?<=checker/1:)9ab2…", "{key.3}"),
    (r"(?<=checker/2:)77e1…", "{key.2}"),
    (r"(?<=audit-office/1:)c41d…", "{key.1}"),
    (r"(?<=audit-office/2:)08fa…", "{key}"),
    (r"(77e1|5d20)…", "{key}"),
    (r"(payswitch serve .*)", rf"\1 --listen {FRESH} --metrics 127.0.0.1:0"),
)
_RUN: Final[Places] = (
    *_OWN,
    # The people of `make run`, a bank's connection among them.
    (
        r"--person 9 --key srv/bank/channel.key",
        "--person 9 --key data/people/second-9.key",
    ),
    (r"(?<=--key )first\.key", "data/people/treasury-1.key"),
    (r"(?<=--key )second\.key", "data/people/second-1.key"),
    (r"treasury/checker", "treasury/second"),
    (r"inbox/\*\.xml", "data/bank/*.xml"),
    # What this ledger has: a biller of the examples, a payment, a window.
    (r"\bpower/(0801-01|WB:0043)", "waterworks/WB:0990-00-900-001-01"),
    (r"--biller power\b", "--biller waterworks"),
    (r"0199c3f0-…", "{payment}"),
    (r"bsk-00001/2026-27/000123", "bsk-00001/{number}"),
    # Of another citizen, what that one owes.
    (r"BSK0199 726 123456789", "BSK0199 {due} 523456789"),
    (r"(?<=BSK0199 )123456789(?= *#)", "523456789"),
    (r"(?<=BSK0199 )123456789(?= 9)", "623456789"),
    (r"2026-(11-\d\d|04-01)", "{today}"),
    (r"\bC00000042KQX\b", "{complaint}"),
    # The first file that this biller puts in.
    (r"(?<=BSK0243 --number )7\b", "1"),
    (r"\b(27412|81932)\b", "{window}"),
    (r"3f0c…", "3f0c"),
    (r"security-\*\.jsonl", "data/ledger/security/security-*.jsonl"),
)
PLACES: Final[Mapping[str, Places]] = {
    README: (*_ENTRY, (r"\bPAYMENT-ID\b", "{payment}")),
    EXAMPLES: _ENTRY,
    OPERATING: _RUN,
}
"""By page: what stands there, as a pattern, and what a reader types in its place."""

EXITS: Final[Mapping[str, Sequence[int]]] = {
    # Nothing is found, which the page says is 1.
    "--state refunded": (0, 1),
    "CREDIT-0815": (0, 1),
    # The biller may not have answered yet: 3, as the page says.
    "pay bsk-00001 BSK0169": (0, 3),
    # It was paid meanwhile: that is said, and nothing is done.
    "payswitch cancel": (0, 2),
}
"""What may end with another code than 0, by what is in the command."""

TIMES: Final[Mapping[str, int]] = {"network propose": 3}
"""Blocks that a document asks to be typed several times, by what is in them."""

_ENDLESS: Final = re.compile(
    r"payswitch (serve|biller|counter|public)\b(?!.*--enrol)(?!.*--write)|--follow"
    r"|biller\.py \S+ \S+$"
)
"""What goes on until Ctrl-C."""
_READY: Final = r'"ready": ?true|"address"|serves|connected|\S\s*\n'
READY_S: Final = 20.0
"""What goes on may say nothing as long as nothing happens."""


def walk(world: World, page: str) -> None:
    """Type the blocks of a page that have no mark."""
    goes_on: list[tuple[str, Running]] = []
    try:
        for block in blocks_of(page):
            if not block.mark:
                print(f"          {block.place}", flush=True)
                _type_block(world, block, goes_on)
    finally:
        # Whatever stopped the reader: nothing is left running.
        for command, running in reversed(goes_on):
            done = running.interrupt()
            # By Ctrl-C, in order or as an interrupt.
            world.told(f"{command}  # Ctrl-C", done, (0, 130, -2))


def _type_block(world: World, block: Block, goes_on: list[tuple[str, Running]]) -> None:
    times = next((n for text, n in TIMES.items() if text in block.text), 1)
    for command in block.commands * times:
        try:
            typed = typed_of(world, block, command)
        except LookupError as error:
            world.stop(f"{block.place}: {command}", str(error))
            continue
        if _ENDLESS.search(typed.split("#")[0].rstrip()):
            running = world.type(typed)
            goes_on.append((typed, running))
            running.until(_READY, READY_S)
            if not running.is_running:
                world.told(typed, running.wait())
            continue
        codes = next((found for text, found in EXITS.items() if text in typed), (0,))
        world.run(typed, codes)


def typed_of(world: World, block: Block, command: str) -> str:
    """A command with what a reader puts in it."""
    is_fresh = block.page == OPERATING and any(
        text in block.text for text in FRESH_BLOCKS
    )
    places = _FRESH if is_fresh else PLACES.get(block.page, ())
    for pattern, text in places:

        def known(found: "re.Match[str]", text: str = text) -> str:
            return found.expand(_LEARNT.sub(world.learnt_text, text))

        command = re.sub(pattern, known, command)
    if is_fresh:
        command = _ASKS.sub(
            rf"\g<0> --address {FRESH} --tls srv/payswitch/tls", command
        )
    return command


def own_files(world: World) -> None:
    """The files that a reader of the documents has of their own."""
    folder: Path = world.directory
    example = ROOT / "docs" / "examples" / "network.json"
    network = json.loads(example.read_text(encoding="utf-8"))
    network["participants"].append({"id": "bsk-00001", "role": "centre"})
    (folder / "network.json").write_text(json.dumps(network))
    (folder / "holidays.txt").write_text("2027-01-26 Republic Day\n")
    (folder / "bills.csv").write_text(
        "reference,amount,id\nU123/W12/12345,726.00,B-1\n"
    )
    (folder / "srv" / "bank").mkdir(parents=True)
