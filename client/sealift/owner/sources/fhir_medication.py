"""The columns of FHIR R4 resources about drugs."""

from __future__ import annotations

from collections.abc import Mapping

from sealift.owner.sources.fhir_elements import (
    IDENTIFIER,
    META,
    NOTES,
    Elements,
    booleans,
    codeable,
    dosage,
    integers,
    moments,
    period,
    quantity,
    ratio,
    references,
    texts,
)

_MEDICATION = (
    *META,
    *IDENTIFIER,
    *codeable("code"),
    *texts("status"),
    *references("manufacturer"),
    *codeable("form"),
    *ratio("amount{}"),
    *codeable("ingredient[*].itemCodeableConcept"),
    *references("ingredient[*].itemReference"),
    *booleans("ingredient[*].isActive"),
    *ratio("ingredient[*].strength"),
    *texts("batch.lotNumber"),
    *moments("batch.expirationDate"),
)

_MEDICATION_REQUEST = (
    *META,
    *IDENTIFIER,
    *texts("status"),
    *codeable("statusReason"),
    *texts("intent"),
    *codeable("category[]"),
    *texts("priority"),
    *booleans("doNotPerform", "reportedBoolean"),
    *references("reportedReference"),
    *codeable("medicationCodeableConcept"),
    *references("medicationReference", "subject", "encounter"),
    *moments("authoredOn"),
    *references("requester", "performer", "recorder"),
    *codeable("performerType{}"),
    *references("basedOn[*]", "priorPrescription"),
    *codeable("reasonCode[]"),
    *references("reasonReference[]"),
    *codeable("courseOfTherapyType"),
    *NOTES,
    *dosage("dosageInstruction[]"),
    *period("dispenseRequest.validityPeriod"),
    *integers("dispenseRequest.numberOfRepeatsAllowed"),
    *quantity("dispenseRequest.quantity", "dispenseRequest.expectedSupplyDuration"),
    *quantity("dispenseRequest.initialFill{}.quantity"),
    *quantity("dispenseRequest.initialFill{}.duration"),
    *quantity("dispenseRequest.dispenseInterval{}"),
    *references("dispenseRequest.performer"),
    *booleans("substitution.allowedBoolean"),
    *codeable("substitution.allowedCodeableConcept{}", "substitution.reason{}"),
)

_MEDICATION_DISPENSE = (
    *META,
    *IDENTIFIER,
    *references("partOf[*]"),
    *texts("status"),
    *codeable("statusReasonCodeableConcept{}"),
    *references("statusReasonReference"),
    *codeable("category", "medicationCodeableConcept"),
    *references("medicationReference", "subject", "context"),
    *codeable("performer[].function"),
    *references("performer[].actor", "location", "authorizingPrescription[]"),
    *codeable("type"),
    *quantity("quantity", "daysSupply"),
    *moments("whenPrepared", "whenHandedOver"),
    *references("destination", "receiver[]"),
    *NOTES,
    *dosage("dosageInstruction[]"),
    *booleans("substitution.wasSubstituted"),
    *codeable("substitution.type", "substitution.reason[]"),
)

_MEDICATION_ADMINISTRATION = (
    *META,
    *IDENTIFIER,
    *references("partOf[*]"),
    *texts("status"),
    *codeable("statusReason[]", "category", "medicationCodeableConcept"),
    *references("medicationReference", "subject", "context"),
    *moments("effectiveDateTime"),
    *period("effectivePeriod"),
    *codeable("performer[].function"),
    *references("performer[].actor"),
    *codeable("reasonCode[]"),
    *references("reasonReference[]", "request", "device[]"),
    *NOTES,
    *texts("dosage.text"),
    *codeable("dosage.site", "dosage.route", "dosage.method"),
    *quantity("dosage.dose", "dosage.rateQuantity"),
    *ratio("dosage.rateRatio"),
)

MEDICATION: Mapping[str, Elements] = {
    "Medication": _MEDICATION,
    "MedicationRequest": _MEDICATION_REQUEST,
    "MedicationDispense": _MEDICATION_DISPENSE,
    "MedicationAdministration": _MEDICATION_ADMINISTRATION,
}
