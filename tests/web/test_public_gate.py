"""Goal: the public page counts who asks by whom it can believe, in bounded memory, and
makes the same files of the same totals.

Method: the gate around an application that counts, with requests made by hand and a
clock that the test turns; a book of hostile names, rendered and read again.
"""

import asyncio
import csv
import fcntl
import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from switch.canonical_csv import plain_text
from switch.errors import ConfigError, OverloadError
from switch.v1 import public_pb2 as pb
from switch.web.public.asked import (
    FRESH_S,
    LOOK_S,
    WAITING_MAX,
    Asked,
    NoAnswerError,
)
from switch.web.public.book import YEARS_MAX, Book, read_book
from switch.web.public.gate import Gate
from switch.web.public.limits import Limit, Rate, customer_of
from switch.web.public.pages import Pages, too_often
from switch.web.public.serving import Settings
from switch.web.public.site import make_site
from switch.web.public.words import LANGUAGES, SPOKEN, WORDS, language_of
from switch.web.public.writing import listed, write_site
from tests.memory import tmp_path

PROXY = "10.0.0.1"
__all__ = ["tmp_path"]


class Hands:
    """A clock that a test turns."""

    def __init__(self) -> None:
        self.now_s = 1_000.0

    def __call__(self) -> float:
        return self.now_s


# --- limits --------------------------------------------------------------------------


def test_a_limit() -> None:
    clock = Hands()
    limit = Limit(Rate(0.5, 3), Rate(1.0, 5), addresses_max=4, clock=clock)
    assert [limit.allows("a") for _ in range(5)] == [True, True, True, False, False]
    # Who may not has taken nothing from the others.
    assert [limit.allows("b") for _ in range(3)] == [True, True, False]
    clock.now_s += 2.0
    assert [limit.allows("a") for _ in range(2)] == [True, False]
    assert [limit.allows("b") for _ in range(2)] == [True, False]
    clock.now_s += 3_600.0
    assert [limit.allows("a") for _ in range(4)] == [True, True, True, False]


def test_a_clock_that_goes_back_gives_and_takes_nothing() -> None:
    clock = Hands()
    limit = Limit(Rate(1.0, 3), Rate(1.0, 9), clock=clock)
    assert limit.allows("a")
    clock.now_s -= 60.0
    assert [limit.allows("a") for _ in range(3)] == [True, True, False]


def test_its_memory_is_bounded() -> None:
    limit = Limit(Rate(0.0, 1), Rate(0.0, 10**6), addresses_max=100, clock=Hands())
    for at in range(10_000):
        assert limit.allows(f"a{at}")
        # Whoever asked lately is known.
        assert not limit.allows(f"a{at}")
    assert len(limit) == 100
    assert not limit.allows("a9950")
    assert limit.allows("a0")
    # Who asked last stays, not who came last.
    two = Limit(Rate(0.0, 1), Rate(0.0, 9), addresses_max=2, clock=Hands())
    assert [two.allows(one) for one in "abacab"] == [
        True,
        True,
        False,
        True,
        False,
        True,
    ]


def test_customers() -> None:
    assert customer_of("203.0.113.7") == "203.0.113.7"
    assert customer_of("::ffff:203.0.113.7") == "203.0.113.7"
    assert customer_of("2001:db8:1:2:3:4:5:6") == "2001:db8:1:2::/64"
    assert customer_of("2001:db8:1:2::1") == customer_of("2001:db8:1:2:ffff::")
    for text in ("", "unix", "1.2.3", "1.2.3.4:80", "[::1]", "a" * 1_000):
        with pytest.raises(ValueError, match="does not appear to be"):
            customer_of(text)


# --- the gate ------------------------------------------------------------------------


async def inner(scope: Scope, receive: Receive, send: Send) -> None:
    await PlainTextResponse("through")(scope, receive, send)


def gate(checks: Limit, *, proxies: tuple[str, ...] = (PROXY,)) -> Gate:
    many = Limit(Rate(0.0, 10**6), Rate(0.0, 10**6))
    return Gate(
        inner,
        hosts=["check.example"],
        proxies=proxies,
        checks=checks,
        pages=many,
        too_often=too_often,
        is_secure=bool(proxies),
    )


def ask(
    one: Any, *headers: tuple[str, str], peer: str | None = PROXY, query: str = "r=1"
) -> tuple[int, dict[str, str]]:
    given = [("host", "check.example"), *headers]
    scope = {
        "type": "http",
        "method": "GET",
        "path": "/",
        "raw_path": b"/",
        "query_string": query.encode(),
        "headers": [(name.encode(), value.encode()) for name, value in given],
        "client": (peer, 1) if peer else None,
        "server": ("check.example", 80),
        "scheme": "http",
        "root_path": "",
    }
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        raise AssertionError("nothing is read of a request")

    asyncio.run(one(scope, receive, send))
    begun = sent[0]
    found = {name.decode(): value.decode() for name, value in begun["headers"]}
    return int(begun["status"]), found


def test_who_asks_behind_a_proxy() -> None:
    def one() -> Gate:
        return gate(Limit(Rate(0.0, 1), Rate(0.0, 1_000)))

    def forwarded(value: str) -> tuple[str, str]:
        return ("x-forwarded-for", value)

    behind = one()
    # The last that is no proxy of ours; what a client says of itself before is nothing.
    assert ask(behind, forwarded("9.9.9.9, 1.1.1.1"))[0] == 200
    assert ask(behind, forwarded("8.8.8.8, 1.1.1.1"))[0] == 429
    assert ask(behind, forwarded("1.1.1.1"), forwarded(f"1.1.1.1, {PROXY}"))[0] == 429
    assert ask(behind, forwarded("1.1.1.2"))[0] == 200
    for value in ("", "nobody", "1.1.1.1, evil", "1.1.1.1,"):
        assert ask(behind, forwarded(value))[0] == 400, value
    assert ask(behind)[0] == 400
    # Others' word is not taken.
    direct = one()
    assert ask(direct, forwarded("1.1.1.1"), peer="7.7.7.7")[0] == 200
    assert ask(direct, forwarded("2.2.2.2"), peer="7.7.7.7")[0] == 429
    assert ask(direct, peer=None)[0] == 400
    # A neighbour in a proxy's network is no proxy, and one of its customers is one.
    near = gate(Limit(Rate(0.0, 1), Rate(0.0, 9)), proxies=("2001:db8:1:2::10",))
    for peer, named, status in (
        ("2001:db8:1:2::66", "203.0.113.1", 200),
        ("2001:db8:1:2::66", "203.0.113.2", 429),
        ("2001:db8:1:2::10", "203.0.113.1, 2001:db8:1:2::66", 429),
        ("2001:db8:1:2::10", "203.0.113.1", 200),
    ):
        assert ask(near, forwarded(named), peer=peer)[0] == status, (peer, named)
    alone = gate(Limit(Rate(0.0, 1), Rate(0.0, 9)), proxies=())
    assert ask(alone, forwarded("1.1.1.1"))[0] == 200
    assert ask(alone, forwarded("1.1.1.2"))[0] == 429


def test_what_counts_as_a_check() -> None:
    one = gate(Limit(Rate(0.0, 0), Rate(0.0, 0)))
    assert ask(one, ("x-forwarded-for", "1.1.1.1"), query="")[0] == 200
    status, headers = ask(one, ("x-forwarded-for", "1.1.1.1"))
    assert (status, headers["retry-after"]) == (429, "60")
    assert headers["strict-transport-security"] == "max-age=31536000"
    alone = gate(Limit(Rate(0.0, 1), Rate(0.0, 1)), proxies=())
    assert "strict-transport-security" not in ask(alone)[1]


def test_settings() -> None:
    assert Settings(names=["Check.example"]).hosts(7446) == [
        "Check.example",
        "Check.example:7446",
    ]
    assert "127.0.0.1:7446" in Settings().hosts(7446)
    assert "127.0.0.1" not in Settings().hosts(7446)
    assert "[::1]:7446" in Settings(host="::1").hosts(7446)
    Settings(host="0.0.0.0", proxies=[PROXY])
    for wrong in (
        {"host": "0.0.0.0"},
        {"host": "::"},
        {"names": ["a"] * 17},
        {"names": ["a\r\nb"]},
        {"proxies": ["10.0.0.0/8"]},
    ):
        with pytest.raises(ConfigError):
            Settings(**wrong)


# --- the switch, asked ---------------------------------------------------------------


class Told:
    """A switch that tells what it is given."""

    def __init__(self, **lines: list[pb.PublicLine]) -> None:
        self.lines, self.sequence, self.asked = lines, 9, 0
        self.change: Callable[[], None] = lambda: None
        # Recoveries, and how often they were asked for; None: there is no answer.
        self.waiting: list[pb.PublicRecovery] | None = None
        self.looked = 0

    def check_receipt(self, number: str, code: str) -> pb.CheckReceiptResponse:
        self.asked += 1
        raise OverloadError("too much")

    def check_complaint(self, number: str, code: str) -> pb.CheckComplaintResponse:
        self.asked += 1
        raise OverloadError("too much")

    def recoveries(self) -> pb.ListRecoveriesResponse:
        self.looked += 1
        if self.waiting is None:
            raise OverloadError("too much")
        return pb.ListRecoveriesResponse(recoveries=self.waiting, count=99)

    def public_totals(
        self, by: int, of: int, from_day: str = "", to_day: str = ""
    ) -> pb.ReadPublicTotalsResponse:
        self.asked += 1
        self.change()
        name = (
            pb.PublicBy.Name(pb.PublicBy.ValueType(by))
            .removeprefix("PUBLIC_BY_")
            .lower()
        )
        return pb.ReadPublicTotalsResponse(
            as_of_sequence=self.sequence,
            as_of_time_ns=1_773_500_000 * 10**9,
            lines=self.lines.get(name, []),
        )


async def test_the_switch_is_asked_so_much_and_not_more() -> None:
    told, clock = Told(), Hands()
    asked = Asked(told, check="/", clock=clock)
    answers = await asyncio.gather(
        *(asked.check("a", "b") for _ in range(WAITING_MAX + 5)), return_exceptions=True
    )
    assert all(isinstance(one, NoAnswerError) for one in answers)
    assert told.asked == WAITING_MAX
    # Totals are read once, whoever asks, until they are no longer fresh.
    told.asked = 0
    await asyncio.gather(*(asked.site() for _ in range(9)))
    once = told.asked
    clock.now_s += FRESH_S - 1
    await asked.site()
    assert told.asked == once
    clock.now_s += 1
    await asked.site()
    assert told.asked == 2 * once
    asked.close()


def test_a_book_is_of_one_state() -> None:
    told = Told()

    def once() -> None:
        if told.asked == 3:
            told.sequence += 1

    told.change = once
    assert read_book(told).as_of["payments"].sequence == 10

    def always() -> None:
        told.sequence += 1

    told.change = always
    with pytest.raises(OverloadError):
        read_book(told)


# --- the site ------------------------------------------------------------------------

EVIL = '=HYPERLINK("http://x")<script>alert(1)</script>\u202e,"\r\n'


def hostile_book() -> Book:
    def line(code: str, day: str = "2026-03-31", **more: Any) -> pb.PublicLine:
        return pb.PublicLine(
            from_day=day, to_day=day, code=code, count=12, paise=1205, **more
        )

    years = [line(f"{year}-{(year + 1) % 100:02d}") for year in range(1980, 2027)]
    places = [
        line(EVIL, name_en=EVIL, name_bn=EVIL, spans=3, told=1),
        line("", spans=3, told=3),
        line("", others=True, spans=3, told=2),
    ]
    told = Told(
        year=years,
        month=[line("2026-02", "2026-02-28"), line("2026-03")],
        day=[line("2026-03-31")],
        department=places,
        district=places,
    )
    return read_book(told)


def test_the_site() -> None:
    book = hostile_book()
    assert len(book.years) == YEARS_MAX
    files = make_site(book)
    assert files == make_site(hostile_book())
    assert "/etc" not in "".join(files)
    for name in files:
        assert re.fullmatch(r"([a-z]{2}/)?[a-z0-9-]+\.(html|css|csv|json)", name), name
    for language in LANGUAGES:
        page = files[f"{language}/departments.html"].decode()
        assert "<script" not in page
        assert "\u202e" not in page
        assert "&lt;script&gt;" in page
        words = SPOKEN[language]
        for key in ("others", "not_stated"):
            assert f'<th scope="row">{words(key)}' in page
        assert words("in_some", told=words.count(1), spans=words.count(3)) in page
        # Receipts are checked elsewhere, if at all.
        assert words("title") not in page
    table = files["payments-departments.csv"].decode()
    rows = list(csv.DictReader(io.StringIO(table, newline="")))
    assert plain_text(rows[0]["name_en"]) == EVIL
    assert rows[0]["name_en"].startswith("'=")
    assert [row["others"] for row in rows] == ["0", "0", "1"]
    assert rows[0]["amount"] == "12.05"
    value = json.loads(files["payments-departments.json"])
    assert value["lines"][0]["name_bn"] == EVIL
    assert value["as_of_time"] == "2026-03-14T20:23:20+05:30"


def test_an_empty_site() -> None:
    files = make_site(read_book(Told()), check="https://check.example/")
    for language in LANGUAGES:
        page = files[f"{language}/index.html"].decode()
        assert 'data-outcome="nothing"' in page
        assert 'href="https://check.example/"' in page
        assert "<table" not in page


def test_a_folder_is_one_state_or_another(tmp_path: Path) -> None:
    folder = tmp_path / "site"
    old, new = make_site(read_book(Told())), make_site(hostile_book())

    def found() -> dict[str, bytes]:
        paths = [path for path in folder.rglob("*") if path.is_file()]
        return {str(path.relative_to(folder)): path.read_bytes() for path in paths}

    assert write_site(old, folder)
    assert found() == {**old, "files.json": listed(old)}
    before = folder.stat().st_ino
    assert not write_site(old, folder)
    assert folder.stat().st_ino == before
    # A web server that has the folder's name has the new one at once, whole.
    assert write_site(new, folder)
    assert found() == {**new, "files.json": listed(new)}
    # What is damaged is made whole, also after a run that was cut off.
    (folder / "style.css").unlink()
    (tmp_path / ".site.part").mkdir()
    (tmp_path / ".site.part" / "x").write_text("cut off")
    assert write_site(new, folder)
    assert found() == {**new, "files.json": listed(new)}
    assert sorted(path.name for path in tmp_path.iterdir()) == [".site.lock", "site"]

    # What this did not write stays, and is said.
    (folder / "en" / "mine").write_text("mine")
    with pytest.raises(ConfigError, match="en/mine, which this did not write"):
        write_site(old, folder)
    assert (folder / "en" / "mine").read_text() == "mine"
    (folder / "en" / "mine").unlink()
    for name in ("link", "full", "plain"):
        other = tmp_path / name
        if name == "link":
            other.symlink_to(folder)
        elif name == "full":
            other.mkdir()
            (other / "files.json").write_text('{"../../x": 1}')
            (other / "x").write_text("x")
        else:
            other.write_text("a file")
        with pytest.raises((ConfigError, NotADirectoryError)):
            write_site(old, other)
    assert found() == {**new, "files.json": listed(new)}
    # One writes at a time.
    with (tmp_path / ".site.lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(ConfigError, match="written by another run"):
            write_site(old, folder)


# --- words ---------------------------------------------------------------------------


def test_words() -> None:
    for key, (english, bengali) in WORDS.items():
        assert english, key
        assert bengali, key
        fields = [sorted(re.findall(r"\{(\w+)\}", one)) for one in (english, bengali)]
        assert fields[0] == fields[1], key
        if key != "other_language":
            assert english.isascii(), key
            assert any("\u0980" <= sign <= "\u09ff" for sign in bengali), key
    assert language_of("en", "bn") == "en"
    assert language_of("", "fr, EN-gb;q=0.9, bn") == "en"
    assert language_of("xx", "") == "bn"
    assert language_of("", "a" * 100_000) == "bn"


async def test_what_waits_is_known_without_waiting() -> None:
    """The first page goes by the last look, and has another made beside it."""
    told, clock = Told(), Hands()
    asked = Asked(told, check="/", clock=clock)

    async def look() -> pb.ListRecoveriesResponse | None:
        """What is shown now; the look that it may have begun has ended then."""
        shown = asked.known_recoveries()
        assert asked._look is not None
        await asked._look
        return shown

    # Nothing is answered: nothing is known, and it is asked for again.
    assert await look() is None
    assert await look() is None
    assert told.looked == 2
    told.waiting = [pb.PublicRecovery(proposed_day="2026-12-03")]
    assert await look() is None
    known = asked.known_recoveries()
    assert known is not None
    assert (known.count, told.looked) == (99, 3)
    assert all(asked.known_recoveries() == known for _ in range(100))
    assert told.looked == 3
    # A minute later it is asked for again, once; what was known is shown meanwhile.
    clock.now_s += LOOK_S
    told.waiting = []
    assert all(asked.known_recoveries() == known for _ in range(100))
    assert await look() == known
    fresh = await look()
    assert fresh is not None
    assert not fresh.recoveries
    assert told.looked == 4
    # What was not answered for five minutes is not known any more.
    told.waiting = None
    clock.now_s += FRESH_S
    assert await look() is None
    assert await look() is None
    with pytest.raises(NoAnswerError):
        await asked.recoveries()
    asked.close()


def test_pages_need_no_switch_for_what_is_no_receipt() -> None:
    told = Told()
    asked = Asked(told, check="/")
    app = Pages(asked).application()
    for query in ("", "r=x&c=y", "r=bsk/2026-27/000001&c=zz"):
        status, _ = ask(app, query=query)
        assert status == 200
    assert not told.asked
