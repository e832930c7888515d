"""Goal: a server has keys of quotations from its first start on, changes them when the
treasury asks for it, once for each time, and does not start with a file that it cannot
trust. What was sealed with a key is right as long as the key is one of the two.

Method: the services in this process; then real servers, stopped and started, with the
file opened to others, damaged and deleted between two starts; bills that were fetched
before are paid after.
"""

from pathlib import Path

import grpc
import pytest

from server.exits import EXIT_CONFIG
from switch.ledger.quotation_keys import NAME, read_keys
from switch.v1 import admin_pb2 as pb
from switch.v1.payments_pb2 import PAYMENT_STATE_COMPLETED as COMPLETED
from switch.v1.results_pb2 import RESULT_QUOTATION_WRONG
from tests.server.harness import (
    CALL_S,
    Peers,
    ServerProcess,
    failing,
    load,
    running,
)
from tests.server.inside import FailedError, Inside, inside
from tests.server.scripted_biller import ScriptedBiller, willing
from tests.server.till import Till, load_services, settings

TREASURY = "treasury/treasury"


async def rotate(
    one: Inside, current: int, by: str = TREASURY
) -> pb.RotateQuotationKeyResponse:
    request = pb.RotateQuotationKeyRequest(current_number=current)
    reply = await one.call("RotateQuotationKey", request, by=by)
    return pb.RotateQuotationKeyResponse.FromString(reply)


async def number(one: Inside, by: str = TREASURY) -> int:
    reply = await one.call("GetLedger", pb.GetLedgerRequest(), by=by)
    return pb.GetLedgerResponse.FromString(reply).quotation_key_number


async def test_a_key_is_followed_once(tmp_path: Path) -> None:
    async with inside(tmp_path) as one:
        assert await number(one) == 1
        before = one.ledger.sequence
        reply = await rotate(one, 1)
        assert (reply.number, reply.repeat) == (2, False)
        again = await rotate(one, 1)
        assert (again.number, again.repeat) == (2, True)
        assert await number(one) == await number(one, "auditor/auditor") == 2
        assert [key.number for key in read_keys(tmp_path / "ledger")] == [2, 1]
        # The journal has nothing of it: rows need no key.
        assert one.ledger.sequence == before


@pytest.mark.parametrize("current", [0, 2, 256, 2**32 - 1])
async def test_only_the_newest_is_followed(tmp_path: Path, current: int) -> None:
    async with inside(tmp_path) as one:
        with pytest.raises(FailedError, match="number 1") as caught:
            await rotate(one, current)
        assert caught.value.code is grpc.StatusCode.FAILED_PRECONDITION
        assert (caught.value.reason, caught.value.outcome) == ("KEY_NUMBER", "not_done")
        assert await number(one) == 1


async def test_a_link_in_its_place_is_not_replaced(tmp_path: Path) -> None:
    async with inside(tmp_path) as one:
        path = tmp_path / "ledger" / NAME
        path.rename(tmp_path / "elsewhere")
        path.symlink_to(tmp_path / "elsewhere")
        with pytest.raises(FailedError, match="symbolic link") as caught:
            await rotate(one, 1)
        assert caught.value.code is grpc.StatusCode.FAILED_PRECONDITION
        assert (caught.value.reason, caught.value.outcome) == ("KEY_FILE", "not_done")
        assert path.is_symlink()


@pytest.mark.parametrize(
    "by", ["centre/centre-a", "auditor/auditor", "biller/power", "harness/harness"]
)
async def test_it_is_the_treasurys_to_ask_for(tmp_path: Path, by: str) -> None:
    async with inside(tmp_path) as one:
        with pytest.raises(FailedError) as caught:
            await rotate(one, 1, by=by)
        assert caught.value.code is grpc.StatusCode.PERMISSION_DENIED
        assert await number(one) == 1


def test_keys_survive_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "ledger"
    with running(tmp_path) as server:
        peers = Peers(server)
        load(peers)
        assert (path / NAME).stat().st_mode & 0o777 == 0o600
        first = read_keys(path)
        request = pb.RotateQuotationKeyRequest(current_number=1)
        reply = peers.treasury.admin.RotateQuotationKey(request, timeout=CALL_S)
        assert (reply.number, reply.repeat) == (2, False)
        peers.close()
        log = server.log()
    assert "sealed with key 2 from here on, by treasury" in log
    keys = read_keys(path)
    assert keys[1:] == first
    assert not {key.secret.hex() for key in keys} & {*log.split()}
    with running(tmp_path) as server:
        peers = Peers(server)
        reply = peers.treasury.admin.RotateQuotationKey(request, timeout=CALL_S)
        assert (reply.number, reply.repeat) == (2, True)
        request = pb.RotateQuotationKeyRequest(current_number=7)
        with failing(grpc.StatusCode.FAILED_PRECONDITION):
            peers.treasury.admin.RotateQuotationKey(request, timeout=CALL_S)
        peers.close()
    assert read_keys(path) == keys


def test_quotations_are_as_good_as_their_key(tmp_path: Path) -> None:
    rotated = pb.RotateQuotationKeyRequest
    with running(tmp_path, *settings()) as server:
        peers = Peers(server)
        load(peers)
        load_services(peers)
        till = Till(peers.centre())
        with ScriptedBiller(peers.biller(), willing):
            before, kept, lost, old = (till.bill("BILL") for _ in range(4))
            rotate = peers.treasury.admin.RotateQuotationKey
            rotate(rotated(current_number=1), timeout=CALL_S)
            # The key before is accepted still, and the one before that no more.
            assert till.pay(before).state == COMPLETED
            kept = till.due(till.fetch("BILL", kept.reference))
            rotate(rotated(current_number=2), timeout=CALL_S)
            assert till.pay(old).result == RESULT_QUOTATION_WRONG
            lost = till.due(till.fetch("BILL", lost.reference))
        peers.close()
    with running(tmp_path, *settings()) as server:
        peers = Peers(server)
        till = Till(peers.centre())
        with ScriptedBiller(peers.biller(), willing):
            # Nothing is remembered, and nothing has to be: the keys are the same.
            assert till.pay(kept).state == COMPLETED
        peers.close()
    (tmp_path / "ledger" / NAME).unlink()
    with running(tmp_path, *settings()) as server:
        peers = Peers(server)
        till = Till(peers.centre())
        with ScriptedBiller(peers.biller(), willing):
            refused = till.pay(lost)
            assert (refused.result, refused.sequence) == (RESULT_QUOTATION_WRONG, 0)
            # What is known has its answer without any key.
            assert till.pay(kept).repeat
            lost.quotation = till.fetch("BILL", lost.reference).quotation
            assert till.pay(lost).state == COMPLETED
        peers.close()


def test_a_file_that_cannot_be_trusted_is_no_start(tmp_path: Path) -> None:
    with running(tmp_path):
        pass
    path = tmp_path / "ledger" / NAME
    whole = path.read_bytes()
    for damage, said in (
        (lambda: path.chmod(0o644), "chmod 600"),
        (lambda: path.write_bytes(whole[:-3]), "damaged"),
    ):
        damage()
        before = path.read_bytes()
        server = ServerProcess(tmp_path)
        assert server.wait() == EXIT_CONFIG
        assert said in server.log().splitlines()[-1]
        assert "Traceback" not in server.log()
        assert path.read_bytes() == before
        path.write_bytes(whole)
        path.chmod(0o600)
    # What it says helps: without the file it starts, with another key.
    path.unlink()
    with running(tmp_path) as server:
        assert "a first key is made" in server.log()
    assert path.read_bytes() != whole
