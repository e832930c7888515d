"""PostgreSQL, if Debian's server and pgbench are here: one function call a transfer.

Its own cluster in a scratch directory on a unix socket, durable as it is shipped, with
room for its log and buffers. A batch is made in the server, so that nothing of it goes
over the socket: in PostgreSQL's favour.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from benchmarks.commits import quantiles_ms
from benchmarks.peer_work import (
    AMOUNT_MAX,
    AMOUNT_MIN,
    BALANCE,
    BATCH,
    BILLERS,
    WALLETS,
    PeerError,
)

BINARIES = Path("/usr/lib/postgresql")
USER = "postgres"
"""Who runs the server when this process is root, which initdb refuses."""
START_S = 60
SETTINGS = {
    "listen_addresses": "",
    "shared_buffers": "1GB",
    "max_wal_size": "8GB",
    "wal_buffers": "64MB",
    "checkpoint_timeout": "30min",
}
SINGLE_CLIENTS = (1, 8)
BATCH_CLIENTS = (1, 2)

_SCHEMA = f"""
CREATE TABLE accounts (
    id int PRIMARY KEY,
    balance bigint NOT NULL CHECK (id > {WALLETS} OR balance >= 0)
) WITH (fillfactor = 50);
CREATE TABLE transfers (
    id uuid PRIMARY KEY, debit int NOT NULL, credit int NOT NULL, amount bigint NOT NULL
);
INSERT INTO accounts
    SELECT n, CASE WHEN n <= {WALLETS} THEN {BALANCE} ELSE 0 END
    FROM generate_series(1, {WALLETS + BILLERS}) AS n;
CREATE TABLE shares AS
    WITH weights AS (SELECT n, 1.0 / n AS weight FROM generate_series(1, {BILLERS}) n)
    SELECT array_agg(upto ORDER BY n)::float8[] AS bounds FROM (
        SELECT n, sum(weight) OVER (ORDER BY n) / sum(weight) OVER () AS upto
        FROM weights
    ) AS parts WHERE n < {BILLERS};
CREATE FUNCTION pay(from_ int, to_ int, amount_ bigint) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO transfers VALUES (gen_random_uuid(), from_, to_, amount_);
    UPDATE accounts SET balance = balance - amount_ WHERE id = from_;
    UPDATE accounts SET balance = balance + amount_ WHERE id = to_;
END $$;
CREATE FUNCTION pay_many(count_ int) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    from_ int[]; to_ int[]; amount_ bigint[]; bounds_ float8[];
BEGIN
    SELECT bounds INTO bounds_ FROM shares;
    SELECT array_agg(1 + floor(random() * {WALLETS})::int),
        array_agg({WALLETS + 1} + width_bucket(random(), bounds_)),
        array_agg({AMOUNT_MIN} + floor(random() * {AMOUNT_MAX - AMOUNT_MIN})::bigint)
        INTO from_, to_, amount_ FROM generate_series(1, count_);
    INSERT INTO transfers
        SELECT gen_random_uuid(), * FROM unnest(from_, to_, amount_);
    -- One batch at a time changes accounts, so that two never wait for each other.
    LOCK TABLE accounts IN SHARE ROW EXCLUSIVE MODE;
    UPDATE accounts SET balance = balance - spent FROM (
        SELECT id AS one, sum(amount) AS spent
        FROM unnest(from_, amount_) AS part (id, amount) GROUP BY id
    ) AS sums WHERE id = one;
    UPDATE accounts SET balance = balance + got FROM (
        SELECT id AS one, sum(amount) AS got
        FROM unnest(to_, amount_) AS part (id, amount) GROUP BY id
    ) AS sums WHERE id = one;
END $$;
"""
_SINGLE = f"""
\\set from_ random(1, {WALLETS})
\\set to_ {WALLETS} + random_zipfian(1, {BILLERS}, 1.001)
\\set amount random({AMOUNT_MIN}, {AMOUNT_MAX - 1})
SELECT pay(:from_, :to_::int, :amount);
"""
_BATCH = f"SELECT pay_many({BATCH});\n"
_CHECK = f"""
SELECT count(*), sum(amount),
    (SELECT {WALLETS * BALANCE} - sum(balance) FROM accounts WHERE id <= {WALLETS}),
    (SELECT sum(balance) FROM accounts WHERE id > {WALLETS})
FROM transfers
"""


def binaries() -> Path | None:
    """Where the newest server is, None if there is none or no pgbench."""
    found = [path.parent for path in BINARIES.glob("*/bin/initdb")]
    if not found or shutil.which("pgbench") is None or shutil.which("psql") is None:
        return None
    return max(found, key=lambda path: float(path.parent.name))


def measure(directory: Path, seconds: float) -> list[dict[str, object]]:
    """Singles and batches, each with some numbers of clients; `seconds` each."""
    programs = binaries()
    if programs is None:
        raise FileNotFoundError("no server under /usr/lib/postgresql, or no pgbench")
    name = f"PostgreSQL {programs.parent.name}"
    results: list[dict[str, object]] = []
    with _cluster(programs, directory) as socket:
        _psql(socket, _SCHEMA)
        runs = [(1, _SINGLE, clients) for clients in SINGLE_CLIENTS]
        runs += [(BATCH, _BATCH, clients) for clients in BATCH_CLIENTS]
        for batch, script, clients in runs:
            _psql(socket, "TRUNCATE transfers; VACUUM FULL accounts; CHECKPOINT")
            base = _books(socket)
            took, elapsed_s = _pgbench(directory, socket, script, clients, seconds)
            count, amount, spent, got = _books(socket)
            if (
                count != batch * len(took)
                or spent - base[2] != amount
                or got - base[3] != amount
            ):
                raise PeerError(f"{name}: the books do not balance")
            rows = batch * len(took)
            results.append(
                {
                    "system": name,
                    "mode": "single" if batch == 1 else "batch",
                    "ids": "random",
                    "batch": batch,
                    "clients": clients,
                    "rows": rows,
                    "rows_per_s": round(rows / elapsed_s),
                    **quantiles_ms(np.array(took)),
                }
            )
    return results


def _books(socket: Path) -> tuple[int, ...]:
    """Transfers, their paise, paise spent by wallets and got by billers."""
    return tuple(int(field or 0) for field in _psql(socket, _CHECK).strip().split("|"))


def _as_user(command: list[str]) -> list[str]:
    if os.getuid() != 0:
        return command
    # In /usr/bin, unlike runuser: root by way of `su` has no /usr/sbin in its path.
    change = [f"--reuid={USER}", f"--regid={USER}", "--clear-groups"]
    return ["setpriv", *change, "--", *command]


@contextmanager
def _cluster(programs: Path, directory: Path) -> Iterator[Path]:
    """A server in `directory`; gives the folder of its socket, and stops it."""
    data = directory / "data"
    data.mkdir(mode=0o700)
    if os.getuid() == 0:
        shutil.chown(directory, USER)
        shutil.chown(data, USER)
    init = [str(programs / "initdb"), "-D", str(data), "-U", USER, "-A", "trust"]
    _run(_as_user([*init, "-E", "UTF8", "--locale=C"]))
    settings = {**SETTINGS, "unix_socket_directories": str(directory)}
    with (data / "postgresql.conf").open("a") as file:
        file.writelines(f"{name} = '{value}'\n" for name, value in settings.items())
    control = [str(programs / "pg_ctl"), "-D", str(data), "-w", "-t", str(START_S)]
    log = ["-l", str(directory / "log")]
    _run(_as_user([*control, *log, "start"]))
    try:
        for name in ("fsync", "synchronous_commit", "full_page_writes"):
            if _psql(directory, f"SHOW {name}").strip() != "on":
                raise PeerError(f"PostgreSQL is not durable: {name}")
        yield directory
    finally:
        _run(_as_user([*control, "-m", "fast", "stop"]))


def _run(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise PeerError(f"{command[0]} failed: {done.stderr.strip()[-400:]}")
    return done.stdout


def _psql(socket: Path, script: str) -> str:
    connection = ["-h", str(socket), "-U", USER, "-d", USER, "-X", "-q", "-A", "-t"]
    parts = [word for part in _statements(script) for word in ("-c", part)]
    return _run(["psql", *connection, "-v", "ON_ERROR_STOP=1", *parts])


def _statements(script: str) -> list[str]:
    """One by one where there is no function body: VACUUM takes no company."""
    if "$$" in script:
        return [script]
    return [part for part in script.split(";") if part.strip()]


def _pgbench(
    directory: Path, socket: Path, script: str, clients: int, seconds: float
) -> tuple[list[float], float]:
    """Seconds of each call, and from the first call's begin to the last one's end."""
    # Written by this user, while the server's user owns the other.
    logs = directory / f"pgbench-{len(script)}-{clients}"
    logs.mkdir()
    file = logs / "script"
    file.write_text(script)
    command = ["pgbench", "-h", str(socket), "-U", USER, "-n", "-M", "prepared"]
    command += ["-f", str(file), "-c", str(clients), "-T", str(max(round(seconds), 1))]
    command += ["-l", f"--log-prefix={logs / 'log'}", USER]
    _run(command)
    took = []
    begins, ends = [], []
    for log in logs.glob("log.*"):
        for line in log.read_text().splitlines():
            _, _, micros, _, at_s, at_us = line.split()[:6]
            end = int(at_s) + int(at_us) / 1e6
            took.append(int(micros) / 1e6)
            ends.append(end)
            begins.append(end - took[-1])
    return took, max(ends) - min(begins)
