"""Goal: a person revokes, confirms, pins and looks at certificates from a shell, and
sets what a participant may use.

Method: each command as a process of its own against a real server.
"""

import json
from collections.abc import Iterator

import pytest

from switch.codes import Role
from switch.console.output import Exit
from switch.credentials import presented_by
from tests.client.live import CENTRE, CHECKER, Live, running

BY_CHECKER = ("--as", f"treasury/{CHECKER}")


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with running(tmp_path_factory.mktemp("revocations") / "data") as one:
        done = one.command("network", "load", str(one.network))
        assert done.returncode == Exit.DONE, done.stderr
        yield one


def test_from_the_theft_to_the_second_person(live: Live) -> None:
    file = live.authority.leaf(Role.CENTRE, CENTRE).certificate
    assert live.command("balance", CENTRE, "--as", f"centre/{CENTRE}").returncode == 0
    done = live.command("revoke", CENTRE, str(file), "stolen")
    assert done.returncode == Exit.DONE, done.stderr
    assert "payswitch confirm-revocation 1" in done.stdout
    refused = live.command("balance", CENTRE, "--as", f"centre/{CENTRE}")
    assert refused.returncode == Exit.USAGE
    assert "revoked" in refused.stderr
    # The one who revoked it is no second person.
    done = live.command("confirm-revocation", "1")
    assert done.returncode == Exit.REFUSED
    assert "SAME_PERSON" in done.stdout
    shown = live.command("revocations", "--unconfirmed", "--json")
    [one] = json.loads(shown.stdout)["revocations"]
    assert (one["participant"], one["reason"]) == (CENTRE, "stolen")
    assert live.command("confirm-revocation", "1", *BY_CHECKER).returncode == 0
    shown = live.command("revocations", "--unconfirmed", "--json")
    assert json.loads(shown.stdout)["revocations"] == []
    table = live.command("revocations").stdout
    assert f"{presented_by(file).serial:x}" in table.replace("\n", "")
    assert CHECKER in table


def test_pins(live: Live) -> None:
    harness = ("balance", CENTRE, "--as", "harness/harness")
    other = live.authority.leaf(Role.AUDITOR, "auditor").certificate
    own = live.authority.leaf(Role.HARNESS, "harness").certificate
    assert live.command("pin", "harness", str(other)).returncode == Exit.DONE
    assert "pinned" in live.command(*harness).stderr
    both = (str(other), str(own))
    assert live.command("pin", "harness", *both).returncode == Exit.DONE
    [listed] = json.loads(live.command("pins", "--json").stdout)["pins"]
    assert (listed["participant"], len(listed["pins"])) == ("harness", 2)
    assert presented_by(own).key.hex() in live.command("pins").stdout.replace("\n", "")
    assert live.command(*harness).returncode == Exit.DONE
    assert live.command("pin", "harness").returncode == Exit.DONE
    done = live.command("pin", CHECKER, str(own))
    assert done.returncode == Exit.REFUSED
    assert "LAST_TREASURIES" in done.stdout
    no_certificate = live.command("pin", "harness", str(live.network))
    assert no_certificate.returncode == Exit.CONFIG
    assert "is no certificate" in no_certificate.stderr


def test_budgets(live: Live) -> None:
    done = live.command("set-budget", CENTRE, "payments_per_s", "300")
    assert done.returncode == Exit.DONE, done.stderr
    [listed] = json.loads(live.command("budgets", "--json").stdout)["budgets"]
    assert (listed["participant"], listed["value"]) == (CENTRE, 300)
    table = live.command("budgets").stdout
    assert "payments_per_s" in table
    assert "300" in table
    for name, value, said in (
        ("payments", "300", "invalid choice"),
        ("calls", "many", "not a whole number"),
        ("calls", "1048577", "1 to 1048576"),
    ):
        wrong = live.command("set-budget", CENTRE, name, value)
        assert wrong.returncode == Exit.USAGE
        assert said in wrong.stderr
    assert live.command("set-budget", CENTRE, "payments_per_s", "0").returncode == 0
    assert json.loads(live.command("budgets", "--json").stdout)["budgets"] == []
