"""The columns of FHIR R4 resources about insurance and bills."""

from __future__ import annotations

from collections.abc import Mapping

from sealift.owner.sources.fhir_elements import (
    IDENTIFIER,
    META,
    Elements,
    booleans,
    codeable,
    coded,
    dates,
    integers,
    moments,
    money,
    period,
    quantity,
    references,
    texts,
)

_COVERAGE = (
    *META,
    *IDENTIFIER,
    *texts("status"),
    *codeable("type"),
    *references("policyHolder", "subscriber"),
    *texts("subscriberId"),
    *references("beneficiary"),
    *texts("dependent"),
    *codeable("relationship"),
    *period("period"),
    *references("payor[]"),
    *coded("class[*].type"),
    *texts("class[*].value", "class[*].name"),
    *integers("order"),
    *texts("network"),
)

_CLAIM = (
    *META,
    *IDENTIFIER,
    *texts("status"),
    *codeable("type", "subType"),
    *texts("use"),
    *references("patient"),
    *period("billablePeriod"),
    *moments("created"),
    *references("enterer", "insurer", "provider"),
    *codeable("priority"),
    *references("prescription", "facility"),
    *integers("diagnosis[*].sequence"),
    *codeable("diagnosis[*].diagnosisCodeableConcept"),
    *references("diagnosis[*].diagnosisReference"),
    *coded("diagnosis[*].type[]"),
    *integers("procedure[*].sequence"),
    *moments("procedure[*].date"),
    *codeable("procedure[*].procedureCodeableConcept"),
    *references("procedure[*].procedureReference"),
    *booleans("insurance[].focal"),
    *references("insurance[].coverage"),
    *integers("item[*].sequence"),
    *coded("item[*].revenue", "item[*].category"),
    *codeable("item[*].productOrService", "item[*].modifier[{}]"),
    *dates("item[*].servicedDate"),
    *period("item[*].servicedPeriod"),
    *codeable("item[*].locationCodeableConcept"),
    *quantity("item[*].quantity"),
    *money("item[*].unitPrice", "item[*].net"),
    *references("item[*].encounter[]"),
    *money("total"),
)

BILLING: Mapping[str, Elements] = {
    "Coverage": _COVERAGE,
    "Claim": _CLAIM,
}
