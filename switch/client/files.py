"""Files that are made of the ledger: which there are, and their bytes.

A part of the client library; `switch.client.Client` has these methods. May use `calls`
and the messages.
"""

import hashlib
from collections.abc import Iterator
from typing import Any, Protocol

import grpc

from switch.client.calls import STREAM_TIMEOUT_S, Caller, call_error
from switch.errors import WireError
from switch.v1 import files_pb2 as pb
from switch.v1 import files_pb2_grpc

PAGE_SIZE = 1_000
RECALLED = "PAYOUT_RECALLED"
"""The server's reason if payouts in an instruction were recalled behind its window."""


class Hash(Protocol):
    """A SHA-256 that goes on."""

    def update(self, data: bytes, /) -> None:
        """Take more."""

    def digest(self) -> bytes:
        """Of all that was taken."""


class FileCalls:
    """The calls of FilesService, as methods that are safe to repeat."""

    _caller: Caller
    _files: files_pb2_grpc.FilesServiceStub

    def files(
        self,
        window: int = 0,
        biller: str = "",
        kind: pb.FileKind.ValueType = pb.FILE_KIND_UNSPECIFIED,
    ) -> Iterator[pb.File]:
        """The files of a window, or of all; of one biller, or of all; of one kind, or
        of all. Those of the newest window first.
        """
        request = pb.ListFilesRequest(
            window=window, biller=biller, kind=kind, page_size=PAGE_SIZE
        )
        while True:
            reply = self._caller.read(self._files.ListFiles, request)
            yield from reply.files
            if not reply.next_page_token:
                return
            request.page_token = reply.next_page_token

    def file_size(
        self, name: str, *, although_recalled: bool = False
    ) -> tuple[int, bytes]:
        """How many bytes a file has, and its SHA-256."""
        first = next(self._messages(name, 0, although_recalled))
        return first.size, first.sha256

    def read_file(
        self,
        name: str,
        offset: int = 0,
        hashed: Hash | None = None,
        *,
        although_recalled: bool = False,
    ) -> Iterator[bytes]:
        """The bytes of a file behind `offset`; a broken connection is resumed.

        An instruction in which payouts were recalled behind its window is refused with
        PAYOUT_RECALLED, but `although_recalled`: no bank is to get it as it is.
        `hashed` has taken those before. Raises WireError, at the end, if all together
        are not what the server says the file is.
        """
        hashed = hashlib.sha256() if hashed is None else hashed
        size = offset
        said: tuple[int, bytes] | None = None
        for message in self._messages(name, offset, although_recalled):
            if said is None:
                said = message.size, message.sha256
            elif said != (message.size, message.sha256):
                raise WireError(f"{name} has another hash than at its beginning")
            if message.offset != size:
                raise WireError(f"{name}: bytes {size} to {message.offset} are missing")
            hashed.update(message.data)
            size += len(message.data)
            if message.data:
                yield message.data
        if said != (size, hashed.digest()):
            raise WireError(f"{name} is not what its hash says")

    def _messages(
        self, name: str, offset: int, although_recalled: bool
    ) -> Iterator[pb.ReadFileResponse]:
        attempts = self._caller.attempts(changes=False)
        while True:
            request = pb.ReadFileRequest(
                name=name, offset=offset, although_recalled=although_recalled
            )
            call: Any = self._files.ReadFile(request, timeout=STREAM_TIMEOUT_S)
            try:
                for message in call:
                    attempts.progress()
                    yield message
                    offset = message.offset + len(message.data)
                return
            except grpc.RpcError as error:
                failure = call_error(error)
            finally:
                call.cancel()
            self._caller.pause(attempts.delay_after(failure))
