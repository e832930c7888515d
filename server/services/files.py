"""FilesService: which files there are, and their bytes.

A file is made as it is read. Before its first byte is told it is made once for its
length and its hash, unless that is remembered. What is made takes a reading thread for
a block at a time, in turns with all others that are made.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Generator, Iterator
from contextlib import contextmanager
from typing import Final, TypeVar, cast

from server import arguments
from server.node import Node
from server.page_tokens import make_token, read_token
from server.status import ArgumentError, NotFoundError, PreconditionError
from switch.codes import Role
from switch.errors import CorruptionError, OverloadError
from switch.file_names import FileKind, FileName, parse_name
from switch.ledger.opening import CORRUPTED
from switch.register.identity import Identity
from switch.treasury.books import PART_FIRST, Books, NoFileError
from switch.treasury.files import Digest, Files
from switch.treasury.windows import Window
from switch.v1 import files_pb2 as pb

T = TypeVar("T")

PIECE_SIZE: Final = 256 << 10
"""Bytes of a message at most."""
AT_ONCE_MAX: Final = 32
"""Files that are read at a time."""
BILLERS_AT_ONCE_MAX: Final = 24
"""Those of billers among them: whoever reads none of theirs holds up no office."""
OWN_AT_ONCE_MAX: Final = 4
"""Those of one participant."""
MAKING_MAX: Final = 2
"""Reading threads that make files at a time; the others are for other reads."""
LOOKED_MAX: Final = 1 << 20
"""Rows of windows after which a page of the list ends."""
_PLACES: Final = 1 << 22
"""More than the files of a window; a page begins at window × this + file."""
RECALLED_TOLD: Final = 10
"""Payouts that were recalled, as many as a refusal of their instruction names."""
_NONE: Final = "name: there is no such file"


class FilesService:
    """Reads, and counts what it reads."""

    def __init__(self, node: Node) -> None:
        """Serves from `node`."""
        self._node = node
        self._books = Books(node.register, node.past_names)
        self._files = Files(self._books)
        self._making = asyncio.Semaphore(MAKING_MAX)
        # Who finds the length and the hash of a file, by its name.
        self._finding: dict[str, asyncio.Event] = {}
        # How many each participant, by its index, and its role read.
        self._open: Counter[int] = Counter()
        self._of_billers = 0

    # --- the list ----------------------------------------------------------------

    async def ListFiles(
        self, request: pb.ListFilesRequest, caller: Identity
    ) -> pb.ListFilesResponse:
        """The files that there are, those of the newest window first."""
        return await self._drive(self._list(request, caller))

    def _list(
        self, request: pb.ListFilesRequest, caller: Identity
    ) -> Generator[None, None, pb.ListFilesResponse]:
        node, books = self._node, self._books
        kind = int(request.kind)
        if kind not in pb.FileKind.values():
            raise ArgumentError("kind", f"{kind} stands for nothing there")
        owner = 0
        if request.biller or caller.role is Role.BILLER:
            owner = arguments.biller(node.register, caller, request.biller).index
        size = arguments.page_size(request.page_size, node.config)
        position, at = divmod(read_token(request, caller), _PLACES)
        windows = self._windows(request.window, position)
        response = pb.ListFilesResponse()
        looked = 0
        for window in windows:
            if looked >= LOOKED_MAX:
                at = 0
                break
            looked += window.sequence - window.after
            names = yield from self._files.names_of(window, owner)
            place, full = 0, False
            for place, name in enumerate(names):
                if place < at or kind not in (0, name.kind):
                    continue
                if len(response.files) == size:
                    full = True
                    break
                response.files.append(_file(books, window, name))
            if full:
                at = place
                break
            at = 0
        else:
            return response
        following = window.sequence * _PLACES + at
        response.next_page_token = make_token(request, caller, following)
        return response

    def _windows(self, wanted: int, position: int) -> Iterator[Window]:
        """Those that a list is of, from where its page begins, newest first."""
        if wanted:
            window = self._books.windows.find(wanted)
            if window is None:
                raise NotFoundError(f"window: entry {wanted} is no closed window")
            yield window
            return
        for window in reversed(self._books.windows.all()):
            if not position or window.sequence <= position:
                yield window

    # --- one file ----------------------------------------------------------------

    async def ReadFile(
        self, request: pb.ReadFileRequest, caller: Identity
    ) -> AsyncIterator[pb.ReadFileResponse]:
        """The bytes of a file, from an offset on."""
        name = self._named(request.name, caller)
        with self._place(caller):
            try:
                digest = await self._digest(name)
            except NoFileError:
                raise NotFoundError(_NONE) from None
            if request.offset > digest.size:
                raise ArgumentError("offset", f"the file has {digest.size} bytes")
            if name.kind is FileKind.INSTRUCTION and name.form == "xml":
                await self._look_at_recalls(name, request.although_recalled)
            async for data, offset in self._pieces(name, request.offset):
                yield pb.ReadFileResponse(
                    data=data, offset=offset, size=digest.size, sha256=digest.sha256
                )
            if self._files.digest(name) not in (digest, None):
                raise CorruptionError(CORRUPTED, f"{name.text} came out differently")

    async def _look_at_recalls(self, name: FileName, although: bool) -> None:
        """Raise PreconditionError if a bank would pay what was taken back."""
        if although:
            return
        found = await self._drive(self._files.recalled(name))
        if found:
            entries = ", ".join(map(str, found[:RECALLED_TOLD]))
            more = f" and {left} more" if (left := len(found[RECALLED_TOLD:])) else ""
            text = f"{name.text} has payouts that were recalled: {entries}{more}"
            raise PreconditionError("PAYOUT_RECALLED", text)

    @contextmanager
    def _place(self, caller: Identity) -> Iterator[None]:
        """One of the places of those who read. Raises OverloadError."""
        is_biller = caller.role is Role.BILLER
        full = (
            self._open[caller.index] >= OWN_AT_ONCE_MAX
            or self._open.total() >= AT_ONCE_MAX
            or (is_biller and self._of_billers >= BILLERS_AT_ONCE_MAX)
        )
        if full:
            raise OverloadError(
                f"{self._open[caller.index]} files are being read by you, "
                f"{self._open.total()} by all; try again later"
            )
        self._open[caller.index] += 1
        self._of_billers += is_biller
        try:
            yield
        finally:
            self._open[caller.index] -= 1
            self._open += Counter()  # forgets who reads none
            self._of_billers -= is_biller

    def _named(self, text: str, caller: Identity) -> FileName:
        """The file that is asked for. Another's is looked up by nobody."""
        try:
            name = parse_name(text)
        except ValueError:
            raise ArgumentError("name", "is no file's name, as a list has it") from None
        is_own = name.owner == caller.participant
        if caller.role is Role.BILLER and (
            name.kind is FileKind.INSTRUCTION or not is_own
        ):
            raise NotFoundError(_NONE)
        return name

    async def _digest(self, name: FileName) -> Digest:
        """Found once, however many ask for it at the same time."""
        while (found := self._files.digest(name)) is None:
            under_way = self._finding.get(name.text)
            if under_way is not None:
                await under_way.wait()
                continue
            done = self._finding[name.text] = asyncio.Event()
            try:
                async for _ in self._blocks(name):
                    pass
            finally:
                del self._finding[name.text]
                done.set()
        return found

    async def _pieces(
        self, name: FileName, offset: int
    ) -> AsyncIterator[tuple[bytes, int]]:
        """Data and where it stands; at least one piece, which may be empty."""
        held, passed, begun = bytearray(), 0, False
        async for block in self._blocks(name):
            skipped = min(max(offset - passed, 0), len(block))
            passed += len(block)
            held += block[skipped:]
            while len(held) >= PIECE_SIZE:
                yield bytes(held[:PIECE_SIZE]), passed - len(held)
                del held[:PIECE_SIZE]
                begun = True
        if held or not begun:
            yield bytes(held), passed - len(held)

    async def _blocks(self, name: FileName) -> AsyncIterator[bytes]:
        reading = self._files.read(name)
        while True:
            async with self._making:
                block = await self._node.read(next, reading, None)
            if block is None:
                return
            self._node.check_running()
            yield block

    async def _drive(self, steps: Generator[None, None, T]) -> T:
        """What a generator returns, a step at a time in a reading thread."""
        while True:
            async with self._making:
                done = await self._node.read(_step, steps)
            if done is not None:
                return done[0]
            self._node.check_running()


def _step(steps: Generator[None, None, T]) -> tuple[T] | None:
    try:
        next(steps)
    except StopIteration as end:
        return (cast("T", end.value),)
    return None


def _file(books: Books, window: Window, name: FileName) -> pb.File:
    made = pb.File(
        name=name.text,
        kind=cast("pb.FileKind.ValueType", int(name.kind)),
        window=window.sequence,
        day=window.day.isoformat(),
    )
    if name.kind is not FileKind.INSTRUCTION:
        made.biller = name.owner
    if name.kind not in (FileKind.INSTRUCTION, FileKind.MONTHLY):
        owner = books.register.find_participant(name.owner)
        assert owner is not None
        account = books.register.find_account(owner.index, name.part - PART_FIRST)
        assert account is not None
        made.head = account.head
    return made
