#!/usr/bin/python3
"""Before PostgreSQL is promoted: etcd is told who leads, and gives a timeline's number.

    postgresql:
      pre_promote: /etc/payswitch/before_promote.py /etc/payswitch/promotion.json

Patroni runs it with the leader's lock held, and does not promote if it fails. Needs
nothing but Python. Two things would be lost without it (docs/cluster.md, Cold starts):

1. In quorum mode Patroni (4.0) writes who leads into `/sync` some time after promotion,
   and lets whoever stands there lead again without a vote. What was committed meanwhile
   is lost if the node that led before is the first one back. So it is written before,
   in a spelling (`respelt`) by which Patroni still sees that it has promoted.
2. PostgreSQL takes the first number for its timeline that it sees no history of. Two
   nodes that see nothing of each other take the same, and nobody notices: one then
   follows the other with another past. So each number is given once, by etcd; what lies
   below it and is not known here `restore.sh` tells PostgreSQL to be taken.
"""

import base64
import json
import re
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

WAIT_S = 2.0
TRIES = 8


class Etcd:
    """The keys of one Patroni cluster, by etcd's JSON gateway."""

    def __init__(self, urls: list[str], prefix: str) -> None:
        """`urls`: this machine's own first. `prefix` is Patroni's namespace and scope,
        with slashes around.
        """
        self._urls = urls
        self._prefix = prefix

    def get(self, name: str) -> tuple[str, str]:
        """A key's value and the revision that changed it; empty if there is none."""
        found = self._post("range", {"key": self._key(name)}).get("kvs")
        if not found:
            return "", "0"
        return base64.b64decode(found[0]["value"]).decode(), found[0]["mod_revision"]

    def names(self, below: str) -> list[str]:
        """The names of the keys below one."""
        start = self._prefix + below
        question = {
            "key": _b64(start),
            "range_end": _b64(start[:-1] + chr(ord(start[-1]) + 1)),
            "keys_only": True,
        }
        found = self._post("range", question).get("kvs", [])
        return [base64.b64decode(one["key"]).decode()[len(start) :] for one in found]

    def put(self, name: str, value: str, revision: str, leader: str) -> bool:
        """Write a key that is as it was at `revision` while `leader` has the lock."""
        key, lock = self._key(name), self._key("leader")
        compare = [
            {"key": key, "target": "MOD", "mod_revision": revision},
            {"key": lock, "target": "VALUE", "value": _b64(leader)},
        ]
        success = [{"request_put": {"key": key, "value": _b64(value)}}]
        return bool(
            self._post("txn", {"compare": compare, "success": success}).get("succeeded")
        )

    def _key(self, name: str) -> str:
        return _b64(self._prefix + name)

    def _post(self, what: str, question: dict[str, Any]) -> dict[str, Any]:
        said = ""
        for url in [*self._urls]:
            at = f"{url}/v3/kv/{what}"
            # From a file that only the owner writes.
            request = urllib.request.Request(at, json.dumps(question).encode())  # noqa: S310
            try:
                with urllib.request.urlopen(request, timeout=WAIT_S) as reply:  # noqa: S310
                    return dict(json.load(reply))
            except (OSError, ValueError) as error:
                said = f"{url}: {error}"
                # It may be on the machine that has just died: it is asked last now.
                self._urls.remove(url)
                self._urls.append(url)
        raise SystemExit(f"before_promote: etcd does not answer: {said}")


def _b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def respelt(name: str) -> str:
    """Another spelling, of the same node: Patroni and PostgreSQL ignore case in names.

    But Patroni compares the leader of `/sync` with its own name as text, in its first
    round as leader. If they differ, it has just been promoted: it writes `/sync` anew,
    and commits go on to wait for the standbys that are named, until these had time to
    come. If they are equal it gives up those that do not stream yet, which is all of
    them, and names nobody. In an election that text is compared, too: whoever stands
    there leads without a vote; in this spelling it needs one, as all others do.
    """
    other = name.swapcase()
    return other if other.lower() == name.lower() else name


def led_by(sync: dict[str, Any], name: str, wanted: int) -> dict[str, Any]:
    """`/sync` with `name` as leader: what Patroni writes itself, but later.

    The standbys that its commits wait for, and how many of them, are those that Patroni
    has just given PostgreSQL; so many may be silent when the next leader is chosen.

    `wanted`: for how many standbys a commit shall wait. If that is more than it does,
    Patroni counts who has all, and would count the other spelling as one that has.
    """
    voters = [one for one in (sync.get("sync_standby") or "").split(",") if one]
    # Who has just been promoted may stand there twice, in either spelling.
    members = {one.lower(): one for one in [*voters, sync["leader"]]}
    wait_for = len(members) - int(sync.get("quorum") or 0) - 1
    if members.pop(name.lower(), None) is None:
        wait_for += 1
    return {
        "leader": respelt(name) if members and wanted <= wait_for else name,
        "sync_standby": ",".join(sorted(members.values())),
        "quorum": max(0, len(members) - wait_for),
    }


def write_leader(etcd: Etcd, name: str) -> None:
    """Have `/sync` name this node. Raises SystemExit if that cannot be."""
    config = json.loads(etcd.get("config")[0] or "{}")
    wanted = int(config.get("synchronous_node_count") or 1)
    for _ in range(TRIES):
        text, revision = etcd.get("sync")
        sync = json.loads(text) if text else {}
        if (sync.get("leader") or name).lower() == name.lower():
            return
        if etcd.put("sync", json.dumps(led_by(sync, name, wanted)), revision, name):
            return
    raise SystemExit("before_promote: /sync changes, or another one has the lock")


def known(data: Path, bin_dir: Path) -> int:
    """The newest timeline that this node knows of."""
    done = subprocess.run(
        [bin_dir / "pg_controldata", data],
        capture_output=True,
        text=True,
        check=True,
        env={"LC_ALL": "C"},
    )
    numbers = [
        int(number)
        for number in re.findall(
            r"^(?:Latest checkpoint's TimeLineID|Min recovery ending loc's timeline):"
            r" *(\d+)$",
            done.stdout,
            re.MULTILINE,
        )
    ]
    histories = (data / "pg_wal").glob("*.history")
    return max(*numbers, *(int(path.stem, 16) for path in histories), 1)


def take_timeline(etcd: Etcd, name: str, least: int) -> int:
    """A number above `least` that no node has had."""
    for _ in range(TRIES):
        taken = [int(one) for one in etcd.names("timelines/")]
        number = max(least, *taken, 0) + 1
        if etcd.put(f"timelines/{number}", name, "0", name):
            return number
    raise SystemExit("before_promote: no number for a timeline, or the lock is lost")


def main() -> None:
    """As Patroni calls it."""
    said = json.loads(Path(sys.argv[1]).read_text())
    name, data = said["name"], Path(said["data"])
    etcd = Etcd(said["etcd"], said["prefix"])
    newest = known(data, Path(said["bin"]))
    number = take_timeline(etcd, name, newest)
    postmaster = (data / "postmaster.pid").read_text().split("\n", 1)[0]
    # For restore.sh, as long as this PostgreSQL runs.
    Path(said["marker"]).write_text(f"{newest} {number} {postmaster}\n")
    write_leader(etcd, name)
    print(f"before_promote: {name} leads, on timeline {number}")


if __name__ == "__main__":
    main()
