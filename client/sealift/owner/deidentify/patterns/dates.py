"""Dates except the year alone, and ages above 89."""

from __future__ import annotations

import re

from sealift.owner.deidentify.clinical_words import MONTHS, WEEKDAYS
from sealift.owner.deidentify.patterns.pattern import Pattern

_MONTH = rf"(?i:{MONTHS})\b\.?"
_DAY = r"(?:0?[1-9]|[12]\d|3[01])"
_MONTH_NUMBER = r"(?:0?[1-9]|1[0-2])"
_YEAR = r"(?:1[89]|20)\d\d"
_NTH = r"(?i:st|nd|rd|th)?"
_TIME = r"(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(?:Z|[+-]\d\d:?\d\d)?)?"
_HOLIDAYS = (
    r"Christmas(?:\sEve|\sDay)?|Thanksgiving(?:\sDay)?|New\sYear['\u2019]?s(?:\sEve"
    r"|\sDay)?|Halloween"
    r"|Easter(?:\sSunday|\sMonday)?|Labor\sDay|Memorial\sDay|Independence\sDay|Veterans\sDay"
    r"|Mother['\u2019]s\sDay|Father['\u2019]s\sDay|Valentine['\u2019]s\sDay"
    r"|Good\sFriday|Hanukkah|Ramadan"
    r"|Passover|Fourth\sof\sJuly|Boxing\sDay|St\.\sPatrick['\u2019]s\sDay|Columbus\sDay"
    r"|Juneteenth|Diwali|Yom\sKippur|Mardi\sGras"
)
_DATES = (
    rf"(?<![\d./-]){_YEAR}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01]){_TIME}(?!\d)",
    rf"(?<![\d./-]){_YEAR}[/.]{_MONTH_NUMBER}[/.]{_DAY}(?!\d)",
    rf"(?<![\d./-])(?:{_MONTH_NUMBER}([/.-]){_DAY}|{_DAY}([/.-]){_MONTH_NUMBER})(?:\1|\2)"
    rf"(?:{_YEAR}|\d\d)(?![\d/]|[.-]\d)",
    rf"(?<![\d./-]){_DAY}{_NTH}[\s-](?:of\s)?{_MONTH}[\s,-]{{0,2}}(?:{_YEAR}"
    r"|['\u2019]?\d\d(?!\d))?",
    rf"\b{_MONTH}\s?{_DAY}{_NTH}\b(?![./]\d|\s?(?:mg|ml|%))(?:,?\s{{1,2}}{_YEAR}(?!\d))?",
    rf"\b{_MONTH},?\s(?:of\s)?(?:{_YEAR}|['\u2019]\d\d)(?!\d)",
    rf"(?<![\d./-])(?:0[1-9]|1[0-2])/{_YEAR}(?!\d)",
    r"(?<![\d./-])(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])(?!\d)",
    rf"\b(?:{_HOLIDAYS})\b",
    rf"\b(?i:{WEEKDAYS})s?\b",
    r"\b(?:Mon|Tues?|Weds?|Thurs?|Thu|Fri|Sat|Sun)\b(?=[,.]?\s(?:\d{1,2}(?:st|nd|rd|th|/\d"
    r"|\s?(?:am|pm|AM|PM)\b|\s(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec))"
    r"|(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)))",
    r"\b(?:Tues|Weds|Thurs)\b",
    r"(?i:\bon\sthe\s)(?P<x>(?:[12]?\d|3[01])(?:st|nd|rd|th))\b(?!\s(?:floor|day|week|percentile"
    r"|rib|toe|finger|digit|visit|cycle|dose|attempt|postoperative|hospital))",
    # A month alone: March is also a verb, May a modal; so are those only after a preposition.
    r"\b(?:January|February|April|June|July|August|September|October|November|December)\b",
    r"(?i:\b(?:in|since|until|till|by|of|last|next|this|early|late|mid|through|from|before|after)"
    r"[\s-])(?P<x>March|May|Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec)\b",
)
_BEFORE_SHORT_DATE = (
    r"(?:on|since|from|until|till|by|dated?|seen|visit|drawn|of|before|after|to|through|thru|last"
    r"|starting|started|began|due|for|between|and|admitted|discharged|until|as\sof|scheduled|done"
    r"|return|returned|again|taken|collected|resulted|follow-?up|next|d/c|dos|labs?|am|pm|note"
    r"|echo|ct|mri|ekg|x-?ray|colonoscopy|surgery|biopsy|cath|scan|culture|cultures)"
)
_SHORT_DATE = (
    rf"(?<![\d./-]){_MONTH_NUMBER}/{_DAY}(?![\d/%]|\.\d|-\d|\s?(?i:NS|pain|strength|normal|saline"
    r"|systolic|murmur|mg|tab|tablet|tablets|cup|strips?|pack|ppd|of\sthe))"
)
_OLD = r"(?:9\d|1[0-3]\d)"
_OLD_WORD = (
    r"(?:ninety(?:[\s-](?:one|two|three|four|five|six|seven|eight|nine))?"
    r"|(?:a\s|one\s)?hundred(?:[\s-](?:and[\s-])?(?:one|two|three|four|five|six))?)"
)
_AGES = (
    rf"(?i)(?<![\d./-])(?P<x>{_OLD}|{_OLD_WORD})(?=(?:\.\d)?[\s-]{{0,2}}(?:years?"
    rf"|yrs?|y)[\s./-]{{0,2}}(?:old|o\b|age))",
    rf"(?i)(?<![\d./-])(?P<x>{_OLD})(?=[\s-]?(?:yo|y\.o|y/o|yom|yof|y/?o?[mf])\b)",
    r"(?i)\b(?:aged?|age\sof|turn(?:ed|ing|s)?|lived\sto(?:\sbe)?|lives\sto)(?:\s"
    rf"(?:at|is|was|age))?\s?[:=]?\s?(?P<x>{_OLD}|{_OLD_WORD})\b(?!\s?(?:mg|ml|%|/"
    r"|days|minutes|hours|degrees))",
    r"(?i)\b(?:died|deceased|passed(?:\saway)?|death|birthday|expired)\s"
    rf"(?:\w{{1,12}}\s){{0,3}}?(?:at|age|aged|of)\s(?P<x>{_OLD}|{_OLD_WORD})\b",
    rf"(?i)(?<![\d./-])(?P<x>{_OLD})(?:st|nd|rd|th)?\s(?=birthday)",
    r"(?i)\b(?P<x>(?:early|mid|late)[\s-](?:90|100)['\u2019]?s|nonagenarian|centenarian)\b",
    r"(?i)\bin\s(?:his|her|their)\s(?P<x>90['\u2019]?s|nineties)",
    rf"(?i)(?<![\d./-])(?P<x>{_OLD})(?=\s?(?:[FM]\b|female\b|male\b|man\b|woman\b))",
)

DATES: tuple[Pattern, ...] = (
    *(Pattern("DATE", 0.85, re.compile(regex)) for regex in _DATES),
    Pattern(
        "DATE",
        0.7,
        re.compile(rf"(?i:\b{_BEFORE_SHORT_DATE})[\s:]{{1,2}}(?P<x>{_SHORT_DATE})"),
    ),
    Pattern(
        "DATE",
        0.7,
        re.compile(
            rf"(?i:\b{_BEFORE_SHORT_DATE})\s{_SHORT_DATE}(?:,|\s?-|\sto|\sand|\s?&)\s?"
            rf"(?P<x>{_SHORT_DATE})"
        ),
    ),
    Pattern(
        "DATE",
        0.7,
        re.compile(rf"(?m:^)[\s(\[*-]{{0,4}}(?P<x>{_SHORT_DATE})(?=[\s:,)\]-])"),
    ),
    *(Pattern("AGE", 0.8, re.compile(regex)) for regex in _AGES),
)
