"""The bank on a replayed day: centres send money through it, billers are paid by it.

The bank itself is `switch.simulator.bank`; here is what the day makes people do with
it. A centre with a certificate of its own asks for its top-up, and writes the number
that it is given on its transfer: its wallet is credited when the bank says so, by
evidence alone. All others cannot ask, so that their transfers carry no number: two
people of the treasury say whose they are, by the payer's name. At the close what was
settled is released, and paid out. May use the client, `channel` and `council`.
"""

from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from switch.calendar import day_date
from switch.client import Client
from switch.codes import PersonRole, Result
from switch.day.arranged import wait_for
from switch.day.channel import Channel, Taken
from switch.day.council import Council, CouncilError
from switch.day.script import FIRST_DATE, Script, day_of_utr, transfer_utr, utr_of
from switch.person_keys import PersonKey
from switch.sample import SECOND, load_sample
from switch.simulator.bank import Movement, Sheet, SimulatedBank
from switch.v1 import banks_pb2
from switch.v1 import people_pb2 as pb

ACCOUNT = "0123456789"
"""The treasury's account at the bank."""
CHANNEL = 9
"""The bank's connection, a person of the second treasury."""
ASKERS_MAX = 16
"""Centres that ask at the same time."""
FEW = 8
"""So many centres must ask before some of them make mistakes."""
MORE = 100
"""Paise that a centre sends too much by mistake."""
_CREDIT = banks_pb2.BANK_ITEM_KIND_CREDIT
_RELEASE = banks_pb2.BANK_ITEM_KIND_RELEASE
_FOLDER = "bank"


class Mistake(StrEnum):
    """What is wrong with a transfer."""

    AMOUNT = "another amount"
    TYPO = "a typo in the number"
    NUMBERLESS = "no number"
    TWICE = "paid a second time"
    STRANGER = "nobody's"


@dataclass(slots=True)
class Banked:
    """What the day did with the bank."""

    statements: int = 0
    lines: int = 0
    requested: int = 0
    by_evidence: int = 0
    """Requests whose wallets were credited by what the bank said, without a hand."""
    cannot_ask: int = 0
    """Transfers of centres without a certificate of their own."""
    mistakes: Counter[Mistake] = field(default_factory=Counter)
    to_wallets: int = 0
    """Credits that nothing explained, that two people gave to wallets."""
    returned: int = 0
    """Such that they sent back."""
    payouts: int = 0
    payouts_by: int = 0
    """The proposal that released them."""
    paid_out: int = 0
    """Paise."""
    again: Taken | None = None
    """What the ledger took of a statement that was sent a second time."""
    again_rows: int = 0
    """Rows that it wrote for that."""
    has: int = 0
    """Paise at the bank at the end, by its own book."""
    mirrored: int = 0
    """The same in the ledger."""
    movements: list[Movement] = field(default_factory=list)
    """What the bank booked on this day, by its own book."""

    @property
    def credited(self) -> Counter[str]:
        """Centre → paise that the bank has for it, by its own book."""
        found: Counter[str] = Counter()
        for one in self.movements:
            if one.party:
                found[one.party] += one.change
        centres = {centre.id for centre in load_sample().centres}
        return Counter(
            {name: paise for name, paise in found.items() if name in centres}
        )


class BankDesk:
    """Those who have to do with the bank. The clients stay the caller's."""

    def __init__(
        self, data: Path, treasury: Client, second: Client, council: Council
    ) -> None:
        """Registers the bank account and its channel, if they are not there."""
        self._treasury = treasury
        self._council = council
        self._folder = data / _FOLDER
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.bank = SimulatedBank(ACCOUNT, FIRST_DATE, path=self._folder / "book.jsonl")
        self._centres = {one.id for one in load_sample().centres}
        self._register(council.key(SECOND, CHANNEL))
        signer = second.signer(SECOND, CHANNEL, council.key(SECOND, CHANNEL))
        self._channel = Channel(second, signer)
        self.banked = Banked()
        self._begun = len(self.bank.movements)
        self._doubled: list[str] = []
        if self.account.HasField("statement") and not self.bank.sheets:
            raise CouncilError(f"the bank's book is gone from {self._folder}")

    def _register(self, key: PersonKey) -> None:
        account = pb.BankAccountWish(number=ACCOUNT, active=True, name="Simulated")
        channel = pb.PersonWish(
            participant=SECOND,
            number=CHANNEL,
            role=int(PersonRole.CHANNEL),  # type: ignore[arg-type]
            active=True,
            key=key.public,
            bank_account=ACCOUNT,
        )
        # A channel is of a bank account that the register has.
        self._council.do_all([pb.Wish(bank_account=account)], "the bank")
        self._council.do_all([pb.Wish(person=channel)], "the bank")

    @property
    def account(self) -> banks_pb2.BankAccount:
        """The bank account as the ledger has it."""
        found = self._treasury.bank_accounts().find(ACCOUNT)
        assert found is not None
        return found

    @property
    def open_count(self) -> int:
        """What waits for people, of whatever kind."""
        return sum(1 for _ in self._treasury.bank_items(ACCOUNT))

    # --- what a day before left ---------------------------------------------------

    def catch_up(self) -> None:
        """Do what a day that was cut short has left: the bank has gone on alone."""
        account = self.account
        last = account.statement
        at = (day_date(last.last_day), last.number)
        for sheet in self.bank.sheets:
            if not account.HasField("statement") or (sheet.last, sheet.number) > at:
                self._channel.take(*self._write(sheet))
        if self.bank.untold:
            self._tell()
        self._explain()
        self._pay_released()
        if self.bank.untold:
            self._tell()

    # --- in the morning -----------------------------------------------------------

    def collect(self, script: Script, own: Mapping[str, Client]) -> None:
        """Every centre sends its money, and the bank says so: who has asked has it in
        its wallet. Raises SwitchError if something is refused.
        """
        self.banked = Banked()
        self.bank.go_on(max(self.bank.day, script.date))
        self._begun = len(self.bank.movements)
        requests = self._ask(script, own)
        self._receive(script, requests)
        self._tell()
        open_ = {one.sequence for one in self._treasury.top_up_requests(open_only=True)}
        asked = {one.sequence for one in requests.values()}
        self.banked.by_evidence = len(asked - open_)
        before = self._treasury.ledger().sequence
        self.banked.again = self._channel.repeat()
        self.banked.again_rows = self._treasury.ledger().sequence - before

    def top_up(self, script: Script) -> Counter[str]:
        """All others have it in theirs, as two people say: centre → paise of all."""
        self._explain()
        self.banked.movements = self.bank.movements[self._begun :]
        credited = self.banked.credited
        # It goes back in the evening.
        for centre in self._doubled:
            credited[centre] -= script.top_ups[centre]
        return credited

    def _ask(
        self, script: Script, own: Mapping[str, Client]
    ) -> dict[str, banks_pb2.RequestedTopUp]:
        def ask(centre: str) -> banks_pb2.RequestedTopUp:
            reply = own[centre].request_top_up(script.top_ups[centre])
            if reply.outcome.result != Result.OK.value:
                name = Result(reply.outcome.result).name
                raise CouncilError(f"the request of {centre} was refused: {name}")
            return reply.request

        with ThreadPoolExecutor(ASKERS_MAX, "ask") as pool:
            found = dict(zip(own, pool.map(ask, own), strict=True))
        self.banked.requested = len(found)
        return found

    def _receive(
        self, script: Script, requests: Mapping[str, banks_pb2.RequestedTopUp]
    ) -> None:
        """The transfers come to the bank, right or wrong."""
        wrong: dict[str, Mistake] = {}
        if len(requests) >= FEW:
            mistakes = [one for one in Mistake if one is not Mistake.STRANGER]
            wrong = dict(zip(sorted(requests), mistakes, strict=False))
        self._doubled = [one for one, what in wrong.items() if what is Mistake.TWICE]
        for centre, amount in script.top_ups.items():
            mistake = wrong.get(centre)
            request = requests.get(centre)
            text = "WALLET" if request is None else f"TOP UP {request.number}"
            if request is None:
                self.banked.cannot_ask += 1
            elif mistake is Mistake.TYPO:
                text = f"TOP UP {_typo(request.number)}"
            elif mistake is Mistake.NUMBERLESS:
                text = "TOP UP"
            more = MORE if mistake is Mistake.AMOUNT else 0
            self._transfer(script, amount + more, text, centre)
            if mistake is Mistake.TWICE:
                self._transfer(script, amount, text, centre)
        self._transfer(script, 17 * MORE, "FOR THE ROOF", "NOBODY")
        self.banked.mistakes.update([*wrong.values(), Mistake.STRANGER])

    def _transfer(self, script: Script, amount: int, text: str, party: str) -> None:
        at = len(self.bank.movements) - self._begun
        self.bank.receive(amount, text, transfer_utr(script.number, at), party)

    # --- what nothing explains -----------------------------------------------------

    def _explain(self) -> None:
        """Two people say of each credit that waits whose it is, or send it back."""
        items = list(self._treasury.bank_items(ACCOUNT, _CREDIT))
        if not items:
            return
        open_ = {one.sequence for one in self._treasury.top_up_requests(open_only=True)}
        wishes = [self._end(one, open_) for one in items]
        self._council.do_all([pb.Wish(ending=one) for one in wishes], "credits")
        for one in wishes:
            if one.send_back:
                self.banked.returned += 1
            else:
                self.banked.to_wallets += 1

    def _end(self, item: banks_pb2.BankItem, open_: set[int]) -> pb.EndingWish:
        """By the payer's name; not if the request that it names is paid already."""
        centre = next((text for text in item.texts if text in self._centres), "")
        is_paid = item.named_sequence and item.named_sequence not in open_
        if not centre or is_paid:
            reason = f"return {item.reference}"
            return pb.EndingWish(item=item.sequence, send_back=True, reason=reason)
        reason = utr_of(day_of_utr(item.reference), centre)
        return pb.EndingWish(item=item.sequence, credit_wallet=centre, reason=reason)

    # --- at the close ---------------------------------------------------------------

    def pay_out(self, settled: Mapping[str, int]) -> None:
        """Release what was settled, biller by biller, have it paid, and be told so."""
        heads = {one.id: one.head for one in load_sample().billers}
        wait_for(list(self._treasury.beneficiaries()))
        wishes = [
            pb.EndingWish(
                payout=pb.Payout(
                    account=ACCOUNT, amount=amount, biller=biller, head=heads[biller]
                ),
                reason=f"payout {biller}",
            )
            for biller, amount in settled.items()
            if amount
        ]
        if wishes:
            self._council.do_all([pb.Wish(ending=one) for one in wishes], "payouts")
            self.banked.payouts_by = self._council.proposals[-1]
        self.banked.payouts = len(wishes)
        self.banked.paid_out = sum(one.payout.amount for one in wishes)
        self._council.paid_out = self.banked.paid_out
        self._pay_released()
        files = self._tell()
        before = self._treasury.ledger().sequence
        if any(self._channel.take(*files)[:3]):
            raise CouncilError("the same statement is taken a second time")
        self.banked.again_rows += self._treasury.ledger().sequence - before
        account = self.account
        self.banked.has = self.bank.balance
        self.banked.mirrored = account.before + account.balance
        self.banked.movements = self.bank.movements[self._begun :]

    def _pay_released(self) -> None:
        """The bank pays what is released, each once."""
        paid = {one.text for one in self.bank.movements if one.change < 0}
        senders = {one.reference: one.party for one in self.bank.movements}
        for one in self._treasury.bank_items(ACCOUNT, _RELEASE):
            what, _, whom = one.reference.partition(" ")
            text = f"{what.upper()} {one.number}"
            if text not in paid:
                self.bank.pay(one.amount, text, senders.get(whom, whom))

    # --- statements ------------------------------------------------------------------

    def _tell(self) -> list[bytes]:
        """The bank writes a statement, and its channel sends it."""
        sheet = self.bank.close()
        files = self._write(sheet)
        taken = self._channel.take(*files)
        if taken.refused or taken.already:
            raise CouncilError(f"{sheet.name} is not taken as it is: {taken}")
        self.banked.statements += 1
        self.banked.lines += len(sheet.movements)
        return files

    def _write(self, sheet: Sheet) -> list[bytes]:
        files = sheet.pages()
        for data in files:
            (self._folder / f"{sheet.name}.xml").write_bytes(data)
        return files


def _typo(number: str) -> str:
    return number[:-1] + ("B" if number[-1] == "A" else "A")
