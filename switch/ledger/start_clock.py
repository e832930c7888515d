"""Whether a start may go on with the clock as it is: the gap since the last row.

Pure: times in nanoseconds and words in, a verdict out. Knows no clock and no kernel.

    gap since the last row          who may say that it is right
    ------------------------------  ----------------------------------------------------
    -60 s to 24 hours               nobody needs to
    above 24 hours, to 30 days      the kernel, if it is synchronised; or --accept-clock
    any other                       --accept-clock alone
"""

from typing import Final

from switch.errors import ClockError

CLOCK_GAP_MAX_NS: Final = 24 * 3600 * 10**9
"""A start later than this after the last row needs somebody's word."""
CLOCK_BEHIND_MAX_NS: Final = 60 * 10**9
"""A start earlier than this before the last row needs it as well: until the clock is
there, rows would follow each other by a nanosecond, and no hold would fall due."""
CLOCK_VOUCHED_MAX_NS: Final = 30 * 24 * 3600 * 10**9
"""The longest gap for which the kernel's word is enough."""
_SERVICES: Final = "a time service (chronyd with rtcsync, or systemd-timesyncd)"


def gap_to_explain(last_ns: int, wall_ns: int) -> int:
    """The gap between the last row and the clock if somebody must say that the clock is
    right, else 0. `last_ns` is 0 for a ledger without rows.
    """
    gap = wall_ns - last_ns
    is_usual = not last_ns or -CLOCK_BEHIND_MAX_NS <= gap <= CLOCK_GAP_MAX_NS
    return 0 if is_usual else gap


def kernel_may_vouch(gap_ns: int) -> bool:
    """Whether the kernel's word is enough for a gap of `gap_to_explain`."""
    return CLOCK_GAP_MAX_NS < gap_ns <= CLOCK_VOUCHED_MAX_NS


def gap_error(gap_ns: int, kernel: str = "") -> ClockError:
    """The error of a start for which nobody vouches; `kernel` is why the kernel does
    not, if its word would be enough.
    """
    text = f"the clock is {duration(gap_ns)} the ledger's last entry"
    if kernel:
        text += f", and {kernel}: see to {_SERVICES} and start again"
    return ClockError(
        f"{text}; if it is right, start once with --accept-clock, otherwise set the "
        "clock"
    )


def duration(gap_ns: int) -> str:
    """`26 hours after` or `5 minutes before`."""
    seconds = abs(gap_ns) // 10**9
    size = (
        f"{seconds // 3600} hours" if seconds >= 7_200 else f"{seconds // 60} minutes"
    )
    return f"{size} {'after' if gap_ns > 0 else 'before'}"
