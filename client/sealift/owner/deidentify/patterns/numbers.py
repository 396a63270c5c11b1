"""Codes that no label explains: by their form, and by looser labels than `codes` has."""

from __future__ import annotations

import re

from sealift.owner.deidentify.patterns.pattern import Pattern

_GAP = (
    r"(?:[ ]?(?:no|nos|num|number|nr|n[º°]|id|code|ref|#)\b\.?[ ]?)?"
    r"[ ]?[:#=.]?[ ]{0,2}(?:is[ ]|was[ ]|ending[ ](?:in[ ])?)?#?"
)
_CODE = (
    r"(?=[\w./-]{0,12}\d)(?=(?:[A-Za-z./-]*\d){3})"
    r"[A-Za-z0-9]{1,24}(?:[./-][A-Za-z0-9]{1,24}){0,6}(?:[ ]\d[\dA-Z]{1,7}(?!\w|[./]\d)){0,4}"
)
# Words before which a number is a name for something, whatever else is not said.
_WORDS = {
    "SSN": (
        r"ssn|ss\#|soc(?:ial)?[ ]sec(?:urity)?|social|nir|nss|ss"
        r"|s[ée]cu(?:rit[ée][ ]sociale)?|bsn|sin|nino|ni|pesel|dni|nie|nif|niss|cf"
        r"|codice[ ]fiscale|pps|ppsn|cpf|curp|aadhaar|ahv|rvnr|svnr|sv-nr"
        r"|sozialversicherungsnr|steuer-?id|idnr|tin|itin|tax[ ]id|national[ ]id"
        r"|personnummer|cpr|rut|cedula"
    ),
    "MRN": (
        r"mrn|hosp(?:ital)?[ ]no|hosp\.?|chart|h/n|urn|nhs|nhc|dossier|fallnr|chi|pid"
        r"|patient[ ](?:id|no|number)|rec[ ]no|medical[ ]record(?:[ ]number)?"
    ),
    "HEALTH_PLAN": (
        r"hcn|ohip|gms|ramq|grp|medical[ ]card|health[ ]card|medicare|medicaid|policy"
        r"|member|subscriber|group|insurance|insurer|hicn|mbi|bcbs|blue[ ]cross|aetna"
        r"|cigna|humana|uhc|tricare|kaiser|versichertennr?\.?|mutuelle|p[óo]liza|plan"
    ),
    "ACCOUNT": (
        r"acct|account|a/c|cust(?:omer)?|card|visa|mastercard|amex|debit|loan|sort[ ]code"
        r"|routing|iban|bsb|invoice|encounter|visit|fin|csn|har|konto|compte|cuenta|conto"
        r"|rekening|rachunek|bic|swift|ending|wire|check|cheque|chk"
    ),
    "CERTIFICATE": (
        r"lic(?:en[sc]e)?|licensed|dl|cdl|d/l|passport|dea|npi|gmc|nmc|hcpc|pin|rpps"
        r"|col(?:egiado)?|registration|reg|cert(?:ificate)?|permit|badge|passeport"
        r"|pasaporte|reisepass|ausweis|green[ ]card|visa|a\#|alien"
    ),
    "VEHICLE": (
        r"plate|plates|tag|reg|rego|vin|vrm|vrn|kennzeichen|immat\w*|matr[íi]cula|targa"
        r"|kenteken|license[ ]plate|unit|truck|trailer|tractor|chassis"
    ),
    "DEVICE": (
        r"serial|s/n|sn|ser|lot|batch|udi|imei|model|asset|device|implant|pacemaker|lead"
        r"|generator|pump|tracker|eld|telematics|ref"
    ),
    "ID": (
        r"acc|accn?|accession|order|req|specimen|sample|case|claim|clm|ref(?:erence)?"
        r"|file|docket|study|subject|participant|protocol|incident|ticket"
        r"|conf(?:irmation)?|tracking|trk|auth(?:orization)?|approval|txn|transaction"
        r"|trace|mandate|booking|load|trip|manifest|waybill|bol|po|pro|rx|script|report"
        r"|badge|employee|emp|staff|inmate|student|key[ ]?safe|keysafe|door[ ]code"
        r"|gate[ ]code|code|passcode|pin|locker|tag|run|job|work[ ]order|wo|unit|a\#|id"
        r"|study[ ]id|uid|sejour|expediente|aktenzeichen|az|vorgang|warrant|booking"
        r"|citation|police[ ]report|report|rma|apn|parcel|isrc|screening|kit"
        r"|randomi[sz]ation|rand"
    ),
}
_UNITS = (
    r"(?![ ]?(?:mg|mcg|ug|ng|pg|g\b|kg|lb|lbs|ml|dl|l\b|cc|mm|cm|m\b|km|mi\b|miles"
    r"|mph|mmhg|bpm|kcal|cal|units?|iu|mu|meq|mmol"
    r"|umol|hz|khz|min|mins|hrs?|hours?|days?|weeks?|wks?|months?|years?|yrs?|yo\b"
    r"|y/o|%|x\b|/|cells|k/|copies|steps|degrees?|deg"
    r"|ft|feet|in\b|inches|sec|secs|seconds|eur|usd|gbp|\$|€|£|dollars|euros|gy|cgy"
    r"|fr\b|french|gauge|ga\b|mhz|ms\b|msec|st\b|nd\b|rd\b|th\b))"
)
NUMBERS: tuple[Pattern, ...] = (
    *(
        Pattern(
            kind,
            0.6,
            re.compile(
                rf"(?i)(?<![\w/])(?:{words}){_GAP}(?P<x>{_CODE})(?![\w%]){_UNITS}"
            ),
            spreads=True,
        )
        for kind, words in _WORDS.items()
    ),
    # A number sign.
    Pattern(
        "ID",
        0.5,
        re.compile(
            r"(?<![\w#])#[ ]?(?P<x>[A-Z0-9]{0,4}-?\d{3,12}[A-Z0-9-]{0,8})(?!\w)"
        ),
        spreads=True,
    ),
    # Log-ins: letters then digits or with a low line, which no word has.
    Pattern(
        "ID",
        0.45,
        re.compile(
            r"(?<![\w.@/+-])(?=[a-z._]{3,20}\d\d|[a-z]+_)(?=[a-z0-9._]{5})[a-z]{2,20}"
            r"(?:[._]?[a-z0-9]{1,15}){0,3}(?![\w@-]|\.\w)"
        ),
        spreads=True,
    ),
    Pattern("ID", 0.5, re.compile(r"(?<![\w.])@[A-Za-z][\w.]{2,30}\b"), spreads=True),
    # Letters and digits mixed, of five characters and more.
    Pattern(
        "ID",
        0.3,
        re.compile(
            r"(?<![\w.,/+-])(?![A-TV-Z]\d[0-9AB](?:\.[0-9A-TV-Z]{1,4})?(?!\w)"
            r"|[pc]?T\d[a-c]?N\d|[A-Z]\d{1,2}-[A-Z]?\d{1,2}(?!\w))"
            r"(?=[A-Z]{1,6}[-/ ]?\d|\d{1,8}[-/]?[A-Z])(?=(?:[A-Z./-]*\d){3})"
            r"(?=[A-Z0-9./-]{5})[A-Z0-9]{1,12}(?:[-./][A-Z0-9]{1,12}){0,5}(?![\w%]"
            r"|[./-]\w)" + _UNITS
        ),
        spreads=True,
    ),
    # Groups of digits: 00-4471-8820, 7723 019, 20-45-77, 5S01-22l9
    Pattern(
        "ID",
        0.3,
        re.compile(
            r"(?<![\w./,+-])(?!(?:19|20)\d\d[ ])(?!(?:[01]\d"
            r"|2[0-4])[0-5]\d[ ]?-[ ]?(?:[01]\d|2[0-4])[0-5]\d(?!\d))\d{2,6}"
            r"(?:[ -]\d{2,6}){1,5}(?![\w%/]|[.,]\d)(?<=\d{3})" + _UNITS
        ),
        spreads=True,
    ),
    Pattern(
        "ID",
        0.3,
        re.compile(r"(?<![\w.,/$€£+-])\d{6,64}(?![\w%]|[.,/]\d|-\d)" + _UNITS),
        spreads=True,
    ),
    Pattern(
        "ID",
        0.3,
        re.compile(
            r"(?<![\w./,+-])\d{1,6}(?:[ -]\d{2,6}){3,7}(?![\w%/]|[.,]\d)" + _UNITS
        ),
        spreads=True,
    ),
    Pattern(
        "ID",
        0.3,
        re.compile(r"(?<![\w./,+-])\d{2}-\d{2}-\d{2}(?![\w%/-]|[.,]\d)"),
        spreads=True,
    ),
    Pattern(
        "ID",
        0.6,
        re.compile(
            r"(?i)\b(?:login|log-in|log-on|logon|sign-in|user(?:[ ]?name|[ ]?id)?"
            r"|handle|screen[ ]name|net[ ]?id|teams|skype|signal|slack|zoom"
            r"|portal[ ]id)(?:[ ](?:is|name|id)\b)?[ ]?[:=(]?[ ]?[\"']?(?P<x>"
            r"(?=[\w.@-]*[a-z])(?:@?[a-z][a-z]{0,3}[a-z0-9]*[0-9_.][\w.-]*\w"
            r"|@[\w.]{2,30}))(?!\w)"
        ),
        spreads=True,
    ),
    Pattern(
        "ID",
        0.6,
        re.compile(
            r"(?i)\b(?:teams|skype|signal|slack|zoom|login|user(?:name)?|whatsapp"
            r"|telegram)[ ]?[(:][ ]?(?P<x>[a-z][\w.-]{4,30})\b"
        ),
        spreads=True,
    ),
    Pattern(
        "ACCOUNT",
        0.8,
        re.compile(
            r"\b(?:BIC|SWIFT|Swift|bic)(?:[ /-]?(?:code|CODE"
            r"|BIC))?[ :]{1,3}(?P<x>[A-Z]{6}[A-Z0-9]{2}(?:[A-Z0-9]{3})?)(?!\w)"
        ),
        spreads=True,
    ),
    Pattern(
        "CERTIFICATE",
        0.7,
        re.compile(
            r"(?i:\b(?:lic(?:en[sc]e)?|dl|cdl)\b\.?[ ](?:no\.?[ ]"
            r"|\#[ ]?)?)(?P<x>[A-Z]{2}[ -]?\d{4,9})(?!\w)"
        ),
        spreads=True,
    ),
    # Numbers of buses and trucks, plates of Ireland and India.
    Pattern(
        "VEHICLE",
        0.6,
        re.compile(
            r"(?i)\b(?:bus|unit|fleet(?:[ ]no\.?)?|truck|trk|medic|ambulance|van|car"
            r"|cab|engine|tram|veh(?:icle)?|tractor|trailer|asset)[ ](?:\#|no\.?[ ]"
            r"|number[ ])?(?P<x>[A-Z]{0,3}[- ]?\d{2,5}[A-Z]?)(?![\w%/]|[.,]\d"
            r"|[ ](?:mg|ml|min|units?|days|hours|years))"
        ),
        spreads=True,
    ),
    Pattern(
        "VEHICLE",
        0.6,
        re.compile(
            r"(?<![\w-])(?:\d{2,3}[ -][A-Z]{1,2}[ -]\d{1,6}"
            r"|[A-Z]{2}[ -]?\d{1,2}[ -]?[A-Z]{1,3}[ -]?\d{4}"
            r"|\d[A-Z]{3}[ -]?\d{3})(?![\w-])(?<!ICD-10)"
        ),
        spreads=True,
    ),
    Pattern("VEHICLE", 0.5, re.compile(r"(?<![\w-])V\d{2}(?![\w.-])"), spreads=True),
    # Letters and digits said one by one.
    Pattern(
        "ID",
        0.55,
        re.compile(
            r"(?i)\b(?:(?:alpha|alfa|bravo|charlie|delta|echo|foxtrot|golf|hotel"
            r"|india|juliet|kilo|lima|mike|november|oscar|papa|quebec|romeo|sierra"
            r"|tango|uniform|victor|whiskey|x[ -]?ray|yankee|zulu|zero|oh|one|two"
            r"|three|four|five|six|seven|eight|nine"
            r"|[a-z](?:[ ]as[ ]in[ ]\w+)?)[, ]{1,2}){3,20}(?:zero|oh|one|two|three"
            r"|four|five|six|seven|eight|nine|[a-z])\b"
        ),
        spreads=True,
    ),
    Pattern(
        "PERSON",
        0.55,
        re.compile(r"(?<![\w-])(?:[A-Za-z]-){3,14}[A-Za-z](?![\w-])"),
        spreads=True,
    ),
    Pattern(
        "ID",
        0.55,
        re.compile(r"(?<![\w])(?:[A-Z0-9][ ]){4,20}[A-Z0-9](?!\w)"),
        spreads=True,
    ),
    Pattern("SSN", 0.8, re.compile(r"(?i)\bSSN?[ -]?4[ :#]{1,2}(?P<x>\d{4})(?!\d)")),
    # National Insurance number, with any prefix.
    Pattern(
        "SSN",
        0.85,
        re.compile(r"(?i)(?<!\w)[a-z]{2}[ ]?\d{2}[ ]?\d{2}[ ]?\d{2}[ ]?[a-d](?!\w)"),
        spreads=True,
    ),
    Pattern(
        "SSN",
        0.7,
        re.compile(r"(?<![\w-])[0-9OIl]{3}[- ][0-9OIl]{2}[- ][0-9OIl]{4}(?![\w-])"),
        spreads=True,
    ),
    # Number plates: Britain, Germany, France, Spain, the United States by the word near it.
    Pattern(
        "VEHICLE",
        0.6,
        re.compile(r"(?<![\w-])[A-Z]{2}\d{2}[ ]?[A-Z]{3}(?![\w-])"),
        spreads=True,
    ),
    Pattern(
        "VEHICLE",
        0.6,
        re.compile(r"(?<![\w-])[A-Z]{2}-\d{3}-[A-Z]{2}(?![\w-])"),
        spreads=True,
    ),
    Pattern(
        "VEHICLE",
        0.6,
        re.compile(r"(?<![\w-])[A-ZÄÖÜ]{1,3}[-:][A-Z]{1,2}[ ]?\d{1,4}[EH]?(?![\w-])"),
        spreads=True,
    ),
    Pattern(
        "VEHICLE",
        0.55,
        re.compile(
            r"(?<![\w-])\d{4}[ -]?(?!TSH|LDL|HDL|CRP|PSA|BNP|CBC|BMP|CMP|CKD|DVT|PTT"
            r"|NPH|MCG|RBC|WBC|PLT|BPM|RPM|HRS|NSR"
            r"|CXR)[BCDFGHJKLMNPRSTVWXYZ]{3}(?![\w-])"
        ),
        spreads=True,
    ),
    Pattern(
        "VEHICLE",
        0.7,
        re.compile(
            r"(?i:\b(?:plates?|tag|reg|rego|registration|car|sedan|truck|van|suv"
            r"|pickup|tractor|trailer|vehicle|lorry|ford|toyota|honda|subaru|chevy"
            r"|chevrolet|bmw|audi|nissan|tesla|kia|hyundai|mazda|jeep|dodge|volvo"
            r"|freightliner|kenworth|peterbilt|mercedes|vw|volkswagen|motorcycle|bike"
            r"|bus|cab|taxi)\b)"
            r"[^\n.;]{0,25}?\b(?P<x>(?=[A-Z0-9 -]{0,6}\d)"
            r"(?:[A-Z]{2}[ ])?[A-Z0-9]{1,4}[ -][A-Z]?\d{2,5}[A-Z]{0,3}"
            r"|[A-Z]{1,3}\d{1,4}[A-Z]{0,3}|\d{1,3}[A-Z]{2,3}\d{0,4})\b(?![-\w])"
        ),
        spreads=True,
    ),
    Pattern(
        "PHOTO",
        0.9,
        re.compile(
            r"(?i)(?<![\w])(?:IMG|DSC[NF]?|PXL|DCIM|PHOTO|SCAN|VID|MVIMG|WA"
            r"|Screenshot)[_-]\d{3,}[\w-]*(?:\.\w{2,4})?"
        ),
    ),
    Pattern(
        "BIOMETRIC",
        0.8,
        re.compile(
            r"(?<![\w-])(?:FP|FPR|IRIS|RET|VP|VPR|FACE|BIO|PALM|VOICE|PV|FT"
            r"|FR)[-_][A-Z0-9][\w-]{2,30}(?!\w)"
        ),
        spreads=True,
    ),
    Pattern(
        "URL",
        0.8,
        re.compile(
            r"(?i)(?<![\w@.-])(?:[a-z0-9-]{2,63}\.){1,4}(?:com|org|net|edu|gov|info"
            r"|biz|io|health|example|test|local|internal|lan|int|co\.uk|de|fr|es|it"
            r"|nl|pl|pt|eu|ch|at|be|ca|us|me|app|dev|tv"
            r"|ly)(?:[/?#][^\s<>\"')]{0,500})?(?![\w])(?<![.,;:])"
        ),
    ),
    Pattern(
        "EMAIL",
        0.95,
        re.compile(
            r"(?i)(?<![\w.+%-])[\w.+%'-]{1,64}[ ]?(?:@|\(at\)"
            r"|\[at\])[ ]?(?:[\w-]{1,63}\.){0,6}[\w-]{2,24}\b"
        ),
    ),
    Pattern(
        "EMAIL",
        0.9,
        re.compile(
            r"(?i)\b[a-z0-9]{1,30}(?:[ ](?:dot|underscore|dash)[ ][a-z0-9]{1,30}"
            r"|[._][a-z0-9]{1,30}){0,3}[ ]at[ ][a-z0-9-]{2,40}[ ]dot[ ](?:com|org|net"
            r"|edu|gov|co|uk|de|fr|es|health|example)(?:[ ]dot[ ]\w{2,7})?\b"
        ),
    ),
)
