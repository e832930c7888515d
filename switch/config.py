"""The settings of the server and the ledger, each with its bounds.

May use `errors`. A setting comes from a TOML file or an argument, never from
anywhere else; an unknown name is an error, so that a slip of the pen is noticed.
"""

import dataclasses
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from switch.errors import ConfigError

KIB = 1 << 10
MIB = 1 << 20
GIB = 1 << 30


def _bounded(default: int, least: int, most: int) -> int:
    """A field with its default and the least and the largest value it takes."""
    result: int = field(default=default, metadata={"least": least, "most": most})
    return result


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """How one server runs. Immutable; `ConfigError` if a value is out of bounds."""

    data_dir: Path = Path("data/ledger")
    """The ledger's directory."""
    tls_dir: Path = Path("data/tls")
    """Certificates and keys; a development authority is made here if it is empty."""
    trust_domain: str = "payswitch.test"
    """The domain of the SPIFFE ids in certificates."""
    host: str = "127.0.0.1"
    """Address that the server listens on."""
    port: int = _bounded(7443, 0, 65_535)
    """Port that the server listens on; 0 lets the system choose."""

    # The ledger.
    map_size: int = _bounded(4096 * GIB, 16 * MIB, 65_536 * GIB)
    """Bytes of address space for each of the two environments; never remapped."""
    reserve_size: int = _bounded(64 * MIB, 0, 16 * GIB)
    """Bytes zero-written ahead of use in the journal's file; 0 for none."""
    index_step_rows: int = _bounded(65_536, 1_024, 1_048_576)
    """Rows that one step of the index covers."""
    index_lag_max: int = _bounded(1_048_576, 1_024, 16_777_216)
    """Rows that the index may lag behind; then the committer waits."""
    accept_clock: bool = False
    """Start although the last row is more than a day old; a row records it."""

    # The committer.
    queue_rows_max: int = _bounded(131_040, 8_190, 4_194_304)
    """Rows that may wait for a commit; more are turned away."""
    queue_bytes_max: int = _bounded(64 * MIB, 4 * MIB, 4 * GIB)
    """Bytes of tail that may wait for a commit."""

    # Calls.
    message_bytes_max: int = _bounded(4 * MIB, 64 * KIB, 64 * MIB)
    """Bytes of one request message."""
    pending_requests_max: int = _bounded(100_000, 100, 1_000_000)
    """Requests that may wait in the transport."""
    page_size_default: int = _bounded(100, 1, 1_000)
    """Entries of a page when the caller names no size."""
    page_size_max: int = _bounded(1_000, 1, 10_000)
    """Entries of a page at most."""
    feed_page_max: int = _bounded(1_000, 1, 10_000)
    """Events in one message of a feed."""
    feed_poll_ms: int = _bounded(100, 5, 10_000)
    """Milliseconds between two looks for new events at the end of a feed."""
    feed_idle_s: int = _bounded(15, 1, 3_600)
    """Seconds after which an idle feed says where it stands."""
    drain_s: int = _bounded(20, 0, 600)
    """Seconds that calls under way may take after SIGTERM."""

    def __post_init__(self) -> None:
        for entry in dataclasses.fields(self):
            _check(entry, getattr(self, entry.name))
        if self.page_size_default > self.page_size_max:
            raise ConfigError("page_size_default is larger than page_size_max")
        if not self.host:
            raise ConfigError("host is empty; 127.0.0.1 listens on this machine only")
        if not self.trust_domain:
            raise ConfigError("trust_domain is empty")

    @property
    def address(self) -> str:
        """`host:port`, an IPv6 host in brackets."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    def replace(self, **changes: Any) -> "Config":
        """A copy with some settings changed; None leaves a setting as it is."""
        values = {name: value for name, value in changes.items() if value is not None}
        return _build(self, values, "an argument")


def _check(entry: dataclasses.Field[Any], value: object) -> None:
    expected: Any = entry.type
    # A bool is an int to Python, but not to the person who wrote the file.
    is_right = type(value) is expected or (expected is Path and isinstance(value, Path))
    if not is_right:
        raise ConfigError(
            f"{entry.name} must be of type {expected.__name__}, not {value!r}"
        )
    if "least" in entry.metadata and isinstance(value, int):
        least, most = entry.metadata["least"], entry.metadata["most"]
        if not least <= value <= most:
            raise ConfigError(f"{entry.name} must be {least} to {most}, not {value}")


def _build(base: Config, values: Mapping[str, Any], origin: str) -> Config:
    fields = {entry.name: entry for entry in dataclasses.fields(Config)}
    unknown = sorted(set(values) - set(fields))
    if unknown:
        raise ConfigError(f"{origin} has no setting {', '.join(unknown)}")
    typed: dict[str, Any] = {
        name: Path(value)
        if fields[name].type is Path and isinstance(value, str)
        else value
        for name, value in values.items()
    }
    return dataclasses.replace(base, **typed)


def load_config(path: Path | None = None, **arguments: Any) -> Config:
    """The settings of a TOML file (none: the defaults), arguments before it.

    An argument of None is not given. Relative paths in the file are relative to
    the file. Raises ConfigError if the file cannot be read, is not TOML, or has a
    setting that does not exist or is out of bounds.
    """
    config = Config()
    if path is not None:
        try:
            values = tomllib.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise ConfigError(f"cannot read {path}: {error.strerror}") from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ConfigError(f"{path} is not TOML: {error}") from error
        for name in ("data_dir", "tls_dir"):
            if isinstance(values.get(name), str):
                values[name] = path.parent / values[name]
        config = _build(config, values, str(path))
    return config.replace(**arguments)
