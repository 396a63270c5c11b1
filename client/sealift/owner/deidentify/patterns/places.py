"""Places smaller than a state, among them hospitals and employers."""

from __future__ import annotations

import re

from sealift.owner.deidentify.clinical_words import STATE_CODES
from sealift.owner.deidentify.patterns.names import UPPER
from sealift.owner.deidentify.patterns.pattern import Pattern

# USPS Publication 28, appendix C1, and abbreviations in common use.
_STREETS = (
    r"(?:Alley|Al[le]y|Avenue|Ave?|Bayou|Beach|Bend|Bluffs?|Bottom|Boulevard|Blvd|Branch|Bridge"
    r"|Brooks?|Burgs?|Bypass|Camp|Canyon|Cape|Causeway|Centers?|Circles?|Cir|Cliffs?|Club|Common"
    r"|Corners?|Course|Courts?|Ct|Coves?|Creek|Crescent|Cres|Crest|Crossing|Crossroad|Curve|Dale"
    r"|Dam|Divide|Drives?|Dr|Estates?|Expressway|Expy|Extensions?|Falls?|Ferry|Fields?|Flats?"
    r"|Fords?|Forest|Forges?|Forks?|Fort|Freeway|Fwy|Gardens?|Gateway|Glens?|Greens?|Groves?"
    r"|Harbors?|Haven|Heights|Hts|Highway|Hwy|Hills?|Hollow|Inlet|Islands?|Isle|Junctions?|Keys?"
    r"|Knolls?|Lakes?|Landing|Land|Lane|Ln|Lights?|Loaf|Locks?|Lodge|Loop|Mall|Manors?|Meadows?"
    r"|Mews|Mills?|Mission|Motorway|Mountains?|Mount|Neck|Orchard|Oval|Overpass|Parks?|Parkways?"
    r"|Pkwy|Passage|Pass|Path|Pike|Pines?|Place|Pl|Plains?|Plaza|Points?|Ports?|Prairie|Radial"
    r"|Ramp|Ranch|Rapids?|Rest|Ridges?|River|Roads?|Rd|Route|Row|Rue|Run|Shoals?|Shores?|Skyway"
    r"|Springs?|Spurs?|Squares?|Sq|Station|Stravenue|Streams?|Streets?|St|Summit|Terrace|Ter"
    r"|Throughway|Trace|Track|Trafficway|Trail|Trl|Tunnel|Turnpike|Underpass|Unions?|Valleys?|Via"
    r"|Viaduct|Views?|Villages?|Ville|Vista|Walks?|Wall|Ways?|Wells?)"
)
_UNIT = (
    r"(?:,?[ ]{1,2}(?:Apt|Apartment|Suite|Ste|Unit|Floor|Fl|Room|Rm|Bldg|Lot|\#)"
    r"\.?[ ]?[\w-]{1,8})?"
)
_PLACE_WORD = (
    rf"(?:{UPPER}[\w'\u2019-]{{1,30}}|St\.|Ste\.|Mt\.|Ft\.|O['\u2019]{UPPER}\w{{1,20}})"
)
_PLACE = rf"{_PLACE_WORD}(?:[ ](?:(?:of|de|la|del|the)[ ])?{_PLACE_WORD}){{0,3}}"
_LIVING = (
    r"(?:lives?|living|lived|resid(?:es|ed|ing)|born|raised|moved|moving|stays|staying|grew\sup"
    r"|native|travel+ed|trip|driving|drove|flew|visiting|works|worked|homeless|clinic|shelter"
    r"|relocated|returned|home|house|apartment|commutes|retired|practice|office|located)"
    r"\s(?:\w{1,12}\s){0,2}?(?:in|at|to|from|of|through|near|outside|around)"
)
_FACILITY = (
    r"(?:Hospitals?|Medical\s(?:Center|Centre|Group|Associates)|Clinics?|Nursing\s(?:Home|Facility)"
    r"|Health\s?(?:Center|Centre|System|care)|Rehabilitation(?:\s(?:Center|Hospital))?|Infirmary"
    r"|Rehab(?:\sCenter)?|Hospice|Sanatorium|Care\s(?:Center|Home)|Surgery\sCenter|Surgical\sCenter"
    r"|Cancer\s(?:Center|Institute)|Heart\s(?:Center|Institute)|Assisted\sLiving|Manor|VAMC"
    r"|Dialysis\sCenter|Imaging\sCenter|Senior\sLiving|Retirement\s(?:Home|Community)|Pharmacy"
    r"|University|College|Elementary|High\sSchool|School|Prison|Jail|Shelter|Airport|Church)"
)
_PLACES = (
    # Postal codes of the United Kingdom and of Canada.
    (0.6, r"(?<![\w-])[A-Z]{1,2}\d[A-Z\d]?[ ]\d[A-Z]{2}(?![\w-])"),
    (0.6, r"(?<![\w-])[A-Z]\d[A-Z][ ]\d[A-Z]\d(?![\w-])"),
    (
        0.7,
        rf"(?i:\b(?:on|at|off|near|along|corner\sof))[ ](?P<x>(?:{_PLACE_WORD}[ ]){{1,3}}"
        r"(?:Street|St|Avenue|Ave|Road|Rd|Boulevard|Blvd|Lane|Ln|Drive|Highway|Hwy))\b",
    ),
    (
        0.9,
        rf"(?<![\w.])\d{{1,6}}[A-Z]?[ ](?:[NSEW]{{1,2}}\.?[ ])?(?:{_PLACE_WORD}[ ]"
        rf"|\d{{1,3}}(?:st|nd|rd|th)[ ]){{1,4}}{_STREETS}\b\.?{_UNIT}",
    ),
    (
        0.85,
        rf"(?<![\w.])\d{{1,6}}[A-Z]?[ ](?:{_PLACE_WORD}[ ]){{1,4}}{_STREETS}\b\.?{_UNIT}"
        rf"(?:,[ ]?|\n|,?[ ](?:in[ ])?)(?P<x>{_PLACE})",
    ),
    (
        0.9,
        r"(?i)\b(?:P\.?\s?O\.?\sBox|post\soffice\sbox|rural\sroute|RR"
        r"(?=\s\d{1,4},?\sbox))\s\#?\d{1,7}(?:,?\sbox\s\d{1,6})?",
    ),
    (
        0.9,
        r"\b(?:PSC|Unit|USNS|USS)[ ]\w{1,20}(?:,?[ ]Box[ ]\d{1,6})"
        r"(?:,?[ ][AFD]PO[ ]A[APE][ ]\d{5})?",
    ),
    (0.9, rf"\b(?:{STATE_CODES})[,. ]{{1,2}}(?P<x>\d{{5}}(?:-\d{{4}})?)(?!\d)"),
    (0.9, r"(?i)\bzip(?:\s?code)?\s?[:#]?\s?(?P<x>\d{5}(?:-\d{4})?)(?!\d)"),
    (
        0.6,
        rf"(?<![\w'\u2019])(?P<x>{_PLACE}),[ ](?:(?:{STATE_CODES})[,. ]{{1,2}}\d{{5}}|"
        rf"(?!CT|MD|PA|OR|MS|MA|DO|ID|IN|ME|OK)(?:{STATE_CODES})\b)",
    ),
    (0.6, rf"(?m:^|, )(?P<x>{_PLACE})[ ](?:{STATE_CODES})[ ]\d{{5}}"),
    (
        0.85,
        rf"(?<![\w'\u2019])(?:{_PLACE_WORD}[ ]){{1,3}}(?:County|Parish|Borough|Township"
        r"|Twp|Reservation)\b",
    ),
    (0.7, rf"{_FACILITY},?[ ](?:in[ ]|of[ ])?(?P<x>{_PLACE})"),
    (0.7, rf"(?i:\bborn\b)[^\n.;]{{0,30}}?[ ]in[ ](?P<x>{_PLACE})"),
    (
        0.85,
        rf"(?:\bCounty[ ]of|\b[Cc]ity[ ]of|\b[Tt]own[ ]of|\b[Vv]illage[ ]of)[ ](?P<x>{_PLACE})",
    ),
    (0.7, rf"(?i:\b(?:{_LIVING}))[ ](?P<x>{_PLACE})(?:,[ ](?P<y>{_PLACE}))?"),
    (
        0.7,
        r"(?i:\b(?:city|town|address|residence|birthplace|place\sof\sbirth|hometown"
        rf"|location|facility|hospital|site|clinic))\s?:[ \t]{{0,8}}(?P<x>{_PLACE})",
    ),
    (0.88, rf"(?<![\w'\u2019])(?P<x>(?:{_PLACE_WORD}[ ]|of[ ]){{1,5}}{_FACILITY})\b"),
)
_COMPANY_WORD = rf"(?:{UPPER}(?:[\w'\u2019&-]|\.(?=\w)){{1,30}}|&)"
_EMPLOYERS = (
    r"(?i:\b(?:works?|worked|working|employed|employee|job|position|retired)\s"
    rf"(?:\w{{1,14}}\s){{0,4}}?(?:for|at|by|of|with|from))[ ]"
    rf"(?P<x>{_COMPANY_WORD}(?:,?[ ](?:and[ ])?{_COMPANY_WORD}){{0,4}})",
    rf"(?i:\b(?:employer|company|workplace|place\sof\semployment)(?:\sname)?)\s?(?::|is)[ ]{{0,4}}"
    rf"(?P<x>{_COMPANY_WORD}(?:,?[ ](?:and[ ])?{_COMPANY_WORD}){{0,4}})",
    rf"(?<![\w'\u2019])(?P<x>{_COMPANY_WORD}(?:,?[ ]"
    rf"(?:and[ ])?{_COMPANY_WORD}){{0,3}},?[ ](?:Inc|LLC|Ltd|PLC|Corp|Corporation"
    r"|GmbH|LLP|Group|and[ ]Sons)\b)",
)

PLACES: tuple[Pattern, ...] = (
    *(Pattern("LOCATION", score, re.compile(regex)) for score, regex in _PLACES),
    *(Pattern("EMPLOYER", 0.8, re.compile(regex)) for regex in _EMPLOYERS),
)
