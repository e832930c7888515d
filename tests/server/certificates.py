"""Certificates of every kind that somebody may come with, by the development authority.

What no authority should sign is signed here all the same: what the switch makes of it
must not hang on the care of who issues.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from switch.authority.development import DOMAIN

Pair = tuple[bytes, bytes]
"""Certificate and key, in PEM."""

_PEM = serialization.Encoding.PEM


def uri(role: str, participant: str, domain: str = DOMAIN) -> str:
    return f"spiffe://{domain}/{role}/{participant}"


class Issuer:
    """Signs what it is asked to, with the key of a development authority."""

    def __init__(self, directory: Path) -> None:
        """`directory` has `ca.pem` and `ca.key`."""
        key = serialization.load_pem_private_key(
            (directory / "ca.key").read_bytes(), None
        )
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        self._key = key
        self.authority = (directory / "ca.pem").read_bytes()
        self._certificate = x509.load_pem_x509_certificate(self.authority)

    def issue(
        self, names: Sequence[x509.GeneralName], *, until: timedelta = timedelta(days=1)
    ) -> Pair:
        """A client's certificate with these names, valid for `until` from now."""
        key = ec.generate_private_key(ec.SECP256R1())
        now = datetime.now(UTC)
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a test")])
        usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._certificate.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=30))
            .not_valid_after(now + until)
            .add_extension(x509.BasicConstraints(False, None), critical=True)
            .add_extension(usage, critical=False)
        )
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), False)
        certificate = builder.sign(self._key, hashes.SHA256())
        return certificate.public_bytes(_PEM), key.private_bytes(
            _PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )


def _uris(*names: str) -> list[x509.GeneralName]:
    return [x509.UniformResourceIdentifier(name) for name in names]


Make = Callable[[Issuer, Issuer, str, str], Pair]

KINDS: Final[dict[str, Make]] = {
    "good": lambda own, _, role, name: own.issue(_uris(uri(role, name))),
    "revoked": lambda own, _, role, name: own.issue(_uris(uri(role, name))),
    "revoked-of-another": lambda own, _, role, name: own.issue(_uris(uri(role, name))),
    "pinned": lambda own, _, role, name: own.issue(_uris(uri(role, name))),
    "key-not-pinned": lambda own, _, role, name: own.issue(_uris(uri(role, name))),
    "with-host-name": lambda own, _, role, name: own.issue(
        [*_uris(uri(role, name)), x509.DNSName("counter.example")]
    ),
    "expired": lambda own, _, role, name: own.issue(
        _uris(uri(role, name)), until=timedelta(days=-1)
    ),
    "wrong-authority": lambda _, other, role, name: other.issue(_uris(uri(role, name))),
    "no-name": lambda own, _, role, name: own.issue([]),
    "name-as-dns": lambda own, _, role, name: own.issue(
        [x509.DNSName(uri(role, name))]
    ),
    "name-as-email": lambda own, _, role, name: own.issue(
        [x509.RFC822Name(uri(role, name))]
    ),
    "wrong-domain": lambda own, _, role, name: own.issue(
        _uris(uri(role, name, "elsewhere.test"))
    ),
    "two-names": lambda own, _, role, name: own.issue(
        _uris(uri(role, name), uri("treasury", "treasury"))
    ),
    "the-same-twice": lambda own, _, role, name: own.issue(
        _uris(uri(role, name), uri(role, name))
    ),
    "two-uris": lambda own, _, role, name: own.issue(
        _uris(uri(role, name), "https://counter.example")
    ),
    "name-and-dns": lambda own, _, role, name: own.issue(
        [*_uris(uri(role, name)), x509.DNSName(uri("treasury", "treasury"))]
    ),
    "nul-behind": lambda own, _, role, name: own.issue(
        _uris(uri(role, name) + "\0.example")
    ),
    "nul-inside": lambda own, _, role, name: own.issue(
        _uris(uri(role, name[:-1] + "\0" + name[-1]))
    ),
}
"""By name; the second issuer is of another authority."""
