"""Goal: a file is read whole, from any offset on, by those whose it is and by nobody
else, also when the server is killed in the midst of it.

Method: a real server with a window of two thousand payments; each call made as a
biller, the treasury and others; offsets by hand and around every message's end.
"""

import hashlib
import signal
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import grpc
import pytest

from server.budgets import cost_of
from server.page_tokens import TOKEN_SIZE
from server.services import files as module
from server.services.files import (
    AT_ONCE_MAX,
    BILLERS_AT_ONCE_MAX,
    OWN_AT_ONCE_MAX,
    PIECE_SIZE,
    FilesService,
)
from server.status import NotFoundError
from switch.client import Client
from switch.codes import Role
from switch.errors import OverloadError, WireError
from switch.file_names import FileKind, parse_name
from switch.register.identity import Identity
from switch.treasury.files import Digest
from switch.v1 import admin_pb2
from switch.v1 import files_pb2 as pb
from tests.server.harness import (
    CALL_S,
    Peer,
    Peers,
    ServerProcess,
    failing,
    load,
    payment,
    running,
)
from tests.server.test_no_oracle import answer

PAYMENTS = 2_400
HUGE = "S2026-27-9999-power-1.csv"


@pytest.fixture(scope="module")
def window(peers: Peers) -> int:
    """Closed behind payments to all, most of them to land."""
    centre = peers.centre()
    for at in range(0, PAYMENTS, 400):
        bills = [payment(amount=100 + at + one) for one in range(400)]
        assert {one.result for one in centre.pay_all(bills)} == {1}
    assert centre.pay(payment("HEADS", head=1)).result == 1
    closing = admin_pb2.CloseWindowRequest()
    done = peers.treasury.admin.CloseWindow(closing, timeout=CALL_S).outcome
    # Most heads of the next have nothing in it.
    assert centre.pay(payment("HEADS", head=1)).result == 1
    following = admin_pb2.CloseWindowRequest(previous_window=done.sequence)
    peers.treasury.admin.CloseWindow(following, timeout=CALL_S)
    return int(done.sequence)


def listed(peer: Peer, **asked: Any) -> list[pb.File]:
    """All pages of a list."""
    request = pb.ListFilesRequest(**asked)
    found: list[pb.File] = []
    while True:
        page = peer.files.ListFiles(request, timeout=CALL_S)
        found += page.files
        if not page.next_page_token:
            return found
        request.page_token = page.next_page_token


def messages(peer: Peer, name: str, offset: int = 0) -> list[pb.ReadFileResponse]:
    request = pb.ReadFileRequest(name=name, offset=offset)
    return list(peer.files.ReadFile(request, timeout=CALL_S))


def whole(peer: Peer, name: str) -> bytes:
    found = messages(peer, name)
    data = b"".join(one.data for one in found)
    assert {one.size for one in found} == {len(data)}
    assert {one.sha256 for one in found} == {hashlib.sha256(data).digest()}
    return data


@pytest.fixture(scope="module")
def largest(peers: Peers, window: int) -> str:
    """The scroll that has most lines."""
    found = listed(peers.treasury, window=window, biller="land", kind=1)
    return found[0].name


def test_a_list_has_its_pages(peers: Peers, window: int) -> None:
    everything = listed(peers.treasury)
    assert len({one.name for one in everything}) == len(everything)
    for size in (1, 2, 7, 1_000):
        assert listed(peers.treasury, page_size=size) == everything
    # Five heads, of three files each, in two windows.
    assert len(everything) == 30
    assert [one.window for one in everything[:15]] == [window + 2] * 15
    of_window = [one for one in everything if one.window == window]
    assert listed(peers.treasury, window=window, page_size=4) == of_window
    scrolls = listed(peers.auditor, window=window, kind=pb.FILE_KIND_SCROLL)
    assert scrolls == [one for one in of_window if one.kind == pb.FILE_KIND_SCROLL]
    for one in everything:
        name = parse_name(one.name)
        assert (int(name.kind), name.owner) == (one.kind, one.biller)
        assert one.head
        assert one.day


def test_a_biller_sees_its_own(peers: Peers, window: int) -> None:
    mine = listed(peers.biller("power"))
    assert mine == listed(peers.treasury, biller="power")
    assert mine == listed(peers.biller("power"), biller="power", page_size=3)
    assert {one.head for one in mine} == {"0801-01", "0801-02"}
    for one in mine:
        assert whole(peers.biller("power"), one.name) == whole(peers.treasury, one.name)


def test_what_a_list_cannot_be_asked_for(peers: Peers, window: int) -> None:
    treasury = peers.treasury.files
    code = grpc.StatusCode.INVALID_ARGUMENT
    first = treasury.ListFiles(pb.ListFilesRequest(page_size=1), timeout=CALL_S)
    for request, field in (
        (pb.ListFilesRequest(kind=99), "kind"),  # type: ignore[arg-type]
        (pb.ListFilesRequest(page_size=-1), "page_size"),
        (pb.ListFilesRequest(page_token="A" * TOKEN_SIZE), "page_token"),
        # Of another question.
        (
            pb.ListFilesRequest(window=window, page_token=first.next_page_token),
            "page_token",
        ),
    ):
        with failing(code) as failures:
            treasury.ListFiles(request, timeout=CALL_S)
        assert failures[0].fields == [field]
    for sequence in (1, window - 1, 1 << 60):
        with failing(grpc.StatusCode.NOT_FOUND):
            treasury.ListFiles(pb.ListFilesRequest(window=sequence), timeout=CALL_S)


def test_a_file_is_read_from_any_offset(peers: Peers, largest: str) -> None:
    data = whole(peers.treasury, largest)
    assert data.count(b"\r\n") == PAYMENTS + 1
    sizes = [len(one.data) for one in messages(peers.treasury, largest)]
    assert max(sizes) == PIECE_SIZE
    assert len(sizes) > 1
    for offset in (
        *(0, 1, 511, PIECE_SIZE - 1, PIECE_SIZE, PIECE_SIZE + 1),
        *(len(data) - 1, len(data)),
    ):
        found = messages(peers.treasury, largest, offset)
        at = offset
        for one in found:
            assert one.offset == at
            assert one.size == len(data)
            assert one.sha256 == hashlib.sha256(data).digest()
            at += len(one.data)
        assert b"".join(one.data for one in found) == data[offset:]
    with failing(grpc.StatusCode.INVALID_ARGUMENT) as failures:
        messages(peers.treasury, largest, len(data) + 1)
    assert failures[0].fields == ["offset"]


def test_to_a_biller_anothers_file_is_none(peers: Peers, largest: str) -> None:
    """Nor does what it is told depend on anything but its own name."""
    power = peers.biller("power")
    told = {
        answer(lambda name=name: messages(power, name))  # type: ignore[misc]
        for name in (
            largest,
            largest.replace(".csv", ".json"),
            largest.replace("-land-", "-nobody-"),
            largest.replace("-land-", "-power-").replace("-1.csv", "-77.csv"),
            "B1999-01-land.csv",
            "B1999-01-power.csv",
            HUGE,
            "P2026-27-0001-33445566-1.xml",
            "P2026-27-0001-power-1.xml",
        )
    }
    [(code, _, _)] = told
    assert code is grpc.StatusCode.NOT_FOUND
    for peer in (peers.centre(), peers.harness):
        with failing(grpc.StatusCode.PERMISSION_DENIED):
            messages(peer, largest)
        with failing(grpc.StatusCode.PERMISSION_DENIED):
            listed(peer)


@pytest.mark.parametrize(
    "name",
    ["", "x", "../../etc/passwd", "S2026-27-0001-power-1.csv\0", "S" * 100_000, "☃"],
    ids=["empty", "a letter", "a path", "with NUL", "very long", "snow"],
)
def test_what_is_no_name(peers: Peers, name: str) -> None:
    for peer in (peers.treasury, peers.biller()):
        with failing(grpc.StatusCode.INVALID_ARGUMENT) as failures:
            messages(peer, name)
        assert failures[0].fields == ["name"]
        assert len(failures[0].text) < 200


def test_a_file_costs_what_a_list_does_and_is_open_as_a_feed() -> None:
    service = "/payswitch.v1.FilesService/"
    followed = cost_of("/payswitch.v1.BillerService/FollowFeed")
    assert cost_of(service + "ReadFile")[3] == followed[3]
    assert cost_of(service + "ReadFile")[1] == cost_of(service + "ListFiles")[1] > 1


class StubbedFiles(FilesService):
    """Nothing behind it: what it does with a file is a test's."""

    def __init__(self, blocks: list[bytes]) -> None:
        self._open: Counter[int] = Counter()
        self._of_billers = 0
        self._told = blocks
        self._files: Any = SimpleNamespace(digest=lambda name: None)

    async def _digest(self, name: Any) -> Any:
        data = b"".join(self._told)
        return Digest(len(data), hashlib.sha256(data).digest())

    async def _blocks(self, name: Any) -> AsyncIterator[bytes]:
        for one in self._told:
            yield one


AUDITOR = Identity(Role.AUDITOR, "auditor", 9)


async def test_so_many_are_read_at_a_time() -> None:
    service = StubbedFiles([b"abc"])
    begun: list[Any] = []

    async def begin(caller: Identity) -> None:
        name = HUGE.replace("power", caller.participant)
        reading = service.ReadFile(pb.ReadFileRequest(name=name), caller)
        assert (await anext(reading)).data == b"abc"
        begun.append(reading)

    async def is_full(caller: Identity) -> None:
        with pytest.raises(OverloadError):
            await begin(caller)

    billers = [Identity(Role.BILLER, f"biller-{at}", at) for at in range(10, 17)]
    for caller in billers[: BILLERS_AT_ONCE_MAX // OWN_AT_ONCE_MAX]:
        for _ in range(OWN_AT_ONCE_MAX):
            await begin(caller)
        await is_full(caller)
    # So many billers that read nothing hold up no office.
    await is_full(billers[-1])
    offices = [Identity(Role.AUDITOR, f"auditor-{at}", at) for at in (1, 2, 3)]
    for caller in offices[:2]:
        for _ in range(OWN_AT_ONCE_MAX):
            await begin(caller)
    assert len(begun) == AT_ONCE_MAX
    await is_full(offices[2])
    await begun.pop(0).aclose()
    await begin(billers[-1])
    for reading in begun:
        await reading.aclose()
    assert not service._open
    assert not service._of_billers


async def test_a_biller_that_is_called_as_a_bank_account_reads_no_instruction() -> None:
    service = StubbedFiles([b"abc"])
    caller = Identity(Role.BILLER, "33445566", 7)
    for form in ("xml", "json"):
        request = pb.ReadFileRequest(name=f"P2026-27-0001-33445566-1.{form}")
        with pytest.raises(NotFoundError):
            await anext(service.ReadFile(request, caller))
    request = pb.ReadFileRequest(name="S2026-27-0001-33445566-1.csv")
    assert (await anext(service.ReadFile(request, caller))).data == b"abc"


@pytest.mark.parametrize("offset", [0, 1, 5, 6, 7, 11, 12])
async def test_blocks_of_any_size_become_pieces(
    offset: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PIECE_SIZE", 5)
    blocks = [b"", b"ab", b"", b"cdefghij", b"k", b"l", b""]
    request = pb.ReadFileRequest(name=HUGE, offset=offset)
    found = [one async for one in StubbedFiles(blocks).ReadFile(request, AUDITOR)]
    assert b"".join(one.data for one in found) == b"abcdefghijkl"[offset:]
    assert found[0].offset == offset
    assert all(len(one.data) == 5 for one in found[:-1])


def test_a_server_that_is_killed_in_the_midst_of_a_file(tmp_path: Path) -> None:
    """Started again it makes the same bytes, and the stream goes on."""
    server = ServerProcess(tmp_path)
    server.wait_ready()
    first = Peers(server)
    load(first)
    bills = [payment(amount=7) for _ in range(400)]
    for _ in range(5):
        assert {one.result for one in first.centre().pay_all(bills)} == {1}
        bills = [payment(amount=8) for _ in range(400)]
    closing = admin_pb2.CloseWindowRequest()
    first.treasury.admin.CloseWindow(closing, timeout=CALL_S)
    [name, *_] = [one.name for one in listed(first.treasury, biller="land", kind=1)]
    request = pb.ReadFileRequest(name=name)
    begun = next(first.treasury.files.ReadFile(request, timeout=CALL_S))
    server.stop(signal.SIGKILL)
    first.close()
    assert len(begun.data) < begun.size
    with running(tmp_path) as again:
        second = Peers(again)
        rest = messages(second.auditor, name, len(begun.data))
        data = begun.data + b"".join(one.data for one in rest)
        assert hashlib.sha256(data).digest() == begun.sha256
        assert whole(second.treasury, name) == data
        second.close()


# --- the client ----------------------------------------------------------------------


class Broken:
    """A stub whose streams end after so many messages, or say something else."""

    def __init__(self, real: Any, spoil: Any) -> None:
        self.calls: list[int] = []
        self._real, self._spoil = real, spoil

    def ReadFile(self, request: pb.ReadFileRequest, timeout: float) -> Any:  # noqa: N802
        self.calls.append(request.offset)
        found = list(self._real.ReadFile(request, timeout=timeout))
        return Stream(self._spoil(len(self.calls), found))


class Stream:
    def __init__(self, found: Iterator[Any]) -> None:
        self._found = iter(found)

    def __iter__(self) -> Iterator[Any]:
        return self._found

    def cancel(self) -> None:
        pass


class Unavailable(grpc.RpcError, grpc.Call):
    """As a connection that was lost."""

    def code(self) -> grpc.StatusCode:
        return grpc.StatusCode.UNAVAILABLE

    def details(self) -> str:
        return "gone"

    def trailing_metadata(self) -> tuple[()]:
        return ()

    def initial_metadata(self) -> tuple[()]:
        return ()

    def is_active(self) -> bool:
        return False

    def time_remaining(self) -> float:
        return 0.0

    def cancel(self) -> bool:
        return False

    def add_callback(self, callback: Any) -> bool:
        return False


def client_of(server: ServerProcess, peers: Peers) -> Client:
    return Client(server.address, peers.authority.leaf(Role.TREASURY, "treasury"))


def test_a_client_goes_on_where_its_stream_was_cut_off(
    server: ServerProcess, peers: Peers, largest: str
) -> None:
    def cut(call: int, found: list[Any]) -> Iterator[Any]:
        yield from found[: 1 if call == 1 else None]
        if call < 3:
            raise Unavailable

    with client_of(server, peers) as client:
        data = b"".join(client.read_file(largest))
        assert client.file_size(largest) == (len(data), hashlib.sha256(data).digest())
        client._files = broken = Broken(client._files, cut)  # type: ignore[assignment]
        assert b"".join(client.read_file(largest)) == data
    assert broken.calls == [0, PIECE_SIZE, len(data)]


@pytest.mark.parametrize("what", ["a byte", "a message", "the hash"])
def test_a_client_believes_the_hash_alone(
    server: ServerProcess, peers: Peers, largest: str, what: str
) -> None:
    def lie(_: int, found: list[Any]) -> Iterator[Any]:
        if what == "a byte":
            found[1].data = found[1].data[:-1] + b"!"
        elif what == "a message":
            del found[0]
        else:
            found[1].sha256 = bytes(32)
        return iter(found)

    with client_of(server, peers) as client:
        client._files = Broken(client._files, lie)  # type: ignore[assignment]
        with pytest.raises(WireError, match=r"hash|missing"):
            list(client.read_file(largest))


def test_files_of_a_window_are_on_the_list_of_kinds() -> None:
    said = {name: number for name, number in pb.FileKind.items() if number}
    assert said == {f"FILE_KIND_{one.name}": int(one) for one in FileKind}
