"""Nodes of a stand as machines of their own: network namespaces, and own disks.

Three networks, each a bridge: *front*, by which clients reach switches; *log*, by which
switches reach databases; *peer*, by which databases, Patroni and etcd reach each other.
Who pays and who asks, this program, is in all three. To cut a machine off from one of
them its end is taken from that bridge: nothing comes back, not even a refusal.

It needs root. All of it lies in namespaces of the run itself, also the mounts and the
processes: whatever ends the run, the kernel takes it away, and the machine that it runs
on has none of it at any time but an empty folder, /run/netns.
"""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from tools.cluster.settings import NODES, PREFIX, SWITCHES
from tools.cluster.stand import StandError

MARK: Final = "PAYSWITCH_CLUSTER_APART"
"""Set in the environment of a run that is in namespaces of its own."""
PROGRAMS: Final = ("unshare", "nsenter", "ip", "mkfs.ext4", "mount", "umount")
UNSHARE: Final = (
    *("unshare", "--net", "--mount", "--pid", "--mount-proc"),
    # Its processes end with it, and mounts and networks with them.
    *("--fork", "--kill-child"),
)
NETWORKS: Final = {"front": 1, "log": 2, "peer": 3}
OURS: Final = 254
"""Last part of this program's address in each network."""
ENDS: Final = {
    **{f"db{one}": {"log": one, "peer": one} for one in NODES},
    **{f"switch{one}": {"front": 10 + one, "log": 10 + one} for one in SWITCHES},
}
"""Of each machine: its networks, and the last part of its address there."""
MIB: Final = 1 << 20
DISKS: Final = {
    **{f"pg{one}": 4_096 for one in NODES},
    **{f"switch{one}/ledger": 2_048 for one in SWITCHES},
}
"""Folders of a stand that are disks of their own, and their size in MiB; the files that
hold them take what is written to them."""
BALLAST: Final = "ballast"


def is_inside() -> bool:
    """Whether this run is in namespaces of its own."""
    return MARK in os.environ


def enter(module: str, arguments: Sequence[str]) -> None:
    """Begin this program anew in namespaces of its own. Raises StandError if that is
    not to be had, and does not return otherwise.
    """
    if os.geteuid() != 0:
        raise StandError("network namespaces, mounts and small disks need root")
    for program in PROGRAMS:
        if shutil.which(program) is None:
            raise StandError(f"{program} is not there: apt-get install iproute2 mount")
    tried = subprocess.run([*UNSHARE, "true"], capture_output=True, text=True)
    if tried.returncode:
        raise StandError(f"no namespaces of one's own here: {tried.stderr.strip()}")
    command = [*UNSHARE, sys.executable, "-m", module, *arguments]
    os.execvpe("unshare", command, {**os.environ, MARK: "1"})


def begin() -> "Machines":
    """The machines of this run, which is in namespaces of its own: the first process in
    them becomes the one that takes note of those that end, and this one its child.

    Else Patroni waits for ever for a PostgreSQL that has ended.
    """
    if child := os.fork():
        for number in (signal.SIGINT, signal.SIGTERM):
            # They are sent to the group, and so to the child as well.
            signal.signal(number, signal.SIG_IGN)
        while True:
            pid, status = os.wait()
            if pid == child:
                os._exit(abs(os.waitstatus_to_exitcode(status)))
    return Machines()


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise StandError(f"{' '.join(command)}: {done.stderr.strip()}")


class Machines:
    """All of them, once `enter` has come back."""

    def __init__(self) -> None:
        """Make the networks, and the machines' ends of them."""
        self._mounted: list[Path] = []
        # `ip netns` makes it with its first name: until then there is none to mount on.
        names = Path("/run/netns")
        names.mkdir(exist_ok=True)
        _run("mount", "-t", "tmpfs", "tmpfs", str(names))
        _run("ip", "link", "set", "lo", "up")
        for network, number in NETWORKS.items():
            # Else a bridge has the address of one of its ends, whichever is there.
            address = f"02:77:00:00:00:{number:02x}"
            _run("ip", "link", "add", network, "address", address, "type", "bridge")
            subnet = f"{PREFIX}.{number}.{OURS}/24"
            _run("ip", "address", "add", subnet, "dev", network)
            _run("ip", "link", "set", network, "up")
        # What comes by an end that was taken from its bridge is nobody's.
        Path("/proc/sys/net/ipv4/conf/all/arp_ignore").write_text("1\n")
        for machine, networks in ENDS.items():
            _run("ip", "netns", "add", machine)
            _run("ip", "-n", machine, "link", "set", "lo", "up")
            for network, last in networks.items():
                self._connect(machine, network, last)

    def _connect(self, machine: str, network: str, last: int) -> None:
        end = self.end(machine, network)
        peer = ("peer", "name", network, "netns", machine)
        _run("ip", "link", "add", end, "type", "veth", *peer)
        _run("ip", "link", "set", end, "master", network, "up")
        address = f"{PREFIX}.{NETWORKS[network]}.{last}/24"
        _run("ip", "-n", machine, "address", "add", address, "dev", network)
        _run("ip", "-n", machine, "link", "set", network, "up")

    @staticmethod
    def end(machine: str, network: str) -> str:
        """The name of a machine's end of a network, as this program sees it."""
        return f"{machine}-{network}"

    def cut(self, machine: str, *networks: str) -> None:
        """From now on nothing passes, and nobody is told."""
        for network in networks:
            _run("ip", "link", "set", self.end(machine, network), "nomaster")

    def heal(self, machine: str, *networks: str) -> None:
        """All passes again."""
        for network in networks:
            end = self.end(machine, network)
            _run("ip", "link", "set", end, "master", network)

    def mount(self, folder: Path) -> None:
        """Make the disks in the folder of a stand."""
        images = folder / "disks"
        images.mkdir(mode=0o700)
        for name, size in DISKS.items():
            image, place = images / name.replace("/", "-"), folder / name
            place.mkdir(parents=True)
            with image.open("wb") as file:
                file.truncate(size * MIB)
            options = "lazy_itable_init=1,lazy_journal_init=1,nodiscard"
            # No blocks that only root may have: the switches are root here.
            sizes = ("-m", "0", "-J", "size=16", "-E", options)
            _run("mkfs.ext4", "-q", "-F", *sizes, str(image))
            _run("mount", "-o", "loop", str(image), str(place))
            self._mounted.append(place)
            (place / "lost+found").rmdir()
            place.chmod(0o700)

    def unmount(self) -> None:
        """Take the disks away; nobody uses them any more."""
        while self._mounted:
            _run("umount", str(self._mounted.pop()))

    @staticmethod
    def fill(place: Path, left_mib: int = 0) -> None:
        """Leave so much room on the disk of a folder, and not a block more."""
        with (place / BALLAST).open("ab") as file:
            step = 256 * MIB
            while step >= 4_096:
                room = os.statvfs(place)
                free = room.f_bavail * room.f_frsize - left_mib * MIB
                if free < step:
                    step //= 2
                    continue
                with suppress(OSError):
                    os.posix_fallocate(file.fileno(), file.tell(), step)
                    file.seek(0, os.SEEK_END)
                    continue
                step //= 2

    @staticmethod
    def make_room(place: Path) -> None:
        """Take that away again."""
        (place / BALLAST).unlink(missing_ok=True)
