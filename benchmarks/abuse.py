"""What: whether one participant can hurt the others, or the machine.

    python -m benchmarks.abuse --case rapid_reset --seconds 5 --json
    python -m benchmarks.abuse --all

A fresh server for each case. Another centre, the victim, pays 200 times a second all
the while (`benchmarks.victim`): alone; beside the attack aimed at a dummy port, which
shows what the attacker takes by using a processor; and under the attack. Attackers
(`benchmarks.attacks`) have a participant's certificate, run niced, and end by
themselves.

A case is kept if the server's memory that is no file's grows by less than 512 MB, the
victim's p99 is at most twice its own beside the dummy, or 15 ms (50 ms while all
centres shake hands), none of its payments is refused, who comes anew is let in within
a quarter of a second, or twice what it takes beside the dummy, an attack that nothing
but an attacker would do is ended, the data directory grows by no more than is allowed,
and the attack took place. Beside an attack by reading a counter looks and pays
(`benchmarks.reader`): none of its calls is refused, and the p99 of each kind is at most
100 ms, or three times that beside the dummy.
Times mean something only where nothing else runs: with `--seconds` below 3 they are
neither taken alone and beside the dummy, nor judged.
"""

import argparse
import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from benchmarks.attacker import ATTACKER
from benchmarks.attacks import ATTACKS, HELD_SERVICE, POOR, STORM
from benchmarks.attacks_at_door import OPERATOR, OPERATOR_KEY, STRANGERS
from benchmarks.attacks_by_reading import BY_READING
from benchmarks.load import log_tail, side_server
from benchmarks.load_network import ALL, Figures, LoadError, participants, services
from benchmarks.machine import machine
from benchmarks.messages import centre_code
from benchmarks.meters import anonymous_of, scratch
from benchmarks.network import TOP_UP
from benchmarks.victim import VICTIM
from switch.authority.development import DevAuthority
from switch.client import Client
from switch.codes import Role
from switch.day.server import ServerProcess
from switch.errors import SwitchError
from switch.v1 import network_pb2

MEMORY_MAX = 512 << 20
P99_MS = 15.0
STORM_P99_MS = 50.0
COME_MS = 250.0
"""Until somebody else who comes anew is let in; or twice as beside the dummy."""
RATIO = 2.0
JUDGED_S = 3.0
"""Attacks shorter than this are judged without their times."""
DISK_MAX = 64 << 20
"""Bytes by which a data directory may grow beyond its reserve, where nobody pays."""
PAYING_DISK_MAX = 2 << 30
PAYING = ("unread", "batches", "holds", "lists")
"""Attacks that pay, and are let."""
ENDED = (
    *("key_updates", "rapid_reset", "continuation", "settings", "ping", "empty_data"),
    "said_again",
)
"""Attacks that nobody does who means well: they are thrown out."""
READING = tuple(attack.__name__ for attack in BY_READING)
"""Attacks by reading: a counter that looks and pays is beside them."""
READ_KINDS = ("list", "bill")
READ_RATIO, READ_MS = 3.0, 100.0
"""What a look or `PayBill` may take: so often as much as beside the dummy, or this."""
LOOK_S = 0.05
SECONDS_MAX = 600.0
VICTIM_FIRST = 1 << 40
"""Number of the victim's first bill; each of its runs has others."""
APART = 1 << 30
END_S = 60.0
"""What a process may take beside its seconds."""
NICE = ("nice", "-n", "19")


class Watch:
    """Looks at a process's memory until it is left; the most that there was."""

    def __init__(self, pid: int) -> None:
        self.most = anonymous_of(pid)
        self._pid = pid
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def _look(self) -> None:
        while not self._ended.wait(LOOK_S):
            self.most = max(self.most, anonymous_of(self._pid))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()


class Scene:
    """A server with its network, and who acts there."""

    def __init__(self, case: str, seconds: float, server: ServerProcess) -> None:
        self.case = case
        self.seconds = seconds
        self.server = server
        self._turn = 0

    def victim(self, seconds: float) -> Figures:
        """What the victim sees in so long. Raises LoadError."""
        self._turn += 1
        first = str(VICTIM_FIRST + self._turn * APART)
        command = ["benchmarks.victim", *self._to(self.server.address, seconds)]
        return finish(start([*command, "--first", first]), seconds)

    def attacked(self, address: str) -> tuple[Figures, Figures]:
        """What the victim sees while another server, or its own, is attacked."""
        seconds = self.seconds
        command = ["benchmarks.attacks", self.case, *self._to(address, seconds)]
        attacker = start(command, *NICE)
        comes = ["benchmarks.newcomer", *self._to(self.server.address, seconds)]
        newcomer = start(comes)
        reads = ["benchmarks.reader", *self._to(self.server.address, seconds)]
        reader = start(reads) if self.case in READING else None
        others = [newcomer] if reader is None else [newcomer, reader]
        try:
            seen = self.victim(seconds)
            for other in others:
                seen |= finish(other, seconds)
            return seen, finish(attacker, seconds)
        finally:
            for process in (attacker, *others):
                process.kill()
                process.communicate()

    def _to(self, address: str, seconds: float) -> list[str]:
        tls = str(self.server.tls)
        return ["--address", address, "--tls", tls, "--seconds", str(seconds)]


def start(command: list[str], *before: str) -> "subprocess.Popen[str]":
    """A module of ours in a process of its own."""
    whole = [*before, sys.executable, "-m", *command]
    return subprocess.Popen(whole, stdout=subprocess.PIPE, text=True)


def finish(process: "subprocess.Popen[str]", seconds: float) -> Figures:
    """What it says at its end. Raises LoadError."""
    try:
        out, _ = process.communicate(timeout=seconds + END_S)
    except subprocess.TimeoutExpired as error:
        process.kill()
        process.communicate()
        raise LoadError(f"{process.args!r} did not end") from error
    if process.returncode != 0:
        raise LoadError(f"{process.args!r} ended with {process.returncode}")
    figures: Figures = json.loads(out.splitlines()[-1])
    return figures


@contextmanager
def scene(case: str, seconds: float, directory: Path) -> Iterator[Scene]:
    """A server with all centres registered, of whom two have money."""
    with ServerProcess(directory, 0) as server:
        authority = DevAuthority(server.tls)
        centres = range(STORM) if case == "storm" else (VICTIM, ATTACKER, POOR)
        for number in centres:
            authority.leaf(Role.CENTRE, centre_code(number))
        authority.leaf(Role.BILLER, "biller-1")
        for name in STRANGERS:
            authority.leaf(Role.CENTRE, name)
        with Client(server.address, authority.leaf(Role.TREASURY, "treasury")) as one:
            one.wait_ready(END_S)
            people = participants(ALL)
            for person in people:
                person.may_state_dues |= person.role == network_pb2.ROLE_CENTRE
                if person.id == centre_code(ATTACKER):
                    key = Ed25519PrivateKey.from_private_bytes(OPERATOR_KEY)
                    public = key.public_key().public_bytes_raw()
                    person.operators.add(number=OPERATOR, key=public, active=True)
            offered = services(network_pb2.SERVICE_MODE_DIRECT)
            held = services(network_pb2.SERVICE_MODE_CONFIRMED)[HELD_SERVICE]
            held.amount_min = 1
            offered[HELD_SERVICE] = held
            one.load_network(people, offered)
            for number in (VICTIM, ATTACKER):
                one.top_up(centre_code(number), TOP_UP, f"UTR{number:08}")
        yield Scene(case, seconds, server)


def disk_of(directory: Path) -> int:
    """Bytes that its files take on the disk."""
    files = [path for path in directory.rglob("*") if path.is_file()]
    return sum(path.stat().st_blocks * 512 for path in files)


def measure(case: str, seconds: float, directory: Path) -> Figures:
    """One case. Raises LoadError."""
    with scene(case, seconds, directory) as here:
        server = here.server
        seen = {}
        if seconds >= JUDGED_S:
            seen["before"] = here.victim(min(seconds, JUDGED_S))
            swallow = ["benchmarks.swallow"]
            with side_server(directory, swallow, server.tls) as (dummy, _):
                seen["beside"], _ = here.attacked(dummy)
        disk, memory = disk_of(server.ledger), anonymous_of(server.pid)
        with Watch(server.pid) as watch:
            seen["during"], attack = here.attacked(server.address)
        grown = disk_of(server.ledger) - disk
    found: Figures = {
        "case": case,
        "seconds": seconds,
        "memory_bytes": memory,
        "memory_grown_bytes": watch.most - memory,
        "disk_grown_bytes": grown,
    }
    for name, one in seen.items():
        found |= {f"{key}_{name}": one[key] for key in ("p50_ms", "p99_ms")}
    for name in seen.keys() & {"beside", "during"}:
        found |= {f"come_ms_{name}": seen[name]["come_ms"]}
        for kind in READ_KINDS:
            if f"{kind}_p99_ms" in seen[name]:
                found |= {f"{kind}_ms_{name}": seen[name][f"{kind}_p99_ms"]}
    during = seen["during"]
    found |= {name: during[name] for name in during if name.startswith("reads_")}
    found |= {"came": during["came"], "away": during["away"]}
    found |= {"refused": during["refused"], "said": during["said"]}
    found |= {"payments": during["payments"], "attack": attack}
    found["broken"] = judge(found)
    return found


def judge(found: Figures) -> list[str]:
    """The bounds that are not kept."""
    case = str(found["case"])
    attack = found["attack"]
    assert isinstance(attack, dict)
    numbers = {
        key: float(value)
        for key, value in found.items()
        if isinstance(value, int | float)
    }
    broken = []
    if not attack["connections"]:
        broken.append("no attack")
    if numbers["memory_grown_bytes"] >= MEMORY_MAX:
        broken.append("memory")
    if numbers["refused"] or not numbers["payments"]:
        broken.append("refused")
    least_ms = STORM_P99_MS if case == "storm" else P99_MS
    if numbers["seconds"] >= JUDGED_S:
        bound_ms = max(RATIO * numbers["p99_ms_beside"], least_ms)
        if numbers["p99_ms_during"] > bound_ms:
            broken.append("p99")
        come_ms = max(RATIO * numbers.get("come_ms_beside", 0.0), COME_MS)
        if case != "storm" and numbers.get("come_ms_during", 0.0) > come_ms:
            broken.append("come")
        for kind in READ_KINDS:
            most_ms = max(READ_RATIO * numbers.get(f"{kind}_ms_beside", 0.0), READ_MS)
            if numbers.get(f"{kind}_ms_during", 0.0) > most_ms:
                broken.append(kind)
    if numbers.get("reads_refused"):
        broken.append("reads refused")
    if case != "storm" and (numbers.get("away") or numbers.get("came") == 0):
        broken.append("turned away")
    if case in ENDED and not attack["ended"] and not attack["held"]:
        broken.append("not ended")
    disk_max = PAYING_DISK_MAX if case in PAYING else DISK_MAX
    if numbers["disk_grown_bytes"] > disk_max:
        broken.append("disk")
    return broken


def line(found: Figures) -> str:
    """One line for people."""
    attack = found["attack"]
    assert isinstance(attack, dict)
    grown = int(str(found["memory_grown_bytes"])) / (1 << 20)
    names = ("before", "beside", "during")
    p99 = " ".join(str(found.get(f"p99_ms_{name}", "-")) for name in names)
    return (
        f"{found['case']!s:13} {grown:8.0f} MB  p99 {p99} ms  "
        f"refused {found['refused']}  ended {attack['ended']} of "
        f"{attack['connections']}  {', '.join(found['broken']) or 'kept'}"  # type: ignore[arg-type]
    )


def main() -> int:
    """Run one case or all; 1 if a bound was not kept."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--case", choices=sorted(ATTACKS))
    what.add_argument("--all", action="store_true")
    parser.add_argument("--seconds", type=float, default=10.0, help="of each attack")
    parser.add_argument("--directory", type=Path, help="parent of the fresh directory")
    parser.add_argument("--json", action="store_true", help="only the JSON line")
    options = parser.parse_args()
    if not 0 < options.seconds <= SECONDS_MAX:
        parser.error(f"--seconds is at most {SECONDS_MAX:.0f}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    cases = []
    for case in ATTACKS if options.all else [options.case]:
        began_s = time.monotonic()
        with scratch(options.directory, "abuse") as directory:
            try:
                cases.append(measure(case, options.seconds, directory))
            except (LoadError, SwitchError) as error:
                print(f"no figure: {error}\n{log_tail(directory)}", file=sys.stderr)
                return 1
        if not options.json:
            took_s = time.monotonic() - began_s
            print(f"{line(cases[-1])}  {took_s:.0f} s", file=sys.stderr, flush=True)
    result: Figures = {"machine": machine()}
    result |= {"cases": cases} if options.all else cases[0]
    print(json.dumps(result))
    return 1 if any(case["broken"] for case in cases) else 0


if __name__ == "__main__":
    sys.exit(main())
