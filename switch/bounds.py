"""What a setting may be: its least and its largest value stand beside its default."""

import dataclasses
from dataclasses import field
from pathlib import Path
from typing import Any

from switch.errors import ConfigError


def bounded(default: int, least: int, most: int) -> int:
    """A field with its default and the least and the largest value it takes."""
    result: int = field(default=default, metadata={"least": least, "most": most})
    return result


def check_bounds(entry: dataclasses.Field[Any], value: object) -> None:
    """Raise ConfigError unless a field may have this value."""
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
