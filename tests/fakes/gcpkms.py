"""A stand-in for Google Cloud KMS: an HTTP server that speaks what its own client speaks.

It is ours, so it shows that the client is used as its types demand, and not that Google's service
does the same. What it knows of the service is from the API reference: keys are generated after the
call, a version that is not enabled cannot be used, names are never free again.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from google.cloud import kms_v1

from fakes.web import FakeService, Handler, Server

State = kms_v1.CryptoKeyVersion.CryptoKeyVersionState
Spec = kms_v1.CryptoKeyVersion.CryptoKeyVersionAlgorithm
OAEP = padding.OAEP(padding.MGF1(SHA256()), SHA256(), label=None)
CODES = {
    "INVALID_ARGUMENT": 400,
    "FAILED_PRECONDITION": 400,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
    "ALREADY_EXISTS": 409,
    "ABORTED": 409,
    "RESOURCE_EXHAUSTED": 429,
    "INTERNAL": 500,
    "UNAVAILABLE": 503,
    "DEADLINE_EXCEEDED": 504,
}
PAGE = 2


class Refusal(Exception):
    """An error of the API, by its status."""


@dataclass
class Version:
    private: Any
    message: kms_v1.CryptoKeyVersion
    # How many more times it says that it is being generated.
    pending: int = 1


@dataclass(kw_only=True)
class Service(FakeService):
    """The keys; faults are statuses."""

    pending: int = 1
    keys: dict[str, kms_v1.CryptoKey] = field(default_factory=dict)
    versions: dict[str, Version] = field(default_factory=dict)

    def refusal(self, fault: str) -> Refusal:
        return Refusal(fault)

    def handle(self, method: str, path: str, query: dict[str, str], body: bytes) -> Any:
        if found := re.fullmatch(r"(.+/keyRings/[^/]+)/cryptoKeys", path):
            if method == "GET":
                return self.listed(found[1], query)
            return self.created(found[1], query["cryptoKeyId"], body)
        name, _, verb = path.partition(":")
        name, public = name.removesuffix("/publicKey"), name.endswith("/publicKey")
        if name not in self.versions:
            raise Refusal("NOT_FOUND")
        version = self.versions[name]
        if method == "GET" and not public:
            return self.read(version)
        if verb == "destroy":
            version.message.state = State.DESTROY_SCHEDULED
            return version.message
        if version.message.state != State.ENABLED:
            raise Refusal("FAILED_PRECONDITION")
        if public:
            return self.published(version)
        return {"asymmetricSign": self.signed, "asymmetricDecrypt": self.decrypted}[
            verb
        ](version, body)

    def listed(self, ring: str, query: dict[str, str]) -> Any:
        names = sorted(name for name in self.keys if name.startswith(f"{ring}/"))
        start = int(query.get("pageToken", 0))
        return kms_v1.ListCryptoKeysResponse(
            crypto_keys=[self.keys[name] for name in names[start : start + PAGE]],
            next_page_token=str(start + PAGE) if start + PAGE < len(names) else "",
            total_size=len(names),
        )

    def created(self, ring: str, name: str, body: bytes) -> Any:
        key = kms_v1.CryptoKey.from_json(body, ignore_unknown_fields=False)
        key.name = f"{ring}/cryptoKeys/{name}"
        if not re.fullmatch(r"[a-zA-Z0-9_-]{1,63}", name):
            raise Refusal("INVALID_ARGUMENT")
        if key.name in self.keys:
            raise Refusal("ALREADY_EXISTS")
        purpose = kms_v1.CryptoKey.CryptoKeyPurpose
        private: Any
        match key.purpose, key.version_template.algorithm:
            case purpose.ASYMMETRIC_SIGN, Spec.EC_SIGN_P256_SHA256:
                private = ec.generate_private_key(ec.SECP256R1())
            case purpose.ASYMMETRIC_DECRYPT, Spec.RSA_DECRYPT_OAEP_3072_SHA256:
                private = rsa.generate_private_key(65537, 3072)
            case _:
                raise Refusal("INVALID_ARGUMENT")
        version = kms_v1.CryptoKeyVersion(
            name=f"{key.name}/cryptoKeyVersions/1",
            state=State.PENDING_GENERATION,
            algorithm=key.version_template.algorithm,
            protection_level=key.version_template.protection_level,
        )
        self.keys[key.name] = key
        self.versions[version.name] = Version(private, version, self.pending)
        return key

    def read(self, version: Version) -> Any:
        if version.message.state == State.PENDING_GENERATION:
            version.pending -= 1
            if version.pending < 0:
                version.message.state = State.ENABLED
        return version.message

    def published(self, version: Version) -> Any:
        pem = version.private.public_key().public_bytes(
            Encoding.PEM, PublicFormat.SubjectPublicKeyInfo
        )
        message = version.message
        return kms_v1.PublicKey(
            pem=pem.decode(),
            name=message.name,
            algorithm=message.algorithm,
            protection_level=message.protection_level,
        )

    def signed(self, version: Version, body: bytes) -> Any:
        asked = kms_v1.AsymmetricSignRequest.from_json(
            body, ignore_unknown_fields=False
        )
        if asked.data or len(asked.digest.sha256) != 32:
            raise Refusal("INVALID_ARGUMENT")
        if version.message.algorithm != Spec.EC_SIGN_P256_SHA256:
            raise Refusal("FAILED_PRECONDITION")
        signature = version.private.sign(
            asked.digest.sha256, ec.ECDSA(Prehashed(SHA256()))
        )
        return kms_v1.AsymmetricSignResponse(
            name=version.message.name, signature=signature
        )

    def decrypted(self, version: Version, body: bytes) -> Any:
        asked = kms_v1.AsymmetricDecryptRequest.from_json(
            body, ignore_unknown_fields=False
        )
        if version.message.algorithm != Spec.RSA_DECRYPT_OAEP_3072_SHA256:
            raise Refusal("FAILED_PRECONDITION")
        try:
            plaintext = version.private.decrypt(asked.ciphertext, OAEP)
        except ValueError:
            raise Refusal("INVALID_ARGUMENT") from None
        return kms_v1.AsymmetricDecryptResponse(plaintext=plaintext)


def server_of(known: Service) -> Server:
    """A server on a port of its own, for `serve_forever`."""

    class Calls(Handler):
        def reply(self, path: str, query: dict[str, str], body: bytes) -> None:
            code = 200
            try:
                if "Authorization" in self.headers:
                    # No token may ever be sent in the clear.
                    raise Refusal("INTERNAL")
                name = unquote(path).removeprefix("/v1/")
                message = known.answer(self.command, name, query, body)
                content = type(message).to_json(message).encode()
            except Refusal as refusal:
                status = str(refusal)
                code = CODES[status]
                error = {
                    "code": code,
                    "status": status,
                    "message": "planted text of the service",
                }
                content = json.dumps({"error": error}).encode()
            self.send(code, content)

    return Server(Calls)
