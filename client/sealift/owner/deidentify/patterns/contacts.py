"""Telephone, fax, mail and network addresses, and files of photographs."""

from __future__ import annotations

import re

from sealift.owner.deidentify.patterns.pattern import Pattern

_UNITS = r"(?!\s?(?i:mg|ml|mcg|units?|cc|iu|kcal|g|kg|mm|cm|l|meq|cells|calories)\b)"
_PHONE = (
    r"(?<![\w.+/-])(?:\+?1[\s.-]?)?(?:\(\d{3}\)[\s.-]{0,2}|\d{3}[\s.-])\d{3}[\s.-]\d{4}"
    r"(?:[\s,]{0,2}(?i:ext\.?|extension|x)\s?\d{1,6})?(?![\d-])"
)
_ANY_PHONE = (
    rf"(?:{_PHONE}|\+\d{{1,3}}(?:[\s.()-]{{1,2}}\d{{1,5}}){{2,6}}|(?<![\w.-])\d{{10}}(?!\d)"
    r"|(?<![\w.-])\d{3}[\s.-]\d{4}(?!\d)|\(\d{2,5}\)[\s.-]?\d{3,4}[\s.-]?\d{3,4})"
)
_PHONE_WORDS = (
    r"(?:phone|tel|telephone|cell|cellular|mobile|pager|beeper|home|work|office|call(?:ed|s|ing)?"
    r"|ph|contact|reach(?:ed)?|number|hotline|text|voicemail|extension|ext|dial|rang|from)"
)
_FAX_WORDS = r"(?:fax(?:ed|es|ing)?|facsimile|f)"
_TLDS = (
    r"(?:com|org|net|edu|gov|mil|int|info|biz|io|co|us|uk|ca|au|de|fr|es|it|nl|ch|at|be|dk|se|no|fi"
    r"|pl|ie|eu|in|jp|cn|br|mx|nz|za|health|care|clinic|hospital|dental|app|dev|me|tv|online|site)"
)
_HOST = r"(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,62})\.){1,6}"
_OCTET = r"(?:25[0-5]|2[0-4]\d|1?\d?\d)"
_HEX = r"[0-9A-Fa-f]"

CONTACTS: tuple[Pattern, ...] = (
    Pattern(
        "FAX",
        0.96,
        re.compile(
            rf"(?i:\b{_FAX_WORDS}\b)(?:\s(?:\w{{1,9}}\s){{0,2}}?(?:to|at|is|number|no)"
            rf")?[\s:#.]{{1,4}}(?P<x>{_ANY_PHONE})"
        ),
    ),
    Pattern("PHONE", 0.8, re.compile(_PHONE)),
    Pattern(
        "PHONE",
        0.85,
        re.compile(
            rf"(?i:\b{_PHONE_WORDS})(?:\s(?:at|on|is|no|number|me|her|him|them)"
            rf")?[\s:#.]{{1,4}}(?P<x>{_ANY_PHONE}){_UNITS}"
        ),
    ),
    Pattern(
        "PHONE",
        0.8,
        re.compile(r"(?<![\w.])\+\d{1,3}(?:[\s.()-]{1,2}\d{1,5}){2,6}(?![\d-])"),
    ),
    Pattern(
        "PHONE", 0.4, re.compile(r"(?<![\w./+-])[2-9]\d{2}[2-9]\d{6}(?![\w/-]|[.,]\d)")
    ),
    Pattern(
        "PHONE",
        0.6,
        re.compile(rf"(?<![\w./+-])[2-9]\d{{2}}-\d{{4}}(?![\w/-]){_UNITS}"),
    ),
    Pattern(
        "EMAIL",
        1.0,
        re.compile(
            r"(?<![\w.+%-])[\w.+%'-]{1,64}@(?:[\w-]{1,63}\.){1,6}[^\W\d_]{2,24}\b"
        ),
    ),
    Pattern(
        "EMAIL",
        0.9,
        re.compile(
            r"(?i)\b[\w.+-]{1,64}\s?(?:\[at\]|\(at\)|\sat\s)\s?[\w-]{1,63}\s?(?:\[dot\]"
            r"|\(dot\)|\sdot\s)\s?[a-z]{2,24}\b"
        ),
    ),
    Pattern(
        "PHOTO",
        0.98,
        re.compile(
            r"(?i)(?<![\w/.-])[\w/\\.+-]{1,120}\.(?:jpe?g|png|heic|heif|tiff?|gif|bmp|webp"
            r"|raw|cr2|nef|dng|mp4|mov|avi|dcm)\b"
        ),
        spreads=True,
    ),
    Pattern(
        "URL",
        0.97,
        re.compile(
            r"(?i)\b(?:https?|ftp|sftp|file)://[^\s<>\"']{1,2000}(?<![.,;:!?)])"
        ),
    ),
    Pattern(
        "URL",
        0.96,
        re.compile(
            r"(?i)(?<![\w@.-])www\d{0,3}\.[a-z0-9-]{1,63}\.[^\s<>\"']{1,2000}(?<![.,;:!?)])"
        ),
    ),
    Pattern(
        "URL",
        0.95,
        re.compile(rf"(?<![\w@.-]){_HOST}{_TLDS}/[^\s<>\"']{{0,2000}}(?<![.,;:!?)])"),
    ),
    Pattern(
        "URL",
        0.8,
        re.compile(
            r"(?<![\w@.-])(?:[A-Za-z0-9-]{2,63}\.){1,5}(?:com|org|net|edu|gov|info|biz"
            r"|io|health)\b(?!\.?\w)"
        ),
    ),
    Pattern(
        "IP",
        0.9,
        re.compile(
            rf"(?<![\w.]){_OCTET}(?:\.{_OCTET}){{3}}(?::\d{{1,5}}|/\d{{1,2}})?(?![\w]|\.\d)"
        ),
    ),
    Pattern(
        "IP",
        0.9,
        re.compile(rf"(?<![\w:])(?:{_HEX}{{1,4}}:){{7}}{_HEX}{{1,4}}(?![\w:])"),
    ),
    Pattern(
        "IP",
        0.9,
        re.compile(
            rf"(?<![\w:])(?:{_HEX}{{1,4}}:){{1,6}}(?::{_HEX}{{1,4}}){{1,6}}(?![\w:])"
        ),
    ),
)
