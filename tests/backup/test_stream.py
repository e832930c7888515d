"""Goal: a copy that goes through a pipe is the same copy, and one that is cut off,
changed or no copy at all is refused with a sentence and leaves nothing in place.

Method: `payswitch backup -` and `backup TO --data -` on a pipe, as ssh would join them,
beside a writer; then its bytes cut, flipped and put in another order.
"""

import io
import json
import random
from pathlib import Path
from tempfile import TemporaryFile

import pytest

from switch.backup import copying
from switch.backup.copying import Copied, finish, partial_of, receive
from switch.backup.proof import UnprovedError
from switch.backup.streaming import MAGIC, Stream, send
from switch.errors import ConfigError
from switch.ledger.opening import open_ledger
from switch.ledger.shapes import CLUSTER, write_mark
from tests import forked
from tests.backup.test_backup import OPTIONS, Writer, begin, chunks

START_S = 60.0


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One with a hundred chunks, closed."""
    path = tmp_path_factory.mktemp("stream") / "ledger"
    opened, network = begin(path)
    writer = object.__new__(Writer)
    writer.ledger, writer.network, writer.number = opened, network, 0
    seeded = random.Random(5)
    for _ in range(100):
        writer.commit(seeded.choice([1, 2, 15, 40]))
    opened.close()
    return path


@pytest.fixture(scope="module")
def sent(ledger: Path) -> bytes:
    """Its copy as a stream."""
    return streamed(ledger)


def streamed(path: Path) -> bytes:
    out = io.BytesIO()
    send(path, out)
    return out.getvalue()


def took(data: bytes, target: Path) -> Copied:
    stream = Stream(io.BytesIO(data))
    return receive(stream, target, is_clusters=stream.begin.is_clusters)


def piped(source: Path, target: Path) -> tuple[int, dict[str, object], int, str]:
    """Both ends of a pipe: exit code and answer of the reader, then of the writer."""
    with TemporaryFile() as said, TemporaryFile() as told, TemporaryFile() as errors:
        words = ["backup", "-", "--data", str(source), "--json"]
        sender = forked.Process("switch", words, stderr=said.fileno())
        assert sender.stdout is not None
        with sender.stdout as pipe:
            reader = forked.Process(
                "switch",
                ["backup", str(target), "--data", "-", "--json"],
                stdin=pipe.fileno(),
                stdout=told.fileno(),
                stderr=errors.fileno(),
            )
        codes = reader.wait(START_S), sender.wait(START_S)
        for file in (said, told):
            file.seek(0)
        return codes[0], json.loads(told.read()), codes[1], said.read().decode()


def test_through_a_pipe_beside_a_writer(tmp_path: Path) -> None:
    opened, network = begin(tmp_path / "ledger")
    writer = Writer(opened, network)
    try:
        code, told, sender, said = piped(tmp_path / "ledger", tmp_path / "copy")
    finally:
        writer.stop()
    assert (code, sender) == (0, 0), said
    answer = json.loads(said)
    for name in ("sequence", "chunks", "bytes", "check"):
        assert told[name] == answer[name]
    original = dict(chunks(tmp_path / "ledger"))
    copied = chunks(tmp_path / "copy")
    assert all(original[key] == value for key, value in copied)
    assert len(copied) == answer["chunks"] + 1
    opened.close()
    with open_ledger(tmp_path / "copy", create=False, **OPTIONS) as other:
        assert other.sequence == answer["sequence"]


def test_the_same_copy_in_small_pieces(
    ledger: Path, sent: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for size, count in ((32 << 20, 4_096), (1, 4_096), (1 << 20, 3)):
        monkeypatch.setattr(copying, "BATCH_BYTES", size)
        monkeypatch.setattr(copying, "BATCH_CHUNKS", count)
        assert streamed(ledger) == sent
        target = tmp_path / f"copy-{size}"
        took(sent, target)
        finish(target)
        assert chunks(target) == chunks(ledger)
        assert not (target / CLUSTER).exists()


def test_an_empty_ledger_and_one_of_a_cluster(tmp_path: Path) -> None:
    path = tmp_path / "ledger"
    open_ledger(path, **OPTIONS).close()
    write_mark(path / CLUSTER, "whose\n")
    assert took(streamed(path), tmp_path / "copy") == Copied(0, 0, 0, "")
    finish(tmp_path / "copy")
    assert chunks(tmp_path / "copy") == chunks(path)
    assert (tmp_path / "copy" / CLUSTER).exists()


def test_what_is_cut_off_or_changed_is_refused(sent: bytes, tmp_path: Path) -> None:
    seeded = random.Random(7)
    cuts = {0, 1, len(MAGIC), len(sent) - 1, *seeded.sample(range(len(sent)), 30)}
    spoilt = [sent[:cut] for cut in cuts]
    for at in {0, len(MAGIC) + 1, *seeded.sample(range(len(sent)), 60)}:
        changed = bytearray(sent)
        changed[at] ^= 1 << seeded.randrange(8)
        spoilt.append(bytes(changed))
    # Two of its chunks in each other's place, and one left out.
    parts = parts_of(sent)
    spoilt.append(b"".join([*parts[:9], parts[10], parts[9], *parts[11:]]))
    spoilt.append(b"".join([*parts[:9], *parts[10:]]))
    # A second one behind it: which of the two was meant?
    spoilt += [sent + sent, sent + b"\0"]
    target = tmp_path / "copy"
    for data in spoilt:
        with pytest.raises((UnprovedError, ConfigError)):
            took(data, target)
        assert not target.exists()
    # What was left behind is begun anew.
    took(sent, target)
    finish(target)
    assert not partial_of(target).exists()


def parts_of(data: bytes) -> list[bytes]:
    """The magic, then each part."""
    found, at = [data[: len(MAGIC)]], len(MAGIC)
    while at < len(data):
        end = at + 6 + data[at + 1] + int.from_bytes(data[at + 2 : at + 6], "little")
        found.append(data[at:end])
        at = end
    return found


def test_what_must_not_be_a_stream(ledger: Path, tmp_path: Path) -> None:
    def refused(*words: str, said: str = "") -> tuple[int, str]:
        done = forked.run("switch.backup", "copy", *words, entry=said)
        assert "Traceback" not in done.stderr
        assert not done.stdout
        return done.returncode, done.stderr

    target = str(tmp_path / "copy")
    code, said = refused("-", "-")
    assert code == 78
    assert "not both" in said
    code, said = refused("-", target, said="data.mdb of somebody" * 9)
    assert code == 78
    assert "payswitch backup -" in said
    code, said = refused("-", target)
    assert code == 78
    assert "has ended" in said
    code, said = refused(target, "-")
    assert code == 78
    assert "holds no ledger" in said
    assert not list(tmp_path.iterdir())
