"""A stand-in for Azure Key Vault: an HTTPS server that speaks its REST API to its own client.

It is ours, so it shows that the client is used as Microsoft's types demand, and not that their
service does the same. Like a vault it answers the first call with a challenge, keeps what was
deleted until it is purged, and says 400 to what does not decrypt. It is the identity endpoint of an
App Service, too: that is where the SDK gets its token from, with nothing but its own environment.
"""

from __future__ import annotations

import base64
import datetime
import ipaddress
import json
import secrets
import ssl
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import (
    Prehashed,
    decode_dss_signature,
)
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID

from fakes.web import FakeService, Handler, Server

TOKEN = "token-of-the-fake-vault"
HEADER = "header-of-the-fake-identity"
OAEP = padding.OAEP(padding.MGF1(SHA256()), SHA256(), label=None)
PAGE = 2


class Refusal(Exception):
    """An error of the API: HTTP status and code."""

    def __init__(self, status: int, code: str = "Planted") -> None:
        self.status, self.code = status, code


@dataclass
class Version:
    name: str
    version: str
    private: Any
    kty: str
    key_ops: list[str]
    tags: dict[str, str]
    enabled: bool
    created: float


@dataclass(kw_only=True)
class Service(FakeService):
    """The keys; faults are HTTP statuses, of authorised calls."""

    recovery_level: str = "Recoverable+Purgeable"
    may_purge: bool = True
    keys: dict[str, list[Version]] = field(default_factory=dict)
    deleted: dict[str, list[Version]] = field(default_factory=dict)
    address: str = ""
    # Whose token the challenge asks for; what the vault's own host ends with, if empty.
    resource: str = ""
    # How many tokens were given out.
    tokens: int = 0

    def refusal(self, fault: int) -> Refusal:
        return Refusal(fault)

    def handle(self, method: str, path: str, query: dict[str, str], body: bytes) -> Any:
        asked = json.loads(body) if body else {}
        match method, *path.strip("/").split("/"):
            case "POST", "keys", name, "create":
                return self.create(name, asked)
            case "GET", "keys":
                newest = [versions[-1] for _, versions in sorted(self.keys.items())]
                return self.page("/keys", newest, query, named=False)
            case "GET", "keys", name, "versions":
                return self.page(path, self.found(name), query, named=True)
            case "GET", "keys", name, *rest:
                return self.bundle(self.version(name, *rest))
            case "DELETE", "keys", name:
                self.deleted[name] = self.found(name)
                del self.keys[name]
                return self.deletion(name)
            case "GET", "deletedkeys", name:
                return self.deletion(name)
            case "DELETE", "deletedkeys", name:
                self.deletion(name)
                if not self.may_purge:
                    raise Refusal(403, "Forbidden")
                del self.deleted[name]
                return None
            case "POST", "keys", name, version, ("sign" | "decrypt") as operation:
                return self.use(self.version(name, version), operation, asked)
        raise Refusal(404, "NotFound")

    def found(self, name: str) -> list[Version]:
        if name not in self.keys:
            raise Refusal(404, "KeyNotFound")
        return self.keys[name]

    def version(self, name: str, version: str = "") -> Version:
        known = self.found(name)
        if not version:
            return known[-1]
        for one in known:
            if one.version == version:
                return one
        raise Refusal(404, "KeyNotFound")

    def create(self, name: str, asked: dict[str, Any]) -> Any:
        if name in self.deleted:
            raise Refusal(409, "Conflict")
        kty = asked["kty"]
        private: Any
        if kty.startswith("EC") and asked["crv"] == "P-256":
            private = ec.generate_private_key(ec.SECP256R1())
        elif kty.startswith("RSA") and asked["key_size"] == 3072:
            private = rsa.generate_private_key(65537, 3072)
        else:
            raise Refusal(400, "BadParameter")
        made = Version(
            name,
            secrets.token_hex(16),
            private,
            kty,
            asked["key_ops"],
            asked.get("tags", {}),
            asked.get("attributes", {}).get("enabled", True),
            time.time() + len(self.keys.get(name, ())),
        )
        self.keys.setdefault(name, []).append(made)
        return self.bundle(made)

    def use(self, key: Version, operation: str, asked: dict[str, Any]) -> Any:
        if not key.enabled or operation not in key.key_ops:
            raise Refusal(403, "Forbidden")
        value = unb64(asked["value"])
        if operation == "sign":
            if asked["alg"] != "ES256" or len(value) != 32:
                raise Refusal(400, "BadParameter")
            r, s = decode_dss_signature(
                key.private.sign(value, ec.ECDSA(Prehashed(SHA256())))
            )
            result = r.to_bytes(32) + s.to_bytes(32)
        else:
            if asked["alg"] != "RSA-OAEP-256":
                raise Refusal(400, "BadParameter")
            try:
                result = key.private.decrypt(value, OAEP)
            except ValueError:
                raise Refusal(400, "BadParameter") from None
        return {"kid": self.kid(key), "value": b64(result)}

    def kid(self, key: Version) -> str:
        return f"{self.address}/keys/{key.name}/{key.version}"

    def attributes(self, key: Version) -> dict[str, Any]:
        made = int(key.created)
        return {
            "enabled": key.enabled,
            "created": made,
            "updated": made,
            "recoveryLevel": self.recovery_level,
            "recoverableDays": 7,
            "exportable": False,
        }

    def bundle(self, key: Version) -> dict[str, Any]:
        jwk: dict[str, Any] = {
            "kid": self.kid(key),
            "kty": key.kty,
            "key_ops": key.key_ops,
        }
        numbers = key.private.public_key().public_numbers()
        if key.kty.startswith("EC"):
            jwk |= {
                "crv": "P-256",
                "x": b64(numbers.x.to_bytes(32)),
                "y": b64(numbers.y.to_bytes(32)),
            }
        else:
            jwk |= {"n": b64(numbers.n.to_bytes(384)), "e": b64(numbers.e.to_bytes(3))}
        return {"key": jwk, "attributes": self.attributes(key), "tags": key.tags}

    def deletion(self, name: str) -> dict[str, Any]:
        if name not in self.deleted:
            raise Refusal(404, "KeyNotFound")
        now = int(time.time())
        dates = {"deletedDate": now, "scheduledPurgeDate": now + 7 * 86400}
        where = {"recoveryId": f"{self.address}/deletedkeys/{name}"}
        return self.bundle(self.deleted[name][-1]) | dates | where

    def page(
        self, path: str, keys: list[Version], query: dict[str, str], *, named: bool
    ) -> dict[str, Any]:
        start = int(query.get("$skiptoken", 0))
        items = [
            {
                "kid": self.kid(key) if named else self.kid(key).rpartition("/")[0],
                "attributes": self.attributes(key),
                "tags": key.tags,
            }
            for key in keys[start : start + PAGE]
        ]
        more = f"{self.address}{path}?api-version=2025-07-01&$skiptoken={start + PAGE}"
        return {"value": items, "nextLink": more if start + PAGE < len(keys) else None}


def server_of(known: Service, certificate: ssl.SSLContext) -> Server:
    """A server on a port of its own, for `serve_forever`."""

    class Calls(Handler):
        def reply(self, path: str, query: dict[str, str], body: bytes) -> None:
            headers, status, message = {}, 200, None
            if path == "/identity":
                status, message = identity(self.headers.get("X-IDENTITY-HEADER"), query)
                known.tokens += status == 200
            elif self.headers.get("Authorization") != f"Bearer {TOKEN}":
                status, message = (
                    401,
                    {"error": {"code": "Unauthorized", "message": "planted"}},
                )
                resource = known.resource or known.address.replace("127.0.0.1", "0.0.1")
                headers["WWW-Authenticate"] = (
                    'Bearer authorization="https://login.microsoftonline.com/tenant", '
                    f'resource="{resource}"'
                )
            else:
                try:
                    message = known.answer(self.command, path, query, body)
                    status = 200 if message is not None else 204
                except Refusal as refusal:
                    status = refusal.status
                    error = {
                        "code": refusal.code,
                        "message": "planted text of the service",
                    }
                    message = {"error": error}
            content = b"" if message is None else json.dumps(message).encode()
            self.send(status, content, headers)

    server = Server(Calls)
    known.address = f"https://127.0.0.1:{server.server_port}"
    server.socket = certificate.wrap_socket(server.socket, server_side=True)
    return server


def identity(header: str | None, query: dict[str, str]) -> tuple[int, dict[str, Any]]:
    """What an App Service says when it is asked for a token."""
    if header != HEADER:
        return 400, {"statusCode": 400, "message": "bad header"}
    return 200, {
        "access_token": TOKEN,
        "expires_on": str(int(time.time()) + 86400),
        "resource": query["resource"],
        "token_type": "Bearer",
        "client_id": "fake",
    }


def certified(folder: Path) -> ssl.SSLContext:
    """A certificate for this machine; the CA's is left in the folder."""
    now = datetime.datetime.now(datetime.UTC)
    authority, private = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))

    def certificate(
        name: str, key: Any, *extensions: tuple[x509.ExtensionType, bool]
    ) -> Any:
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        issuer = x509.Name(
            [x509.NameAttribute(NameOID.COMMON_NAME, "CA of the fake vault")]
        )
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(hours=1))
            .not_valid_after(now + datetime.timedelta(days=1))
        )
        issuer_id = x509.AuthorityKeyIdentifier.from_issuer_public_key(
            authority.public_key()
        )
        own_id = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
        for extension, critical in (*extensions, (issuer_id, False), (own_id, False)):
            builder = builder.add_extension(extension, critical)
        return builder.sign(authority, SHA256()).public_bytes(Encoding.PEM)

    usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
    basic = x509.BasicConstraints(ca=True, path_length=0)
    here = x509.SubjectAlternativeName(
        [x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    )
    own = certificate("fake vault", private, (here, False))
    (folder / "ca.pem").write_bytes(
        certificate("CA of the fake vault", authority, (basic, True), (usage, True))
    )
    (folder / "vault.pem").write_bytes(
        own + private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "vault.pem")
    return context


def b64(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def unb64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "==")
