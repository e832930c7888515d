"""Goal: the key of receipts' codes is made once, its owner's alone, in no copy, and
stays whatever happens; codes are those that the page says, and tell nothing else.

Method: real directories, opened again and again; files of every wrong kind in its
place; codes reckoned here from the words of docs/receipts.md.
"""

import hashlib
import logging
import stat
from pathlib import Path
from typing import Any

import pytest

from switch.backup.copying import copy, finish
from switch.errors import ConfigError, SpaceError
from switch.ledger.opening import open_ledger
from switch.ledger.receipt_key import NAME, PARTIAL, ReceiptKey
from tests.core.network import NOW, make_network
from tests.core.pair import rows_request
from tests.ledger.test_opening_shapes import SHAPES, put

OPTIONS: dict[str, Any] = {"map_size": 1 << 30, "reserve_size": 0}
SECRET = bytes(range(32))


def text_of(secret: bytes, head: str = "payswitch receipt key 1") -> str:
    text = f"{head}\n{secret.hex()}\n"
    check = hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
    return f"{text}check {check}\n"


def opened(directory: Path) -> tuple[bytes, list[str]]:
    """The instance, and some codes, of a ledger as a server opens it."""
    with open_ledger(directory, **OPTIONS) as ledger:
        key = ReceiptKey(ledger)
        return bytes(ledger.instance), [key.code(number) for number in range(1, 9)]


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A ledger's directory without a key, and nothing open."""
    path = tmp_path / "ledger"
    open_ledger(path, **OPTIONS).close()
    return path


def test_the_first_start_makes_it_and_it_stays(directory: Path) -> None:
    _, codes = opened(directory)
    found = (directory / NAME).stat()
    assert stat.S_IMODE(found.st_mode) == 0o600
    before = (directory / NAME).read_bytes()
    for _ in range(3):
        assert opened(directory)[1] == codes
    assert (directory / NAME).read_bytes() == before
    assert not (directory / PARTIAL).exists()
    # Another one, and another code of everything.
    (directory / NAME).unlink()
    assert not {*opened(directory)[1]} & {*codes}
    # The copy that somebody kept brings them back.
    (directory / NAME).write_bytes(before)
    (directory / NAME).chmod(0o600)
    assert opened(directory)[1] == codes


def test_codes_are_as_the_page_says(directory: Path) -> None:
    (directory / NAME).write_text(text_of(SECRET))
    (directory / NAME).chmod(0o600)
    instance, codes = opened(directory)
    for sequence, code in enumerate(codes, 1):
        text = b"payswitch receip" + instance + sequence.to_bytes(8, "little")
        made = hashlib.blake2b(text, digest_size=32, key=SECRET).digest()
        assert code == made[:6].hex()
    assert len({*codes}) == len(codes)


def test_what_matches(directory: Path) -> None:
    with open_ledger(directory, **OPTIONS) as ledger:
        key = ReceiptKey(ledger)
        code = key.code(7)
        assert key.matches(7, code)
        for wrong in (key.code(8), code.upper() + "x", code[:-1], "", "ক", "0" * 12):
            assert not key.matches(7, wrong)
        assert "secret" not in repr(vars(key).keys() - {"_secret"})


def test_a_ledger_that_has_rows_says_that_it_makes_another(
    directory: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "ledger")
    with open_ledger(directory, **OPTIONS) as ledger:
        ReceiptKey(ledger)
        assert not caplog.records
        (directory / NAME).unlink()
        ledger.commit([rows_request(make_network().rows)], NOW)
        ReceiptKey(ledger)
    [record] = caplog.records
    assert NAME in record.getMessage()


@pytest.mark.parametrize("shape", SHAPES)
def test_what_is_no_file_is_left_alone(
    directory: Path, tmp_path: Path, shape: str
) -> None:
    put(directory / NAME, shape, tmp_path / "elsewhere")
    with pytest.raises(ConfigError, match="Nothing was changed"):
        opened(directory)


def test_a_file_that_is_wrong_is_never_replaced(directory: Path) -> None:
    good = text_of(SECRET)
    for text in (
        *("", good[:-1], good + "\n", good.replace("00", "01", 1)),
        *(text_of(SECRET, "payswitch receipt key 2"), text_of(SECRET[:-1])),
    ):
        (directory / NAME).write_text(text)
        (directory / NAME).chmod(0o600)
        with pytest.raises(ConfigError, match="put your copy of it in its place"):
            opened(directory)
        assert (directory / NAME).read_text() == text
    (directory / NAME).write_text(good)
    (directory / NAME).chmod(0o640)
    with pytest.raises(ConfigError, match="chmod 600"):
        opened(directory)


def test_no_room_is_no_start(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> Any:
        raise OSError(28, "No space left on device")

    with open_ledger(directory, **OPTIONS) as ledger:
        with monkeypatch.context() as patch:
            patch.setattr("os.fsync", fail)
            with pytest.raises(SpaceError, match=NAME):
                ReceiptKey(ledger)
        assert not (directory / NAME).exists()


def test_it_is_in_no_copy(directory: Path, tmp_path: Path) -> None:
    opened(directory)
    copy(directory, tmp_path / "copy")
    finish(tmp_path / "copy")
    assert (tmp_path / "copy" / "journal").exists()
    assert not [*(tmp_path / "copy").rglob("receipt.key*")]
