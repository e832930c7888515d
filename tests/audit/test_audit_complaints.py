"""Goal: a complaint is of who paid, has the next number and one life; each reply is of
who may take that step, in its turn; and who was refused had a cause.

Method: twins, told by one function each: the same rows once right, without a finding,
and once with one thing forged, every check of the bytes right. Then an index.
"""

from pathlib import Path
from typing import Any

import pytest

from switch.audit import audit, complaints
from switch.codes import Kind, Result, Role
from tests.audit.counter_story import (
    ANSWERED,
    ASKED,
    CLOSED,
    DESK,
    HARNESS,
    OTHER,
    OTHER_REASON,
    THERE,
    WALLET_THERE,
    CounterDesk,
    Forgery,
    Tell,
    found_by_its_words,
    party,
)
from tests.audit.journal_story import EVIDENCE, KEEP, WORD
from tests.audit.journal_writer import (
    COMPLAINTS,
    Images,
    Row,
    write_index,
    write_journal,
)
from tests.audit.people_story import (
    BILLER,
    CENTRE,
    HEAD,
    ONE,
    TWO,
    UPDATE,
    register,
)
from tests.signing import Line

R = Result
NOT_ITS = "no payment from a wallet of its sender"
NONE = "it says something where none of its kind does"
CAUSE = "and there was no cause for that"


def complains(*, right: dict[str, Any] | None = None, **wrong: Any) -> Tell:
    """A complaint about a payment, right and otherwise."""

    def tell(desk: CounterDesk, forged: bool) -> None:
        desk.complain(desk.pay(), **(wrong if forged else right or {}))

    return tell


def replies(
    step: int, *, before: int = 0, right: dict[str, Any] | None = None, **wrong: Any
) -> Tell:
    """A reply, right and otherwise, behind one of another step."""

    def tell(desk: CounterDesk, forged: bool) -> None:
        about = desk.complain(desk.pay())
        if before:
            desk.reply(about, before)
        desk.reply(about, step, **(wrong if forged else right or {}))

    return tell


def anothers(desk: CounterDesk, forged: bool) -> None:
    desk.complain(desk.pay(WALLET_THERE if forged else 4))


def top_up(desk: CounterDesk, forged: bool) -> None:
    """What came in is no payment."""
    paid = desk.pay()
    first = next(row for row in desk.rows if row.kind == Kind.TOP_UP)
    desk.complain(first if forged else paid)


def refused_payment(desk: CounterDesk, forged: bool) -> None:
    said = {"amount": 90, "result": R.AMOUNT_BELOW_MINIMUM} if forged else {}
    desk.complain(desk.pay(**said))


def too_early(desk: CounterDesk, forged: bool) -> None:
    number = len(desk.rows) + 1
    if not forged:
        desk.pay()
    desk.complain(number)
    desk.pay()


def of_harness(desk: CounterDesk, forged: bool) -> None:
    """Who only sends it has not paid: the wallet is another's."""
    # Before the centre signed on: then nobody else pays there.
    desk.signs_on(0)
    paid = desk.pay(participant=HARNESS)
    desk.signs_on()
    desk.complain(paid, participant=HARNESS if forged else CENTRE)


def second(desk: CounterDesk, forged: bool) -> None:
    paid = desk.pay()
    about = desk.complain(paid)
    if not forged:
        desk.reply(about, CLOSED)
    desk.complain(paid)


def gap(desk: CounterDesk, forged: bool) -> None:
    desk.complain(desk.pay())
    desk.complain(desk.pay(), debit=3 if forged else 2)


def again_one(desk: CounterDesk, forged: bool) -> None:
    """No number is given twice, closed or not."""
    desk.reply(desk.complain(desk.pay()), CLOSED)
    desk.complain(desk.pay(), debit=1 if forged else 2)


def to_payment(desk: CounterDesk, forged: bool) -> None:
    paid = desk.pay()
    about = desk.complain(paid)
    desk.reply(paid.sequence if forged else about, ASKED, debit=1)


def to_refused(desk: CounterDesk, forged: bool) -> None:
    paid = desk.pay()
    about = desk.complain(paid)
    said = {"result": R.COMPLAINT_OPEN, "total": about.sequence}
    again = desk.complain(paid, **said)
    desk.reply(again.sequence if forged else about, ASKED, debit=1)


def of_another(desk: CounterDesk, forged: bool) -> None:
    desk.complain(desk.pay())
    desk.reply(desk.complain(desk.pay()), ASKED, debit=1 if forged else 2)


def while_asleep(desk: CounterDesk, forged: bool) -> None:
    """Who was of the treasury, and takes part no more."""
    about = desk.complain(desk.pay())
    desk.put(register(party(8, Role.TREASURY, 1)), debit=8)
    desk.put(register(party(8, Role.TREASURY, 0)), debit=8, flags=UPDATE)
    desk.reply(about, ASKED, participant=8 if forged else TWO)


def other_biller(desk: CounterDesk, forged: bool) -> None:
    desk.reply(desk.complain(desk.pay()), ANSWERED, participant=OTHER if forged else 4)


def twice(desk: CounterDesk, forged: bool) -> None:
    """Asked, answered, asked again; but not the same twice in a row."""
    about = desk.complain(desk.pay())
    desk.reply(about, ASKED)
    desk.reply(about, ANSWERED)
    desk.reply(about, ANSWERED if forged else ASKED)


def held(desk: CounterDesk, forged: bool) -> None:
    """A hold is a payment, too; what ends it is none."""
    hold = desk.pay(kind=Kind.HOLD, deadline=60, flags=KEEP)
    names = "debit", "credit", "amount", "service", "reference", "participant"
    said: dict[str, Any] = {name: getattr(hold, name) for name in (*names, "operator_")}
    said |= {"id": bytes(16), "resolves": hold.sequence, "receipt": 1}
    post = desk.add(Kind.POST, flags=EVIDENCE, tail=WORD, **said)
    desk.complain(post if forged else hold)


FORGERIES: dict[str, Forgery] = {
    "another's payment": ("complaints", NOT_ITS, anothers),
    "a top-up": ("complaints", NOT_ITS, top_up),
    "a refused payment": ("complaints", NOT_ITS, refused_payment),
    "a payment to come": ("complaints", NOT_ITS, too_early),
    "nothing": ("complaints", NOT_ITS, complains(resolves=0)),
    "a second one": ("complaints", "about the same payment is open", second),
    "a gap": ("complaints", "it is number 2, the row says 3", gap),
    "a number again": ("complaints", "it is number 2, the row says 1", again_one),
    "no number": ("complaints", "it is number 1, the row says 0", complains(debit=0)),
    "no reason": ("complaints", "0 is no reason", complains(total=0)),
    "a reason that is none": (
        *("complaints", "7 is no reason"),
        complains(right={"total": OTHER_REASON}, total=7),
    ),
    "a post": ("complaints", NOT_ITS, held),
    "a note that is empty": ("complaints", "its note is empty", complains(tail=b"")),
    "a note that is long": (
        *("complaints", "too long"),
        complains(right={"tail": b"n" * 64}, tail=b"n" * 65),
    ),
    "a note that is no text": (
        *("complaints", "or no text"),
        complains(right={"tail": "মিটার".encode()}, tail=b"\xe0\xa6"),
    ),
    "an account": ("complaints", NONE, complains(credit=HEAD)),
    "a flag": ("complaints", NONE, complains(flags=0x40 >> 1)),
    "a receipt": ("complaints", NONE, complains(receipt=1)),
    "an amount": ("fields", "its amount is none", complains(amount=5)),
    "a reference": ("fields", "its reference is not one", complains(reference=b"A")),
    "a step that is none": ("complaints", "4 is no step", replies(CLOSED, total=4)),
    "to a payment": ("complaints", "replies to no complaint", to_payment),
    "to a refused one": ("complaints", "replies to no complaint", to_refused),
    "of another's number": ("complaints", "it is of complaint 2", of_another),
    "behind the end": (
        *("complaints", "has closed what it replies to"),
        lambda desk, forged: replies(ASKED, before=CLOSED if forged else ANSWERED)(
            desk, forged
        ),
    ),
    "the same twice": ("complaints", "is the same step", twice),
    "asked by the biller": (
        *("complaints", "none of the treasury"),
        replies(ASKED, participant=BILLER),
    ),
    "closed by the biller": (
        *("complaints", "none of the treasury"),
        replies(CLOSED, before=ANSWERED, participant=BILLER),
    ),
    "asked by who takes no part": (
        *("complaints", "none of the treasury that takes part"),
        while_asleep,
    ),
    "answered by the treasury": (
        *("complaints", "not whom the payment credits"),
        replies(ANSWERED, participant=ONE),
    ),
    "answered by another biller": (
        *("complaints", "not whom the payment credits"),
        other_biller,
    ),
    "an account of a reply": (
        *("complaints", NONE),
        replies(ANSWERED, before=ASKED, credit=HEAD),
    ),
}


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forgery_is_found_by_its_own_words(tmp_path: Path, name: str) -> None:
    check, text, tell = FORGERIES[name]
    found_by_its_words(tmp_path, check, text, tell)


def test_nor_does_who_has_no_wallet_complain(tmp_path: Path) -> None:
    for forged in (False, True):
        desk = CounterDesk()
        of_harness(desk, forged)
        found = desk.found(tmp_path / str(forged))
        assert set(found) == ({"complaints", "senders"} if forged else set())


def test_lives_of_complaints(tmp_path: Path) -> None:
    """Answered unasked, asked again and again, closed at once, raised anew; about what
    was held, by a centre that does not sign on, and in a ledger with people.
    """
    for people in (False, True):
        desk = CounterDesk(people=people)
        first, second_one = desk.pay(), desk.pay(WALLET_THERE)
        one = desk.complain(first)
        two = desk.complain(second_one, participant=THERE, operator_=99, tail=None)
        desk.reply(one, ANSWERED, tail=b"credited today")
        desk.reply(two, CLOSED)
        for step in (ASKED, ANSWERED, ASKED, CLOSED):
            desk.reply(one, step, participant=TWO if step == ASKED else 0 or _of(step))
        three = desk.complain(first, operator_=DESK[1], total=OTHER_REASON)
        assert three.debit == 3
        said = {"result": R.COMPLAINT_OPEN, "total": three.sequence}
        desk.complain(first, **said)
        desk.complain(second_one, result=R.PAYMENT_NOT_FOUND)
        assert desk.found(tmp_path / str(people)) == {}


def _of(step: int) -> int:
    """Who takes a step."""
    return BILLER if step == ANSWERED else ONE


def raised(desk: CounterDesk, *steps: int) -> tuple[Row, Row, list[Row]]:
    """A payment, its complaint, and replies."""
    paid = desk.pay()
    about = desk.complain(paid)
    return paid, about, [desk.reply(about, step) for step in steps]


def refused(
    result: Result, other: int | None, *steps: int, sender: int, of: str
) -> Tell:
    """A reply (or a complaint, again) that was refused; `other` is the number of the
    reply in the way, -1 the complaint.
    """

    def tell(desk: CounterDesk, forged: bool) -> None:
        paid, about, told = raised(desk, *steps)
        rows = [*told, about]
        total = 0 if other is None else rows[other].sequence
        said = {"result": result, "total": total, "participant": sender}
        if of == "complaint":
            desk.complain(paid, **said)
        else:
            desk.reply(about, ASKED, **said)

    return tell


COMPLAINT: dict[str, Any] = {"sender": CENTRE, "of": "complaint"}
TREASURY: dict[str, Any] = {"sender": ONE, "of": "reply"}
OF_BILLER: dict[str, Any] = {"sender": BILLER, "of": "reply"}
CAUSED: dict[str, Tell] = {
    "open": refused(R.COMPLAINT_OPEN, -1, **COMPLAINT),
    "open, and answered": refused(R.COMPLAINT_OPEN, -1, ANSWERED, **COMPLAINT),
    "not its payment": refused(R.PAYMENT_NOT_FOUND, None, sender=THERE, of="complaint"),
    "closed": refused(R.COMPLAINT_CLOSED, 0, CLOSED, **TREASURY),
    "closed, to its biller": refused(R.COMPLAINT_CLOSED, 0, CLOSED, **OF_BILLER),
    "asked again": refused(R.ALREADY_FOLLOWED, 0, ASKED, **TREASURY),
    "answered again": refused(R.ALREADY_FOLLOWED, 1, ASKED, ANSWERED, **OF_BILLER),
    # It may have wanted to answer.
    "of the treasury": refused(R.COMPLAINT_NOT_FOUND, None, **TREASURY),
    "of a biller that asks": refused(R.COMPLAINT_NOT_FOUND, None, **OF_BILLER),
    "of another biller": refused(
        R.COMPLAINT_NOT_FOUND, None, CLOSED, sender=OTHER, of="reply"
    ),
}
CAUSELESS: dict[str, Tell] = {
    "not open": refused(R.COMPLAINT_OPEN, -1, CLOSED, **COMPLAINT),
    "another in the way": refused(R.COMPLAINT_OPEN, 0, ANSWERED, **COMPLAINT),
    "its payment": refused(R.PAYMENT_NOT_FOUND, None, CLOSED, **COMPLAINT),
    "its payment, with one open": refused(R.PAYMENT_NOT_FOUND, None, **COMPLAINT),
    "room": refused(R.TABLE_FULL, None, CLOSED, **COMPLAINT),
    "not closed": refused(R.COMPLAINT_CLOSED, 0, ANSWERED, **TREASURY),
    "closed by another": refused(R.COMPLAINT_CLOSED, 0, ASKED, CLOSED, **TREASURY),
    "not asked": refused(R.ALREADY_FOLLOWED, -1, **TREASURY),
    "answered since": refused(R.ALREADY_FOLLOWED, 0, ASKED, ANSWERED, **TREASURY),
    "asked, to its biller": refused(R.ALREADY_FOLLOWED, 0, ASKED, **OF_BILLER),
    "behind the end": refused(R.ALREADY_FOLLOWED, 0, CLOSED, **TREASURY),
    "another row in the way": refused(R.COMPLAINT_NOT_FOUND, 0, ASKED, **TREASURY),
    "of something else": refused(R.SERVICE_UNKNOWN, None, **TREASURY),
}


@pytest.mark.parametrize("name", [*CAUSED, *CAUSELESS])
def test_a_refusal_has_its_cause(tmp_path: Path, name: str) -> None:
    tell, caused = CAUSED.get(name), name in CAUSED
    desk = CounterDesk()
    (tell or CAUSELESS[name])(desk, not caused)
    found = desk.found(tmp_path)
    assert list(found) == ([] if caused else ["refusals"])
    assert caused or CAUSE in found["refusals"][0]


def test_a_reply_to_what_is_no_complaint(tmp_path: Path) -> None:
    """And a refused row has no number yet."""
    desk = CounterDesk()
    paid = desk.pay()
    for about in (paid.sequence, 0, 999):
        desk.reply(about, ASKED, result=R.COMPLAINT_NOT_FOUND)
    assert desk.found(tmp_path / "right") == {}
    desk.reply(paid, ASKED, result=R.COMPLAINT_NOT_FOUND, debit=1)
    desk.complain(3, result=R.PAYMENT_NOT_FOUND, debit=1)
    found = desk.found(tmp_path / "numbered")
    assert list(found) == ["complaints"]
    assert [NONE in one for one in found["complaints"]] == [True, True]


def test_no_other_row_is_refused_for_a_complaint(tmp_path: Path) -> None:
    desk = CounterDesk()
    desk.pay(result=R.COMPLAINT_CLOSED)
    desk.put(Line(Kind.FREEZE, debit=4, reference=b"A"), result=R.COMPLAINT_OPEN)
    found = desk.found(tmp_path)
    assert len(found["fields"]) == 2
    assert "it is refused for what only complaints are" in found["fields"][0]


def test_a_full_table_takes_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(complaints, "COMPLAINTS_MAX", 2)
    monkeypatch.setattr(complaints, "TOGETHER", 1)
    desk = CounterDesk()
    raised(desk)
    paid, about, _ = raised(desk, CLOSED)
    desk.complain(paid, result=R.TABLE_FULL)
    desk.reply(about, ASKED, result=R.COMPLAINT_CLOSED, total=about.sequence + 1)
    assert desk.found(tmp_path / "refused") == {}
    desk.complain(paid)
    found = desk.found(tmp_path / "taken")
    assert "more complaints than there may be" in found["complaints"][0]


CHANGES: dict[str, Any] = {
    **dict.fromkeys(("amount", "credit", "receipt", "basket"), 1),
    **dict.fromkeys(("flags", "deadline"), 0x20),
    **dict.fromkeys(("debit", "resolves", "participant"), 99),
    "result": R.CASE_CLOSED,
    "total": 9,
    "reference": b"A",
    "kind": Kind.WITHDRAW,
}
"""What no row of a complaint can say, whatever else it says."""


@pytest.mark.parametrize("field", CHANGES)
def test_each_field_is_looked_at(tmp_path: Path, field: str) -> None:
    """Of accepted and refused rows of these kinds, each changed in its own place."""
    desk = CounterDesk()
    _, _, (reply,) = raised(desk, ASKED)
    _, closed, _ = raised(desk, CLOSED)
    again = desk.complain(desk.pay())
    put_in = desk.put_in()
    there = raised(desk)[1]
    said = {"result": R.COMPLAINT_OPEN, "total": there.sequence}
    rows = [
        *(reply, again, put_in, desk.complain(there.resolves, **said)),
        desk.reply(closed, ASKED, result=R.COMPLAINT_CLOSED, total=closed.sequence + 1),
        desk.put_in(0, result=R.ALREADY_FOLLOWED, total=put_in.sequence),
    ]
    assert desk.found(tmp_path / "right") == {}
    # The last one stands behind nothing, whatever it names but the newest.
    changed = rows[:-1] if field == "resolves" else rows
    for row in changed:
        setattr(row, field, CHANGES[field])
    found = desk.found(tmp_path / "wrong")
    named = {one.split(":")[0] for texts in found.values() for one in texts}
    assert {str(row.sequence) for row in changed} <= named, found


def test_the_index_has_the_newest_row_about_each(tmp_path: Path) -> None:
    desk = CounterDesk()
    raised(desk, ASKED)
    _, _, (answer,) = raised(desk, ANSWERED)
    images = Images()
    for row in desk.rows:
        images.apply(row)
    last = desk.rows[-1].sequence
    right = images.records
    assert right[COMPLAINTS, 2] == answer.sequence
    wrong = {
        "older": {**right, (COMPLAINTS, 2): answer.sequence - 1},
        "lacking": {name: at for name, at in right.items() if name != (COMPLAINTS, 1)},
        "one more": {**right, (COMPLAINTS, 3): last},
        "an operator": {**right, (15, 3): last},
    }
    for name, records in {"right": right, **wrong}.items():
        path = tmp_path / name
        write_journal(path, [[row] for row in desk.rows])
        images.records = records
        write_index(path, images, last)
        for scope in ("all", "chain"):
            counts = audit(path, scope=scope).findings.counts
            assert counts == ({} if name == "right" else {"index": 1})
