"""Goal: in a ledger with people nobody's certificate is taken back without a person's
signature, and another person stands by it; what is revoked is turned away at once.

Method: a real server with people; the client library signs what it has seen, and rows
are made by hand that say more than they should.
"""

from collections.abc import Iterator

import grpc
import pytest

from switch.client.calls import CallError
from switch.client.people import check_prepared
from switch.codes import Kind, PersonRole, Role
from switch.credentials import presented_by
from switch.errors import SwitchError
from switch.ids import new_id
from switch.signed import Row
from switch.v1 import certificates_pb2
from switch.v1 import people_pb2 as pb
from tests.server.council import (
    ALPHA,
    BETA,
    CENTRES,
    MAKER,
    SECOND,
    Council,
    Name,
    name_of,
    person,
    sitting,
)
from tests.server.harness import until

REASON = "lost, 12/2026"


@pytest.fixture(scope="module")
def council(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Council]:
    arguments = ("--set", "signatures_per_s=1000")
    with sitting(tmp_path_factory.mktemp("revocations"), *arguments) as found:
        found.done(person(MAKER, found, role=int(PersonRole.MAKER)))
        yield found


def wish(
    serial: bytes, participant: str = CENTRES[0], reason: str = REASON
) -> pb.StopWish:
    """What is revoked, of an authority that nobody has."""
    return pb.StopWish(
        revocation=pb.RevocationWish(
            participant=participant,
            authority=b"\x11" * 32,
            serial=serial,
            reason=reason,
        )
    )


def said(
    council: Council, by: Name, stop: pb.StopWish, row_id: bytes = b""
) -> tuple[str, int]:
    """What becomes of a revocation or a confirmation, and its entry."""
    client = council.client(by[0])
    made = client.prepare(pb.PrepareRequest(stop=stop))
    assert made.row is not None
    outcome = client.submit(made.row, council.signer(by), move_id=row_id or new_id())
    return name_of(outcome), outcome.sequence


def listed(council: Council) -> dict[bytes, certificates_pb2.Revocation]:
    return {one.serial: one for one in council.client().revocations()}


def test_a_certificate_alone_revokes_nothing(council: Council) -> None:
    client = council.client()
    reply = client.revoke_certificate(CENTRES[0], b"\x11" * 32, b"\1", REASON)
    assert (name_of(reply.outcome), reply.revocation) == ("NOT_SIGNED", 0)
    assert listed(council) == {}


def test_one_signs_and_another_stands_by_it(council: Council) -> None:
    row_id = new_id()
    result, sequence = said(council, MAKER, wish(b"\2"), row_id)
    assert result == "OK"
    one = listed(council)[b"\2"]
    assert (one.sequence, one.reason, one.participant) == (
        *(sequence, REASON, CENTRES[0]),
    )
    assert (one.revoker.participant, one.revoker.operator) == MAKER
    assert not one.HasField("confirmer")
    # Another one of the same certificate is none.
    client = council.client(MAKER[0])
    with pytest.raises(CallError, match=f"number {one.number}") as failure:
        client.prepare(pb.PrepareRequest(stop=wish(b"\2")))
    assert failure.value.reason == "REVOKED"
    confirm = pb.StopWish(confirmation=one.number)
    # Who proposes alone confirms nothing, nor does who revoked it.
    assert said(council, MAKER, confirm)[0] == "NOT_SIGNED"
    result, _ = said(council, ALPHA, wish(b"\3"))
    assert result == "OK"
    other = listed(council)[b"\3"].number
    same = pb.StopWish(confirmation=other)
    assert said(council, ALPHA, same)[0] == "SAME_PERSON"
    assert said(council, BETA, same)[0] == "OK"
    assert said(council, BETA, same)[0] == "ALREADY_APPROVED"
    found = listed(council)[b"\3"]
    assert (found.confirmer.participant, found.confirmer.operator) == BETA
    # Sent again it is the same, once.
    client = council.client(SECOND)
    made = client.prepare(pb.PrepareRequest(stop=wish(b"\4")))
    assert made.row is not None
    outcomes = [
        client.submit(made.row, council.signer(BETA), move_id=row_id) for _ in range(2)
    ]
    assert [one.repeat for one in outcomes] == [False, True]
    assert outcomes[0].sequence == outcomes[1].sequence
    # It is nobody's to approve, and no stop.
    assert list(council.client().stops()) == []
    with pytest.raises(CallError, match="nor a stop"):
        council.client().proposal(sequence)
    council.restart()
    assert listed(council)[b"\3"] == found


def test_who_is_revoked_is_turned_away(council: Council) -> None:
    centre = council.client(CENTRES[1], Role.CENTRE)
    assert centre.wallet().wallet.centre == CENTRES[1]
    file = council.authority.leaf(Role.CENTRE, CENTRES[1]).certificate
    known = presented_by(file)
    stop = pb.StopWish(
        revocation=pb.RevocationWish(
            participant=CENTRES[1],
            authority=known.authority,
            serial=known.serial.to_bytes((known.serial.bit_length() + 7) // 8),
            reason="stolen",
        )
    )
    assert said(council, ALPHA, stop)[0] == "OK"

    def is_out() -> bool:
        try:
            centre.wallet()
        except CallError as error:
            return error.code is grpc.StatusCode.UNAUTHENTICATED
        return False

    until(is_out)


def test_what_else_stands_in_it_is_seen(council: Council) -> None:
    client = council.client(SECOND)
    request = pb.PrepareRequest(stop=wish(b"\x09"))
    made = client.prepare(request)
    assert made.row is not None
    # The client signs nothing that it did not ask for.
    for other in (
        pb.PrepareRequest(stop=wish(b"\x08")),
        pb.PrepareRequest(stop=wish(b"\x09", reason="another")),
        pb.PrepareRequest(stop=pb.StopWish(confirmation=9)),
        pb.PrepareRequest(stop=pb.StopWish(participant=CENTRES[0])),
    ):
        with pytest.raises(SwitchError, match="nothing is signed"):
            check_prepared(other, made.row, ())
    check_prepared(request, made.row, ())
    # Nor does the switch take what says more.
    signer = council.signer(BETA)
    head = made.row.tail[:64]
    for tail, why in (
        (head, "reason"),
        (head + b'{"reason":"x","more":"y"}', "no other text"),
        (head + b'{"reason":"' + b"x" * 201 + b'"}', "200 printable"),
        (head + b"\0" * 64, "reason"),
        (made.row.tail[:1], "reason"),
    ):
        with pytest.raises(CallError, match=why):
            client.submit(Row(Kind.REGISTER, tail=tail), signer)
    with pytest.raises(CallError, match="record of a confirmation"):
        client.submit(Row(Kind.REGISTER, tail=b"\6\0\0\0\1\0\0\0{}"), signer)
    assert b"\x09" not in listed(council)


def test_what_cannot_be_is_told_before_a_signature(council: Council) -> None:
    for stop, why in (
        (wish(b"\0\1"), "serial"),
        (wish(b"\1" * 21), "serial"),
        (wish(b"\1", reason=""), "reason"),
        (wish(b"\1", participant="nobody"), "no participant"),
        (pb.StopWish(confirmation=0), "number of a revocation"),
    ):
        with pytest.raises(CallError, match=why):
            council.client().prepare(pb.PrepareRequest(stop=stop))
