"""Redis, if its server is here: appendfsync always, one function call a transfer.

The function refuses an id that is there and a wallet that has too little, so that a
transfer is whole or not at all. The client writes the protocol itself.
"""

import selectors
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.peer_work import (
    BALANCE,
    BATCH,
    BILLERS,
    WALLETS,
    PeerError,
    Transfers,
    check_books,
    figures,
)

START_S = 10.0
STOP_S = 30.0
CLIENTS = (1, 50)
READ_SIZE = 1 << 16

_LIBRARY = b"""#!lua name=transfers
redis.register_function('pay', function(keys, args)
  local done = 0
  for i = 1, #args, 4 do
    local id, from, to, amount = args[i], args[i + 1], args[i + 2], args[i + 3]
    local left = tonumber(redis.call('GET', from)) - tonumber(amount)
    if left >= 0 and redis.call('SET', id, from .. to .. amount, 'NX') then
      redis.call('INCRBY', from, -amount)
      redis.call('INCRBY', to, amount)
      done = done + 1
    end
  end
  return done
end)
"""


def measure(directory: Path, seconds: float) -> list[dict[str, object]]:
    """Singles with some numbers of clients and one call of a batch; `seconds` each."""
    program = shutil.which("redis-server")
    if program is None:
        raise FileNotFoundError("no redis-server")
    version = subprocess.run(
        [program, "--version"], capture_output=True, text=True, check=True
    ).stdout.partition("v=")[2]
    name = f"Redis {version.split()[0]}"
    results = []
    runs = [(1, clients) for clients in CLIENTS] + [(BATCH, 1)]
    for batch, clients in runs:
        folder = directory / f"redis-{batch}-{clients}"
        folder.mkdir()
        with _server(program, folder) as path:
            results.append(_run(name, path, seconds, batch, clients))
    return results


def encode(*words: bytes) -> bytes:
    """A command as the protocol has it."""
    parts = [b"*%d\r\n" % len(words)]
    parts += [b"$%d\r\n%b\r\n" % (len(word), word) for word in words]
    return b"".join(parts)


class Connection:
    """One client."""

    def __init__(self, path: Path) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(str(path))
        self.sent_s = 0.0

    def send(self, command: bytes) -> None:
        """Send a whole command; its answer is waited for elsewhere."""
        self.sent_s = time.perf_counter()
        self.socket.sendall(command)

    def receive(self) -> bytes:
        """One answer of one line. Raises PeerError if it is an error."""
        answer = b""
        while not answer.endswith(b"\r\n"):
            part = self.socket.recv(READ_SIZE)
            if not part:
                raise PeerError("Redis closed the connection")
            answer += part
        if answer[:1] == b"-":
            raise PeerError(f"Redis: {answer.decode().strip()}")
        return answer

    def ask(self, *words: bytes) -> bytes:
        """Send a command and wait for its answer's first line or lines."""
        self.send(encode(*words))
        return self.receive()

    def number(self, *words: bytes) -> int:
        """The value of a key, or the integer that a command gives."""
        return int(self.ask(*words).split(b"\r\n")[-2].lstrip(b":"))


def _pay(transfers: Transfers, count: int) -> bytes:
    words = [b"FCALL", b"pay", b"0"]
    for name, debit, credit, amount in zip(*transfers.take(count), strict=True):
        words += [b"t" + name, b"a%d" % debit, b"a%d" % credit, b"%d" % amount]
    return encode(*words)


def _run(
    name: str, path: Path, seconds: float, batch: int, clients: int
) -> dict[str, object]:
    transfers = Transfers("random")
    took: list[float] = []
    connections = [Connection(path) for _ in range(clients)]
    first = connections[0]
    # Made ahead by the thousand, so that what is between two commands is short.
    made = [_pay(transfers, batch) for _ in range(1000 if batch == 1 else 1)]
    with selectors.DefaultSelector() as selector:
        for connection in connections:
            selector.register(connection.socket, selectors.EVENT_READ, connection)
            connection.send(made.pop())
        begun = time.perf_counter()
        paused = 0.0
        waiting = clients
        while waiting:
            for key, _ in selector.select():
                connection = key.data
                if connection.receive() != b":%d\r\n" % batch:
                    raise PeerError("Redis refused a transfer")
                now = time.perf_counter()
                took.append(now - connection.sent_s)
                waiting -= 1
                if not made:
                    if now - begun - paused >= seconds:
                        continue
                    made = [
                        _pay(transfers, batch) for _ in range(1000 if batch == 1 else 1)
                    ]
                    paused += time.perf_counter() - now
                connection.send(made.pop())
                waiting += 1
        elapsed_s = time.perf_counter() - begun - paused
    rows = batch * len(took)
    # What was made and not sent has not been paid.
    count = first.number(b"DBSIZE") - WALLETS - BILLERS
    spent = sum(
        BALANCE - first.number(b"GET", b"a%d" % n) for n in range(1, WALLETS + 1)
    )
    got = sum(
        first.number(b"GET", b"a%d" % n)
        for n in range(WALLETS + 1, WALLETS + BILLERS + 1)
    )
    check_books(name, transfers, count, spent, got)
    for connection in connections:
        connection.socket.close()
    mode = "single" if batch == 1 else "batch"
    more = {"ids": "random", "batch": batch, "clients": clients}
    result = figures(name, mode, rows, took, **more)
    return {**result, "rows_per_s": round(rows / elapsed_s)}


@contextmanager
def _server(program: str, directory: Path) -> Iterator[Path]:
    """A server on a socket in `directory` with the accounts; stops it."""
    path = directory / "socket"
    command = [program, "--port", "0", "--unixsocket", str(path), "--save", ""]
    command += ["--dir", str(directory), "--appendonly", "yes"]
    command += ["--appendfsync", "always", "--logfile", str(directory / "log")]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        until = time.monotonic() + START_S
        while not path.exists():
            if process.poll() is not None or time.monotonic() > until:
                raise PeerError("Redis did not start")
            time.sleep(0.01)
        connection = Connection(path)
        connection.ask(b"FUNCTION", b"LOAD", _LIBRARY)
        for number in range(1, WALLETS + BILLERS + 1):
            balance = BALANCE if number <= WALLETS else 0
            connection.ask(b"SET", b"a%d" % number, b"%d" % balance)
        if b"always" not in connection.ask(b"CONFIG", b"GET", b"appendfsync"):
            raise PeerError("Redis does not sync always")
        connection.socket.close()
        yield path
    finally:
        process.terminate()
        process.wait(STOP_S)
