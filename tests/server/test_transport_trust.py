"""Goal: who is believed is who the authority's files name now, on each connection.

Method: the compiled front alone; authorities, certificates and revocation lists made
here. What must not happen is shown by a connection beside it that goes on.
"""

import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from server import _front
from switch.credentials import Credentials
from tests.server.door import Reached
from tests.server.frames import CHAT, ECHO, HOLD, HOLD_STREAM, Peer, open_tls

DAY = timedelta(days=1)
PEM = serialization.Encoding.PEM
PERMISSION_DENIED = 7


class Authority:
    """One that signs certificates, and lists of those that it takes back."""

    def __init__(self, name: str, above: "Authority | None" = None) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.above = above or self
        self.certificate = self.above.sign(self.name, self.key, authority=True)
        self.pem = self.certificate.public_bytes(PEM)

    def sign(
        self, name: x509.Name, key: ec.EllipticCurvePrivateKey, *, authority: bool
    ) -> x509.Certificate:
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(self.name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - DAY)
            .not_valid_after(now + DAY)
            .add_extension(x509.BasicConstraints(authority, None), critical=True)
        )
        if not authority:
            usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])
            builder = builder.add_extension(usage, critical=False)
        return builder.sign(self.key, hashes.SHA256())

    def list_of(self, *revoked: x509.Certificate, old: bool = False) -> bytes:
        now = datetime.now(UTC) - (5 * DAY if old else timedelta(0))
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self.name)
            .last_update(now - DAY)
            .next_update(now + DAY)
        )
        for one in revoked:
            entry = x509.RevokedCertificateBuilder().serial_number(one.serial_number)
            builder = builder.add_revoked_certificate(
                entry.revocation_date(now - DAY).build()
            )
        return builder.sign(self.key, hashes.SHA256()).public_bytes(PEM)

    def leaf(self, directory: Path, server: Credentials) -> Credentials:
        """A client's files: with the authorities between it and the root."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a test")])
        pem = self.sign(name, key, authority=False).public_bytes(PEM)
        one: Authority = self
        while one.above is not one:
            pem += one.pem
            one = one.above
        number = len(list(directory.iterdir()))
        files = directory / f"{number}.pem", directory / f"{number}.key"
        files[0].write_bytes(pem)
        plain = serialization.NoEncryption()
        files[1].write_bytes(
            key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, plain)
        )
        return Credentials(*files, server.authority)


class Scene:
    """A door, and whom it is told to believe."""

    def __init__(self, reached: Reached, directory: Path) -> None:
        self.reached = reached
        self.directory = directory
        self.server = reached.authority.server()
        self.root, self.other = Authority("a root"), Authority("another")
        self.first = Authority("first below", self.root)
        self.second = Authority("second below", self.root)

    def believe(self, *authorities: Authority, lists: bytes = b"") -> None:
        certificate, key, _ = self.server.read()
        every = b"".join(one.pem for one in authorities)
        self.reached.front.set_credentials(certificate, key, every, lists)

    def peer(self, authority: Authority) -> Peer:
        leaf = authority.leaf(self.directory, self.server)
        return Peer(self.reached.port, leaf)

    @contextmanager
    def served(self, authority: Authority) -> Iterator[Peer]:
        with self.peer(authority) as peer:
            peer.echo()
            yield peer

    def turned_away(self, authority: Authority) -> None:
        failed = self.reached.front.counters()["handshakes_failed"]
        leaf = authority.leaf(self.directory, self.server)
        try:
            with open_tls(self.reached.port, leaf) as secure:
                assert not secure.recv(1)  # TLS 1.3 tells it only afterwards
        except (ssl.SSLError, ConnectionError):
            pass
        self.reached.door.wait_until(
            lambda counts: counts["handshakes_failed"] > failed
        )


@pytest.fixture
def scene(reached: Reached, tmp_path: Path) -> Scene:
    return Scene(reached, tmp_path)


# --- files ------------------------------------------------------------------------


def broken(pem: bytes) -> bytes:
    """A certificate of which bytes in the middle are others."""
    lines = pem.split(b"\n")
    lines[3] = b"A" * len(lines[3])
    return b"\n".join(lines)


@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_broken_authority_hides_none_behind_it(scene: Scene, place: int) -> None:
    pems = [one.pem for one in (scene.root, scene.other, scene.first)]
    pems[place] = broken(pems[place])
    certificate, key, authority = scene.server.read()
    with pytest.raises(ValueError, match="authority's certificates"):
        scene.reached.front.set_credentials(certificate, key, b"".join(pems))
    # Cut off in the middle is broken, too; words between certificates are none.
    with pytest.raises(ValueError, match="authority's certificates"):
        scene.reached.front.set_credentials(certificate, key, authority + pems[1][:200])
    scene.reached.front.set_credentials(certificate, key, b"one\n" + authority + b"end")


def test_a_broken_chain_of_the_server_is_refused(scene: Scene) -> None:
    certificate, key, authority = scene.server.read()
    with pytest.raises(ValueError, match="the certificate cannot"):
        scene.reached.front.set_credentials(
            certificate + broken(scene.root.pem), key, authority
        )


def test_a_broken_list_is_refused(scene: Scene) -> None:
    for lists in (b"nothing", broken(scene.root.list_of()), scene.root.pem):
        with pytest.raises(ValueError, match="revocation lists"):
            scene.believe(scene.root, lists=lists)


# --- an authority that is replaced -----------------------------------------------


def test_a_replaced_authority_leaves_no_connection_open(scene: Scene) -> None:
    scene.believe(scene.root, scene.other)
    with scene.served(scene.root) as gone, scene.served(scene.other) as stays:
        scene.believe(scene.other)
        assert scene.reached.door.wait_for(_front.DISCONNECT)[2] == "untrusted"
        gone.read_to_end()
        stays.echo(3)
        scene.turned_away(scene.root)
        assert scene.reached.front.counters()["connections_untrusted"] == 1


def test_what_is_under_way_is_answered_and_no_more(scene: Scene) -> None:
    scene.believe(scene.root)
    door = scene.reached.door
    with scene.served(scene.root) as peer:
        peer.send(peer.call(3, HOLD), peer.open(5, HOLD_STREAM), peer.open(7, CHAT))
        held = door.wait_for(_front.CALL, _3=3)[1]
        stream = door.wait_for(_front.CALL, _3=4)[1]
        door.wait_for(_front.CALL, _3=2)
        scene.believe(scene.other)
        assert {door.wait_for(_front.REVOKED)[1] for _ in range(3)} >= {held, stream}
        # Whatever the register says of it: it may call nothing any more.
        for connection in {event[2] for event in door.calls.values()}:
            door.admit(connection)
        peer.send(peer.call(9, ECHO, b"new"))
        assert peer.status(9) == PERMISSION_DENIED
        scene.reached.front.reply(held, b"answered")
        assert peer.status(3) == 0
        # Who ends nothing is ended.
        assert door.wait_for(_front.DISCONNECT)[2] == "untrusted"


def test_many_are_looked_at_in_turns(scene: Scene) -> None:
    scene.believe(scene.root, scene.other)
    peers = [scene.peer(scene.root) for _ in range(40)]
    for one in peers:
        one.echo()
    with scene.served(scene.other) as stays:
        scene.believe(scene.other)
        scene.reached.door.wait_until(
            lambda counts: counts["connections_untrusted"] == 40
        )
        stays.echo(3)
    for one in peers:
        one.read_to_end()
        one.socket.close()


def test_a_handshake_that_began_before_is_judged_after(scene: Scene) -> None:
    """What counts is who is believed when it is through."""
    scene.believe(scene.root)
    leaf = scene.root.leaf(scene.directory, scene.server)
    context = ssl.create_default_context(cafile=str(leaf.authority))
    context.load_cert_chain(leaf.certificate, leaf.key)
    context.set_alpn_protocols(["h2"])
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = context.wrap_bio(incoming, outgoing, server_hostname="localhost")
    with socket.create_connection(("127.0.0.1", scene.reached.port), 60) as plain:
        with pytest.raises(ssl.SSLWantReadError):
            client.do_handshake()
        plain.sendall(outgoing.read())
        scene.reached.door.wait_until(lambda counts: counts["handshakes_open"] == 1)
        incoming.write(plain.recv(1 << 16))
        scene.believe(scene.other)
        while True:
            try:
                client.do_handshake()
                break
            except ssl.SSLWantReadError:
                incoming.write(plain.recv(1 << 16))
        plain.sendall(outgoing.read())
        scene.reached.door.wait_until(lambda counts: counts["connections_refused"] == 1)
    assert scene.reached.front.counters()["connections_admitted"] == 0


# --- lists ------------------------------------------------------------------------


@pytest.mark.parametrize("old", [False, True])
def test_an_intermediate_that_is_revoked_stands_for_nobody(
    scene: Scene, old: bool
) -> None:
    scene.believe(scene.root)
    lists = scene.root.list_of(scene.first.certificate, old=old)
    with scene.served(scene.first) as gone, scene.served(scene.second) as stays:
        scene.believe(scene.root, lists=lists)
        gone.read_to_end()
        stays.echo(3)
        scene.turned_away(scene.first)
        with scene.served(scene.root), scene.served(scene.second):
            pass


def test_each_authority_has_a_list_of_its_own(scene: Scene) -> None:
    """A list says nothing of what another has signed."""
    scene.believe(scene.root, scene.other)
    forged = scene.other.list_of(scene.first.certificate)
    scene.believe(scene.root, scene.other, lists=forged + scene.second.list_of())
    with scene.served(scene.first), scene.served(scene.second):
        pass
    lists = forged + scene.root.list_of(scene.second.certificate)
    scene.believe(scene.root, scene.other, lists=lists)
    scene.turned_away(scene.second)
    with scene.served(scene.first):
        pass


def test_a_leaf_is_revoked_by_a_list_as_well(scene: Scene) -> None:
    scene.believe(scene.root)
    leaf = scene.first.leaf(scene.directory, scene.server)
    read = x509.load_pem_x509_certificate(leaf.certificate.read_bytes())
    with Peer(scene.reached.port, leaf) as peer:
        peer.echo()
        scene.believe(scene.root, lists=scene.first.list_of(read))
        peer.read_to_end()
    with scene.served(scene.first):
        pass
