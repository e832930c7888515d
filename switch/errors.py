"""One tree of errors. A business refusal is a result, never one of these."""

from typing import Final

SHOWN_MAX: Final = 50
"""Characters of a caller's text that an answer repeats: at most 200 bytes."""


def shown(text: str) -> str:
    """What a caller sent, as an error may repeat it: short, quoted, printable ASCII."""
    quoted = ascii(text[:SHOWN_MAX])
    if len(text) <= SHOWN_MAX and len(quoted) <= SHOWN_MAX + 2:
        return quoted
    return quoted[: SHOWN_MAX + 1] + "...'"


class SwitchError(Exception):
    """Base of everything this package raises on purpose."""


class ConfigError(SwitchError):
    """A setting, a file or a directory is not usable; the text says what to do."""


class UsageError(SwitchError):
    """An argument of a command cannot be; nothing was done."""


class WireError(SwitchError, ValueError):
    """Bytes that are not the message they should be. Nothing was done.

    `field` is the path of what there is too much of, or too little; empty if the bytes
    are no message.
    """

    def __init__(self, text: str, field: str = "") -> None:
        super().__init__(text)
        self.field = field


class BusyError(SwitchError):
    """Another process has this ledger open."""


class ClockError(SwitchError):
    """The wall clock cannot be trusted; no new group is taken until it can."""


class SpaceError(SwitchError):
    """No room on the disk for new groups. Nothing was done; try again later."""


class OverloadError(SwitchError):
    """A bounded queue is full. Nothing was done; try again later."""


class RefusalsSpentError(OverloadError):
    """Too many of a sender's requests were refused lately. Nothing was done."""


class SlowReadError(OverloadError):
    """A read lasted longer than one may (`view_s`): what it saw would have to be kept.

    Nothing was changed.
    """


class FilesSpentError(OverloadError):
    """A biller has put in files of too many bytes today. Nothing was done; it may again
    after `retry_ms`, when the day is over.
    """

    def __init__(self, text: str, retry_ms: int) -> None:
        super().__init__(text)
        self.retry_ms = retry_ms


class BillerBusyError(OverloadError):
    """A biller's queue is full. Nothing was done; try again after `retry_ms`."""

    def __init__(self, text: str, retry_ms: int) -> None:
        super().__init__(text)
        self.retry_ms = retry_ms


class CentreBusyError(BillerBusyError):
    """One centre alone has too much open: bills of a biller, or payments."""


class BillerUnavailableError(SwitchError):
    """A biller cannot be asked now. Nothing was done; try again after `retry_ms`."""

    def __init__(self, text: str, retry_ms: int) -> None:
        super().__init__(text)
        self.retry_ms = retry_ms


class BillNotFoundError(SwitchError):
    """The biller knows of no bill; `reason` is its own code, or empty."""

    def __init__(self, text: str, reason: str) -> None:
        super().__init__(text)
        self.reason = reason


class BillUnreadableError(SwitchError):
    """The biller has answered with bills that no payment can be of; `field` says where.

    Nothing was done.
    """

    def __init__(self, text: str, field: str) -> None:
        super().__init__(text)
        self.field = field


class StorageError(SwitchError):
    """The storage engine failed. `code` is its return code."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(f"storage error {code}: {text}")
        self.code = code


class FormatError(StorageError):
    """The directory is not a ledger, or of a format this version does not read."""


class CorruptionError(StorageError):
    """A check failed: the bytes on the disk are not those that were written."""


class IndexDamagedError(CorruptionError):
    """What is damaged, or of another ledger, lies in index/: it can be rebuilt."""


class JournalBehindError(StorageError):
    """The index knows rows that the journal has not, or other ones: rows were lost.

    Nothing was changed. Both are evidence, and only a copy has what is missing.
    """


class DamagedError(SwitchError):
    """A row that had to be read is damaged. Nothing was done now; whether it was done
    before is not known if the row is its own.
    """


class DeadError(StorageError):
    """The ledger met an error inside a commit and takes no more; restart it."""


class NotLeaderError(SwitchError):
    """Another node leads, or this one follows. Nothing was done; ask the leader.

    `leader` is its address, if this node knows it.
    """

    def __init__(self, text: str, leader: str = "") -> None:
        super().__init__(text)
        self.leader = leader


class FollowError(SwitchError):
    """A chunk of the log cannot be taken; nothing of it was.

    `reason`: "format" or "kind" if this version does not know what it says, "instance"
    if it is of another ledger, "check" if its bytes are not those that were written,
    "behind" if rows before it are lacking, "chain" if the journal has another chunk in
    its place or before it, "epoch" if it is of an earlier epoch. `sequence` is the last
    row here.
    """

    def __init__(self, reason: str, text: str, sequence: int) -> None:
        super().__init__(f"the log's chunk behind row {sequence} is refused: {text}")
        self.reason = reason
        self.sequence = sequence


class HaltedError(SwitchError):
    """A node of a cluster has halted, and a person must look before it starts again."""


class UnknownOutcomeError(SwitchError):
    """The switch could not be asked whether it was done. Send the same id again."""
