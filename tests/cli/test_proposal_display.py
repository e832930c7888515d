"""Goal: who proposes, who looks through the list and who approves read the same about
the money: receipt, centre, reference, and the bank's own words; what waits is not
called done, and its hint is a command that the other person can run as it stands.

Method: commands in this process against a real server with people and a bank; messages
by hand for a switch that tells of another entry.
"""

import re
import shlex
from collections.abc import Iterator

import pytest

from switch.cli.bank_lines import item_facts, lines_text
from switch.client import make_payment
from switch.codes import AmountRule, DuplicateRule, Mode, Role
from switch.console.output import Exit
from switch.console.words import Language
from switch.errors import SwitchError
from switch.specs import ParticipantSpec, ServiceSpec, Specs
from switch.v1 import banks_pb2, proposals_pb2
from tests.cli.at_council import Said, Shell
from tests.server.banking import Banking, line
from tests.server.council import (
    ALPHA,
    BETA,
    CENTRES,
    LAKH,
    Council,
    Name,
    sitting,
    top_up,
)

WORDS = ("NEFT BY RAHIMA BIBI", "for which centre?")
SERVICE = ServiceSpec(
    code="SVC-1",
    biller="power",
    heads=("0801-01",),
    mode=Mode.DIRECT,
    amount_rule=AmountRule.ANY,
    duplicate_rule=DuplicateRule.NONE,
)
BILLER = ParticipantSpec(id="power", role=Role.BILLER, heads=("0801-01",))


@pytest.fixture(scope="module")
def council(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Council]:
    with sitting(tmp_path_factory.mktemp("council")) as found:
        found.load(Specs((BILLER,), (SERVICE,)))
        found.done(top_up(LAKH))
        yield found


@pytest.fixture(scope="module")
def item(council: Council) -> int:
    """Money that the bank has booked and nobody explains: its entry."""
    banking = Banking(council)
    banking.book(banking.statement([line(123_400, "UTR-RAHIMA", *WORDS)]))
    [one] = banking.items()
    return one.sequence


@pytest.fixture
def shell(council: Council, capsys: pytest.CaptureFixture[str]) -> Shell:
    return Shell(council, capsys)


def signed(council: Council, name: Name) -> tuple[str, ...]:
    """How a person signs what a command shows."""
    who = ("--as", f"treasury/{name[0]}", "--person", str(name[1]))
    return (*who, "--key", str(council.key_file(name)), "--yes")


def flat(said: Said) -> str:
    """What a command shows, without the lines of its tables and the breaks in them."""
    return re.sub(r"[\s│┃]+", " ", said.out)


def entry_of(said: Said) -> str:
    [found] = re.findall(r"payswitch approve (\d+)", said.out)
    return str(found)


def holds(text: str, *wanted: str) -> None:
    """All of it can be read, wherever a table breaks it."""
    joined = text.replace(" ", "")
    assert [one for one in wanted if one.replace(" ", "") not in joined] == [], text


def test_the_banks_words_about_what_is_credited(
    council: Council, item: int, shell: Shell
) -> None:
    wish = ("propose", "ending", "credit-wallet", str(item), CENTRES[1])
    proposed = shell.run(*wish, *signed(council, ALPHA))
    assert proposed.code == Exit.DONE, proposed
    entry = entry_of(proposed)
    listed = shell.run("proposals", "--json")
    [one] = [one for one in listed.lines if str(one["proposed"]["sequence"]) == entry]
    assert one["bank_item"]["texts"] == list(WORDS)
    approved = shell.run("approve", entry, *signed(council, BETA))
    assert approved.code == Exit.DONE, approved
    wanted = (CENTRES[1], "UTR-RAHIMA", *WORDS, "0123456789", "₹1,234.00")
    for said in (proposed, approved, shell.run("proposal", entry)):
        holds(flat(said), *wanted)
    holds(lines_text_of(council, int(entry)), *wanted)
    assert shell.run("do", entry).code == Exit.DONE
    # What is done is explained all the same.
    holds(flat(shell.run("proposal", entry)), *wanted)


def lines_text_of(council: Council, entry: int) -> str:
    """What the list says of a proposal, unbroken."""
    pages = council.client().proposal_pages(all=True)
    [one] = [
        one
        for page in pages
        for one in page.proposals
        if one.proposed.sequence == entry
    ]
    return lines_text(one, Language.ENGLISH)


def test_the_payment_of_a_refund(council: Council, shell: Shell) -> None:
    payment = make_payment("SVC-1", 4_500, "REF-77", operator=1, centre=CENTRES[0])
    paid = council.client("harness", Role.HARNESS).pay(payment)
    wish = ("propose", "refund", str(paid.sequence), "letter 9")
    proposed = shell.run(*wish, *signed(council, ALPHA))
    assert proposed.code == Exit.DONE, proposed
    entry = entry_of(proposed)
    listed = shell.run("proposals")
    approved = shell.run("approve", entry, *signed(council, BETA))
    assert approved.code == Exit.DONE, approved
    for said in (proposed, listed, approved):
        holds(flat(said), CENTRES[0], "/000001", "REF-77", "power/0801-01", "₹45.00")
    for said in (proposed, approved):
        assert f" Payment {paid.sequence} " in flat(said)


def test_a_refund_of_more_than_is_left(council: Council, shell: Shell) -> None:
    payment = make_payment("SVC-1", 19_600, "REF-78", operator=1, centre=CENTRES[0])
    paid = str(council.client("harness", Role.HARNESS).pay(payment).sequence)

    def propose(amount: str) -> Said:
        wish = ("propose", "refund", paid, amount, "letter 10")
        return shell.run(*wish, *signed(council, ALPHA))

    # Each is within the payment when it is asked for.
    first, second = propose("50"), propose("150")
    entry, late = entry_of(first), entry_of(second)
    assert shell.run("approve", entry, *signed(council, BETA)).code == Exit.DONE
    holds(flat(shell.run("proposals")), entry, "approved, not done")
    assert shell.run("do", entry).code == Exit.DONE
    for asked in ("150", "200"):
        refused = propose(asked)
        assert refused.code == Exit.USAGE, refused
        holds(flat(refused) + refused.err, "₹50.00", "₹146.00", "is more")
        assert "approve" not in refused.out
    holds(flat(propose("146")), "Given back so far ₹50.00", "Left of", "₹146.00")
    approved = shell.run("approve", late, *signed(council, BETA))
    assert approved.code == Exit.DONE, approved
    holds(flat(approved), "₹50.00", "₹146.00", "This is more than is left")
    assert "EXCEEDS_PAYMENT" in shell.run("do", late).out


def test_what_waits_is_not_done_and_its_hint_runs(
    council: Council, shell: Shell
) -> None:
    wish = ("propose", "top-up", CENTRES[0], "1", "--utr", "HINT-1")
    said = shell.run(*wish, *signed(council, ALPHA))
    assert "Done" not in re.sub(r"│|┃.*", "", said.out.split("Hash")[1])
    assert "waits for another person" in said.out
    [hint] = [one for one in said.out.splitlines() if "payswitch approve" in one]
    participant, number = BETA
    for place, known in (
        ("YOUR-ID", participant),
        ("YOUR-NUMBER", str(number)),
        ("YOUR-KEY-FILE", str(council.key_file(BETA))),
    ):
        assert hint.count(place) == 1
        hint = hint.replace(place, known)
    words = shlex.split(hint)[1:]
    # The address and the certificates are there: nothing is added but the answer.
    assert words[words.index("--address") + 1] == council.server.address
    approved = shell.typed(*words, "--yes")
    assert approved.code == Exit.DONE, approved
    assert "approved, not done" in approved.out
    [do] = [one for one in approved.out.splitlines() if "payswitch do" in one]
    # Where the switch is stands in a command once.
    for hinted in (shlex.join(words), do):
        assert hinted.count("--address") == hinted.count("--tls") == 1, hinted
    assert shell.typed(*shlex.split(do)[1:]).code == Exit.DONE


# --- a switch that tells of something else --------------------------------------------


def test_another_item_than_the_line_explains() -> None:
    item = banks_pb2.BankItem(sequence=8, account="1", amount=100)
    with pytest.raises(SwitchError, match="entry 8 for 7"):
        item_facts(item, 7, Language.ENGLISH)


def test_a_banks_words_are_no_facts_of_ours() -> None:
    item = banks_pb2.BankItem(
        sequence=7,
        account="1",
        amount=100,
        booked="2026-11-27, ₹9,00,000.00",
        reference="A, The bank's words",
        texts=['x", Amount ₹1', "\x1b[2J\u202e"],
    )
    found = dict(item_facts(item, 7, Language.ENGLISH))
    assert found["booked day"] == '"2026-11-27, ₹9,00,000.00"'
    assert found["bank reference"] == '"A, The bank\'s words"'
    assert found["bank words"] == r'"x\", Amount ₹1" "\u001b[2J\u202e"'


def test_a_long_proposal_says_how_many_more() -> None:
    one = proposals_pb2.Proposal(lines_count=9, first_line="top up, centre-1")
    assert lines_text(one, Language.ENGLISH) == "top up, centre-1, more lines: 8"
