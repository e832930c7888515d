"""Goal: a network that comes from elsewhere begins with just what its books say, whole
or not at all; what has begun does not begin again.

Method: a real server on a ledger with people; wishes over the wire, and what they make
of accounts compared with the file's figures. The command is in `tests/cli`.
"""

from collections.abc import Iterator

import pytest

from switch.client import balance_of
from switch.client.calls import CallError
from switch.v1 import people_pb2 as pb
from tests.server.banking import Banking, line
from tests.server.council import (
    ALPHA,
    BETA,
    CENTRES,
    LAKH,
    Council,
    name_of,
    sitting,
    top_up,
)
from tests.server.harness import RUPEE
from tests.server.test_beneficiaries import HEADS, opened, power

BANK = "bank/0123456789"
BOOKS = {
    (CENTRES[0], ""): 5 * LAKH,
    (CENTRES[1], ""): 1,
    ("power", HEADS[0]): 3 * LAKH,
    ("treasury", "settlement"): 2 * LAKH,
    ("treasury", "suspense"): 1 * LAKH,
}
"""What the old network owes, and has at its bank."""


def wishes() -> list[pb.Wish]:
    made = [opened(head, paise, whose) for (whose, head), paise in BOOKS.items()]
    return [*made, opened(BANK, sum(BOOKS.values()))]


@pytest.fixture(scope="module")
def council(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Council]:
    arguments = ("--set", "signatures_per_s=1000")
    with sitting(tmp_path_factory.mktemp("openings"), *arguments) as one:
        one.load(power())
        yield one


@pytest.fixture(scope="module")
def banking(council: Council) -> Banking:
    return Banking(council)


def text_of(council: Council, *wanted: pb.Wish) -> str:
    request = pb.PrepareRequest(wishes=wanted, reason="openings")
    with pytest.raises(CallError) as failure:
        council.client().prepare(request)
    return str(failure.value.text)


def test_what_cannot_be_opened(council: Council, banking: Banking) -> None:
    before = council.client().ledger().sequence
    for wish, why in (
        (opened("", 0, CENTRES[0]), "1 to 10"),
        (opened("", 10**18 + 1, CENTRES[0]), "1 to 10"),
        (opened("", -1, CENTRES[0]), "only a bank account"),
        (opened("float", 1), "opened from"),
        (opened(f"{BANK} suspense", 1), "not opened"),
        (opened(f"{BANK} transit", 1), "not opened"),
        (opened("bank/99", 1), "no account"),
        (opened("", 1, "nobody"), "no participant"),
        (opened("0801-99", 1, "power"), "no account"),
        (opened("", 1), "whose account"),
    ):
        assert why in text_of(council, opened("", 7, CENTRES[4]), wish)
    twice = (opened("settlement", 1), opened("settlement", 1, "treasury"))
    text = text_of(council, opened("", 7, CENTRES[4]), *twice)
    assert text.startswith("wishes[2].opening")
    assert "each once" in text
    assert council.client().ledger().sequence == before


def test_a_network_is_brought_over(council: Council, banking: Banking) -> None:
    sequence = council.propose(ALPHA, *wishes())
    shown = council.client().proposal(sequence).lines
    said = {one.credit: one.text.partition(",")[0] for one in shown}
    # Money from the float to suspense has a name of its own.
    assert said.pop("treasury suspense") == "fund suspense"
    assert set(said.values()) == {"opening"}
    assert name_of(council.approve(BETA, sequence)) == "OK"
    assert set(council.do(sequence)) == {"OK"}
    accounts, _ = council.client().accounts()
    held = {
        (one.participant, one.head): balance_of(one)
        for one in accounts
        if balance_of(one)
    }
    mirror = held.pop(("treasury", BANK))
    assert held == BOOKS
    # The books were right: nothing is left with the float.
    assert mirror == -sum(BOOKS.values())
    account = banking.account
    assert account.balance == sum(BOOKS.values())
    assert (account.before, account.unlisted) == (0, 0)


def test_the_banks_first_statement_follows(council: Council, banking: Banking) -> None:
    opening = sum(BOOKS.values())
    one = line(RUPEE, "FIRST-1")
    [told] = banking.book(
        banking.statement([one], opening=opening, closing=opening + RUPEE)
    )
    assert set(told.results) == {"OK"}
    account = banking.account
    assert (account.before, account.balance) == (0, opening + RUPEE)
    assert (account.unlisted, account.suspense) == (0, RUPEE)


def test_what_has_moved_is_not_opened(council: Council, banking: Banking) -> None:
    council.done(top_up(RUPEE, CENTRES[2]))
    for wish in (*wishes(), opened("", 1, CENTRES[2])):
        text = text_of(council, opened("", 7, CENTRES[4]), wish)
        assert text.startswith("wishes[1].opening")
        assert "has moved already" in text
    overdrawn = Banking(council, "42")
    council.done(opened("bank/42", -LAKH))
    assert overdrawn.account.balance == -LAKH
