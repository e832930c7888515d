"""`make cluster ARGS=--restore`: the log put back to the past by pgBackRest, as an
operator does it, what becomes of switches that know more, and the log anew from one.

The steps are those of docs/cluster.md.
"""

import base64
import json
import shutil
import subprocess
import time
import urllib.request
from pathlib import Path
from typing import Any, Final

from switch.client import Client, make_payment
from switch.codes import Result, Role
from switch.v1 import payments_pb2
from tools.cluster import programs
from tools.cluster.joined import prove_joined
from tools.cluster.processes import as_owner, environment, owner, wait_gone
from tools.cluster.settings import DATABASE, HOST, NODES, OWNER, SCOPE
from tools.cluster.stand import Stand, StandError
from tools.cluster.switches import CENTRES, KEYS, NUMBERS, SERVICE, Switches

ENOUGH: Final = 4_000
"""Payments before the backup, and again behind it."""
BATCH: Final = 200
WAIT_S: Final = 90.0
GONE: Final = ("leader", "sync", "history", "status", "failover", "members/")
"""What etcd knows of who led and what they had: it is not so of the past."""
TARGETS: Final = ("recovery_target", "restore_command")


def run_restore(stand: Stand) -> dict[str, Any]:
    """The whole of it; `ok` if all is as promised."""
    switches = Switches(stand)
    wrong: list[str] = []
    try:
        switches.make()
        switches.up()
        switches.load_network()
        node = stand.leader()
        paid = pay(switches, ENOUGH)
        stand.say("a backup of the log")
        stand.pgbackrest(node, "backup", "--type=full")
        paid += pay(switches, ENOUGH)
        switches.wait_level()
        had = int(switches.status()["log"]["sequence"])
        switches.down()
        put_back(stand, node)
        has = int(switches.status()["log"]["sequence"])
        if not 0 < has < had:
            raise StandError(f"the log has {has} entries again, of {had}")
        wrong += refused(stand, switches)
        anew(stand, switches)
        wrong += differences(switches, paid)
        paid += pay(switches, ENOUGH)
        switches.wait_level()
    finally:
        switches.down()
    proof = prove_joined(switches)
    wrong += proof["wrong"]
    return {
        "restored_to": has,
        "of": had,
        "answered": len(paid),
        "state_hash": proof["state_hash"],
        "wrong": wrong,
        "ok": not wrong,
    }


Paid = list[tuple[payments_pb2.Payment, tuple[int, int, int]]]
"""Payments, with what of their answers stays the same for ever."""


def pay(switches: Switches, count: int) -> Paid:
    """Pay so many, all of them accepted."""
    paid: Paid = []
    with switches.client(Role.HARNESS, "harness") as client:
        for start in range(0, count, BATCH):
            batch = [
                make_payment(
                    *(SERVICE, 500, f"B{time.time_ns()}-{start + at}"),
                    centre=CENTRES[at % len(CENTRES)],
                    operator=1,
                    amount_due=500,
                )
                for at in range(BATCH)
            ]
            paid += zip(batch, answers(client, batch), strict=True)
    assert all(said[0] == Result.OK.value for _, said in paid)
    return paid


def answers(
    client: Client, batch: list[payments_pb2.Payment]
) -> list[tuple[int, int, int]]:
    """Of each: result, entry, receipt."""
    return [
        (int(one.result), one.sequence, one.receipt) for one in client.pay_batch(batch)
    ]


def differences(switches: Switches, paid: Paid) -> list[str]:
    """Payments that are answered otherwise now."""
    found = []
    with switches.client(Role.HARNESS, "harness") as client:
        for start in range(0, len(paid), BATCH):
            part = paid[start : start + BATCH]
            again = answers(client, [payment for payment, _ in part])
            found += [
                f"{payment.id.hex()} was answered {first} and now {second}"
                for (payment, first), second in zip(part, again, strict=True)
                if first != second
            ]
    return found[:5]


def put_back(stand: Stand, node: int) -> None:
    """The databases as they were at the end of the backup, and none of what came later.

    On the node of which it is; the others are copied from that.
    """
    for number in NODES:
        stand.patronis[number - 1].stop(WAIT_S)
        stand.kill_host(number)
        data = stand.plan.node(number) / "data"
        shutil.rmtree(data)
        data.mkdir(mode=0o700)
        shutil.chown(data, *owner())
    stand.say("restoring, until the backup's end and no further")
    stand.pgbackrest(node, "restore", "--type=immediate", "--target-action=promote")
    _recover(stand, node)
    for name in GONE:
        _forget(stand, name)
    stand.start_host(node)
    stand.wait(lambda: stand.leader() == node, "the restored database", WAIT_S)
    for number in NODES:
        if number != node:
            stand.start_host(number)
    stand.wait_whole()


def _recover(stand: Stand, node: int) -> None:
    """Have PostgreSQL end its recovery before Patroni sees it, which would go on."""
    place = stand.plan.node(node)
    words = ["-D", str(place / "data"), "-w", "-t", str(int(WAIT_S))]
    options = f"-c listen_addresses='' -p {stand.plan.ports.postgres[node - 1]}"
    _pg_ctl(stand, "start", *words, "-l", str(place / "restore.log"), "-o", options)
    port = stand.plan.ports.postgres[node - 1]
    psql = [str(stand.plan.postgres_bin / "psql"), "-XAtq", "-h", str(place / "run")]
    psql += ["-p", str(port), "-U", "postgres", "-c", "SELECT pg_is_in_recovery()"]

    def is_out() -> bool:
        done = _as_owner(stand, psql)
        return done.stdout.strip() == "f"

    stand.wait(is_out, "the end of its recovery", WAIT_S)
    _pg_ctl(stand, "stop", *words, "-m", "fast")
    settings = place / "data" / "postgresql.auto.conf"
    kept = [
        line
        for line in settings.read_text().splitlines(keepends=True)
        if not line.startswith(TARGETS)
    ]
    settings.write_text("".join(kept))


def _pg_ctl(stand: Stand, verb: str, *words: str) -> None:
    done = _as_owner(stand, [str(stand.plan.postgres_bin / "pg_ctl"), verb, *words])
    if done.returncode:
        raise StandError(f"pg_ctl {verb}: {done.stdout}{done.stderr}")


def _as_owner(stand: Stand, command: list[str]) -> "subprocess.CompletedProcess[str]":
    more = {"PGPASSFILE": str(stand.plan.folder / "pgpass.owner")}
    with (stand.plan.folder / "restore.out").open("w+") as out:
        # A file: what pg_ctl starts keeps it open.
        done = subprocess.run(
            as_owner(command),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            cwd="/",
            check=False,
            env=environment({**programs.environment(), **more}),
        )
        out.seek(0)
        return subprocess.CompletedProcess(command, done.returncode, out.read(), "")


def _forget(stand: Stand, name: str) -> None:
    """Delete a key of Patroni's in etcd, or all below it."""
    key = f"/{SCOPE}/{SCOPE}/{name}".encode()
    question = {"key": base64.b64encode(key).decode()}
    if name.endswith("/"):
        end = key[:-1] + bytes([key[-1] + 1])
        question["range_end"] = base64.b64encode(end).decode()
    port = stand.plan.ports.etcd[0]
    url = f"http://{HOST}:{port}/v3/kv/deleterange"
    with urllib.request.urlopen(url, json.dumps(question).encode(), WAIT_S):
        pass


def refused(stand: Stand, switches: Switches) -> list[str]:
    """What is wrong with how switches meet a log of the past."""
    wrong = []
    for number in NUMBERS:
        # What it has said so far is not about this.
        before = _said(switches, number)
        switches.start(number)
        process = switches.processes[number - 1]
        if not wait_gone([process.pid], WAIT_S):
            wrong.append(f"switch{number} follows a log that has less than it has")
        said = _said(switches, number)[len(before) :]
        if "the log was put back to an older state" not in said:
            wrong.append(f"switch{number} does not say why: {said[-300:]}")
        if "ended with 72" not in said:
            wrong.append(f"switch{number} did not end with 72")
        process.stop(WAIT_S)
    # One that knows nothing but what others have said does not lead it.
    newest = NUMBERS[-1]
    epoch = switches.status()["log"]["epoch"]
    keys = {name: (switches.ledger(newest) / name).read_bytes() for name in KEYS}
    _empty(switches.ledger(newest), keys)
    before = _said(switches, newest)
    switches.start(newest)
    stand.wait(
        lambda: "this node does not lead" in _said(switches, newest)[len(before) :],
        "a node that hears of others",
        WAIT_S,
    )
    # Whoever led when the backup was made may be named still.
    if switches.status()["log"]["epoch"] != epoch:
        wrong.append(f"switch{newest} leads a log of the past")
    switches.down()
    return wrong


def _said(switches: Switches, number: int) -> str:
    return switches.processes[number - 1].log.read_text(errors="replace")


def _empty(ledger: Path, keys: dict[str, bytes]) -> None:
    shutil.rmtree(ledger)
    ledger.mkdir(mode=0o700)
    for name, secret in keys.items():
        (ledger / name).write_bytes(secret)
        (ledger / name).chmod(0o600)


def anew(stand: Stand, switches: Switches) -> None:
    """The log from the ledger that has all, and the other node's copy from that."""
    stand.say("the log anew, from the first switch")
    stand.sql("DROP SCHEMA payswitch CASCADE", role=OWNER, database=DATABASE)
    first, *others = (switches.ledger(number) for number in NUMBERS)
    owners = ("--dsn", stand.plan.dsn(OWNER))
    switches.payswitch("cluster", "init", *owners, "--again", "--from", str(first))
    for other in others:
        shutil.rmtree(other)
        words = (str(other), "--from", str(first))
        switches.payswitch("cluster", "seed", *owners, *words)
    switches.up()
