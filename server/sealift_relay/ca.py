"""The relay's certificate authority; certs/profile.toml says what it issues."""

from __future__ import annotations

import hashlib
import ipaddress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from sealift_protocol.errors import InvalidArgument, MalformedObject
from sealift_protocol.ids import member_uri
from sealift_relay.files import write_private

AUTHORITY_DAYS = 3650
SERVER_DAYS = 397
MEMBER_DAYS = 90
# Members' clocks may be a little behind the relay's.
BACKDATE = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Authority:
    """A CA certificate with its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def der(self) -> bytes:
        """The certificate, DER."""
        return self.certificate.public_bytes(Encoding.DER)

    @property
    def fingerprint(self) -> bytes:
        """SHA-256 of the certificate, 32 bytes."""
        return hashlib.sha256(self.der).digest()


def make_authority(now: datetime) -> Authority:
    """Makes a new self-signed CA."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name("Sealift relay CA")
    builder = _builder(name, name, key.public_key(), now, AUTHORITY_DAYS)
    builder = builder.add_extension(
        x509.BasicConstraints(ca=True, path_length=0), critical=True
    )
    builder = builder.add_extension(_key_usage(authority=True), critical=True)
    return Authority(builder.sign(key, SHA256()), key)


def issue_server_certificate(
    authority: Authority,
    key: ec.EllipticCurvePublicKey,
    hosts: list[str],
    now: datetime,
) -> x509.Certificate:
    """A certificate for the relay's listeners, valid for host names and addresses."""
    names = [_general_name(host) for host in hosts]
    builder = _builder(
        _name("Sealift relay"), authority.certificate.subject, key, now, SERVER_DAYS
    )
    return _sign(builder, authority, names, ExtendedKeyUsageOID.SERVER_AUTH)


def issue_member_certificate(
    authority: Authority, request_der: bytes, name: str, now: datetime
) -> x509.Certificate:
    """A certificate for a member's request; only the key is taken from it.

    Raises:
        MalformedObject: the request is not signed by its key, not P-256, or for another name.
    """
    uri = member_uri(name)
    try:
        request = x509.load_der_x509_csr(request_der)
        names = request.extensions.get_extension_for_class(
            x509.SubjectAlternativeName
        ).value
        uris = names.get_values_for_type(x509.UniformResourceIdentifier)
        key = request.public_key()
        signed = request.is_signature_valid
    except (ValueError, x509.ExtensionNotFound, InvalidSignature, TypeError):
        raise MalformedObject("a certificate request cannot be read") from None
    if not signed:
        raise MalformedObject("a certificate request is not signed by its key")
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(
        key.curve, ec.SECP256R1
    ):
        raise MalformedObject("a certificate request's key is not ECDSA P-256")
    if uris != [uri] or len(list(names)) != 1:
        raise MalformedObject("a certificate request is for another name")
    builder = _builder(
        _name(name), authority.certificate.subject, key, now, MEMBER_DAYS
    )
    identifier = x509.UniformResourceIdentifier(uri)
    return _sign(builder, authority, [identifier], ExtendedKeyUsageOID.CLIENT_AUTH)


def write_tls(folder: Path, hosts: list[str]) -> Authority:
    """Makes a CA and a server certificate in a new folder."""
    now = datetime.now(UTC)
    authority = make_authority(now)
    server_key = ec.generate_private_key(ec.SECP256R1())
    server = issue_server_certificate(authority, server_key.public_key(), hosts, now)
    folder.mkdir(mode=0o700)
    write_private(folder / "ca.key", _key_pem(authority.key))
    write_private(folder / "ca.pem", authority.certificate.public_bytes(Encoding.PEM))
    write_private(folder / "server.key", _key_pem(server_key))
    write_private(folder / "server.pem", server.public_bytes(Encoding.PEM))
    return authority


def load_authority(folder: Path) -> Authority:
    """The CA of a relay's folder.

    Raises:
        InvalidArgument: its files are missing or not an ECDSA CA.
    """
    try:
        certificate = x509.load_pem_x509_certificate((folder / "ca.pem").read_bytes())
        key = load_pem_private_key((folder / "ca.key").read_bytes(), password=None)
    except (OSError, ValueError, TypeError):
        raise InvalidArgument(
            "the relay's CA files cannot be read; see certs/README.md"
        ) from None
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise InvalidArgument("the relay's CA key must be ECDSA; see certs/README.md")
    return Authority(certificate, key)


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey,
    now: datetime,
    days: int,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATE)
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _sign(
    builder: x509.CertificateBuilder,
    authority: Authority,
    names: list[x509.GeneralName],
    usage: x509.ObjectIdentifier,
) -> x509.Certificate:
    issuer_key = authority.key.public_key()
    builder = builder.add_extension(
        x509.BasicConstraints(ca=False, path_length=None), True
    )
    builder = builder.add_extension(_key_usage(authority=False), critical=True)
    builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
    builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    builder = builder.add_extension(
        x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key), critical=False
    )
    return builder.sign(authority.key, SHA256())


def _key_usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority,
        key_cert_sign=authority,
        crl_sign=authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
