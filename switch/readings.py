"""What the core says of where it stands: its journal's end, its clocks, its groups."""

from typing import NamedTuple


class LedgerHead(NamedTuple):
    """The last durable chunk; zeros before the first."""

    sequence: int
    """Of its last row."""
    chain: int
    """Its check, which continues those of all chunks before it."""
    ordinal: int
    """How many chunks there are."""
    epoch: int
    """Of the log when it was made; 0 on a single node."""


class ClockState(NamedTuple):
    """The wall clock and the time that has really passed."""

    wall_ns: int
    boottime_ns: int
    ahead_ns: int
    """By how much the wall clock outran the other since it was last vouched for."""


class GroupMeter(NamedTuple):
    """What a queue has committed since it was made."""

    rows: int
    refused: int
    """Groups of which nothing, or nothing certain, was done."""
    commit_s: float
    """Spent in commits that have rows."""
    under_way_s: float
    """Since the commit that runs now began; 0.0 if none does."""
    sizes: tuple[tuple[float, int], ...]
    """Groups by rows: (bound, how many are within it and above the one before)."""
    times: tuple[tuple[float, int], ...]
    """Groups by the seconds that their commit took, likewise."""
    held_s: float
    """Processor time of who held the lock for a group, whatever came of it."""
    holds: tuple[tuple[float, int], ...]
    """All groups by that time, likewise."""
