"""Goal: whatever order the words of a biller and the deeds of people come in, a last
word that does not agree with the money is in the list of exceptions, until people have
done something about that very payment since.

Method: many payments walk at once, each by its own draw of words and deeds; the oracle
knows nothing of cases. It keeps each payment's last word, the money that its biller has
of it, counted from rows, and whether people have acted since the word.
"""

import os
import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from switch._core import Request, Rows
from switch.codes import AccountKind, Kind, Link, Result
from switch.entries import Entry
from switch.ledger import moves
from switch.ledger.exceptions import Exceptions, Wanted
from switch.ledger.open_matters import ExceptionKind
from switch.ledger.templates import Templates
from tests.core.case_desk import KEPT, CaseDesk
from tests.core.desk import CONFIRMED, REJECTED

SEED = int(os.environ.get("SWITCH_TEST_SEED", "1"))
PAYMENTS = int(os.environ.get("SWITCH_TEST_WALKS", "150"))
STEPS = 9


class Walker:
    """One question that a biller is asked: a hold, or a basket of two."""

    def __init__(self, holds: list[int], amounts: list[int]) -> None:
        self.holds, self.amounts = holds, amounts
        self.word: int | None = None
        """What the biller has credited, by its last word; None before it."""
        self.unjudged: set[int] = set()
        """Holds about which people have done nothing since the word."""
        self.given_up: set[int] = set()
        """Holds whose money was given back for a rejection."""
        self.story: list[str] = []

    @property
    def asked(self) -> int:
        """Paise that it is asked about."""
        return sum(self.amounts)


class Walk:
    """All of them, in one ledger."""

    def __init__(self, desk: CaseDesk, seed: int) -> None:
        self.desk, self.rng = desk, random.Random(seed)
        self.exceptions = Exceptions(desk.ledger)
        self.done: Counter[str] = Counter()
        self.said: list[Rows] = []
        self.together = False
        """Whether all words of a step come in one group, and deeds after them."""
        self.walkers = [self.begin() for _ in range(PAYMENTS)]
        suspense = moves.transfer(
            next(desk.ids), desk.net.float_, desk.net.suspense, 10**8, "lend",
            sender=desk.treasury,
        )  # fmt: skip
        assert desk.one(suspense).result is Result.OK

    def begin(self) -> Walker:
        desk = self.desk
        services = [self.rng.choice((b"LIGHT", KEPT)) for _ in range(2)]
        if self.rng.random() < 0.5:
            one = desk.payment(services[0], amount=100)
            [told] = desk.pay(one)
            assert int(told.result) == Result.OK
            return Walker([told.sequence], [100])
        amounts = [100, self.rng.choice((100, 50))]
        both = [
            desk.payment(service, amount=amount)
            for service, amount in zip(services, amounts, strict=True)
        ]
        outcomes = desk.pay_basket(*both)
        assert {int(one.result) for one in outcomes} == {Result.OK}
        return Walker([one.sequence for one in outcomes], amounts)

    # --- what is there ----------------------------------------------------------------

    def end(self, hold: int) -> Entry | None:
        at, _ = self.desk.ledger.resolution(hold)
        return self.desk.ledger.row(at) if at else None

    def money(self, one: Walker, hold: int, *, net: bool) -> int:
        """What its biller was given of it, by the rows, or has of it still."""
        ledger = self.desk.ledger
        paid = 0
        end = self.end(hold)
        if end is not None and end.kind == Kind.POST:
            _, refunded = ledger.resolution(end.sequence)
            paid += end.amount
            if net or hold in one.given_up:
                paid -= refunded
        corrected = ledger.link(hold, Link.CORRECTION)
        if corrected:
            paid += ledger.row(corrected).amount
        return paid

    def listed(self) -> set[int]:
        """The payments that the list has, but for what was only asked for."""
        items = self.exceptions.find(Wanted(), self.desk.now).items
        asks = [ExceptionKind.PROPOSAL, ExceptionKind.OWED, ExceptionKind.ADVANCE]
        found = items[~np.isin(items["kind"], asks)]
        return set(found["payment"].tolist())

    # --- what happens -----------------------------------------------------------------

    def word(self, one: Walker) -> None:
        """The biller speaks of all of a basket alike."""
        said = self.rng.choice((one.asked, one.asked, 0, 0, 50, 100, 300))
        kind = CONFIRMED if said else REJECTED
        before = one.word
        self.said += [self.desk.says(hold, kind, "w", said or -1) for hold in one.holds]
        if not self.together:
            self.speak()
        one.story.append(f"says {said}")
        one.word = said
        if before != said:
            one.unjudged = set(one.holds)

    def speak(self) -> None:
        """The ledger is told what was said since, in two requests of one group."""
        if self.said:
            half = (len(self.said) + 1) // 2
            parts = [part for part in (self.said[:half], self.said[half:]) if part]
            self.desk.ask(
                *(
                    Request.answers(np.concatenate(part), self.desk.biller)
                    for part in parts
                )
            )
        self.said.clear()

    def two(
        self, one: Walker, asked: Templates, deed: str, hold: int, **more: int
    ) -> None:
        desk = self.desk
        told = desk.one(asked)
        if told.result is not Result.OK:
            return
        assert desk.approve(told.sequence).result is Result.OK
        row, held = desk.ledger.row(told.sequence), desk.ledger.row(hold)
        if deed == "post":
            made = moves.approved_post(row, checker=desk.checker)
        elif deed == "void":
            made = moves.approved_void(row, held, checker=desk.checker)
        elif deed == "verify":
            made = moves.approved_verify(row, held, checker=desk.checker)
        elif deed == "correct":
            made = moves.approved_correction(row, held, checker=desk.checker)
        elif deed == "refund":
            made = moves.approved_refund(row, checker=desk.checker)
        elif deed == "close":
            made = moves.approved_close(row, checker=desk.checker)
        else:
            suspense = desk.net.suspense
            made = moves.approved_advance(row, held, suspense, checker=desk.checker)
        rows = made.rows["resolves"].tolist()
        told_all = desk.do(made)
        if Result.OK in {each.result for each in told_all}:
            one.story.append(f"two: {deed} {row.amount} of {hold}")
            self.done[deed] += 1
            if deed in ("void", "verify"):
                for at, each in zip(rows, told_all, strict=True):
                    if each.result is Result.OK:
                        one.unjudged.discard(at)
            elif deed != "advance":
                one.unjudged.discard(hold)
            if (
                deed == "refund"
                and one.word == 0
                and not self.money(one, hold, net=True)
            ):
                one.given_up.add(hold)

    def people(self, one: Walker) -> None:
        desk, rng = self.desk, self.rng
        hold = rng.choice(one.holds)
        row, end = desk.ledger.row(hold), self.end(hold)
        by = {"sender": desk.treasury}
        id_, amount = next(desk.ids), rng.choice((row.amount, 50))
        if end is None:
            deed = rng.choice(("post", "void", "advance"))
        elif end.kind == Kind.POST:
            deed = rng.choice(("refund", "close"))
        else:
            deed = rng.choice(("verify", "correct", "close"))
        if deed == "post":
            asked = moves.propose_post(id_, hold, amount, "x", **by)
        elif deed == "void":
            asked = moves.propose_void(id_, row, "x", **by)
        elif deed == "advance":
            asked = moves.propose_advance(id_, row, amount, "x", **by)
        elif deed == "verify":
            asked = moves.propose_verify(id_, row, "x", **by)
        elif deed == "correct":
            asked = moves.propose_correction(id_, row, amount, "x", **by)
        elif deed == "refund":
            assert end is not None
            asked = moves.propose_refund(id_, end.sequence, amount, "x", **by)
        else:
            link = rng.choice((Link.LATE_REJECTION, Link.AMOUNT_DIFFERS))
            asked = moves.propose_close(id_, desk.ledger.link(hold, link), "x", **by)
        self.two(one, asked, deed, hold)

    def recover(self, one: Walker) -> None:
        """What was advanced is taken back."""
        desk = self.desk
        for hold in one.holds:
            advance = desk.ledger.link(hold, Link.ADVANCE)
            if advance:
                row = desk.ledger.row(advance)
                told = desk.one(
                    moves.recover(next(desk.ids), row, "back", sender=desk.treasury)
                )
                self.done["recover"] += told.result is Result.OK

    def cancel(self, one: Walker) -> None:
        """Before the deadline the switch may give it back by itself."""
        desk = self.desk
        told = desk.do(*(moves.void(hold) for hold in one.holds))
        if Result.OK in {each.result for each in told}:
            one.story.append("cancelled")

    def step(self, number: int) -> None:
        if number == 3:
            self.desk.pass_deadline()
            for one in self.walkers:
                one.story.append("deadline")
        self.together = number % 2 > 0
        draws = [(one, self.rng.random()) for one in self.walkers]
        for one, draw in draws:
            if draw < 0.5:
                self.word(one)
        self.speak()
        for one, draw in draws:
            if draw < 0.5:
                continue
            if draw < 0.9:
                self.people(one)
            elif draw < 0.93:
                self.cancel(one)
            elif draw < 0.97:
                self.recover(one)

    def disagree(self, one: Walker) -> set[int]:
        """The holds whose money is not what the last word says of them."""
        money = {hold: self.money(one, hold, net=False) for hold in one.holds}
        net = {hold: self.money(one, hold, net=True) for hold in one.holds}
        if one.word in (0, one.asked):
            right = {
                hold: amount if one.word else 0
                for hold, amount in zip(one.holds, one.amounts, strict=True)
            }
            return {
                hold
                for hold in one.holds
                if right[hold] not in (money[hold], net[hold])
            }
        agrees = one.word in (sum(money.values()), sum(net.values()))
        return set() if agrees else set(one.holds)

    def check(self) -> None:
        there = self.listed() | set(self.desk.ledger.holds().tolist())
        wrong = [
            (one.holds, one.word, one.story)
            for one in self.walkers
            if one.word is not None and (self.disagree(one) & one.unjudged) - there
        ]
        assert not wrong, f"{len(wrong)} of {len(self.walkers)}: {wrong[:6]}"

    def images(self) -> tuple[bytes, list[list[int]]]:
        """All accounts, and the lists of holds."""
        ledger = self.desk.ledger
        lists = (ledger.holds(), ledger.kept(), ledger.unverified())
        return ledger.accounts()[0].tobytes(), [one.tolist() for one in lists]

    def recount(self) -> None:
        """What the images count is what the rows say."""
        ledger = self.desk.ledger
        kept, cases = Counter[int](), Counter[int]()
        amounts = Counter[int]()
        kept_now = set(ledger.kept().tolist())
        for one in self.walkers:
            for hold in one.holds:
                row = ledger.row(hold)
                sides = row.debit, row.credit
                for side in sides:
                    if hold in kept_now:
                        kept[side] += 1
                        amounts[side] += row.amount
                end = self.end(hold)
                late = ledger.link(hold, Link.LATE_CONFIRMATION)
                verified = ledger.link(hold, Link.VERIFY)
                corrected = ledger.link(hold, Link.CORRECTION)
                expired = end is not None and end.kind == Kind.EXPIRE
                doubt = (expired and not verified) or late > verified
                if doubt and not corrected:
                    cases.update(sides)
                advance = ledger.link(hold, Link.ADVANCE)
                if advance and not ledger.link(advance, Link.RECOVERY):
                    cases.update((row.debit, self.desk.net.suspense))
        balance = 0
        images, _ = ledger.accounts()
        for account, image in enumerate(images):
            balance += int(image["credits_posted"]) - int(image["debits_posted"])
            assert int(image["kept_count"]) == kept[account]
            assert int(image["kept_amount"]) == amounts[account]
            assert int(image["cases_count"]) == cases[account], account
            if image["kind"] == AccountKind.WALLET:
                assert image["credits_posted"] >= image["debits_posted"]
        assert balance == 0
        rows = ledger.rows(1, min(ledger.sequence, 65_536))
        receipts = rows["receipt"][rows["receipt"] > 0]
        assert receipts.tolist() == list(range(1, len(receipts) + 1))


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[CaseDesk]:
    """One of them."""
    made = CaseDesk(tmp_path / "ledger")
    yield made
    made.ledger.close()


@pytest.mark.parametrize("seed", [SEED, SEED + 1])
def test_a_word_that_does_not_agree_with_the_money_is_listed(
    desk: CaseDesk, seed: int
) -> None:
    walk = Walk(desk, seed)
    for number in range(STEPS):
        walk.step(number)
        walk.check()
        walk.recount()
        if number % 3 == 2:
            before = walk.images()
            desk.rebuild()
            assert walk.images() == before
            walk.exceptions = Exceptions(desk.ledger)
            walk.check()
            walk.recount()
    assert set(walk.done) == {
        *("post", "void", "verify", "correct"),
        *("refund", "close", "advance", "recover"),
    }
