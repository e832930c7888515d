"""Certificates as no honest authority makes them, and connections that show them."""

import socket
import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from switch.authority.development import DevAuthority
from switch.codes import Role
from switch.credentials import Credentials

_PEM = serialization.Encoding.PEM


def make_leaf(
    authority: DevAuthority,
    name: str,
    names: Sequence[x509.GeneralName],
    *,
    lives: timedelta = timedelta(days=1),
    san: bytes | None = None,
) -> Credentials:
    """A client's certificate with any alternative names, signed by the authority.

    `san` are their bytes instead, for those that nobody should have made.
    """
    extension: x509.ExtensionType = x509.SubjectAlternativeName(names)
    if san is not None:
        oid = x509.SubjectAlternativeName.oid
        extension = x509.UnrecognizedExtension(oid, san)
    directory = authority.directory
    root = x509.load_pem_x509_certificate((directory / "ca.pem").read_bytes())
    signer = serialization.load_pem_private_key(
        (directory / "ca.key").read_bytes(), None
    )
    assert isinstance(signer, ec.EllipticCurvePrivateKey)
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(root.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + lives)
        .add_extension(extension, critical=False)
        .add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False
        )
        .sign(signer, hashes.SHA256())
    )
    files = Credentials(
        directory / f"{name}.pem", directory / f"{name}.key", directory / "ca.pem"
    )
    files.certificate.write_bytes(certificate.public_bytes(_PEM))
    files.key.write_bytes(
        key.private_bytes(
            _PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return files


def uri(role: Role, participant: str) -> x509.UniformResourceIdentifier:
    """The name of a participant of the development domain."""
    text = f"spiffe://payswitch.test/{role.name.lower()}/{participant}"
    return x509.UniformResourceIdentifier(text)


@contextmanager
def connected(address: str, files: Credentials) -> Iterator[ssl.SSLSocket]:
    """A TLS connection that speaks HTTP/2, and says nothing yet."""
    context = ssl.create_default_context(cafile=str(files.authority))
    context.load_cert_chain(files.certificate, files.key)
    context.set_alpn_protocols(["h2"])
    host, _, port = address.rpartition(":")
    with (
        socket.create_connection((host, int(port)), timeout=60) as plain,
        context.wrap_socket(plain, server_hostname=host) as wrapped,
    ):
        yield wrapped


def server_certificate(address: str, files: Credentials) -> bytes:
    """The certificate that the server shows a new connection, in DER."""
    with connected(address, files) as connection:
        found = connection.getpeercert(binary_form=True)
    assert found is not None
    return found
