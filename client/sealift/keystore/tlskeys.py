"""A member's TLS key and certificate request, and the diagnosis of failed handshakes.

certs/profile.toml specifies what the certificates contain.
"""

from __future__ import annotations

import socket
import ssl
from datetime import UTC, datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
)
from cryptography.x509.oid import NameOID

from sealift.keystore.tls import HeldTlsKey
from sealift.process.secret import Secret
from sealift_protocol.errors import (
    ClockSkew,
    NotAuthenticated,
    ProfileError,
    RelayUnavailable,
    RelayUntrusted,
    SealiftError,
)
from sealift_protocol.ids import member_uri

_PROBE_SECONDS = 5.0
# PKCS#8 DER, or a key in a token or KMS that signs.
TlsKey = Secret | HeldTlsKey


def generate_tls_key() -> Secret:
    """Generate an ECDSA P-256 key, PKCS#8 DER."""
    key = ec.generate_private_key(ec.SECP256R1())
    return Secret(key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()))


def certificate_request(tls_key: TlsKey, name: str) -> bytes:
    """Make a PKCS#10 request (DER, RFC 2986) with the subject that certs/profile.toml specifies."""
    key = _load(tls_key)
    builder = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .add_extension(
            x509.SubjectAlternativeName(
                [x509.UniformResourceIdentifier(member_uri(name))]
            ),
            critical=False,
        )
    )
    return builder.sign(key, SHA256()).public_bytes(Encoding.DER)


def key_as_pem(tls_key: Secret) -> bytes:
    """Encode the TLS key for gRPC."""
    return _load(tls_key).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )


def channel_key(tls_key: TlsKey) -> TlsKey:
    """Return the TLS key for `Relay`: PEM, or a key in a backend that signs."""
    return tls_key if isinstance(tls_key, HeldTlsKey) else Secret(key_as_pem(tls_key))


def certificate_as_pem(der: bytes) -> bytes:
    """Encode a certificate in PEM.

    Raises:
        RelayUntrusted: the bytes are not a certificate.
    """
    try:
        return x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM)
    except ValueError:
        raise RelayUntrusted("the relay's answer is not a certificate") from None


def check_issued(certificate_pem: bytes, authority_pem: bytes, tls_key: TlsKey) -> None:
    """Check that a certificate is for our key and was issued by the relay's CA.

    Raises:
        RelayUntrusted: it is for another key or from another CA.
    """
    certificate = x509.load_pem_x509_certificate(certificate_pem)
    if certificate.public_key() != _load(tls_key).public_key():
        raise RelayUntrusted("the relay issued a certificate for another key")
    if not _issued_by(certificate, authority_pem):
        raise RelayUntrusted("the relay issued a certificate from another CA")


def life_left(certificate_pem: bytes, now: datetime) -> float:
    """Return the share of a certificate's life that is left: 1 to 0, negative once expired."""
    certificate = _own_certificate(certificate_pem)
    start, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    return (end - now) / (end - start)


def expiry(certificate_pem: bytes) -> datetime:
    """Return when a certificate expires.

    Raises:
        ProfileError: it is not a certificate.
    """
    return _own_certificate(certificate_pem).not_valid_after_utc


def _own_certificate(pem: bytes) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(pem)
    except ValueError:
        raise ProfileError(
            "the profile's certificate cannot be read",
            hint="restore certificate.pem of this profile from a backup",
        ) from None


def server_certificate(address: str) -> bytes:
    """Return the certificate (PEM) that a server presents, unverified.

    Raises:
        RelayUnavailable: no server answers at the address.
    """
    host, _, port = address.rpartition(":")
    try:
        return ssl.get_server_certificate(
            (host.strip("[]"), int(port)), timeout=_PROBE_SECONDS
        ).encode()
    except (OSError, socket.gaierror, ValueError):
        raise RelayUnavailable("no server answers at the relay's address") from None


def check_server(certificate_pem: bytes, authority_pem: bytes, now: datetime) -> None:
    """Check a server's certificate as TLS does, and explain what is wrong.

    Raises:
        RelayUntrusted: it was not issued by the relay's CA.
        ClockSkew: it is not valid at this machine's time.
    """
    certificate = x509.load_pem_x509_certificate(certificate_pem)
    if not _issued_by(certificate, authority_pem):
        raise RelayUntrusted("the server's certificate is not from the relay's CA")
    if now < certificate.not_valid_before_utc:
        raise ClockSkew(
            "the relay's certificate is not valid yet, by this machine's clock, which reads "
            f"{now:%Y-%m-%d %H:%M} UTC"
        )
    if now > certificate.not_valid_after_utc:
        raise ClockSkew(
            "the relay's certificate has expired, by this machine's clock, which reads "
            f"{now:%Y-%m-%d %H:%M} UTC",
            hint="check this machine's clock; if it is right, the operator must renew the "
            "relay's certificate",
        )


def diagnose_handshake(
    address: str, authority_pem: bytes, certificate_pem: bytes, fallback: SealiftError
) -> SealiftError:
    """Find out why a connection failed that gRPC reports only as unavailable.

    Checks this profile's certificate, then the server's certificate.
    """
    now = datetime.now(UTC)
    own = x509.load_pem_x509_certificate(certificate_pem)
    if not _issued_by(own, authority_pem):
        return NotAuthenticated("this profile's certificate is not from the relay's CA")
    if now > own.not_valid_after_utc:
        return NotAuthenticated(
            f"this profile's certificate expired on {own.not_valid_after_utc:%Y-%m-%d}"
        )
    try:
        check_server(server_certificate(address), authority_pem, now)
    except SealiftError as error:
        return error
    return fallback


def _issued_by(certificate: x509.Certificate, authority_pem: bytes) -> bool:
    try:
        certificate.verify_directly_issued_by(
            x509.load_pem_x509_certificate(authority_pem)
        )
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _load(tls_key: TlsKey) -> ec.EllipticCurvePrivateKey:
    if isinstance(tls_key, HeldTlsKey):
        return tls_key
    key = load_der_private_key(tls_key.view(), password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise NotAuthenticated("this profile's TLS key is not an ECDSA key")
    return key
