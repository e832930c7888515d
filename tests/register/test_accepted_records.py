"""Goal: what the core has accepted the register can read, so that a switch can be
started on any ledger that opens.

Method: a network with services of every rule, and records that say less than those that
a network file makes: a direct service without a policy for deadlines, and JSON behind
records that is none, or of other types. Two people may sign any of these.
"""

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from switch._core import Ledger
from switch.codes import AccountKind, Kind, Mode, Policy, Result, Role
from switch.register.register import Register
from tests.core.network import NOW, Network, make_network
from tests.core.pair import rows_request
from tests.records import AccountRecord, ParticipantRecord, Row, ServiceRecord

WILD_JSON = (b"", b"{", b"[]", b"1", b'{"name_en": 7}', b'{"head": {}}', b"\xff\xfe")

_ids = itertools.count(1)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    opened = Ledger(
        str(tmp_path / "ledger"), threads=False, map_size=1 << 30, reserve_size=0
    )
    yield opened
    opened.close()


def say(ledger: Ledger, row: Row) -> None:
    told: Any = ledger.commit([rows_request([row])], NOW)[0]
    assert told["result"].tolist() == [Result.OK]


def made(ledger: Ledger) -> Network:
    net = make_network()
    for row in net.rows:
        say(ledger, row)
    return net


def test_services_of_every_rule_are_read(ledger: Ledger) -> None:
    net = made(ledger)
    codes = [one.code.decode() for one in net.services]
    assert [one.spec.code for one in Register(ledger).services()] == codes


def test_a_direct_service_needs_no_policy_for_deadlines(ledger: Ledger) -> None:
    net = made(ledger)
    record = ServiceRecord(b"NO-POLICY", net.billers[0], tuple(net.heads[0]))
    record.mode, record.deadline_policy = Mode.DIRECT, 0
    row = Row(Kind.REGISTER, id=b"no policy".ljust(16), tail=record.pack())
    row.participant = net.treasury
    say(ledger, row)
    found = Register(ledger).find_service("NO-POLICY")
    assert found is not None
    assert found.spec.deadline_policy is Policy.RELEASE


def test_json_behind_records_may_be_anything(ledger: Ledger) -> None:
    net = made(ledger)
    for number, wild in enumerate(WILD_JSON):
        code, head = b"W%d" % number, (net.heads[0][0],)
        biller = ParticipantRecord(b"wild-%d" % number, Role.BILLER)
        account = AccountRecord(net.billers[0], 90 + number, AccountKind.BILLER)
        records = (
            (Kind.REGISTER, biller.pack()),
            (Kind.OPEN, account.pack()),
            (Kind.REGISTER, ServiceRecord(code, net.billers[0], head).pack()),
        )
        for kind, record in records:
            row = Row(kind, id=next(_ids).to_bytes(16, "big"), tail=record + wild)
            row.participant = net.treasury
            say(ledger, row)
    register = Register(ledger)
    for number in range(len(WILD_JSON)):
        assert register.find_participant(f"wild-{number}") is not None
        assert register.find_service(f"W{number}") is not None
