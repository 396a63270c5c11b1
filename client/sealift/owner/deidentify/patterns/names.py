"""Names of people: by title, role, relation and credentials, as clinical notes write them."""

from __future__ import annotations

import re

from sealift.owner.deidentify.patterns.pattern import Pattern

UPPER = r"[A-Z\u00C0-\u00D6\u00D8-\u00DE\u0100-\u017F\u0386-\u03AB\u0400-\u042F\u1E00-\u1EFF]"
_WORD = rf"{UPPER}(?:[^\W\d_]|[\u0300-\u036F'\u2019-]){{1,40}}(?!\d)"
_INITIAL = rf"{UPPER}\.?(?![\w'\u2019])"
_PARTICLE = r"(?:de|la|las|los|del|della|da|dos|di|van|von|der|den|ter|ten|bin|ibn|al|el|y|e|du|le)"
_NAME_PART = rf"(?:{_WORD}|{_INITIAL})"
NAME = rf"{_NAME_PART}(?:[ \u00a0]{{1,2}}(?:{_PARTICLE}[ \u00a0]){{0,2}}{_NAME_PART}){{0,4}}"
_LISTED = (
    rf"(?:{_PARTICLE}[ ]){{0,2}}{_WORD}(?:[ -]{_WORD}){{0,2}},[ ]{{1,2}}{_WORD}"
    rf"(?:[ ]{_NAME_PART}){{0,2}}"
)
_EITHER = rf"(?:{_LISTED}|{NAME})"
_CREDENTIALS = (
    r"(?:M\.?D|D\.?O|R\.?N|N\.?P|P\.?A(?:-C)?|Ph\.?D|LCSW|LMSW|MSW|CRNA|CNM|LPN|LVN|CNA|APRN|ARNP"
    r"|FNP(?:-C|-BC)?|DNP|D\.?D\.?S|DMD|D\.?P\.?M|Pharm\.?D|Psy\.?D|DPT|OTR(?:/L)?|CCC-SLP|RD|RPh"
    r"|MBBS|FACS|FACP|FACC|BSN|MSN|EMT(?:-P)?|PT|OT|SLP|LMFT|LPC|MPH|RRT|RT|CMA|MA|Esq|Jr|Sr)\b"
)
_ROLES = (
    r"patient(?:['\u2019]s)?(?:\s(?:full\s)?name)?|pt(?:\sname)?|name"
    r"(?:\sof\spatient)?|client|full\sname"
    r"|first\sname|last\sname|surname|given\sname|maiden\sname|alias|aka"
    r"|(?:electronically\s)?signed(?:\sby)?|e-signed\sby|cosigned\sby|authored\sby|author"
    r"|dictated\sby|transcribed\sby|interpreted\sby|read\sby|reviewed\sby|verified\sby|entered\sby"
    r"|performed\sby|prepared\sby|reported\sby|written\sby|attested\sby|seen\sby|evaluated\sby"
    r"|attending(?:\sphysician)?|(?:referring|ordering|primary\scare|consulting|requesting"
    r"|treating|admitting|family)\s(?:physician|provider|doctor|surgeon)|physician|provider|pcp"
    r"|surgeon|(?:first\s)?assistant|anesthesi(?:a|ologist)(?:\sby)?|radiologist|pathologist"
    r"|cardiologist|coordinator|investigator|technologist|technician|pharmacist|therapist|nurse"
    r"|social\sworker|case\smanager|counsel+or|interpreter|dietitian|midwife|resident|fellow"
    r"|emergency\scontact|next\sof\skin|nok|contact|guarantor|insured|subscriber|responsible\sparty"
    r"|caller|informant|historian|witness|guardian|power\sof\sattorney|poa|hcp|proxy|requested\sby"
    r"|referred\sby|req|attn|attention|dear"
)
# These mark a name only before a colon.
_WEAK_ROLES = (
    r"cc|re|from|to|subject|mother|father|spouse|parent|son|daughter|wife|husband|staff"
)
_RELATIVES = (
    r"son|daughter|wife|husband|spouse|mother|father|mom|dad|brother|sister|partner|neighbou?r"
    r"|friend|caregiver|carer|guardian|aunt|uncle|cousin|niece|nephew|grand(?:son|daughter|mother"
    r"|father|child)|stepson|stepdaughter|fianc[eé]e?|boyfriend|girlfriend|roommate|baby|twin|child"
    r"|colleague|pharmacist|nurse|surgeon|physician|doctor|therapist|officer|attorney|lawyer|aide"
    r"|landlord|teacher|employer|boss|pastor|coordinator|interpreter|resident|specialist|midwife"
    r"|pathologist|radiologist|cardiologist|counsel+or|manager|worker|client|caller"
)
_MEETING = (
    r"(?:spoke|discussed|met|speaking|meeting|talked|conferred|consulted|visited|lives|living"
    r"|reviewed|seen|case\sdiscussed)\s(?:again\s|today\s|in\sdetail\s)?(?:with|by|to)"
    r"|(?:goes|went|known)\s(?:by|as)|nick-?named?|named|called|meeting|page|paged|pleasure\sof\s"
    r"(?:seeing|meeting)|thank\syou\sfor\s(?:seeing|referring)|care\sfrom|care\sof|per|signed,?"
    r"|appreciate|accompanied\sby|brought\s(?:in\s)?by|read\sby|seen\sby|given\sby|performed\sby"
    r"|report(?:ed)?\s(?:to|by|from)|notified|informed|asked|told|call|contact|reach"
)
_TITLES = (
    r"(?:Dr|DR|Drs|Mr|MR|Mrs|MRS|Ms|MS|Mx|Miss|Prof|Professor|Doctor|Rev|Fr|Sgt|Lt|Capt|Judge"
    r"|Officer|Nurse|Sister|Pastor|Rabbi|Imam|Father|Sir|Se[nñ]ora?|Sra?)"
)
_ACTIONS = (
    r"(?:consented|presented|presents|reports|reported|denies|denied|states|stated"
    r"|underwent|returns"
    r"|returned|arrived|complains|complained|lives|lived|works|worked|tolerated|agrees|agreed|came"
    r"|called|was\s(?:seen|admitted|discharged|transferred|started|given|found|referred|born)|has"
    r"|had|feels|felt|looks|says|said|continues|requests|requested|declined|understands|ambulated)"
)
_NAMES = (
    (0.75, rf"(?:(?m:^)|(?<=[.:;] )|(?<=[.:;]  ))(?P<x>{NAME})[ ]{_ACTIONS}\b"),
    (0.92, rf"\b{_TITLES}\.?[ ]{{1,2}}(?P<x>(?:{_PARTICLE}[ ]){{0,2}}{NAME})"),
    (0.92, rf"\bDrs\.?[ ]{NAME}(?:,[ ]{NAME})?(?:,|,?[ ](?:and|&))[ ](?P<x>{NAME})"),
    (0.9, rf"(?<![\w'\u2019])(?P<x>{_EITHER}),?[ ]{{1,2}}\(?{_CREDENTIALS}"),
    (
        0.9,
        rf"(?i:(?<![\w'\u2019])(?:{_ROLES}|{_WEAK_ROLES}))\.?(?:[ ]\([^)"
        rf"\n]{{1,20}}\))?[ ]{{0,2}}[:\-\u2013|=][ \t]{{0,8}}(?P<x>{_EITHER})",
    ),
    (0.8, rf"(?i:(?<![\w'\u2019])(?:{_ROLES}))[.,]?[ ]{{1,2}}(?P<x>{_EITHER})"),
    (
        0.85,
        rf"(?i:\b(?:{_RELATIVES})\b)(?:[ ](?i:of|is|named|called)|,|[ ]?\()?[ ](?P<x>{NAME})",
    ),
    (0.85, rf"(?i:\b(?:{_RELATIVES})\b)[ ]\((?P<x>{NAME})"),
    (
        0.85,
        rf"(?<![\w'\u2019])(?P<x>{NAME})[ ]?\((?:his|her|the|patient['\u2019]s"
        rf"|pt['\u2019]s)?[ ]?(?i:{_RELATIVES})\b",
    ),
    (
        0.85,
        rf"(?<![\w'\u2019])(?P<x>{NAME}),?[ ](?:his|her|their|the[ ]patient['\u2019]s)[ ]"
        rf"(?i:{_RELATIVES})\b",
    ),
    (0.8, rf"(?i:\b(?:{_MEETING}))[ ](?P<x>{NAME})"),
    (
        0.8,
        r"(?i:\b(?:meeting|visit|call|conference|session|discussion|appointment"
        rf"|interview|spoke)\b)[^\n.:;]{{0,40}}?[ ]with[ ](?P<x>{NAME})(?:,[ ]"
        rf"(?P<y>{NAME}))?(?:,?[ ](?:and|&)[ ](?P<z>{NAME}))?",
    ),
    (
        0.85,
        rf"(?i:\b(?:{_RELATIVES}|{_MEETING}))\b[ ](?:{NAME})[ ](?:and|&)[ ](?P<x>{NAME})",
    ),
    (
        0.85,
        r"(?i:\b(?:sincerely|regards|yours(?:\struly|\sfaithfully)?|respectfully|wishes"
        rf"|thanks|thank\syou|cordially)),?\s{{1,4}}(?P<x>{NAME})",
    ),
    (0.8, rf"(?:--|—|~|/s/)[ ]?(?P<x>{NAME})(?=\s{{0,3}}(?:\n|$|,|\())"),
    (0.9, rf"(?m:^)(?P<x>{_LISTED})(?=[ ]{{0,2}}(?:\||\t|$|\n|DOB|MRN|\())"),
    # Two names, then something that only a person has.
    (
        0.85,
        rf"(?<![\w'\u2019])(?P<x>{_WORD}(?:[ ]{UPPER}\.)?[ ]{_WORD})(?=,?[ ]\(?(?:MRN|DOB|SSN)\b)",
    ),
    (
        0.75,
        rf"(?<![\w'\u2019.])(?P<x>{UPPER}\.[ ]?(?:{UPPER}\.[ ]?)?{_WORD}(?:[ -]{_WORD})?)",
    ),
    (
        0.8,
        rf"(?<![\w'\u2019])(?P<x>{NAME}),?[ ](?:is|was)[ ]an?[ ](?:pleasant[ ])?"
        rf"(?:\d{{1,3}}|[a-z]+)[- ]?(?:year|yr|y\.?o|y/o|month|day|week)",
    ),
)

NAMES: tuple[Pattern, ...] = (
    *(
        Pattern("PERSON", score, re.compile(regex), spreads=True)
        for score, regex in _NAMES
    ),
)
