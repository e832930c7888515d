"""Goal: what counts as done of a proposal that somebody withdraws: each row that it
asks for, and none of another's, whatever their ids and their order.

Method: by hand, on a ledger with people; proposals of one hold, one basket and one id.
"""

from dataclasses import replace

import pytest

from switch.audit import audit
from switch.codes import Kind, Result
from tests.core.council import (
    ALPHA,
    BETA,
    GAMMA,
    MAKER,
    OK,
    WALLET,
    Asked,
    Council,
    approved,
    register,
)
from tests.core.test_decided import (
    CHANNEL,
    DONE,
    NOBODY,
    WANTED,
    ask_for,
    deed,
    posted,
    refused,
    wanted,
    with_bank,
)
from tests.core.test_decided import council as council
from tests.core.test_stakes import kept
from tests.signing import Line, line_id


@pytest.mark.parametrize("what", ["lines", "void"])
def test_the_newest_row_of_it_is_named_whatever_the_order(
    council: Council, what: str
) -> None:
    asked, rows = wanted(council, what)
    told = [council.commit(row)[0] for row in reversed(rows)]
    assert [each.result for each in told] == [OK, OK]
    assert council.withdraw(ALPHA, asked).other == told[-1].sequence


def test_a_post_is_of_one_hold_of_its_basket(council: Council) -> None:
    hold, *_ = kept(council, 2)
    asked = ask_for(council, Kind.POST, hold, 500)
    assert council.approve(BETA, asked).result == OK
    last = council.commit(deed(council, asked, BETA))[0]
    told = council.withdraw(ALPHA, asked)
    assert (told.result, told.other) == (DONE, last.sequence)


@pytest.mark.parametrize("kind", [Kind.POST, Kind.VOID])
def test_what_another_proposal_has_done(council: Council, kind: Kind) -> None:
    [hold] = kept(council)
    asked = [ask_for(council, kind, hold, 500) for _ in range(2)]
    for one in asked:
        assert council.approve(BETA, one).result == OK
    last = council.commit(deed(council, asked[0], BETA, resolves=hold))[0]
    assert last.result == OK
    assert council.withdraw(ALPHA, asked[1]).result == OK
    told = council.withdraw(ALPHA, asked[0])
    assert (told.result, told.other) == (DONE, last.sequence)


def test_an_id_that_a_stop_has_used_up(council: Council) -> None:
    """A row of just this kind, and of nobody's proposal."""
    freezing = Line(Kind.FREEZE, debit=WALLET, reference=b"lost")
    asked = approved(council, freezing)
    stop = council.row(
        Kind.FREEZE, who=ALPHA, id=line_id(asked.row.id, 0), debit=WALLET,
        reference=b"lost",
    )  # fmt: skip
    assert council.commit(stop)[0].result == OK
    assert council.withdraw(ALPHA, asked).result == OK


def test_two_participants_have_proposed_with_one_id(council: Council) -> None:
    """Ids of two senders never meet; nor does the auditor take one for the other."""
    posts = [posted(council), posted(council)]
    id_, asked = council.id(), list[Asked]()
    for who, about in zip((MAKER, ALPHA), posts, strict=True):
        row = council.row(
            Kind.PROPOSE, who=who, id=id_, total=Kind.REFUND, resolves=about,
            amount=100, reference=b"as asked",
        )  # fmt: skip
        asked.append(Asked(row, council.commit(row)[0].sequence, who))
        assert council.approve(GAMMA, asked[-1]).result == OK
    first, second = (deed(council, one, GAMMA) for one in asked)
    assert council.commit(first)[0].result == OK
    assert council.withdraw(BETA, asked[0]).result == DONE
    assert council.withdraw(BETA, asked[1]).result == OK
    refused(council, second)
    council.close()
    assert {one.check for one in audit(council.path).findings.kept} == {"senders"}


def test_two_participants_have_told_with_one_id(council: Council) -> None:
    bank, *_ = with_bank(council)
    council.do(register(CHANNEL.record()))
    told = Line(Kind.BOOKED, 5, debit=bank, reference=b"%012d" % 1)
    council.do(told)
    other = council.propose(CHANNEL, replace(told, amount=6))
    later = council.proposal(ALPHA, [replace(told, amount=7)], id_=other.row.id)
    assert council.commit(later)[0].result == OK
    [differs] = council.commit(council.line(other, 0, NOBODY))
    assert differs.result == Result.BOOKED_DIFFERS
    # It has a row, and is not done by it.
    assert council.withdraw(ALPHA, other).result == OK
    council.close()
    assert {one.check for one in audit(council.path).findings.kept} == {"senders"}


@pytest.mark.parametrize("what", WANTED)
@pytest.mark.parametrize("done", [1, 2])
def test_the_auditor_counts_as_the_ledger_does(
    council: Council, what: str, done: int
) -> None:
    """Half of a basket, or of two lines, is not all of it."""
    asked, rows = wanted(council, what)
    told = council.commit(*rows[:done])
    assert {each.result for each in told} == {OK}
    gone = council.withdraw(GAMMA, asked)
    whole = len(told) == len(rows)
    assert (gone.result, gone.other) == (
        (DONE, told[-1].sequence) if whole else (OK, 0)
    )
    council.close()
    assert {one.check for one in audit(council.path).findings.kept} == {"senders"}
