"""`python -m server`: read the config, serve, end with an exit code that says why."""

import argparse
import asyncio
import errno
import json
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from switch.programs import ImportsThatStay

with ImportsThatStay():
    import uvloop

    from server.app import App
    from server.exits import EXIT_BUSY, EXIT_CONFIG, EXIT_DEAD, EXIT_HALTED
    from switch._core import Ledger
    from switch.config import Config, load_config
    from switch.errors import (
        BusyError,
        ClockError,
        ConfigError,
        CorruptionError,
        FormatError,
        HaltedError,
        JournalBehindError,
        SpaceError,
        StorageError,
    )

_UNUSABLE = {
    *(errno.EACCES, errno.EPERM, errno.EROFS),
    *(errno.ENOENT, errno.ENOTDIR, errno.EISDIR),
}
"""Codes of a StorageError that speak of the directory, not of what is in it."""

log = logging.getLogger("server")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one server; return its exit code."""
    options = parse(arguments)
    logging.basicConfig(
        level=logging.INFO,
        stream=sys.stderr,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    try:
        config = configure(options)
        # Each call takes turns of the event loop; uvloop's are compiled.
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(serve(config, options.ready_file))
    except ConfigError as error:
        log.error("cannot start: %s", error)
        return EXIT_CONFIG
    except (ClockError, SpaceError) as error:
        log.error("cannot start: %s", error)
        return EXIT_CONFIG
    except HaltedError as error:
        log.critical("ALARM: cannot start: %s", error)
        return EXIT_HALTED
    except BusyError as error:
        log.error("cannot start: %s", error)
        return EXIT_BUSY
    except StorageError as error:
        if error.code in _UNUSABLE:
            log.error("cannot start: %s cannot be used: %s", config.data_dir, error)
            return EXIT_CONFIG
        # What was found is in the text; where in our code it was found helps nobody.
        told = isinstance(error, CorruptionError | FormatError | JournalBehindError)
        log.critical("cannot start: %s", error, exc_info=None if told else error)
        return EXIT_DEAD


async def serve(config: Config, ready_file: Path | None) -> int:
    """Serve; say on stdout, and in `ready_file`, when and where."""
    is_ready = False

    def ready(address: str, figures: str, ledger: Ledger) -> None:
        nonlocal is_ready
        is_ready = True
        line = json.dumps(
            {
                "ready": True,
                "address": address,
                "metrics": figures,
                "pid": os.getpid(),
                "instance": ledger.instance.hex(),
                "sequence": ledger.sequence,
            }
        )
        if ready_file is not None:
            fresh = ready_file.with_name(ready_file.name + ".new")
            try:
                fresh.write_text(line + "\n")
                fresh.rename(ready_file)
            except OSError as error:
                raise ConfigError(
                    f"cannot write {ready_file}: {error.strerror}"
                ) from error
        print(line, flush=True)

    try:
        return await App(config).run(ready)
    except OSError as error:
        if is_ready:
            raise
        raise ConfigError(f"cannot use {error.filename}: {error.strerror}") from error


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="payswitch serve", description="Serve a ledger until it is told to stop."
    )
    for name, metavar, text in (
        ("config", "FILE", "TOML file of settings"),
        ("data", "DIR", "directory of the ledger"),
        ("security-log", "DIR", "directory of the security log"),
        ("tls", "DIR", "directory of certificates and keys"),
    ):
        parser.add_argument(f"--{name}", type=Path, metavar=metavar, help=text)
    for name, text in (
        ("listen", "port 0 lets the system choose"),
        ("metrics", "of the figures, likewise"),
    ):
        parser.add_argument(f"--{name}", metavar="HOST:PORT", help=text)
    parser.add_argument(
        "--accept-clock",
        action="store_true",
        default=None,
        help="start although the last entry is more than a day old, or yet to come",
    )
    parser.add_argument(
        "--dev",
        action="store_true",
        default=None,
        help="make a development authority in the --tls directory, and what it lacks",
    )
    parser.add_argument(
        "--without-people",
        action="store_true",
        default=None,
        help="serve a ledger in which no people are registered; `payswitch init` "
        "begins one with people",
    )
    parser.add_argument(
        "--ready-file",
        type=Path,
        metavar="FILE",
        help="file to write when calls are taken",
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=NUMBER",
        help="any other numeric setting of the config",
    )
    return parser.parse_args(arguments)


def configure(options: argparse.Namespace) -> Config:
    """The config with the command line before it. Raises ConfigError."""
    values: dict[str, object] = {
        "data_dir": options.data,
        "tls_dir": options.tls,
        "accept_clock": options.accept_clock,
        "dev": options.dev,
        "without_people": options.without_people,
    }
    for name, table in (("listen", ""), ("metrics", "metrics.")):
        address = getattr(options, name)
        if address is not None:
            host, port = split_address(name, address)
            values[f"{table}host"], values[f"{table}port"] = host, port
    if options.security_log is not None:
        values["security_log.directory"] = str(options.security_log)
    for setting in options.set:
        name, _, number = setting.partition("=")
        try:
            values[name] = int(number)
        except ValueError:
            raise ConfigError(f"--set {setting}: must be NAME=NUMBER") from None
    return load_config(options.config, **values)


def split_address(name: str, text: str) -> tuple[str, int]:
    """`host:port` of an argument, an IPv6 host in brackets. Raises ConfigError."""
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdecimal():
        raise ConfigError(f"--{name} {text}: must be host:port")
    return host.strip("[]"), int(port)


if __name__ == "__main__":
    sys.exit(main())
