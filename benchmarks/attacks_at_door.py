"""Attacks at the front door alone: who comes, who is refused, who opens and ends.

A part of `benchmarks.attacks`, which runs them.
"""

import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from benchmarks.attacker import AGAIN_S, ATTACKER, Attack
from benchmarks.client_process import METHODS
from benchmarks.messages import centre_code
from benchmarks.raw_peer import (
    END_HEADERS,
    END_STREAM,
    HEADERS,
    WINDOW_DEFAULT,
    EndedError,
    HeldError,
    RawPeer,
    call_headers,
    context_of,
    frame,
)
from switch.client import Client
from switch.errors import SwitchError

SOURCE = "127.0.0.2"
"""Where connections come from that are no participant's."""
LOOKS = 400
"""Calls of one connection at a time that are answered at once."""
CONNECT = "/payswitch.v1.BillerService/Connect"
CLIENT_HELLO = b"\x16\x03\x01\x02\x00\x01"
"""Its first bytes."""
SILENT_PER_S, SILENT_MAX = 600, 8_000
STRANGERS = tuple(f"unknown-{number}" for number in range(5))
CROWD = 50
"""Connections of one participant, all of which are busy."""
OPERATOR, OPERATOR_KEY, SIGNERS = 1, bytes(range(32)), 4


def silence(attack: Attack) -> None:
    """Sockets of one address that say nothing, or begin a handshake and stop."""
    host, _, port = attack.address.rpartition(":")
    sockets: deque[socket.socket] = deque()
    began_s = time.monotonic()
    while attack.goes_on:
        if attack.sent > (time.monotonic() - began_s) * SILENT_PER_S:
            time.sleep(0.001)
            continue
        try:
            one = socket.create_connection((host, int(port)), 1.0, (SOURCE, 0))
            if attack.sent % 2:
                one.sendall(CLIENT_HELLO)
        except OSError:
            attack.refused += 1
            continue
        attack.sent += 1
        sockets.append(one)
        if len(sockets) > SILENT_MAX:
            sockets.popleft().close()
    attack.connections = attack.sent
    for one in sockets:
        one.close()


def strangers(attack: Attack) -> None:
    """Certificates that nobody knows: as many connections as go, and calls on them."""
    contexts = [context_of(attack.named(f"centre-{name}")) for name in STRANGERS]
    block = call_headers(METHODS["unary"])
    peers: list[RawPeer] = []
    began_s = time.monotonic()
    while attack.goes_on:
        try:
            context = contexts[attack.connections % len(contexts)]
            peers.append(RawPeer(attack.address, context))
            attack.connections += 1
        except EndedError:
            attack.refused += 1
        for peer in list(peers):
            try:
                peer.pump()
                stream, peer.next_stream = peer.next_stream, peer.next_stream + 2
                peer.offer(frame(HEADERS, END_HEADERS | END_STREAM, stream, block))
                attack.sent += 1
            except EndedError:
                attack.note_end(began_s)
                peers.remove(peer)
                peer.close()
    for peer in peers:
        peer.close()


def ended_at_once(attack: Attack, name: str, block: bytes) -> None:
    """Calls of nothing but headers on some connections, whose answers are all read."""
    context = context_of(attack.named(name))
    peers: list[RawPeer] = []
    began_s = time.monotonic()
    while attack.goes_on:
        while len(peers) < CROWD and attack.connections < 10 * CROWD:
            try:
                peers.append(RawPeer(attack.address, context, WINDOW_DEFAULT))
                attack.connections += 1
            except EndedError:
                attack.refused += 1
                break
        for peer in list(peers):
            try:
                peer.pump()
                # An answer is one frame of headers, or two.
                room = LOOKS - peer.next_stream // 2 + peer.seen.get(HEADERS, 0)
                frames = []
                for _ in range(max(room, 0)):
                    stream, peer.next_stream = peer.next_stream, peer.next_stream + 2
                    flags = END_HEADERS | END_STREAM
                    frames.append(frame(HEADERS, flags, stream, block))
                peer.send(b"".join(frames), limit_s=1.0)
                attack.sent += len(frames)
            except (EndedError, HeldError):
                attack.note_end(began_s)
                peers.remove(peer)
                peer.close()
    for peer in peers:
        for kind, seen in peer.seen.items():
            attack.answers[str(kind)] = attack.answers.get(str(kind), 0) + seen
        peer.close()


def refused_calls(attack: Attack) -> None:
    """Calls that are refused for what they are, and read."""
    block = call_headers(METHODS["unary"], [(b"grpc-timeout", b"none")])
    ended_at_once(attack, f"centre-{centre_code(ATTACKER)}", block)


def long_texts(attack: Attack) -> None:
    """Calls whose refusal names what they asked for, as long as headers may be."""
    path = "/payswitch.v1.PaymentService/" + "x" * 14_000
    ended_at_once(attack, f"centre-{centre_code(ATTACKER)}", call_headers(path))


def openings(attack: Attack) -> None:
    """A biller's streams, opened and ended."""
    ended_at_once(attack, "biller-biller-1", call_headers(CONNECT))


def sign_ons(attack: Attack) -> None:
    """One operator signs on, again and again."""
    centre = centre_code(ATTACKER)
    key = Ed25519PrivateKey.from_private_bytes(OPERATOR_KEY)
    lock = threading.Lock()

    def sign(_: int) -> None:
        own = attack.credentials()
        with Client(attack.address, own, retries_max=0, timeout_s=5.0) as one:
            while attack.goes_on:
                try:
                    one.sign_on(centre, OPERATOR, key)
                except SwitchError:
                    with lock:
                        attack.refused += 1
                    time.sleep(AGAIN_S)
                    continue
                with lock:
                    attack.sent += 1

    attack.connections = SIGNERS
    with ThreadPoolExecutor(SIGNERS) as pool:
        list(pool.map(sign, range(SIGNERS)))


AT_DOOR: tuple[Callable[[Attack], None], ...] = (
    *(silence, strangers, refused_calls, long_texts, openings, sign_ons),
)
