"""Goal: what the network has taken can be asked for from a shell, at one stated entry,
by everything there is, and as files; and by a biller what was paid to it alone.

Method: commands as processes against a real server, with a story told by hand, in both
languages; the files are read again. That figures are what any rows make them is
tests/totals.
"""

import csv
import io
import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import grpc
import pyarrow.parquet as pq
import pytest

from switch.calendar import IST, format_financial_year, ist_date
from switch.cli.totals import FIGURES
from switch.client import CallError, Client
from switch.codes import Role
from switch.console.output import Exit
from switch.console.totals_words import TOTALS_WORDS
from switch.day.server import ServerProcess
from switch.errors import WireError
from switch.specs import TREASURY, ParticipantSpec, Specs, specs_to_json
from switch.v1 import totals_pb2 as pb
from tests.client.live import CENTRE, FREE, HEAD, OTHER, SPECS, WAITS, Live, running
from tests.server.harness import until

RUPEE = 100


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with running(tmp_path_factory.mktemp("totals") / "data") as live:
        done(live, "network", "load", str(live.network))
        load(live, "NOR", "GP")
        for centre in (CENTRE, OTHER):
            done(live, "top-up", centre, "1,000", "--utr", f"UTR-{centre}")
        done(live, "pay", CENTRE, FREE, "10", "REF-1")
        done(live, "pay", OTHER, FREE, "20.50", "REF-2")
        # Its biller is asked, says nothing, and the money stays held.
        with live.biller() as biller:
            held = live.command("pay", CENTRE, WAITS, "7", "REF-3")
            assert held.returncode == Exit.UNKNOWN
            biller.wait_for(1)
        yield live


def load(live: Live, district: str, host_kind: str) -> None:
    """One centre has places; one service has a department."""
    centre = ParticipantSpec(
        id=CENTRE,
        role=Role.CENTRE,
        name_en="First",
        district=district,
        host_kind=host_kind,
    )
    [free] = [one for one in SPECS.services if one.code == FREE]
    service = replace(free, department_en="Land", department_bn="ভূমি")
    path = live.network.with_name("more.json")
    path.write_text(specs_to_json(Specs((centre,), (service,))), encoding="utf-8")
    done(live, "network", "load", str(path))


def done(live: Live, *words: str) -> str:
    """What a command says that must be done."""
    ended = live.command(*words)
    assert ended.returncode == Exit.DONE, ended.stdout + ended.stderr
    return ended.stdout


def told(live: Live, *words: str) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(done(live, "totals", "--json", *words))
    return value


def read(live: Live, by: str = "", **days: str) -> pb.ReadTotalsResponse:
    """What the command asks for, without a process of its own."""
    number = pb.TotalsBy.Value(f"TOTALS_BY_{by or 'unspecified'}".upper())
    with live.client(Role.TREASURY, TREASURY) as office:
        return office.totals(number, **days)


def lines(live: Live, by: str, **days: str) -> dict[str, tuple[int, int, int]]:
    """Of each line payments, paise of the gross, and paise that are open."""
    return {
        line.code: (
            line.figures.payments.count,
            line.figures.gross.paise,
            line.figures.open.paise,
        )
        for line in read(live, by, **days).lines
    }


def today(live: Live) -> str:
    return ist_date(read(live).as_of_time_ns).isoformat()


def newest(live: Live) -> int:
    """The newest durable entry."""
    with live.client(Role.TREASURY, TREASURY) as office:
        return int(office.ledger().sequence)


def test_the_network_in_all(live: Live) -> None:
    # On a busy machine an entry of the switch's own may come in between.
    before = newest(live)
    found = told(live)
    assert before <= found["as_of_sequence"] <= newest(live)
    assert found["whole"]["payments"] == {"count": 2, "paise": 3_050}
    assert found["whole"]["gross"] == {"count": 2, "paise": 3_050}
    assert found["whole"]["held"] == {"count": 1, "paise": 700}
    assert found["whole"]["open"] == {"count": 1, "paise": 700}
    assert (found["lines"], found["by"], found["gross_crore"]) == ([], "", "0.00")
    text = done(live, "totals", "--by", "host-office")
    for part in (
        "₹30.50 (₹0.00 crore)",
        "from the beginning",
        "₹7.00",
        "GP",
        "not stated",
    ):
        assert part in text
    as_of = range(found["as_of_sequence"], newest(live) + 1)
    assert any(str(sequence) in text for sequence in as_of)
    bengali = done(live, "totals", "--lang", "bn", "--by", "district")
    for part in ("₹30.50 (₹0.00 কোটি)", "জেলা", "বলা নেই", "NOR"):
        assert part in bengali


def test_by_everything(live: Live) -> None:
    day = today(live)
    year = int(day[:4]) - (day[5:] < "04-01")
    whole = (2, 3_050, 700)
    assert lines(live, "day") == {day: whole}
    assert lines(live, "month") == {day[:7]: whole}
    assert lines(live, "year") == {format_financial_year(year): whole}
    first, second = (1, 1_000, 700), (1, 2_050, 0)
    assert lines(live, "centre") == {CENTRE: first, OTHER: second}
    assert lines(live, "district") == {"NOR": first, "": second}
    assert lines(live, "host_office") == {"GP": first, "": second}
    assert lines(live, "service") == {FREE: (2, 3_050, 0), WAITS: (0, 0, 700)}
    assert lines(live, "department") == {
        "Land": (2, 3_050, 0),
        "": (0, 0, 700),
    }
    assert lines(live, "biller") == {"power": whole}
    assert lines(live, "head") == {f"power/{HEAD}": whole}


def test_days_are_bounds(live: Live) -> None:
    day = today(live)
    assert lines(live, "day", from_day=day, to_day=day) != {}
    assert lines(live, "day", to_day="2020-01-01") == {}
    later = read(live, from_day="2099-01-01").whole
    assert later.payments.count == 0
    # What is open is so whatever day is asked about.
    assert (later.open.count, later.open.paise) == (1, 700)
    wrong: tuple[dict[str, str], ...] = (
        {"from_day": day, "to_day": "2020-01-01"},
        {"from_day": "1969-12-31"},
        {"to_day": "2149-06-07"},
        {"from_day": "01-04-2026"},
        {"biller": "nobody"},
        {"biller": CENTRE},
    )
    for days in wrong:
        with pytest.raises(CallError) as raised:
            read(live, **days)
        is_name = "biller" in days
        code = (
            grpc.StatusCode.NOT_FOUND if is_name else grpc.StatusCode.INVALID_ARGUMENT
        )
        assert raised.value.code is code, days
    ended = live.command("totals", "--from", "01-04-2026")
    assert ended.returncode == Exit.USAGE


def test_as_files(live: Live, tmp_path: Path) -> None:
    table, parquet = tmp_path / "t.csv", tmp_path / "t.parquet"
    table.write_text("what was there before")
    words = ("--by", "district", "--csv", str(table), "--parquet", str(parquet))
    found = told(live, *words)
    body = table.read_bytes().decode()
    assert body.endswith("\r\n")
    rows = list(csv.DictReader(io.StringIO(body, newline="")))
    assert [row["code"] for row in rows] == ["", "NOR"]
    typed = pq.read_table(parquet).to_pylist()
    assert [list(row) for row in typed] == [list(row) for row in rows]
    for row, of, line in zip(rows, typed, found["lines"], strict=True):
        assert int(row["as_of_sequence"]) == found["as_of_sequence"]
        assert of["as_of_sequence"] == found["as_of_sequence"]
        assert row["as_of_time"] == of["as_of_time"].astimezone(IST).isoformat()
        assert of["code"] == line["code"]
        for name in FIGURES:
            told_ = line["figures"][name]
            assert int(row[name]) == of[name] == told_["count"]
            amount = Decimal(told_["paise"]).scaleb(-2)
            assert Decimal(row[f"{name}_amount"]) == of[f"{name}_amount"] == amount
    # Without lines the whole is one.
    done(live, "totals", "--csv", str(table))
    [row] = csv.DictReader(io.StringIO(table.read_bytes().decode(), newline=""))
    assert (row["code"], row["gross_amount"]) == ("", "30.50")
    assert sorted(one.name for one in tmp_path.iterdir()) == ["t.csv", "t.parquet"]


def test_whose_they_are(live: Live) -> None:
    for role, name in ((Role.BILLER, "power"), (Role.BILLER, "water")):
        with live.client(role, name) as client:
            found = client.totals(pb.TOTALS_BY_CENTRE)
            count = 2 if name == "power" else 0
            assert found.whole.payments.count == count
            assert len(found.lines) == count
            other = "water" if name == "power" else "power"
            with pytest.raises(CallError) as raised:
                client.totals(biller=other)
            assert raised.value.code is grpc.StatusCode.PERMISSION_DENIED
    with live.client(Role.CENTRE, CENTRE) as client, pytest.raises(CallError) as raised:
        client.totals()
    assert raised.value.code is grpc.StatusCode.PERMISSION_DENIED
    with live.client(Role.TREASURY, TREASURY) as office:
        assert office.totals(biller="water").whole.payments.count == 0
        assert office.totals(biller="power").whole.payments.count == 2


def test_a_centre_takes_its_past_with_it(live: Live) -> None:
    load(live, "SOU", "")
    assert lines(live, "district") == {
        "SOU": (1, 1_000, 700),
        "": (1, 2_050, 0),
    }
    load(live, "NOR", "GP")
    assert lines(live, "district")["NOR"] == (1, 1_000, 700)


def test_after_restarts(live: Live) -> None:
    """Also of a store that is gone. The last test that needs the server."""
    # The hold's deadline is a second: it is kept, which is a case.
    until(lambda: read(live).whole.cases.count)
    before = read(live)
    data = live.network.parent
    store = live.server.ledger / "totals"
    for is_there in (True, False):
        live.server.stop()
        assert store.stat().st_mode & 0o077 == 0
        if not is_there:
            shutil.rmtree(store)
        with ServerProcess(data, 0) as server:
            after = read(replace(live, server=server))
        assert after.whole == before.whole
        assert after.as_of_sequence >= before.as_of_sequence


def test_two_states_are_no_answer() -> None:
    pages = [pb.ReadTotalsResponse(as_of_sequence=at) for at in (5, 6)]
    pages[0].whole.payments.count = 1

    class Stub:
        def ReadTotals(self, *_: Any, **__: Any) -> Any:  # noqa: N802
            return iter(pages)

    client = Client.__new__(Client)
    client._totals = Stub()  # type: ignore[assignment]

    class Caller:
        def read(self, method: Any, request: Any) -> Any:
            return method(request, timeout=1)

    client._caller = Caller()  # type: ignore[assignment]
    with pytest.raises(WireError, match="two states"):
        client.totals()
    pages[1].as_of_sequence = 5
    assert client.totals().as_of_sequence == 5
    pages[0].ClearField("whole")
    with pytest.raises(WireError, match="whole"):
        client.totals()


def test_words_are_in_both_languages() -> None:
    for key, (english, bengali) in TOTALS_WORDS.items():
        assert english.isascii(), key
        assert any("ঀ" <= letter <= "৿" for letter in bengali), key
