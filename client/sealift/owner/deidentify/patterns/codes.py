"""Numbers and codes: by the word before them, by their own form, and unexplained ones."""

from __future__ import annotations

import re

from sealift.owner.deidentify.patterns.pattern import Pattern

_GAP = r"[\s:#=.,;\-\u2013(]{0,4}"
_NUMBER_WORD = (
    r"(?:no|nos|num|number|numbers|nr|id|ids|identifier|code|ref|reference|#)\b"
)
# Letters, digits and joints, with a digit early on and at least four characters.
_CODE = (
    r"(?!\d{1,4}/\d{1,2}(?:/\d{2,4})?(?!\d))(?=[A-Z./\-]{0,10}\d)(?=[A-Z0-9./\-]{4})"
    r"[A-Z0-9]{1,40}(?:[./\-][A-Z0-9]{1,40}){0,7}"
)
# The same, but certainly no year, date or measure: for words that have other meanings too.
_LONG_CODE = (
    r"(?!(?:19|20)\d\d\b|\d{1,4}/\d{1,2}(?:/\d{2,4})?(?!\d))(?=[A-Z./\-]{0,10}\d)"
    r"(?=[A-Z./\-]{0,12}\d[A-Z./\-]{0,3}\d[A-Z./\-]{0,3}\d)"
    r"[A-Z0-9]{1,40}(?:[./\-][A-Z0-9]{1,40}){0,7}(?![./\-]?\w|\s?(?:mg|ml|mcg|mm|cm|units)\b)"
)

_SURE_LABELS = {
    "MRN": (
        r"mrn|mr\#|mr\s?no|medical\srecords?|med\.?\srec|m\.r\.n\.?|emr|ehr|emrn|umrn"
        r"|(?:patient|pt|chart|hospital|unit|record|nhs|client)(?=\s?(?:no\b|num|nr\b|id"
        r"|\#|:\s?\d))"
    ),
    "HEALTH_PLAN": (
        r"(?:member|subscriber|beneficiary|policy|insurance|plan|group|payer|enrollee|insured"
        r"|coverage|hmo|ppo)(?=\s?(?:no\b|num|nr\b|id|\#|:\s?\w{0,4}\d))"
        r"|health\splan|medicare|medicaid|mbi|hicn|tricare|policy\sholder"
    ),
    "ACCOUNT": (
        r"account|acct|a/c|csn|(?:encounter|visit|billing|invoice|bank|routing|guarantor|fin|har)"
        r"(?=\s?(?:no\b|num|nr\b|id|\#|:\s?\d))"
    ),
    "CERTIFICATE": (
        r"dea|npi|upin|licen[sc]e|licensure|lic|certificate|certification|cert|passport|permit"
        r"|driver['\u2019]?s?\slicen[sc]e|dl(?=\s?(?:no|num|\#))|registration"
    ),
    "DEVICE": (
        r"serial|s/n|s\.n\.|sn(?=[\s:#])|lot|udi|imei|device(?=\s?(?:no\b|num|nr\b|id|\#))"
        r"|implant\s(?:no|number|id)|model\s(?:no|number)|asset\stag"
    ),
    "ID": (
        r"accession|specimen|docket|requisition|barcode|nct|badge|employee\s(?:id|no|number)"
        r"|(?:case|study|protocol|subject|participant|incident|report|claim|order|sample"
        r"|reference|ref|pathology|trial|randomi[sz]ation|screening|file|ticket|inmate|prisoner"
        r"|student|confirmation|tracking|authori[sz]ation|auth|referral|prescription|rx"
        r"|identification|id|enrol+ment|cohort|registry|donor|court|matter|transaction)"
        r"(?=\.?\s?(?:no\b|num|nr\b|id|\#|ref|code))"
    ),
}
_LOOSE_LABELS = {
    "MRN": r"patient|pt|chart|unit",
    "HEALTH_PLAN": r"member|subscriber|beneficiary|policy|insurance|plan|insured",
    "ACCOUNT": r"encounter|visit|invoice|bank|routing",
    "ID": (
        r"case|study|protocol|subject|participant|incident|report|claim|order|sample|reference"
        r"|ref|file|ticket|inmate|record|barcode|identification|id|badge|block"
    ),
}
_DEVICES = (
    r"pacemaker|defibrillator|icd|glucometer|pump|monitor|implant|stent|prosthesis|hearing\said"
    r"|ventilator|cpap|bipap|meter|sensor|device|scanner|transmitter|generator|electrode|lead"
    r"|stimulator|port|valve|graft|wheelchair|walker|oximeter|tablet|handset|analy[sz]er"
)
_BODY_PARTS = (
    r"fingerprints?|finger\sprints?|voice\s?prints?|retinal?|iris|palm\s?prints?|facial|face"
    r"|biometrics?|thumb\s?prints?|hand\sgeometry|gait|vein"
)


def _labelled(labels: str, code: str) -> str:
    return (
        rf"(?i)(?<![\w/])(?:{labels})(?:[\s.]{{0,2}}{_NUMBER_WORD}){{0,2}}"
        rf"(?:{_GAP}(?:is|was|ending\sin|ends\sin)\b)?{_GAP}(?P<x>{code})"
    )


_HEX = r"[0-9A-Fa-f]"

CODES: tuple[Pattern, ...] = (
    Pattern(
        "SSN",
        0.9,
        re.compile(
            r"(?<![\w-])(?!000|666)\d{3}([- ])(?!00)\d\d\1(?!0000)\d{4}(?![\w-])"
        ),
        spreads=True,
    ),
    Pattern(
        "SSN",
        0.97,
        re.compile(
            r"(?i)\b(?:ssn?|s\.s\.n?\.?|social\ssecurity|soc\.?\ssec\.?)(?:[\s.]{0,2}(?:no"
            r"|num|number|\#)\b)?[\s.:#]{0,4}(?:is\s|ending\s(?:in\s)?|ends\s(?:in\s"
            r"|with\s)?|last\s(?:four|4)(?:\sdigits)?[\s:]{0,2}(?:is\s|are\s)?)?"
            r"(?:[x*#]{3}-?[x*#]{2}-?)?(?P<x>\d{3}[- ]?\d\d[- ]?\d{4}|\d{4})(?!\d)"
        ),
        spreads=True,
    ),
    Pattern(
        "SSN",
        0.9,
        re.compile(r"(?i)(?<!\w)[x*]{3}-?[x*]{2}-?(?P<x>\d{4})\b"),
        spreads=True,
    ),
    Pattern(
        "SSN",
        0.9,
        re.compile(
            r"(?i)\blast\s(?:four|4)(?:\sdigits)?\s(?:of\s)?(?:(?:the|his|her)\s)?(?:ssn?"
            r"|social(?:\ssecurity)?)(?:\snumber)?[\s:]{0,2}(?:is\s|are\s)?(?P<x>\d{4})\b"
        ),
        spreads=True,
    ),
    *(
        Pattern(kind, 0.95, re.compile(_labelled(labels, _CODE)), spreads=True)
        for kind, labels in _SURE_LABELS.items()
    ),
    *(
        Pattern(kind, 0.75, re.compile(_labelled(labels, _LONG_CODE)), spreads=True)
        for kind, labels in _LOOSE_LABELS.items()
    ),
    Pattern(
        "MRN",
        0.95,
        re.compile(
            r"(?i)\b(?:mrn|mr\#?|medical\srecord\s(?:number|no\.?)):?\s"
            r"(?P<x>\d{2,3}[ ]\d{2,3}[ ]\d{2,4})(?!\d)"
        ),
        spreads=True,
    ),
    Pattern(
        "MRN",
        0.8,
        re.compile(r"(?<![\w-])(?:MR|MRN|PT|PAT)[-]?\d{5,10}\b"),
        spreads=True,
    ),
    # Medicare Beneficiary Identifier, as CMS describes it.
    Pattern(
        "HEALTH_PLAN",
        0.9,
        re.compile(
            r"(?<![\w-])[1-9][AC-HJKMNP-RT-Y][AC-HJKMNP-RT-Y0-9]\d-?[AC-HJKMNP-RT-Y][AC-HJKM"
            r"NP-RT-Y0-9]\d-?[AC-HJKMNP-RT-Y]{2}\d\d(?![\w-])"
        ),
        spreads=True,
    ),
    Pattern(
        "ACCOUNT",
        0.85,
        re.compile(
            r"(?i)\b(?:card|visa|mastercard|amex|discover|debit)(?:\s?(?:no\.?|number|\#"
            r"|ending(?:\sin)?))?[\s:#]{1,3}(?P<x>\d{4}(?:[ -]?\d{2,6}){0,4})(?!\d)"
        ),
        spreads=True,
    ),
    Pattern(
        "ACCOUNT",
        0.85,
        re.compile(
            r"(?<![\w-])[A-Z]{2}\d\d(?:[ ]?[A-Z0-9]{4}){2,7}(?:[ ]?[A-Z0-9]{1,4})?(?![\w-])"
        ),
        spreads=True,
    ),
    Pattern(
        "CERTIFICATE",
        0.85,
        re.compile(r"(?<![\w-])[ABCDEFGHJKLMPRSTUX][A-Z9]\d{7}(?![\w-])"),
        spreads=True,
    ),
    Pattern(
        "VEHICLE",
        0.97,
        re.compile(
            r"(?i)\b(?:(?:licen[sc]e|number|vehicle|registration|car)\s)?(?:plates?|tag"
            r"|parking(?=\s?[:#])|parked(?=\s?:)|car(?=\s?:)|vehicle(?=\s?:))(?:\s(?:no\.?"
            r"|number|\#|is|of|reads))?[\s:#(]{1,3}(?!VIN\b)(?P<x>(?=[A-Z0-9 •·-]{0,5}\d)"
            r"[A-Z0-9]{1,4}(?:[ •·-]?[A-Z0-9]{1,5}){0,2})(?![\w-])"
        ),
        spreads=True,
    ),
    Pattern(
        "VEHICLE",
        0.98,
        re.compile(
            r"(?i)\b(?:vin|vehicle\sidentification(?:\snumber)?)(?:\s(?:no\.?|number|\#|is)"
            r")?[\s:#]{1,3}(?P<x>[A-Z0-9]{6,17})\b"
        ),
        spreads=True,
    ),
    Pattern(
        "VEHICLE",
        0.7,
        re.compile(
            r"(?<![\w-])(?=[A-Z]{0,16}\d)(?=\d{0,16}[A-Z])[A-HJ-NPR-Z0-9]{17}(?![\w-])"
        ),
        spreads=True,
    ),
    Pattern(
        "VEHICLE",
        0.65,
        re.compile(
            r"(?i:\b(?:car|truck|vehicle|sedan|suv|van|motorcycle|parking|parked|registered"
            r"|ford|toyota|honda)\b)[^\n.]{0,30}?\b(?P<x>"
            r"(?:[A-Z]{1,3}[ -]?\d{2,4}[ -]?[A-Z]{0,3}|\d{1,4}[ -]?[A-Z]{2,3}[ -]?\d{0,4}))"
            r"\b(?![-\w])"
        ),
        spreads=True,
    ),
    Pattern(
        "DEVICE",
        0.97,
        re.compile(
            r"\(01\)\s?\d{14}(?:\s?\((?:1[0157]|21|30|24\d)\)\s?[A-Za-z0-9-]{1,20}){0,5}"
        ),
        spreads=True,
    ),
    Pattern(
        "DEVICE",
        0.97,
        re.compile(rf"(?<![\w:-]){_HEX}{{2}}(?:[:-]{_HEX}{{2}}){{5}}(?![\w:-])"),
        spreads=True,
    ),
    Pattern(
        "DEVICE",
        0.7,
        re.compile(
            rf"(?i:\b(?:{_DEVICES})s?\b)(?:\s\(?[\w-]{{1,14}}){{0,2}}?[\s:#(]{{1,3}}(?P<x>"
            rf"(?-i:(?=[A-Z-]{{0,8}}\d)(?=[0-9-]{{0,8}}[A-Z])"
            rf"(?=[A-Z-]{{0,8}}\d[A-Z-]{{0,8}}\d[A-Z-]{{0,8}}\d)[A-Z0-9]{{1,20}}"
            rf"(?:-[A-Z0-9]{{1,12}}){{0,4}}))(?![\w-])"
        ),
        spreads=True,
    ),
    Pattern(
        "BIOMETRIC",
        0.98,
        re.compile(
            rf"(?i:\b(?:{_BODY_PARTS})\b[^\n.;:]{{0,50}}?[\s:#(]{{1,3}})(?P<x>"
            rf"(?=[A-Z-]{{0,10}}\d)[A-Z0-9]{{2,40}}(?:[-_.][A-Z0-9]{{1,40}}){{0,6}})"
            r"(?=[\s,.;)]|$)(?!\.\w)"
        ),
        spreads=True,
    ),
    Pattern(
        "ID",
        0.95,
        re.compile(
            rf"(?<![\w-]){_HEX}{{8}}-{_HEX}{{4}}-{_HEX}{{4}}-{_HEX}{{4}}-{_HEX}{{12}}"
            r"(?![\w-])"
        ),
        spreads=True,
    ),
    Pattern("ID", 0.9, re.compile(r"\bNCT\d{8}\b"), spreads=True),
    # Unexplained: long numbers, and codes that mix capitals with three or more digits.
    Pattern("ID", 0.3, re.compile(r"(?<![\w.])(?<![.,]\d)\d{7,64}(?![\w]|[.,]\d)")),
    Pattern(
        "ID",
        0.3,
        re.compile(
            r"(?<![\w.-])(?=[A-Z-]{0,12}\d)(?=[0-9-]{0,12}[A-Z])"
            r"(?=[A-Z-]{0,12}\d[A-Z-]{0,4}\d[A-Z-]{0,4}\d)(?=[A-Z0-9-]{7})[A-Z0-9]{1,30}"
            r"(?:-[A-Z0-9]{1,20}){0,5}(?![\w-])"
        ),
    ),
    Pattern("ID", 0.3, re.compile(r"(?<![\w.-])\d{2,12}(?:-\d{2,12}){2,6}(?![\w-])")),
)

# Words before a code of a terminology, which does not identify a person.
TERMINOLOGY = re.compile(
    r"(?i)\b(?:snomed(?:[\s-]?ct)?|rxnorm|rxcui|loinc|icd(?:-?\d{1,2})?(?:-?(?:cm|pcs))?|cpt|hcpcs"
    r"|ndc|umls|cui|atc|drg|mesh|omim|rs)(?:\s?(?:code|no\.?|id|\#))?[\s:#(]{0,3}$"
)
