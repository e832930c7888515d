"""Goal: what people have approved and is not done can be taken back, and is then never
done; who was stopped decides nothing; of two limits one holds, and it is said which.

Method: a real server on a ledger with people, the client library and the command line.
A payout is approved while there is no money for it, withdrawn, and the money comes.
"""

import json
from collections.abc import Iterator

import pytest

from switch.cli import main
from switch.console.output import Exit
from switch.v1 import people_pb2 as pb
from switch.v1 import proposals_pb2
from switch.v1 import results_pb2 as results
from tests.server.banking import Banking
from tests.server.council import (
    ALPHA,
    BETA,
    CENTRES,
    GAMMA,
    LAKH,
    MAKER,
    Council,
    Name,
    balance,
    name_of,
    person,
    sitting,
    top_up,
)
from tests.server.harness import RUPEE
from tests.server.test_beneficiaries import opened, payout

APPROVED = proposals_pb2.PROPOSAL_STATE_APPROVED
WITHDRAWN = proposals_pb2.PROPOSAL_STATE_WITHDRAWN
DONE = proposals_pb2.PROPOSAL_STATE_DONE


@pytest.fixture(scope="module")
def council(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Council]:
    arguments = ("--set", "signatures_per_s=1000")
    with sitting(tmp_path_factory.mktemp("decided"), *arguments, three=True) as one:
        Banking(one)
        yield one


def withdraw(council: Council, by: Name, sequence: int) -> results.Outcome:
    client = council.client(by[0])
    return client.withdraw_signed(sequence, "not wanted", council.signer(by))


def state(council: Council, sequence: int) -> int:
    return council.client().proposal(sequence).answer.proposal.state


def waiting(council: Council) -> set[int]:
    """The proposals that somebody has still to do something about."""
    return {
        one.proposed.sequence
        for page in council.client().proposal_pages()
        for one in page.proposals
    }


def approved(council: Council, *wishes: pb.Wish, by: Name = ALPHA) -> int:
    sequence = council.propose(by, *wishes)
    assert name_of(council.approve(BETA, sequence)) == "OK"
    return sequence


def test_an_approved_payout_is_withdrawn(council: Council) -> None:
    """There is no money for it yet; when it comes, it stays."""
    sequence = approved(council, payout(5 * RUPEE))
    assert council.do(sequence) == ["INSUFFICIENT_FUNDS"]
    assert sequence in waiting(council)
    assert state(council, sequence) == APPROVED
    assert name_of(withdraw(council, BETA, sequence)) == "OK"
    assert sequence not in waiting(council)
    assert state(council, sequence) == WITHDRAWN
    assert name_of(withdraw(council, ALPHA, sequence)) == "PROPOSAL_WITHDRAWN"
    council.done(opened("settlement", LAKH))
    assert council.do(sequence) == ["NOT_APPROVED"]
    council.restart()
    assert council.do(sequence) == ["NOT_APPROVED"]
    assert sequence not in waiting(council)
    # Proposed anew it is another one.
    assert council.do(approved(council, payout(5 * RUPEE))) == ["OK"]


def test_from_the_command_line(
    council: Council, capsys: pytest.CaptureFixture[str]
) -> None:
    sequence = approved(council, payout(10 * LAKH))
    assert council.do(sequence) == ["INSUFFICIENT_FUNDS"]
    where = ["--address", council.server.address, "--as", "treasury/checker"]
    where += ["--tls", str(council.directory / "tls"), "--json"]
    words = ["withdraw", str(sequence), "not wanted", "--person", "1"]
    words += ["--key", str(council.key_file(BETA))]
    assert main([*words, *where]) == Exit.DONE
    assert json.loads(capsys.readouterr().out)["result"] == "ok"
    assert council.do(sequence) == ["NOT_APPROVED"]
    assert main([*words, *where]) == Exit.REFUSED
    assert json.loads(capsys.readouterr().out)["result"] == "proposal_withdrawn"


def test_what_is_done_of_it_stays(council: Council) -> None:
    before = balance(council)
    sequence = approved(council, top_up(RUPEE), payout(10 * LAKH))
    assert council.do(sequence) == ["OK", "INSUFFICIENT_FUNDS"]
    assert name_of(withdraw(council, ALPHA, sequence)) == "OK"
    assert council.do(sequence) == ["NOT_APPROVED"]
    assert balance(council) == before + RUPEE
    whole = council.done(top_up(8 * RUPEE))
    told = withdraw(council, ALPHA, whole)
    assert name_of(told) == "ALREADY_DONE"
    assert told.other_sequence > whole
    assert state(council, whole) == DONE


def test_who_is_stopped_decides_nothing(council: Council) -> None:
    council.done(person(MAKER, council, role=1))
    sequence = approved(council, top_up(RUPEE), by=MAKER)
    client = council.client()
    made = client.prepare(
        pb.PrepareRequest(stop=pb.StopWish(person=_named(MAKER)), reason="")
    )
    assert made.row is not None
    told = client.submit(made.row, council.signer(ALPHA))
    assert name_of(told) == "OK"
    assert council.do(sequence) == ["NOT_APPROVED"]
    # It waits still, so that somebody looks at it.
    assert sequence in waiting(council)
    assert name_of(withdraw(council, GAMMA, sequence)) == "OK"
    assert sequence not in waiting(council)


def _named(name: Name) -> pb.PersonName:
    return pb.PersonName(participant=name[0], number=name[1])


def limit(amount: int) -> pb.Wish:
    return pb.Wish(limit=pb.LimitWish(centre=CENTRES[1], day_amount_max=amount))


def test_of_two_limits_one_holds(council: Council) -> None:
    one, other = approved(council, limit(RUPEE)), approved(council, limit(2 * RUPEE))
    assert council.do(other) == ["OK"]
    [told] = council.client().do_lines(one)
    assert name_of(told.outcome) == "NOT_APPROVED"
    assert told.changed_sequence > other
    wallet = council.client().wallet(CENTRES[1]).wallet
    assert wallet.day_amount_max == 2 * RUPEE
