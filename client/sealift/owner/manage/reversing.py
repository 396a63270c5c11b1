"""Lead pseudonyms and tokens back to people: for incidental findings and requests of access.

Tokens are deciphered. Hashes have no way back: the numbers of a source are hashed again, in
memory, and compared. Nothing is stored, and no table of pseudonyms is ever made.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

import pyarrow as pa

from sealift.owner.deidentify import Deidentifier, Policy
from sealift.owner.deidentify.operations import tokeniser_of
from sealift.owner.deidentify.texts import texts_of
from sealift.owner.manage.naming import rule_of
from sealift.owner.sources import BEGINNING, Source
from sealift.policy.reading import Reading
from sealift.process.secret import Secret
from sealift_protocol.errors import InvalidArgument

_NO_RULE = "the policy neither hashes nor tokenises a column of that name"


def reverse_tokens(
    policy: Policy, column: str, tokens: Sequence[str], owner_secret: Secret
) -> dict[str, str]:
    """Return the values of tokens.

    Args:
        policy: the policy under which the tokens were made.
        column: the column that they are from.
        tokens: the tokens.
        owner_secret: the secret under which they were made.

    Returns:
        For each value that is a token of this policy and owner, what it stands for.

    Raises:
        InvalidArgument: the policy does not tokenise such a column.
    """
    rule = rule_of(policy, pa.field(column, pa.string()))
    if rule is None or rule.action not in ("hash", "tokenise"):
        raise InvalidArgument(_NO_RULE)
    if rule.action == "hash":
        raise InvalidArgument(
            "the policy hashes that column, and hashes have no way back",
            hint="name the source with `source`: its numbers are hashed again and compared",
        )
    tokeniser = tokeniser_of(rule.settings, owner_secret, file_format=policy.format)
    found = {token: tokeniser.detokenise(token) for token in tokens}
    # A value that was not made by this cipher may be deciphered too, but not come back.
    return {
        token: value
        for token, value in found.items()
        if value is not None and tokeniser.tokenise(value) == token
    }


def reverse_by_source(
    policy: Policy,
    column: str,
    pseudonyms: Collection[str],
    source: Source,
    owner_secret: Secret,
    reading: Reading = Reading.TEXT,
) -> dict[str, str]:
    """Return the people in a source whose pseudonyms are among some.

    Args:
        policy: the policy under which the pseudonyms were made.
        column: the column of the source that was hashed or tokenised.
        pseudonyms: the pseudonyms.
        source: the records that were pushed, or others of the same people.
        owner_secret: the secret under which they were made.
        reading: how the numbers are read.

    Returns:
        For each pseudonym that was found, the number in the source.

    Raises:
        InvalidArgument: the source has no such column, or the policy does not hash it.
    """
    place = source.schema.get_field_index(column)
    if place < 0:
        raise InvalidArgument("the source has no column of that name")
    field = source.schema.field(place)
    rule = rule_of(policy, field)
    if rule is None or rule.action not in ("hash", "tokenise"):
        raise InvalidArgument(_NO_RULE)
    alone = replace(policy, absent="ignore", unlisted="drop")
    found: dict[str, str] = {}
    with Deidentifier(
        alone, pa.schema([field]), secret=owner_secret, reading=reading
    ) as deidentifier:
        for part in source.parts():
            for chunk in source.read(part, BEGINNING):
                batch = chunk.batch.select([place])
                found |= _matches(batch, deidentifier.apply(batch), pseudonyms)
                if len(found) == len(set(pseudonyms)):
                    return found
    return found


def _matches(
    before: pa.RecordBatch, after: pa.RecordBatch, pseudonyms: Collection[str]
) -> Mapping[str, str]:
    import pyarrow.compute as pc

    made = after.column(0)
    chosen = pc.fill_null(
        pc.is_in(made, value_set=pa.array(sorted(set(pseudonyms)), made.type)), False
    )
    if not chosen.true_count:
        return {}
    column = before.column(0)
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    values = texts_of(column.filter(chosen)).to_pylist()
    return dict(zip(made.filter(chosen).to_pylist(), values, strict=True))
