"""Tries all 10**6 card numbers of one issuer: each has its own token, no card's, and turns back.

nice .venv/bin/python bench/card_tokens.py

It takes about two CPU-minutes. tests/unit/owner/deidentify/test_card_tokens.py tries a sample.
"""

from __future__ import annotations

import sys
import time

from sealift.owner.deidentify.tokens import CardTokeniser, check_digit
from sealift.process.secret import Secret

ISSUER = "411111"
ALL = 10**6


def main() -> int:
    """Returns 1 if a promise does not hold."""
    tokeniser = CardTokeniser(Secret(bytes(range(32))))
    begun = time.process_time()
    tokens = set()
    valid = wrong = 0
    for middle in range(ALL):
        digits = f"{ISSUER}{middle:06d}"
        number = f"{digits}{check_digit(digits)}"
        token = tokeniser.tokenise(number)
        if token is None:
            print("a card number has no token")
            return 1
        tokens.add(token)
        valid += check_digit(token[:-1]) == int(token[-1])
        wrong += tokeniser.detokenise(token) != number
    seconds = time.process_time() - begun
    print(f"{ALL:,} numbers, {len(tokens):,} tokens, {valid} pass the Luhn check,")
    print(f"{wrong} turn back into another number; {seconds:.0f} CPU-seconds")
    return 0 if (len(tokens), valid, wrong) == (ALL, 0, 0) else 1


if __name__ == "__main__":
    sys.exit(main())
