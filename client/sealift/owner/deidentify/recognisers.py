"""The types of identifiers in free text.

They follow the eighteen identifiers of HIPAA Safe Harbor, 45 CFR 164.514(b)(2)(i), as far as they
occur in text; the letter in brackets is the rule's. `patterns/` finds all types, and a model
(`analysis.py`) also finds names and places.
"""

from __future__ import annotations

ENTITIES: dict[str, str] = {
    "PERSON": "names of patients, relatives, staff (A)",
    "LOCATION": "places smaller than a state: street, city, county, ZIP, hospital (B)",
    "DATE": "dates except the year alone: day, month, weekday, holiday (C)",
    "AGE": "ages above 89 (C)",
    "PHONE": "telephone and pager numbers (D)",
    "FAX": "fax numbers (E)",
    "EMAIL": "electronic mail addresses (F)",
    "SSN": "social security numbers, also their last four digits (G)",
    "MRN": "medical record, chart and patient numbers (H)",
    "HEALTH_PLAN": "health plan, policy, member and beneficiary numbers (I)",
    "ACCOUNT": "account, visit, card and bank numbers (J)",
    "CERTIFICATE": "certificate and licence numbers: medical, DEA, NPI, driver, passport (K)",
    "VEHICLE": "vehicle identification numbers and number plates (L)",
    "DEVICE": "device identifiers: serial and lot numbers, UDI, IMEI, MAC (M)",
    "URL": "web addresses (N)",
    "IP": "internet addresses (O)",
    "BIOMETRIC": "identifiers of fingerprints, voices, faces, irises (P)",
    "PHOTO": "files of photographs (Q)",
    "EMPLOYER": "employers (A: an identifier of the employer)",
    "ID": "any other number or code: accession, specimen, study, case, claim, UUID (R)",
}
ALL = tuple(ENTITIES)
"""The types, which also replace what was found: <PERSON>."""
