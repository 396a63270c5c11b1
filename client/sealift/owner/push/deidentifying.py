"""De-identify a source's batches under a policy before they are packed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import TracebackType
from typing import Self

import pyarrow as pa

from sealift.formats.soundness import without_unsound
from sealift.owner.deidentify import AnonymityCheck, Deidentifier, Policy
from sealift.owner.deidentify.anonymity import Anonymity
from sealift.owner.sources import Part, Source
from sealift.process.secret import Secret
from sealift_protocol.errors import PolicyViolation


class Deidentifying:
    """De-identify a source's batches; see `Transform`.

    Attributes:
        schema: the schema after de-identification.
    """

    def __init__(
        self, source: Source, policy: Policy, *, owner_secret: Secret, workers: int = 0
    ) -> None:
        """Plan what happens to each column.

        Args:
            source: the source whose schema the policy is applied to.
            policy: the de-identification policy.
            owner_secret: keys pseudonyms and offsets.
            workers: processes that scrub text; 0 to use only this process.

        Raises:
            PolicyViolation: the source's columns do not fit the policy.
        """
        self._policy = policy
        self._owner_secret = owner_secret
        self._deidentifier = Deidentifier(
            policy, source.schema, secret=owner_secret, workers=workers
        )
        self.schema: pa.Schema = self._deidentifier.schema
        self._anonymity: Anonymity | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._deidentifier.close()

    def check_whole(self, source: Source, begin: Callable[[Part], str | None]) -> bool:
        """Measure k-anonymity and l-diversity of all that will be read, if the policy asks for it.

        Raises:
            PolicyViolation: they are below what the policy requires, or cannot be measured.
        """
        privacy = self._policy.privacy
        if not privacy.quasi_identifiers:
            return False
        if not source.rereadable:
            raise PolicyViolation(
                "the policy names quasi-identifiers, so all records must be read before the "
                "first is sealed, but this source can be read only once",
                hint="push a file, or use a policy without [privacy]",
            )
        wanted = {*privacy.quasi_identifiers, *privacy.sensitive}
        wanted |= {
            str(rule.settings["by"])
            for rule in self._policy.rules
            if rule.settings.get("by")
        }
        names = [name for name in source.schema.names if name in wanted]
        schema = pa.schema([source.schema.field(name) for name in names])
        policy = replace(self._policy, absent="ignore")
        with Deidentifier(policy, schema, secret=self._owner_secret) as deidentifier:
            check = AnonymityCheck(privacy, deidentifier.schema)
            for part in source.parts():
                mark = begin(part)
                if mark is None:
                    continue
                for chunk in source.read(part, mark):
                    # Records that are left out are reported when they are pushed.
                    batch = without_unsound(chunk.batch.select(names))
                    check.add(deidentifier.apply(batch))
        check.check()
        self._anonymity = check.result()
        return True

    def apply(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """De-identify one batch."""
        return self._deidentifier.apply(batch)

    def take_report(self) -> str:
        """Return what was done since the last call, as JSON (docs/spec/policy.md)."""
        report = self._deidentifier.take_report()
        if self._anonymity is not None:
            report = replace(report, anonymity=self._anonymity)
        return report.to_json()
