"""Goal: a biller that does not dial in puts its bills in, whole files or nothing, and
counters are told just what its files say.

Method: a real server and biller over real sockets: full, delta and withdrawal, wrong
counts, sums, hashes, turns, forms and owners; billers that begin and say nothing; sent
again; the server killed and its store, or a file of it, damaged or gone in between; the
payment of such a bill.
"""

import hashlib
import os
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import grpc
import pytest

from switch.codes import Role
from switch.ids import new_id
from switch.v1 import billers_pb2 as pb
from switch.v1 import counter_pb2
from switch.v1 import results_pb2 as results
from tests.server.harness import (
    CALL_S,
    RUPEE,
    Failure,
    Peer,
    Peers,
    ServerProcess,
    failing,
    load,
    payment,
    running,
)

OK = results.RESULT_OK
FULL, DELTA = pb.BILL_FILE_KIND_FULL, pb.BILL_FILE_KIND_DELTA
WITHDRAWAL = pb.BILL_FILE_KIND_WITHDRAWAL
SERVICE = "EXACT"
INVALID = grpc.StatusCode.INVALID_ARGUMENT
PRECONDITION = grpc.StatusCode.FAILED_PRECONDITION


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with running(tmp_path_factory.mktemp("put_bills")) as process:
        yield process


@pytest.fixture(scope="module")
def peers(server: ServerProcess) -> Iterator[Peers]:
    with closing(Peers(server)) as found:
        load(found)
        yield found


def due(number: int, amount: int = 5 * RUPEE, **fields: Any) -> pb.DueBill:
    return pb.DueBill(
        id=f"ID-{number}", reference=f"REF-{number}", amount_due=amount, **fields
    )


def packed(one: pb.DueBill) -> bytes:
    """As BillFile.sha256 says, written here a second time."""
    fields = [one.reference, one.id, one.period, str(one.amount_due)]
    fields += [str(one.due_time_ns), str(one.valid_until_ns), str(one.head)]
    return "\t".join([*fields, *one.supersedes]).encode() + b"\n"


def file_of(
    number: int, bills: Sequence[pb.DueBill], kind: int = FULL, **said: Any
) -> pb.BillFile:
    values: dict[str, Any] = {
        "id": new_id(),
        "kind": kind,
        "service": SERVICE,
        "number": number,
        "count": len(bills),
        "amount": sum(one.amount_due for one in bills),
        "sha256": hashlib.sha256(b"".join(map(packed, bills))).digest(),
    }
    return pb.BillFile(**{**values, **said})


def put(
    biller: Peer, file: pb.BillFile, *messages: Iterable[pb.DueBill]
) -> pb.PutBillsResponse:
    first, *others = messages or ([],)
    requests = [pb.PutBillsRequest(file=file, bills=first)]
    requests += [pb.PutBillsRequest(bills=one) for one in others]
    return biller.billers.PutBills(iter(requests), timeout=CALL_S)


def fetch(centre: Peer, reference: str) -> list[counter_pb2.Bill]:
    request = counter_pb2.FetchBillRequest(service=SERVICE, reference=reference)
    try:
        return list(centre.counter.FetchBill(request, timeout=CALL_S).bills)
    except grpc.RpcError as error:
        if Failure(error).code is not grpc.StatusCode.NOT_FOUND:
            raise
        return []


def biller(peers: Peers, name: str = "power") -> Peer:
    return peers.get(Role.BILLER, name)


def test_the_life_of_the_files_of_a_service(peers: Peers) -> None:
    centre, power = peers.centre(), biller(peers)
    # Before the first file its biller is asked, and is not there.
    with failing(grpc.StatusCode.UNAVAILABLE):
        fetch(centre, "REF-1")
    bills = [due(number) for number in range(1, 21)]
    # Two bills of one reference, by their ids.
    bills.append(pb.DueBill(id="ID-1b", reference="REF-1", amount_due=RUPEE))
    file = file_of(1, bills)
    told = put(power, file, bills[:8], bills[8:])
    assert (told.outcome.result, told.bills_count) == (OK, 21)
    assert {one.id: one.amount_due for one in fetch(centre, "REF-1")} == {
        "ID-1": 5 * RUPEE,
        "ID-1b": RUPEE,
    }
    assert fetch(centre, "REF-99") == []
    # Sent again it is taken once.
    again = put(power, file, bills)
    assert again.outcome.sequence == told.outcome.sequence
    assert again.outcome.repeat
    assert again.bills_count == 21
    # A delta adds and replaces, a withdrawal takes away, whatever amount it says.
    changed = [due(2, RUPEE), due(30)]
    assert put(power, file_of(2, changed, DELTA), changed).bills_count == 22
    assert [one.amount_due for one in fetch(centre, "REF-2")] == [RUPEE]
    gone = [due(3, 1), due(77, 1)]
    assert put(power, file_of(3, gone, WITHDRAWAL), gone).bills_count == 21
    assert fetch(centre, "REF-3") == []
    # A bill is paid by its quotation, as if its biller had said it.
    [bill] = fetch(centre, "REF-2")
    paid = payment(SERVICE, RUPEE, reference=bill.reference, quotation=bill.quotation)
    assert centre.pay(paid).result == OK
    [bill] = fetch(centre, "REF-2")
    assert bill.state == counter_pb2.BILL_STATE_PAID
    # A full file without bills: nothing is due any more.
    assert put(power, file_of(4, [])).bills_count == 0
    assert fetch(centre, "REF-5") == []


def wrong_files() -> Iterator[tuple[pb.BillFile, list[pb.DueBill], str]]:
    """A file, its bills, and the field that is named; each is number 5."""
    bills = [due(1), due(2)]
    yield file_of(5, bills, count=3), bills, "file.count"
    yield file_of(5, bills, count=1), bills, "file.count"
    yield file_of(5, bills, count=0), [], "file.amount"
    yield file_of(5, bills, count=0, amount=0), [], "file.sha256"
    yield file_of(5, bills, DELTA, count=0), [], "file.count"
    yield file_of(5, bills, count=1 << 32), bills, "file.count"
    yield file_of(5, bills, amount=1), bills, "file.amount"
    yield file_of(5, bills, amount=1 << 63), bills, "file.amount"
    yield file_of(5, bills, sha256=bytes(32)), bills, "file.sha256"
    yield file_of(5, bills, id=b"short"), bills, "file.id"
    yield file_of(5, bills, kind=0), bills, "file.kind"
    yield file_of(0, bills), bills, "file.number"
    twice = [due(1), due(1, RUPEE)]
    yield file_of(5, twice), twice, "bills[1]"
    for field, one in (
        ("amount_due", due(1, 0)),
        ("amount_due", due(1, 1 << 63)),
        ("head", due(1, head=9)),
        ("period", due(1, period="2026-13")),
        ("id", pb.DueBill(reference="REF-1", amount_due=1)),
        ("id", pb.DueBill(id="x" * 33, reference="REF-1", amount_due=1)),
        ("id", pb.DueBill(id="a\tb", reference="REF-1", amount_due=1)),
        ("reference", pb.DueBill(id="ID", amount_due=1)),
        ("reference", pb.DueBill(id="ID", reference="a\nb", amount_due=1)),
        ("reference", pb.DueBill(id="ID", reference="x" * 10_000, amount_due=1)),
        ("supersedes", due(1, supersedes=["x"] * 17)),
    ):
        yield file_of(5, [one], amount=1), [one], f"bills[0].{field}"


def test_what_is_wrong_changes_nothing(peers: Peers, server: ServerProcess) -> None:
    power = biller(peers)
    for file, bills, field in wrong_files():
        with failing(INVALID) as failures:
            put(power, file, bills)
        assert failures[0].fields == [field], file
    bills = [due(1)]
    for number in (4, 6):
        with failing(PRECONDITION) as failures:
            put(power, file_of(number, bills), bills)
        assert failures[0].reason == "BILL_FILE_OUT_OF_TURN"
    with failing(PRECONDITION) as failures:
        put(power, file_of(1, bills, service="ONCE"), bills)
    assert failures[0].reason == "NOT_PAID_BY_BILL"
    # Another's service and one that is not there are the same.
    told = set()
    for service in ("SUPPLY", "NONE"):
        with failing(grpc.StatusCode.NOT_FOUND) as failures:
            put(power, file_of(1, bills, service=service), bills)
        told.add(failures[0].text.replace(service, ""))
    assert len(told) == 1
    with failing(INVALID) as failures:
        list_of_two = [
            pb.PutBillsRequest(file=file_of(5, bills)),
            pb.PutBillsRequest(file=file_of(5, bills)),
        ]
        power.billers.PutBills(iter(list_of_two), timeout=CALL_S)
    assert failures[0].fields == ["file"]
    folder = server.directory / "ledger" / "bills" / "files"
    assert not list(folder.rglob("partial-*"))
    assert fetch(peers.centre(), "REF-1") == []


def test_who_sends_nothing_keeps_nobody_out(peers: Peers) -> None:
    """Three billers begin and say no more; a fourth one's file is taken."""
    go_on = threading.Event()

    def nothing() -> Iterator[pb.PutBillsRequest]:
        assert go_on.wait(3 * CALL_S)
        yield pb.PutBillsRequest()

    silent = [biller(peers, name) for name in ("land", "water", "gas")]
    calls: list[Any] = []
    try:
        calls.extend(begun(one, nothing) for one in silent)
        power, bills = biller(peers), [due(1)]
        file = file_of(next_number(power), bills)
        assert put(power, file, bills).bills_count == 1
    finally:
        go_on.set()
        codes = [call.code() for call in calls]
    assert codes == [INVALID] * 3


def next_number(one: Peer) -> int:
    with failing(PRECONDITION) as failures:
        put(one, file_of(10**6, [due(1)]))
    return int(failures[0].text.rpartition(" ")[2])


def begun(one: Peer, requests: Callable[[], Iterator[pb.PutBillsRequest]]) -> Any:
    """A call that has this biller's turn. The question whether it has is a call, too:
    when that has the turn as this one comes, this one ends, and is begun again.
    """
    end = time.monotonic() + CALL_S
    while time.monotonic() < end:
        call = one.billers.PutBills.future(requests())
        while not call.done():
            if is_on_its_way(one):
                return call
    raise AssertionError("no call began")


def is_on_its_way(one: Peer) -> bool:
    """Whether a file of this biller is, so that no second one is taken."""
    try:
        put(one, pb.BillFile())
    except grpc.RpcError as error:
        return Failure(error).reason == "OVERLOAD"
    raise AssertionError("a file that says nothing was taken")


def paid_by(centre: Peer, bill: counter_pb2.Bill) -> int:
    """What a payment by just this quotation is told; the client would fetch again."""
    asked = payment(
        SERVICE,
        bill.amount_due,
        reference=bill.reference,
        quotation=bill.quotation,
    )
    request = counter_pb2.PayBillRequest(payment=asked)
    return centre.counter.PayBill(request, timeout=CALL_S).outcome.result


def test_what_was_fetched_does_not_outlive_a_file(peers: Peers) -> None:
    power, centre = biller(peers), peers.centre()
    number = next_number(power)
    bills = [due(700), due(701), due(702)]
    put(power, file_of(number, bills, FULL), bills)
    first, second, third = (fetch(centre, f"REF-{one}")[0] for one in (700, 701, 702))
    put(power, file_of(number + 1, [due(703)], DELTA), [due(703)])
    assert paid_by(centre, first) == OK
    changed = [due(703, 7 * RUPEE)]
    put(power, file_of(number + 2, changed, DELTA), changed)
    assert paid_by(centre, second) == results.RESULT_QUOTATION_EXPIRED
    gone = [due(702)]
    put(power, file_of(number + 3, gone, WITHDRAWAL), gone)
    assert paid_by(centre, third) == results.RESULT_QUOTATION_EXPIRED
    assert paid_by(centre, fetch(centre, "REF-701")[0]) == OK


def test_one_id_under_two_references_refuses_the_file(peers: Peers) -> None:
    power = biller(peers)
    number = next_number(power)
    other = pb.DueBill(id="ID-710", reference="REF-711", amount_due=5 * RUPEE)
    bills = [due(709), due(710), other]
    with failing(INVALID) as told:
        put(power, file_of(number, bills, FULL), bills)
    assert told[0].fields == ["bills[2]"]
    assert "bills[1] is of the same id 'ID-710'" in told[0].text
    put(power, file_of(number, bills[:2], FULL), bills[:2])
    with failing(INVALID) as told:
        put(power, file_of(number + 1, [due(712), other], DELTA), [due(712)], [other])
    assert told[0].fields == ["bills[1].id"]
    assert "reference 'REF-710'" in told[0].text
    assert "withdraw that one first" in told[0].text
    # Withdrawn it is free, and the same file is taken.
    put(power, file_of(number + 1, [due(710)], WITHDRAWAL), [due(710)])
    put(power, file_of(number + 2, [other], DELTA), [other])
    assert [one.id for one in fetch(peers.centre(), "REF-711")] == ["ID-710"]
    # Where a file of before has them so, one withdrawal takes both away.
    both = [due(710), other]
    put(power, file_of(number + 3, both, WITHDRAWAL), both)
    assert fetch(peers.centre(), "REF-711") == []


def store_of(directory: Path) -> Path:
    return directory / "ledger" / "bills"


def test_whatever_is_lost_is_made_anew_or_not_told(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    directory = tmp_path_factory.mktemp("lost")
    bills = [due(number) for number in range(1, 50)]
    more = [due(50, RUPEE)]
    with running(directory) as process, closing(Peers(process)) as peers:
        load(peers)
        put(biller(peers), file_of(1, bills), bills)
        put(biller(peers), file_of(2, more, DELTA), more)
        process.stop(signal.SIGKILL)
    # The store is gone: made again out of the files.
    shutil.rmtree(store_of(directory) / "store")
    with running(directory) as process, closing(Peers(process)) as peers:
        assert [one.amount_due for one in fetch(peers.centre(), "REF-50")] == [RUPEE]
        assert len(fetch(peers.centre(), "REF-7")) == 1
        process.stop(signal.SIGKILL)
    # The store is damaged, wherever, and whoever read it has died of it: made again.
    data = store_of(directory) / "store" / "data.mdb"
    for at in (0, 2, 3):
        whole = data.read_bytes()
        where = at * 4096
        data.write_bytes(whole[:where] + os.urandom(4096) + whole[where + 4096 :])
        with running(directory) as process, closing(Peers(process)) as peers:
            assert [one.amount_due for one in fetch(peers.centre(), "REF-50")] == [
                RUPEE
            ]
            process.stop(signal.SIGKILL)
        break
    # A file has gone, too: nothing is told rather than less, until there is a full one.
    shutil.rmtree(store_of(directory) / "store")
    files = sorted((store_of(directory) / "files").rglob("*"))
    [first, *_] = [one for one in files if one.is_file()]
    first.write_bytes(b"")
    with running(directory) as process, closing(Peers(process)) as peers:
        with failing(grpc.StatusCode.UNAVAILABLE) as failures:
            fetch(peers.centre(), "REF-50")
        assert failures[0].retry_ms
        put(biller(peers), file_of(3, bills), bills)
        assert len(fetch(peers.centre(), "REF-7")) == 1
