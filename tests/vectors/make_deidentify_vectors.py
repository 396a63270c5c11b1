"""Writes tests/vectors/deidentify/: pseudonyms, tokens and offsets of docs/spec/policy.md.

The arithmetic is this script's own, HKDF and FF1 included; only AES comes from a library.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from pathlib import Path

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

FOLDER = Path(__file__).parent / "deidentify"
SECRET = hashlib.sha256(b"vector secret").digest()
DIGITS = "0123456789"
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
ALPHABETS = {"digits": DIGITS, "letters": LETTERS, "alphanumeric": DIGITS + LETTERS}


def hkdf(info: bytes) -> bytes:
    """32 bytes without a salt (RFC 5869)."""
    extracted = hmac.digest(bytes(32), SECRET, "sha256")
    return hmac.digest(extracted, info + b"\x01", "sha256")


def pseudonym(domain: str, text: str) -> str:
    key = hkdf(b"sealift/1 pseudonym" + domain.encode())
    return hmac.digest(key, text.encode(), "sha256")[:16].hex()


def offset(days: int, text: str) -> int:
    digest = hmac.digest(hkdf(b"sealift/1 shift"), text.encode(), "sha256")
    place = int.from_bytes(digest, "big") % (2 * days)
    return place - days if place < days else place - days + 1


def ff1(key: bytes, alphabet: str, tweak: bytes, text: str) -> str:
    """FF1.Encrypt, Algorithm 7 of NIST SP 800-38G, step by step."""

    def aes(block: bytes) -> bytes:
        return Cipher(algorithms.AES(key), modes.ECB()).encryptor().update(block)

    def prf(blocks: bytes) -> bytes:
        state = bytes(16)
        for at in range(0, len(blocks), 16):
            state = aes(
                bytes(a ^ b for a, b in zip(state, blocks[at : at + 16], strict=True))
            )
        return state

    radix, n, t = len(alphabet), len(text), len(tweak)
    u = n // 2
    v = n - u
    a, b = ([alphabet.index(char) for char in part] for part in (text[:u], text[u:]))

    def num(numerals: list[int]) -> int:
        value = 0
        for numeral in numerals:
            value = value * radix + numeral
        return value

    width = 0
    while 256**width < radix**v:
        width += 1
    d = 4 * -(-width // 4) + 4
    p = bytes([1, 2, 1]) + radix.to_bytes(3, "big") + bytes([10, u % 256])
    p += n.to_bytes(4, "big") + t.to_bytes(4, "big")
    for i in range(10):
        q = (
            tweak
            + bytes((-t - width - 1) % 16)
            + bytes([i])
            + num(b).to_bytes(width, "big")
        )
        r = prf(p + q)
        s = r
        for j in range(1, -(-d // 16)):
            s += aes(
                bytes(x ^ y for x, y in zip(r, j.to_bytes(16, "big"), strict=True))
            )
        m = u if i % 2 == 0 else v
        c = (num(a) + int.from_bytes(s[:d], "big")) % radix**m
        numerals = []
        for _ in range(m):
            c, numeral = divmod(c, radix)
            numerals.append(numeral)
        a, b = b, numerals[::-1]
    return "".join(alphabet[numeral] for numeral in a + b)


def token(alphabet: str, first: int, last: int, domain: str, text: str) -> str:
    key = hkdf(b"sealift/1 token" + domain.encode())
    inner = [char for char in text if char not in " -"]
    head, middle, tail = (
        inner[:first],
        inner[first : len(inner) - last],
        inner[len(inner) - last :],
    )
    tweak = b"\x00".join(
        part.encode() for part in (domain, "".join(head), "".join(tail))
    )
    changed = iter(
        [*head, *ff1(key, ALPHABETS[alphabet], tweak, "".join(middle)), *tail]
    )
    return "".join(char if char in " -" else next(changed) for char in text)


def luhn(digits: str) -> int:
    """The check digit of ISO/IEC 7812-1, annex B."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (2 if place % 2 == 0 else 1)
        total += value // 10 + value % 10
    return (10 - total % 10) % 10


def card_token(first: int, domain: str, text: str) -> str:
    key = hkdf(b"sealift/2 card token" + domain.encode())
    inner = [char for char in text if char not in " -"]
    head, middle = "".join(inner[:first]), "".join(inner[first:-1])
    tweak = domain.encode() + b"\x00" + head.encode() + b"\x00"
    changed = head + ff1(key, DIGITS, tweak, middle)
    digits = iter(changed + str((luhn(changed) + 1) % 10))
    return "".join(char if char in " -" else next(digits) for char in text)


IDENTIFIERS = (
    # What is given, and its text as an identifier; None for nobody.
    ("17", "17"),
    ("0017", "0017"),
    ("+17", "+17"),
    (" MRN4711", "MRN4711"),
    ("MRN4711\0", "MRN4711"),
    ("\ufeffMRN4711\u3000", "MRN4711"),
    ("MRN 4711", "MRN 4711"),
    ("\uff2d\uff32\uff2e\uff14\uff17\uff11\uff11", "MRN4711"),
    ("17.0", "17"),
    ("0017.00", "0017"),
    ("17.5", "17.5"),
    ("123456789012345678.0", "123456789012345678"),
    ("Zoe\u0308", "Zo\u00eb"),
    ("mrn4711", "mrn4711"),
    ("", None),
    (" \0", None),
    ("NaN", None),
    ("NULL", None),
    ("1.23457E+17", None),
    ("12E5", "12E5"),
)


def main() -> None:
    identifiers = [
        {
            "value": value,
            "text": text,
            "pseudonym": None if text is None else pseudonym("", text),
        }
        for value, text in IDENTIFIERS
    ]
    card_tokens = [
        {
            "keep_first": first,
            "domain": domain,
            "value": value,
            "token": card_token(first, domain, value),
        }
        for first, domain, value in (
            (6, "", "4111111111111111"),
            (6, "card", "4111 1111 1111 1111"),
            (8, "", "4111111111111111"),
            (6, "", "378282246310005"),
            (6, "", "4222222222222"),
            (6, "", "6304000000000000000"),
        )
    ]
    pseudonyms = [
        {"domain": domain, "text": text, "pseudonym": pseudonym(domain, text)}
        for domain in ("", "patient")
        for text in ("17", "", "Zoë Müller", "2024-02-29")
    ]
    offsets = [
        {"days": days, "by": text, "offset": offset(days, text)}
        for days in (1, 365)
        for text in ("17", "18", "Zoë Müller")
    ]
    tokens = [
        {
            "alphabet": alphabet,
            "keep_first": first,
            "keep_last": last,
            "domain": domain,
            "value": value,
            "token": token(alphabet, first, last, domain, value),
        }
        for alphabet, first, last, domain, value in (
            ("digits", 6, 4, "card", "4111 1111 1111 1111"),
            ("digits", 0, 0, "", "078-05-1120"),
            ("letters", 0, 0, "name", "Mueller"),
            ("alphanumeric", 2, 0, "iban", "DE89 3704 0044 0532 0130 00"),
        )
    ]
    for name, document in (
        ("pseudonyms", pseudonyms),
        ("offsets", offsets),
        ("tokens", tokens),
        ("identifiers", identifiers),
        ("card_tokens", card_tokens),
    ):
        content = {"secret": SECRET.hex(), "vectors": document}
        text = json.dumps(content, indent=1, ensure_ascii=False) + "\n"
        (FOLDER / f"{name}.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
