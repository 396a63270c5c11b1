"""A member's TLS key and certificate request; why a handshake failed, in words.

certs/profile.toml says what the certificates contain.
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
    RelayUnavailable,
    RelayUntrusted,
    SealiftError,
)
from sealift_protocol.ids import member_uri

_PROBE_SECONDS = 5.0
# PKCS#8 DER, or what signs with a key in a token or KMS.
TlsKey = Secret | HeldTlsKey


def generate_tls_key() -> Secret:
    """A fresh ECDSA P-256 key, PKCS#8 DER."""
    key = ec.generate_private_key(ec.SECP256R1())
    return Secret(key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()))


def certificate_request(tls_key: TlsKey, name: str) -> bytes:
    """A PKCS#10 request (DER, RFC 2986) that names the member as certs/profile.toml says."""
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
    """The TLS key in the encoding that gRPC takes."""
    return _load(tls_key).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )


def channel_key(tls_key: TlsKey) -> TlsKey:
    """The TLS key as `Relay` takes it: PEM, or what signs with it."""
    return tls_key if isinstance(tls_key, HeldTlsKey) else Secret(key_as_pem(tls_key))


def certificate_as_pem(der: bytes) -> bytes:
    """A certificate in PEM.

    Raises:
        RelayUntrusted: the bytes are not a certificate.
    """
    try:
        return x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM)
    except ValueError:
        raise RelayUntrusted(
            "the relay answered with something that is no certificate"
        ) from None


def check_issued(certificate_pem: bytes, authority_pem: bytes, tls_key: TlsKey) -> None:
    """Checks that a certificate is for our key and comes from the relay's CA.

    Raises:
        RelayUntrusted: it is not.
    """
    certificate = x509.load_pem_x509_certificate(certificate_pem)
    if certificate.public_key() != _load(tls_key).public_key():
        raise RelayUntrusted("the relay issued a certificate for another key")
    if not _issued_by(certificate, authority_pem):
        raise RelayUntrusted("the relay issued a certificate of another CA")


def life_left(certificate_pem: bytes, now: datetime) -> float:
    """Share of a certificate's life that is left, from 1 to 0 and below."""
    certificate = x509.load_pem_x509_certificate(certificate_pem)
    start, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    return (end - now) / (end - start)


def expiry(certificate_pem: bytes) -> datetime:
    """When a certificate expires."""
    return x509.load_pem_x509_certificate(certificate_pem).not_valid_after_utc


def server_certificate(address: str) -> bytes:
    """The certificate (PEM) that a server presents; nothing about it is verified.

    Raises:
        RelayUnavailable: nobody answers there.
    """
    host, _, port = address.rpartition(":")
    try:
        return ssl.get_server_certificate(
            (host.strip("[]"), int(port)), timeout=_PROBE_SECONDS
        ).encode()
    except (OSError, socket.gaierror, ValueError):
        raise RelayUnavailable("nobody answers at the relay's address") from None


def check_server(certificate_pem: bytes, authority_pem: bytes, now: datetime) -> None:
    """Checks a server's certificate the way TLS will, with an error for people.

    Raises:
        RelayUntrusted: it was not issued by the relay's CA.
        ClockSkew: it is not valid at this machine's time.
    """
    certificate = x509.load_pem_x509_certificate(certificate_pem)
    if not _issued_by(certificate, authority_pem):
        raise RelayUntrusted("the server's certificate is not from the relay's CA")
    if now < certificate.not_valid_before_utc:
        raise ClockSkew(
            "the relay's certificate is not valid yet by this machine's clock, which says "
            f"{now:%Y-%m-%d %H:%M} UTC"
        )
    if now > certificate.not_valid_after_utc:
        raise ClockSkew(
            "the relay's certificate has expired by this machine's clock, which says "
            f"{now:%Y-%m-%d %H:%M} UTC",
            hint="check this machine's clock; if it is right, the operator must renew the "
            "relay's certificate",
        )


def diagnose_handshake(
    address: str, authority_pem: bytes, certificate_pem: bytes, fallback: SealiftError
) -> SealiftError:
    """Why a connection failed that gRPC only calls unavailable.

    Looks at this profile's certificate, then at the one that the server presents.
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
