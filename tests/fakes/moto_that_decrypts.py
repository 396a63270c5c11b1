"""moto's server, with what its KMS lacks and Amazon's has. It is run as moto_server is.

* Decrypt with an RSA key (RSAES_OAEP_SHA_256), with the key that moto made.
* Sign of a digest (MessageType DIGEST), which moto hashes once more.
* A key that is disabled, or waits for deletion, signs and decrypts nothing, and is not shown.

We taught it so, after the API reference: it shows that requests and answers fit together, and not
that Amazon's service does the same.
"""

from __future__ import annotations

import base64
import json
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.hashes import SHA256
from moto.core.exceptions import JsonRESTError
from moto.kms.exceptions import InvalidCiphertextException
from moto.kms.models import Key
from moto.kms.responses import KmsResponse
from moto.server import main

OAEP = padding.OAEP(padding.MGF1(SHA256()), SHA256(), label=None)
of_moto = {
    "decrypt": KmsResponse.decrypt,
    "sign": KmsResponse.sign,
    "get_public_key": KmsResponse.get_public_key,
}


def usable(response: Any, key_id: str, usage: str = "") -> Key:
    """A key that may be used, and so."""
    key: Key = response.kms_backend.describe_key(key_id)
    if key.key_state == "PendingDeletion":
        raise JsonRESTError("KMSInvalidStateException", "planted text of the service")
    if key.key_state == "Disabled":
        raise JsonRESTError("DisabledException", "planted text of the service")
    if usage and key.key_usage != usage:
        raise JsonRESTError("InvalidKeyUsageException", "planted text of the service")
    return key


def decrypt(response: Any) -> str:
    key_id = response._get_param("KeyId")
    if response._get_param("EncryptionAlgorithm") != "RSAES_OAEP_SHA_256":
        return of_moto["decrypt"](response)
    key = usable(response, key_id, "ENCRYPT_DECRYPT")
    try:
        plaintext = key.private_key.private_key.decrypt(
            response._get_param("CiphertextBlob"), OAEP
        )
    except ValueError:
        raise InvalidCiphertextException from None
    answer = {"KeyId": key.arn, "Plaintext": base64.b64encode(plaintext).decode()}
    return json.dumps({**answer, "EncryptionAlgorithm": "RSAES_OAEP_SHA_256"})


def sign(response: Any) -> str:
    key = usable(response, response._get_param("KeyId"), "SIGN_VERIFY")
    if response._get_param("MessageType") != "DIGEST":
        return of_moto["sign"](response)
    algorithm = response._get_param("SigningAlgorithm")
    digest = response._get_param("Message")
    if algorithm != "ECDSA_SHA_256" or len(digest) != 32:
        raise JsonRESTError("ValidationException", "planted text of the service")
    signature = key.private_key.private_key.sign(digest, ec.ECDSA(Prehashed(SHA256())))
    answer = {"KeyId": key.arn, "Signature": base64.b64encode(signature).decode()}
    return json.dumps({**answer, "SigningAlgorithm": algorithm})


def get_public_key(response: Any) -> str:
    usable(response, response._get_param("KeyId"))
    return of_moto["get_public_key"](response)


KmsResponse.decrypt, KmsResponse.sign = decrypt, sign  # type: ignore[method-assign]
KmsResponse.get_public_key = get_public_key  # type: ignore[method-assign]

if __name__ == "__main__":
    main()
