"""The model of a start: what the gap since the last row asks for, in plain words.

Written from docs/data-model.md and docs/durability.md.
"""

HOUR_NS = 3_600 * 10**9
MINUTE_NS = 60 * 10**9


def start(gap_ns: int, *, has_rows: bool, kernel: int, accepted: bool) -> str:
    """The cause of the row that a start writes: `start` or `kernel`; `none` for a start
    without such a row, `refused` for none at all.

    `kernel` is 1 if it says that it is synchronised, 0 if that it is not, less if it
    does not say.
    """
    if not has_rows:
        return "none"
    is_late, is_early = gap_ns > 24 * HOUR_NS, gap_ns < -MINUTE_NS
    if not is_late and not is_early:
        return "none"
    if accepted:
        return "start"
    if is_late and gap_ns <= 30 * 24 * HOUR_NS and kernel == 1:
        return "kernel"
    return "refused"


def waits(gap_ns: int, *, has_rows: bool, kernel: int) -> bool:
    """Whether a start that nobody has accepted waits for the kernel."""
    might = start(gap_ns, has_rows=has_rows, kernel=1, accepted=False) == "kernel"
    return might and kernel == 0
