"""Goal: every figure of an explanation is what the rows make it, at any past sequence.

Method: some rows by hand, among them a window, settlements and what follows them, then
random rows of all kinds in the core, with an index of tiny steps; figures, open
holds and settlements of all accounts are compared with a model that has the rows alone
and was written from data-model.md, at random sequences, in pages of every size, after a
restart and with an index that was made anew.
"""

import random
from collections import defaultdict
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from switch.codes import AccountKind, DuplicateRule, Kind, Result
from switch.ledger import explained
from switch.ledger.explained import Movement, Side
from switch.ledger.totals import last_at
from tests import people
from tests.core.generator import DAY_NS, SECOND_NS, Generator
from tests.core.network import NOW, Network, make_network, top_up
from tests.core.pair import Pair, catch_up
from tests.model import Rows
from tests.records import Row

ROWS = 4_000
ENDS = (Kind.POST, Kind.VOID, Kind.EXPIRE)
POSTS = (
    *(Kind.PAY, Kind.POST, Kind.REFUND, Kind.TOP_UP),
    *(Kind.TRANSFER, Kind.SETTLE, Kind.BOOKED),
)
COUNTED = (Kind.PAY, Kind.POST, Kind.REFUND, Kind.TRANSFER)
HOLDS = 6
HOLD_S = 30 * DAY_NS // SECOND_NS
PAID, REFUNDED = 25_000, 4_000
PAGES = {"STEP_ROWS": 7, "ACCOUNT_ROWS_MAX": 22, "LEDGER_ROWS_MAX": 70}

Sums = dict[tuple[int, int], tuple[int, int, int, int]]


class Told(NamedTuple):
    """A ledger, and what its model knows."""

    pair: Pair
    network: Network
    by_hand: int
    """Rows before those that were drawn."""

    @property
    def rows(self) -> list[Row]:
        return self.pair.model.rows

    def points(self, seed: int, count: int) -> list[tuple[int, int]]:
        """Spans at random, and the whole."""
        rng, last = random.Random(seed), len(self.rows)
        drawn = [sorted(rng.sample(range(last + 1), 2)) for _ in range(count)]
        return [(0, last), *((first, end) for first, end in drawn)]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    network = make_network()
    path = tmp_path_factory.mktemp("explained") / "ledger"
    pair = Pair(path, threads=False, index_step_rows=128)
    pair.commit([Rows(network.rows)], NOW)
    for wallet in network.wallets:
        pair.one(top_up(network, wallet, 10**15 + 7, b"UTR-FIRST-%d" % wallet), NOW)
    settle_by_hand(pair, network)
    by_hand = len(pair.model.rows)
    generator = Generator(12, network, pair.model)
    while len(pair.model.rows) < ROWS:
        asks, now = generator.group()
        pair.commit(asks, now)
        if len(pair.model.rows) < ROWS * 3 // 4:
            # The newest rows are in memory only.
            catch_up(pair.ledger)
    yield Told(pair, network, by_hand)
    pair.close()


def settle_by_hand(pair: Pair, network: Network) -> None:
    """Holds that stay open, windows, what is settled of them and what is not, what is
    paid and refunded afterwards: a drawn ledger may be without any of these.
    """
    numbers = iter(range(1, 1_000))

    def ok(row: Row) -> int:
        """The row's sequence."""
        row.id = b"by hand%09d" % next(numbers)
        outcome = pair.one(row, NOW)
        assert outcome.result == Result.OK
        return outcome.sequence

    def pay(head: int, kind: Kind, deadline: int = 0) -> int:
        service = next(
            number
            for number, one in enumerate(network.services, 1)
            if head in one.heads and one.active
            if one.duplicate_rule == DuplicateRule.NONE
        )
        row = Row(
            kind, amount=PAID, total=PAID, debit=network.wallets[0], service=service
        )
        row.participant, row.deadline = network.centres[0], deadline
        row.reference = b"BY HAND"
        return ok(row)

    def close() -> int:
        before = pair.model.last_window
        window = Row(Kind.WINDOW, participant=network.treasury, resolves=before)
        outcome = pair.one(window, NOW)
        assert outcome.result == Result.OK
        return outcome.sequence

    heads = [of_biller[0] for of_biller in network.heads]
    for _ in range(HOLDS):
        pay(heads[0], Kind.HOLD, HOLD_S)
    payments = [pay(head, Kind.PAY) for head in heads]
    window = close()
    for head in heads[1:]:
        settle = Row(Kind.SETTLE, amount=PAID, resolves=window)
        settle.debit, settle.credit = head, network.settlement
        settle.participant = network.treasury
        ok(settle)
    pay(heads[1], Kind.PAY)
    rows = people.refund(
        payments[2], REFUNDED, len(pair.model.rows) + 1, b"refund by hand.."
    )
    assert pair.commit([Rows(rows)], NOW)[0][-1].result == Result.OK
    close()


# --- the model -----------------------------------------------------------------------


def sums_of(rows: list[Row], account: int, after: int, last: int) -> Sums:
    """By kind and side, what the rows of a span did; of all accounts with 0."""
    found: dict[tuple[int, int], list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    for row in rows[after:last]:
        if row.result != Result.OK or row.kind not in (*POSTS, *ENDS, Kind.HOLD):
            continue
        if account and account not in (row.debit, row.credit):
            continue
        side = Side.NONE
        if account:
            side = Side.DEBIT if row.debit == account else Side.CREDIT
        sums = found[row.kind, side]
        sums[0] += 1
        sums[1] += row.amount if row.kind in POSTS else 0
        sums[2] += row.amount if row.kind == Kind.HOLD else 0
        sums[3] += rows[row.resolves - 1].amount if row.kind in ENDS else 0
    return {key: tuple(sums) for key, sums in found.items()}  # type: ignore[misc]


def open_at(rows: list[Row], account: int, last: int) -> list[int]:
    """The holds of an account that were open, newest first."""
    ended = {
        row.resolves
        for row in rows[:last]
        if row.kind in ENDS and row.result == Result.OK
    }
    return [
        row.sequence
        for row in reversed(rows[:last])
        if row.kind == Kind.HOLD
        and row.result == Result.OK
        and account in (row.debit, row.credit)
        and row.sequence not in ended
    ]


def settlement_at(rows: list[Row], account: int, last: int) -> explained.Settlement:
    """By going through all windows up to a row."""
    window = payable = carried = debits = credits_ = settled = 0
    for row in rows[:last]:
        if row.result != Result.OK:
            continue
        if row.kind == Kind.WINDOW:
            net = credits_ - debits - carried
            window, payable, carried = row.sequence, max(0, net), max(0, -net)
            debits = credits_ = settled = 0
        elif row.kind in COUNTED:
            debits += row.amount if row.debit == account else 0
            credits_ += row.amount if row.credit == account else 0
        elif row.kind == Kind.SETTLE and row.debit == account:
            settled = row.sequence if row.resolves == window else settled
    return explained.Settlement(window, payable, settled, carried, debits, credits_)


def as_sums(movements: list[Movement]) -> Sums:
    keys = [(one.kind, one.side) for one in movements]
    assert len(set(keys)) == len(keys)
    return {(one.kind, one.side): one[2:] for one in movements}


# --- what is told --------------------------------------------------------------------


def counted(told: Told, account: int, after: int, last: int) -> Sums:
    """All pages, added up."""
    ledger, before = told.pair.ledger, 0
    found: list[Movement] = []
    while True:
        if account:
            page, before = explained.count_account(
                ledger, account, (after, last), before, explained.ACCOUNT_ROWS_MAX
            )
            assert sum(one.rows for one in page) <= explained.ACCOUNT_ROWS_MAX
        else:
            page, before = explained.count_ledger(
                ledger, (after, last), before, explained.LEDGER_ROWS_MAX
            )
        found += page
        if not before:
            return as_sums(explained.added(found))


def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in PAGES.items():
        monkeypatch.setattr(explained, name, value)


def compare(told: Told, seed: int, spans: int) -> None:
    """Every account's figures at spans of its own, and what they lead to."""
    ledger, model = told.pair.ledger, told.pair.model
    for account in range(1, len(model.accounts)):
        for after, last in told.points(seed * 1_000 + account, spans):
            sums = counted(told, account, after, last)
            assert sums == sums_of(told.rows, account, after, last)
            opening = model.balance_at(account, after)
            closing = model.balance_at(account, last)
            for side, pending, posted in ((Side.DEBIT, 0, 1), (Side.CREDIT, 2, 3)):
                of_side = [one for (_, at), one in sums.items() if at == side]
                change = sum(one[2] - one[3] for one in of_side)
                assert opening[pending] + change == closing[pending]
                change = sum(one[1] for one in of_side)
                assert opening[posted] + change == closing[posted]
            holds, more = explained.open_holds(ledger, account, (0, last), 0, ROWS)
            assert [one.sequence for one in holds] == open_at(told.rows, account, last)
            assert not more


def test_figures_are_what_the_rows_make_them(told: Told) -> None:
    compare(told, 1, 3)


def test_pages_add_up(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    small_pages(monkeypatch)
    compare(told, 2, 1)


def test_after_a_restart_and_a_rebuild(told: Told) -> None:
    told.pair.reopen()
    compare(told, 3, 1)
    told.pair.reopen(without_index=True)
    catch_up(told.pair.ledger)
    compare(told, 4, 1)


@pytest.mark.parametrize("pages", ["whole", "small"])
def test_the_whole_ledger(
    told: Told, pages: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if pages == "small":
        small_pages(monkeypatch)
    for after, last in [*told.points(5, 5), (7, 7)]:
        assert counted(told, 0, after, last) == sums_of(told.rows, 0, after, last)


@pytest.mark.parametrize(("limit", "pages"), [(3, "small"), (50, "whole"), (7, "both")])
def test_the_rows_behind_a_figure(
    told: Told, limit: int, pages: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if pages != "whole":
        small_pages(monkeypatch)
        monkeypatch.setattr(explained, "LIST_ROWS_MAX", 14)
    ledger, rng = told.pair.ledger, random.Random(limit)
    accounts = rng.sample(range(1, len(told.pair.model.accounts)), 8)
    for account in [0, *accounts]:
        [_, span] = told.points(account + limit, 1)
        for kind, side in [(0, 0), *sums_of(told.rows, account, *span)]:
            found: list[int] = []
            before = 0
            while True:
                page, before = (
                    explained.list_account(
                        ledger, account, (kind, side), span, before, limit
                    )
                    if account
                    else explained.list_ledger(ledger, kind, span, before, limit)
                )
                assert len(page) <= limit
                found += [one.sequence for one in page]
                if not before:
                    break
            wanted = [
                row.sequence
                for row in reversed(told.rows[span[0] : span[1]])
                if (row.kind == kind or not kind)
                and sums_of(told.rows, account, row.sequence - 1, row.sequence)
                and side in (0, Side.DEBIT if row.debit == account else Side.CREDIT)
            ]
            assert found == wanted


def test_open_holds_in_pages(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    small_pages(monkeypatch)
    monkeypatch.setattr(explained, "LIST_ROWS_MAX", 14)
    ledger, rows = told.pair.ledger, told.rows
    rng = random.Random(6)
    most = 0
    points = [
        (account, last)
        for account in range(1, len(told.pair.model.accounts))
        for last in (told.by_hand, rng.randrange(1, len(rows) + 1))
    ]
    for account, last in points:
        found: list[int] = []
        before = 0
        while True:
            page, before = explained.open_holds(ledger, account, (0, last), before, 2)
            found += [one.sequence for one in page]
            if not before:
                break
        assert found == open_at(rows, account, last)
        most = max(most, len(found))
    assert most >= HOLDS


def test_settlements(told: Told) -> None:
    ledger, model, network = told.pair.ledger, told.pair.model, told.network
    billers = [
        index
        for index, account in enumerate(model.accounts)
        if account.kind == AccountKind.BILLER
    ]
    settled = [
        row for row in told.rows if row.kind == Kind.SETTLE and row.result == Result.OK
    ]
    rng = random.Random(7)
    windows = list(model.windows)
    seen = []
    for account in billers:
        # Figures hold until it is settled to another account, such as the great one.
        ways = ((row.sequence, row.debit, row.credit) for row in settled)
        until = next(
            (
                at - 1
                for at, debit, credit in ways
                if debit == account and credit != network.settlement
            ),
            len(told.rows),
        )
        points = [told.by_hand, until, *rng.sample(range(1, len(told.rows)), 20)]
        # Right after a window or a settlement, and right before it.
        mine = [row.sequence for row in settled if row.debit == account]
        for at in (*rng.sample(windows, 5), *mine):
            points += [at, at - 1]
        for last in points:
            if last > until:
                continue
            wanted = settlement_at(told.rows, account, last)
            found = explained.settlement_of(ledger, account, network.settlement, last)
            assert found == wanted
            seen.append(found)
        if until < len(told.rows):
            continue
        image, _ = ledger.account(account)
        now = explained.settlement_of(ledger, account, network.settlement, until)
        assert now.debits == image["period_debits"]
        assert now.credits == image["period_credits"]
        assert now.carried == image["carried"]
    for name in explained.Settlement._fields:
        assert any(getattr(one, name) for one in seen), name


def test_the_chain_is_that_of_the_chunks(told: Told) -> None:
    ledger = told.pair.ledger
    number, end, seen = 0, 0, set()
    for sequence in range(1, ledger.sequence + 1):
        ordinal, first, count, check = ledger.chunk_of(sequence)
        if sequence > end:
            number, end = number + 1, end + count
            assert first == sequence
            seen.add(check)
        assert (ordinal, first + count - 1) == (number, end)
    assert end == ledger.sequence
    assert len(seen) == number > 50
    for wrong in (0, ledger.sequence + 1):
        with pytest.raises(LookupError):
            ledger.chunk_of(wrong)


def test_balances_of_many_are_those_of_each(told: Told) -> None:
    ledger, rng = told.pair.ledger, random.Random(8)
    accounts = list(range(1, len(told.pair.model.accounts)))
    for last in (0, 1, *rng.sample(range(ledger.sequence), 5), ledger.sequence):
        found = ledger.balances_at(accounts, last)
        wanted = [ledger.balance_at(one, last) for one in accounts]
        assert found.tolist() == [list(one) for one in wanted]
    assert ledger.balances_at([], 1).shape == (0, 4)
    with pytest.raises(ValueError, match="at most 1024"):
        ledger.balances_at([1] * 1_025, 1)
    with pytest.raises(LookupError):
        ledger.balances_at([1, len(accounts) + 1], 1)
    with pytest.raises(LookupError):
        ledger.balances_at([1], ledger.sequence + 1)


def test_the_last_row_of_a_time(told: Told) -> None:
    times = [row.timestamp for row in told.rows]
    rng = random.Random(9)
    for at in rng.sample(range(len(times)), 40):
        assert last_at(told.pair.ledger, times[at]) == at + 1
        assert last_at(told.pair.ledger, times[at] - 1) == at
    assert last_at(told.pair.ledger, 2**63) == len(times)
    assert last_at(told.pair.ledger, 0) == 0
