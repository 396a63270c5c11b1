"""Dates and addresses in the languages and forms of other countries, and as they are dictated."""

from __future__ import annotations

import re

from sealift.owner.deidentify.patterns.pattern import Pattern

_MONTHS = (
    # English, French, Spanish, German, Italian, Portuguese, Dutch, Polish.
    r"(?:january|february|march|april|may|june|july|august|september|october|november"
    r"|december"
    r"|janv(?:ier)?|f[eé]v(?:r(?:ier)?)?|mars|avr(?:il)?|mai|juin|juil(?:let)?"
    r"|ao[uû]t|septembre"
    r"|octobre|novembre|d[eé]c(?:embre)?|enero|febrero|marzo|abril|mayo|junio|julio"
    r"|agosto"
    r"|sep?tiembre|octubre|noviembre|diciembre|ene|abr|ago|dic|januar|j[aä]nner"
    r"|februar|m[aä]rz|juni"
    r"|juli|oktober|dezember|okt|dez|gennaio|febbraio|aprile|maggio|giugno|luglio"
    r"|settembre"
    r"|ottobre|dicembre|gen|mag|giu|lug|set|ott|janeiro|fevereiro|mar[cç]o|maio|junho"
    r"|julho"
    r"|setembro|outubro|dezembro|fev|out|januari|februari|maart|mei|augustus|mrt"
    r"|stycznia|lutego"
    r"|marca|kwietnia|maja|czerwca|lipca|sierpnia|wrze[sś]nia|pa[zź]dziernika"
    r"|listopada|grudnia"
    r"|stycze[nń]|luty|marzec|kwiecie[nń]|maj|czerwiec|lipiec|sierpie[nń]|wrzesie[nń]"
    r"|pa[zź]dziernik|listopad|grudzie[nń]|jan|feb|mar|apr|jun|jul|aug|sept?|oct|nov"
    r"|dec)"
)
# Months that are no words of English: enough by themselves.
_OWN_MONTHS = (
    r"(?:janvier|f[eé]vrier|juin|juillet|ao[uû]t|septembre|octobre|d[eé]cembre|enero"
    r"|febrero|marzo"
    r"|mayo|junio|julio|agosto|sep?tiembre|octubre|noviembre|diciembre|januar"
    r"|j[aä]nner|februar|m[aä]rz"
    r"|oktober|dezember|gennaio|febbraio|aprile|maggio|giugno|luglio|settembre"
    r"|ottobre|dicembre"
    r"|janeiro|fevereiro|maio|junho|julho|setembro|outubro|dezembro|januari|februari"
    r"|maart|augustus"
    r"|stycznia|lutego|kwietnia|czerwca|lipca|sierpnia|wrze[sś]nia|pa[zź]dziernika"
    r"|listopada|grudnia)"
)
_DAY = r"(?:0?[1-9]|[12]\d|3[01])"
_YEAR = r"(?:1[89]|20)\d\d"
_TIME = (
    r"(?:,?[ ](?:at[ ]|@[ ]?|um[ ]|à[ ]|a[ ]las[ ])?(?:[01]?\d"
    r"|2[0-3])[:.h][0-5]\d(?::[0-5]\d)?"
    r"(?:[ ]?(?:hrs?|[ap]\.?m\.?|uhr))?)?"
)
_ONES = r"(?:one|two|three|four|five|six|seven|eight|nine)"
_TEENS = r"(?:ten|eleven|twelve|thirteen|fourteen|fifteen|sixteen|seventeen|eighteen|nineteen)"
_TENS = r"(?:twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety)"
_TWO = rf"(?:{_TENS}(?:[ -]{_ONES})?|{_TEENS}|(?:oh|o)[ -]{_ONES}|{_ONES})"
_YEAR_WORDS = (
    rf"(?:(?:nineteen|twenty)[ -](?:hundred(?:[ ]and)?[ -])?{_TWO}"
    rf"|two[ -]thousand(?:[ ](?:and[ ])?{_TWO})?)"
)
_NTH = (
    r"(?:first|second|third|fourth|fifth|sixth|seventh|eighth|ninth|tenth|eleventh"
    r"|twelfth"
    r"|(?:thir|four|fif|six|seven|eigh|nine)teenth|twentieth"
    r"|twenty[ -](?:first|second|third|fourth|fifth|sixth|seventh|eighth|ninth)"
    r"|thirtieth"
    r"|thirty[ -]first)"
)
_MONTH_WORDS = (
    r"(?:january|february|march|april|may|june|july|august|september|october"
    r"|november|december)"
)
_WEEKDAYS = (
    r"(?:lundi|mardi|mercredi|jeudi|vendredi|samedi|dimanche|lunes|martes"
    r"|mi[eé]rcoles|jueves|viernes"
    r"|s[aá]bado|domingo|montag|dienstag|mittwoch|donnerstag|freitag|samstag"
    r"|sonnabend|sonntag"
    r"|luned[iì]|marted[iì]|mercoled[iì]|gioved[iì]|venerd[iì]|domenica|maandag"
    r"|dinsdag|woensdag"
    r"|donderdag|vrijdag|zaterdag|zondag|segunda-feira|ter[cç]a-feira|quarta-feira"
    r"|quinta-feira"
    r"|sexta-feira|poniedzia[lł]ek|wtorek|[sś]roda|czwartek|pi[aą]tek|sobota|niedziela)"
)
_MORE_DATES = (
    r"(?i)(?<![\d.])\d{1,2}\.(?:i{1,3}|iv|vi{0,3}|ix|xi{0,2})\.(?:\d{4}|\d\d)(?!\d)",
    # Days of the week in notes; "sat" and "sun" are also words.
    r"(?i)\b(?:mon|tue|wed|thu|fri)\b(?!-|')",
    (
        r"(?i)\b(?:sat|sun)\b(?=[ ]?(?:[),.;\n]|$|fr\b|from\b|to\b|a\.?m\b|p\.?m\b"
        r"|clinic))(?<!o2[ ]sat)(?<!02[ ]sat)"
    ),
    (
        r"(?i)\b(?:mon|tue|tues|wed|thu|thur|thurs|fri|sat"
        r"|sun)(?:[a-z]{0,6}day)?[ ,]{1,2}(?:the[ ])?(?:[12]?\d|3[01])(?:st|nd|rd|th)\b"
    ),
    rf"(?i)\b(?:mon|tues|wednes|thurs|fri|satur|sun)day[ ]the[ ]{_NTH}\b",
    (
        rf"(?i)\b(?:(?:mon|tues|wednes|thurs|fri|satur"
        rf"|sun)day[ ])?{_MONTH_WORDS}[ ](?:the[ ])?(?:{_NTH}|{_TWO})\b"
    ),
    rf"(?i)\b{_NTH}[ ]{_MONTH_WORDS}\b(?:,?[ ](?:{_YEAR_WORDS}|{_YEAR}))?",
    (
        rf"(?i)\b(?:date[ ]of[ ]birth|birth[ ]?date|dob"
        rf"|born)[ :]{{1,2}}(?:is[ ])?(?P<x>{_TWO}(?:[ ,-]{{1,2}}{_TWO}){{2,4}})\b"
    ),
    (
        rf"(?i)\b(?:{_NTH}|{_TWO})[ ]of[ ]the[ ](?:{_NTH}|{_TWO}),?[ ](?:{_YEAR_WORDS}"
        rf"|{_TWO})\b"
    ),
    (
        r"(?i)\b(?:jan|feb|mar|apr|may|jun|jul|aug|sep|sept|oct|nov"
        r"|dec)[a-z]{0,6}\.?[ ]\d{1,2}/\d{2,4}\b"
    ),
    (
        r"(?i)(?<![\w./-])(?:[12]?\d|3[01])(?:JAN|FEB|MAR|APR|MAY|JUN|JUL|AUG|SEP|OCT|NOV"
        r"|DEC)(?:\d{2}|\d{4})?(?!\w)"
    ),
    r"(?<![\d./-])(?:19|20)\d\d-(?:0[1-9]|1[0-2])(?![\d-])",
    (
        r"(?i)\b(?:january|february|april|june|july|august|september|october|november"
        r"|december)\b"
    ),
    r"(?<=[a-z,;(] )March\b",
    (
        r"(?i)\b(?:wk|week|w/c|w/e|wc|night|evening|day|clinic)[ ](?:of[ ]|commencing[ ]"
        r"|ending[ ])?(?P<x>(?:0?[1-9]|[12]\d|3[01])/(?:0?[1-9]|[12]\d|3[01]))(?![\d/])"
    ),
    (
        r"\b(?!(?:Post|Op|Hospital|Operative|Cycle|Half|Every|Per|Each|Last|First|One|All"
        r"|Same|Next|Present|Rest|Day)\b)[A-Z][a-z]+(?:['\u2019]s?"
        r"|s['\u2019])?(?:[ ][A-Z][a-z]+['\u2019]?s?['\u2019]?)?[ ](?:Day|Eve|Sunday|Wed"
        r"|Wednesday)\b(?![ ]?\d|[ ](?:Case|Surgery|Hospital|Unit|Center|Centre|Program))"
    ),
    (
        r"(?i)\b(?:christmas|easter|halloween|thanksgiving|new[ ]year'?s?|diwali|ramadan"
        r"|eid)(?:[ ](?:eve|day))?[ ](?:19|20)\d\d\b"
    ),
)
_DATES = (
    # 3rd Sept, 12 juin 1949, 5 de enero de 2024, 9. März 2021, 7-Jul-90, 11 NOV 2023 14:22
    rf"(?i)(?<![\d./-])(?:(?:{_DAY},[ ]?){{0,4}}{_DAY}(?:st|nd|rd|th|er|\.|º"
    rf"|ª)?(?:[ ]?(?:au|to|al|a|bis|tot|do|-|–|and|&)[ ]?"
    rf"{_DAY}(?:st|nd|rd|th|er|\.)?)?[ -]{{1,2}}(?:of[ ]|de[ ]|d')?){_MONTHS}\b\.?"
    rf"(?:(?:,?[ ]{{1,2}}|-)(?:de[ ]|del[ ])?(?:{_YEAR}|['\u2019]?\d\d(?!\d"
    rf"|[:.]\d)))?{_TIME}",
    rf"(?i)\b{_MONTHS}\.?[ -]{{1,2}}(?:the[ ])?{_DAY}(?:st|nd|rd|th)?"
    rf"(?:[ ]?(?:to|-|–|and|&)[ ]?{_DAY}(?:st|nd|rd|th)?)?\b(?![./]\d|[ ]?(?:mg|ml|%"
    rf"|years?|yo|of\b))"
    rf"(?:,?[ ]{{1,2}}(?:{_YEAR}|'\d\d)(?!\d))?{_TIME}",
    rf"(?i)\b{_OWN_MONTHS}\b\.?(?:[ ](?:de[ ]|del[ ])?{_YEAR})?",
    rf"(?i)\b{_MONTHS}\.?[ /-]?(?:of[ ])?{_YEAR}\b",
    # Numbers in any order, also misread by a scanner: 1O/O2/2O23.
    r"(?<![\w./-])[\dOolIS]{1,2}[ ]?(?P<s>[./-])[ ]?[\dOolIS]{1,2}[ ]?(?P=s)[ ]?"
    r"(?:[12][\dOolIS]{3}|[\dOolIS]{2})(?![\w]|[./-]\d)"
    rf"{_TIME}",
    (
        rf"(?<![\w./-]){_YEAR}(?P<s>[./ -])(?:0?[1-9]"
        rf"|1[0-2])(?P=s){_DAY}(?![\d])(?:[T ]\d\d:?\d\d(?::?\d\d)?)?"
    ),
    # HL7 and CDA: 20231229, 202312290815+0100
    r"(?<![\d./-])(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d"
    r"|3[01])(?:[0-2]\d[0-5]\d(?:[0-5]\d)?"
    r"(?:\.\d{1,4})?)?(?:[+-]\d{4})?(?![\d])",
    # Day and month with a point: 12.03., and after a preposition 21.11
    r"(?i)\b(?:am|vom|bis|zum|ab|seit|den|dem|und|im|le|el|il|dal|al|op|van|tot|dnia"
    r"|od|do|on|dated)[ ](?:zum[ ]|dem[ ])?"
    r"(?P<x>(?:0?[1-9]|[12]\d|3[01])\.[ ]?(?:0?[1-9]|1[0-2])\.)(?!\d)",
    (
        r"(?<![\d./-])(?:0?[1-9]|[12]\d|3[01])\.(?:0?[1-9]|1[0-2])\.(?=[ ]?(?:bis|-|–"
        r"|und)\b)"
    ),
    r"(?i)\b(?:am|vom|bis|seit|ab|on|le|du|au|el|del|il|dal|op|van|em|dnia|od|do|mdt"
    r"|appt|seen|review"
    r"|until|till|from|by|since|opa|tci)[ :]{1,2}(?P<x>(?:0?[1-9]|[12]\d"
    r"|3[01])[./-](?:0?[1-9]|1[0-2]))(?![\d/.%]\d)(?!\d)",
    # Dictated.
    rf"(?i)\b{_MONTH_WORDS}[ ](?:the[ ])?{_NTH}\b(?:,?[ ]{_YEAR_WORDS}|,?[ ]{_YEAR})?",
    (
        rf"(?i)\b(?:the[ ])?{_NTH}(?:[ ]day)?[ ]of[ ]{_MONTH_WORDS}\b(?:,?[ ]"
        rf"(?:{_YEAR_WORDS}|{_YEAR}))?"
    ),
    rf"(?i)\b{_MONTH_WORDS}[ ]{_TWO}(?:[ ]{_YEAR_WORDS}|,?[ ]{_YEAR})",
    (
        rf"(?i)\b{_MONTH_WORDS}(?:[ ]of)?[ ](?:nineteen[ ]{_TWO}"
        rf"|two[ ]thousand(?:[ ](?:and[ ])?{_TWO})?)"
    ),
    rf"(?i)\b(?:born|dob|birth)\b[^\n.]{{0,20}}?(?P<x>{_YEAR_WORDS})\b",
    (
        rf"(?i)\b{_WEEKDAYS}\b(?:[ ](?:le[ ]|der[ ]|den[ ])?{_DAY}\.?(?!\d|[.,:/]\d"
        rf"|[ ]?h))?"
    ),
    (
        r"(?i)\b(?:mon|tues|wednes|thurs|fri|satur|sun)day[ ,]{1,2}(?:the[ ])?(?:[12]?\d"
        r"|3[01])(?:st|nd|rd|th)?(?!\d|[.,:/]\d|[ ]?(?:am|pm|mg))"
    ),
    r"(?i)\b(?:tues|weds|thurs|thur)\b",
    r"\b(?:Mon|Tue|Wed|Thu|Fri)\b",
    (
        r"(?i)(?<![\w'])(?:opéré|vu|vue|sortie|entrée|prévue?|rdv)[ ]le[ ](?P<x>(?:1er"
        r"|[12]?\d|3[01]))(?![\d/:h]|[.,]\d|[ ]?(?:mg|ml|cm|mm|%))"
    ),
    (
        r"(?i)\b(?:spring|summer|autumn|fall|winter|early|mid|late)[ ](?:of[ ])?(?:19"
        r"|20)\d\d\b"
    ),
    r"(?i)(?:\b(?:on|until|till|by|from|since|through)[ ]"
    r"|,[ ])(?:the[ ])?(?P<x>(?:[12]?\d|3[01])(?:st|nd|rd|th))\b"
    r"(?![ ](?:floor|day|week|percentile|rib|toe|finger|digit|visit|cycle|dose"
    r"|attempt|degree|of\s(?:her|his)|grade|trimester|post"
    r"|hospital|street|st\b|ave|metacarpal|metatarsal|nerve|ventricle|intercostal"
    r"|generation))",
    r"(?i)\b(?:super[ ]bowl[ ]sunday|black[ ]friday|ash[ ]wednesday|good[ ]friday"
    r"|holy[ ]week|pentecost|whit[ ]monday|lunar[ ]new[ ]year|chinese[ ]new[ ]year"
    r"|new[ ]year'?s?(?:[ ](?:eve|day))?|xmas(?:[ ](?:eve|day))?"
    r"|christmas(?:[ ](?:eve|day))?|eid(?:[ ]al[ -](?:fitr|adha))?|boxing[ ]day"
    r"|bank[ ]holiday|mlk[ ]day"
    r"|presidents'?[ ]day|cinco[ ]de[ ]mayo|thanksgiving|halloween"
    r"|easter(?:[ ](?:sunday|monday))?|ramadan"
    r"|hanukkah|passover|diwali|holi|rosh[ ]hashanah|yom[ ]kippur|noël|navidad"
    r"|weihnachten|ostern|pâques"
    r"|semana[ ]santa|nochebuena|silvester|toussaint|natale|pasqua|kerst|pasen"
    r"|boże[ ]narodzenie"
    r"|4th[ ]of[ ]july|fourth[ ]of[ ]july|mother'?s[ ]day|father'?s[ ]day"
    r"|labou?r[ ]day|memorial[ ]day|st[.]?[ ]patrick'?s[ ]day"
    r"|guy[ ]fawkes|bonfire[ ]night|anzac[ ]day|canada[ ]day|australia[ ]day"
    r"|valentine'?s(?:[ ]day)?)\b",
    r"(?i)\b(?:mon|tues?|weds?|thurs?|fri|sat|sun)\b\.?(?=[ ,]{1,2}(?:\d{1,2}(?:st|nd"
    r"|rd|th|/\d|[ -](?:jan|feb|mar|apr|may"
    r"|jun|jul|aug|sep|oct|nov|dec)|[ap]m\b)|am\b|pm\b|morning|afternoon|evening"
    r"|night|clinic|eve\b|@))",
    r"(?i)(?:\b(?:on|by|until|till|this|next|last|from|every|since|for|d/c|dc|due"
    r"|home|back|return|again)[ ])"
    r"(?P<x>mon|tues?|weds?|thurs?|fri|sat|sun)\b(?![\w-])",
)
_SHORT = (
    # A day and a month with a slash, where nothing says that it is a score or a ratio.
    r"(?<![\w./+-])(?P<x>(?:(?:0?[1-9]|1[0-2])/(?:0?[1-9]|[12]\d|3[01])|(?:1[3-9]|2\d"
    r"|3[01])/(?:0?[1-9]|1[0-2])))"
    r"(?:[ ]?[-–][ ]?(?P<y>(?:0?[1-9]|1[0-2])/(?:0?[1-9]|[12]\d|3[01])))?"
    r"(?![\w%/]|\.\d|-\d|[ ]?(?:strength|motor|power|pain|murmur|sem\b|systolic"
    r"|diastolic|vision|mg|ml|tab|cup"
    r"|pack|normal|ns\b|saline|on[ ]the|scale|severity|intensity|nrs|vas|out[ ]of"
    r"|trials|correct|items|words|recall"
    r"|reflex|pulses|edema|in[ ]all|in[ ]the|throughout|bilat|bl\b|b/l|positive"
    r"|negative|sirs|of[ ]the|criteria"
    r"|lymph|nodes|cores|bpm|mm|with[ ]mets|dtr|ue\b|le\b|rue|lue|rle|lle|llsb|apex"
    r"|left|right|lung|lobe|weeks|days|hours|months|yrs))"
)
_SHORT_BEFORE = (
    r"(?i:strength|motor|power|pain|murmur|score|scored|apgars?|gcs|phq|gad|mmse|moca"
    r"|rated|scale|grade|reflexes"
    r"|pulses|level|currently|kps|nihss|bishop|ratio|fraction|vision|va|od|os|ou|bp"
    r"|is|of|at|rates|was|with|a|by"
    r"|severity|x|nodes?|cores?|dtrs?|mets|sem|ii|iii|i|gleason|qsofa|curb|wells"
    r"|chads|vas|nrs|ta|pa|rr|t\.a\.?|tas|intensity|discomfort|recall|orientation)"
)
_STREET_WORD = r"[^\W\d_][^\W\d_'\u2019.-]{0,25}(?:['\u2019.-][^\W\d_]{1,25})*\.?"
_CAP = r"[A-Z\u00c0-\u00de\u0141\u015a\u0179\u017b][^\W\d_]*(?:['\u2019-][^\W\d_]+)*"
_NUMBER = (
    r"\d{1,5}[A-Za-z]?(?:[ ]?[-/–][ ]?\d{0,5}[A-Za-z]?)?(?:[ ]?(?:bis|ter|quater)\b)?"
)
_TOWN = (
    rf"{_CAP}(?:[ -](?:(?:de|la|le|les|sur|sous|am|an|der|den|del|el|upon|on|in|the|of|y"
    rf"|dos|do|da)[ -])?{_CAP}){{0,3}}"
)
_AFTER_STREET = (
    r"(?:,?[ ]?(?:\d{1,2}[ºª°]|piso|puerta|esc\.?|bajo|apto\.?|apt\.?|appt\.?|int\.?"
    r"|bât\.?|étage|m\.|lok\.|bus|wohnung|stock|og|eg)"
    r"[ ]?[\w]{0,4}(?:[ ][A-Z]\b)?){0,3}"
    rf"(?:,?[ ]|[ ]?\n[ ]{{0,8}}|,[ ]?)(?:(?:Col\.|Colonia|Urb\."
    rf"|Bairro)[ ]{_TOWN},?[ ])?"
    rf"(?:(?:[A-Z]{{1,2}}-)?(?:\d{{4,5}}(?:-\d{{3,4}})?|\d{{4}}[ ]?[A-Z]{{2}}"
    rf"|\d{{2}}-\d{{3}})[ ]{_TOWN}|{_CAP})"
)
_POSTCODE_UK = r"(?:[A-Z]{1,2}\d[A-Z\d]?[ ]?\d[A-Z]{2})"
_LONG_STREETS = (
    # French, Spanish, Portuguese, Italian, Polish: the kind of street comes first.
    r"(?i:\b(?:\d{1,5}(?:[ ]?(?:bis|ter))?,?[ ])?(?:rue|avenue|av\.|bd|boulevard"
    r"|place|impasse|chemin|allée|allee|quai|route|cours|square|passage|résidence"
    r"|lotissement)[ ])"
    rf"(?:(?:de|du|des|la|le|les|l'|d'|de[ ]la|de[ ]l')[ ]?){{0,3}}{_CAP}(?:[ -](?:"
    rf"(?:de|du|des|la|le|et)[ -]){{0,2}}{_CAP}){{0,4}}(?:{_AFTER_STREET})?",
    rf"(?:\b(?:Calle|C/|c/|Cl\.|Avda\.?|Avenida|Av\.|Paseo|Pº|Pza\.?|Plaza|Camino"
    rf"|Carretera|Ctra\.|Ronda|Travesía|Rúa|Glorieta|Urbanización|Rua|Travessa|Praça"
    rf"|Largo|Estrada|Alameda|Via|Viale|Piazza|Corso|Vicolo|Largo|Strada|ul\.|ulica"
    rf"|al\.|aleja|pl\.|os\.))[ ]?"
    rf"(?:(?:de|del|la|las|los|el|da|do|das|dos|della|delle"
    rf"|dei)[ ]){{0,3}}{_CAP}(?:[ ](?:(?:de|del|la|las|los|y|da|do|dos|das|e|della"
    rf"|di)[ ]){{0,3}}{_CAP}){{0,5}}"
    rf"(?:,?[ ](?:n[º°.]?[ ]?|nr[ ]?)?{_NUMBER})?(?:{_AFTER_STREET})?",
    # German, Dutch, Scandinavian: Lindenallee 17, 04277 Leipzig.
    rf"\b[A-Z\u00c0-\u00de][^\W\d_-]{{2,25}}"
    rf"(?:-[A-Z\u00c0-\u00de][^\W\d_-]{{1,20}}){{0,3}}"
    rf"(?i:str\.|straße|strasse|gasse|weg|allee|platz|ring|ufer|damm|steig|hof|berg"
    rf"|straat|laan|gracht|plein|kade|dijk|singel|dreef|hof|gade|vej|gatan|vägen"
    rf"|veien)"
    rf"[ ]{_NUMBER}(?:{_AFTER_STREET})?",
    (
        rf"\b(?:Am|An[ ]der|An[ ]den|Auf[ ]der|Auf[ ]dem|Im|In[ ]der|In[ ]den|Zum|Zur"
        rf"|Unter[ ]den|Alte|Neue|Großer|Kleine)[ ]{_CAP}[ ]{_NUMBER}(?:{_AFTER_STREET})"
    ),
    (
        rf"\b{_CAP}[ ](?i:str\.|straße|strasse|gasse|weg|allee|platz"
        rf"|ring)[ ]{_NUMBER}(?:{_AFTER_STREET})?"
    ),
    # A kind of street, anything, a postal code and a town, in any case of letters.
    r"(?i)(?<!\w)(?:\d{1,5}[ ]?(?:bis|ter)?,?[ ])?(?:rue|ruelle|rte|route|avenue"
    r"|av\.?|bd|boulevard|place|impasse|chemin|all[ée]e|quai|cours|passage"
    r"|calle|c/|avenida|avda\.?|paseo|pasaje|plaza|rambla|ronda|v[ií]a"
    r"|urbanizaci[óo]n|camino|cuesta|callej[óo]n|glorieta|acceso|alameda|ca[ñn]ada"
    r"|pasadizo|travesía|vial"
    r"|viale|piazza|corso|borgo|strada|vicolo|contrada|canale|incrocio|rotonda"
    r"|stretto|rua|travessa|pra[çc]a|largo|estrada|ulica|ul\.)[ ]"
    r"[^\n;:|]{2,60}?[ ,]{1,2}(?:\d{4,5}(?:-\d{3})?"
    r"|\d{2}-\d{3})[ ][^\W\d_][\w'-]+(?:[ -](?!por\b|per\b|com\b|pour\b"
    r"|tel)[^\W\d_][\w'-]+){0,2}",
    r"(?i)(?<!\w)[^\W\d_][\w-]{1,30}(?:stra(?:ß|ss)e|str\.|weg|platz|allee|gasse|ring"
    r"|straat|laan|gracht|plein|kade|dijk|singel|dreef|pad|hof|dam|steeg|weide|wal"
    r"|baan)[ ]\d{1,4}[\w/-]{0,5},[ ]"
    r"\d{4,5}[ ]?(?:[a-z]{2}[ ])?[^\W\d_][\w-]+(?:[ ](?:am|an|der|den|bad|aan"
    r"|de)[ ][\w-]+)?",
    (
        r"(?i)(?<!\w)(?:(?:flat|studio|apartment|apt|unit|suite"
        r"|room)[ ][\w]{1,5}[ ,]{1,2}|\d{1,4}[a-z]?[ ])[^\n;:"
        r"|.]{3,50}?[ ,]{1,2}[a-z]{1,2}\d[a-z\d]?[ ]?\d[a-z]{2}(?!\w)(?:[ ][^\W\d_]{3,}"
        r"(?:[ ](?:upon[ ])?[^\W\d_]{4,})?)?"
    ),
    # Whatever stands after a word of living, up to the end of the sentence, if it has a number.
    r"(?i)\b(?:demeurant|domicili[ée]e?(?:[ ][àa])?|con[ ]domicilio[ ]en|domicilio:?"
    r"|residente[ ](?:in|en|em)|wohnhaft(?:[ ]in)?|wonende(?:[ ]te)?"
    r"|woonachtig[ ](?:te|op)|zamieszka[łl][aey](?:[ ]w)?"
    r"|resid(?:es|ing|ent)[ ](?:at|of)|lives[ ]at|living[ ]at|lived[ ]at"
    r"|address(?:[ ]is|:)|home[ ]at|house[ ]at|staying[ ]at|moved[ ]to|vive[ ]en"
    r"|habite(?:[ ]au)?|abita[ ]in|mora[ ](?:na|em)|reside[ ]en)[ :]{1,2}"
    r"(?P<x>(?=[^\n;.]{0,60}\d)[^\n;|]{4,90}?)(?=[.](?:\s|$)|\n|;|$|\||[ ]\("
    r"|,?[ ](?:pour|por|per|com|mit|met|with|for|has|was|who|che|que|qui|and|und|zu"
    r"|since|tel|phone|telephone|t[ée]l|where|but|vi|alone|together|under|a[ ]été|est"
    r"|ist|is|wegen|durante|porque)\b)",
    # From a number of a house, or of a flat, to a postal code in the same line.
    r"(?:(?i:\b(?:unit|apt\.?|apartment|flat|shop|suite|lot|plot|h\.?[ ]?no\.?"
    r"|p\.?o\.?[ ]?box)[ ]?)[\w/-]{1,8}|(?<![\w./-])\d{1,5}[A-Za-z]?)(?=[ ,-])"
    r"[^\n;|:]{3,70}?[ ,](?:[A-Z]\d[A-Z][ ]?\d[A-Z]\d"
    r"|[A-Z]\d[\dW][ ]?[0-9A-Z]{4}|(?:NSW|VIC|QLD|SA|WA|TAS|ACT"
    r"|NT)[ ,]{1,2}\d{4}|[A-Z]{2}[ ]\d{5}(?:-\d{4})?)(?!\w)",
    r"(?<![\w-])[AC-FHKNPRTV-Y]\d[\dW][ ][0-9AC-FHKNPRTV-Y]{4}(?![\w-])",
    (
        r"\b(?:I|US|NH)-\d{1,3}\b(?:[ ][NSEW]\b)?|\b(?:Route|Rte|Hwy|Highway"
        r"|County[ ]R(?:oa)?d)\.?[ ]\d{1,4}\b"
    ),
    r"\b(?:Apartment|Apt\.?|Flat|Shop)[ ]\d{1,4}[A-Za-z]?\b",
    # A postal code and a town.
    r"(?<![\w.-])(?:[A-Z]{1,2}-)?(?:\d{5}|\d{4}[ ]?[A-Z]{2}|\d{2}-\d{3}"
    r"|\d{4}-\d{3})[ ](?!(?i:units?|mg|ml|patients?|cells|euros?|people|steps"
    r"|cases|days))"
    rf"(?!(?:A|I|In|On|At|The|He|She|Pt|Patient|Phone|Tel|For|To|And|DOB|MRN|SSN|From"
    rf"|With|No|Date|Time|Name|Sex|Age)\b){_TOWN}",
    # British: Flat 3, 27 Beech Grove, Headingley, Leeds LS6 3PQ
    (
        rf"(?:(?i:flat|apartment|unit|suite)[ ][\w]{{1,5}},?[ ])?(?:{_NUMBER}[ ]"
        rf"|The[ ])(?:{_CAP}[ ]?){{1,4}},[ ](?:{_TOWN},?[ ]){{0,4}}{_POSTCODE_UK}\b"
    ),
    rf"(?:{_TOWN},[ ]?){{0,4}}{_TOWN},?[ ]{_POSTCODE_UK}\b",
    rf"(?<![\w-]){_POSTCODE_UK}(?![\w-])(?=[\s,.;)|<\"]|$)",
    # County roads, motorways, routes; cross streets.
    (
        r"\b\d{1,6}[ ](?:[NSEW]\.?[ ])?(?:County|State|US|Farm|Ranch|FM|CR|SR|Hwy|Highway"
        r"|Rural|Rte|Route|Rt)[ ]?(?:Road|Rd|Route|Highway|Hwy)?[ ]?\d{1,5}[A-Z]?\b"
    ),
    (
        rf"(?i:\b(?:flat|apt|apartment|suite|ste|unit|lot|trailer"
        rf"|plot)\.?[ ]#?[\dA-Z]{{1,5}}),?[ ]\d{{1,5}}[ ](?:{_CAP}[ ]){{0,3}}{_CAP}"
    ),
    rf"(?<![\w.])\d{{1,6}}(?:-\d{{1,4}}|[½A-Za-z])?[ ](?:[NSEWnsew]{{1,2}}\.?[ ])?(?:"
    rf"(?:{_CAP}|\d{{1,3}}(?:st|nd|rd|th))\.?[ ]){{1,4}}(?i:st|street|ave?|avenue|rd"
    rf"|road|blvd|boulevard|ln|lane|dr|drive|ct|court|cir|circle|way|pl|place|ter"
    rf"|terrace|trl|trail|pkwy|parkway|hwy|grove|close|crescent|cres|gardens|mews|row"
    rf"|walk|hill|rise|view|park|square|sq|drove|green|gate|wharf|quay|parade|loop"
    rf"|run|path|pike|xing)\b\.?"
    rf"(?:,?[ ](?:#|(?i:apt|apartment|unit|suite|ste|fl|floor|rm"
    rf"|bldg)\.?[ ]?)[ ]?[\w-]{{1,6}})?(?:(?:,[ ]?|[ ]"
    rf"|[ ]?\n[ ]{{0,8}}){_TOWN},?[ ](?:[A-Z]{{2}}\.?(?:[ ]\d{{5}}(?:-\d{{4}})?)?))?",
    (
        r"(?i)(?<![\w.])\d{2,5}[ ](?:[nsew]\.?[ ])?(?:[a-z]{3,15}[ ]){1,2}"
        r"(?:street|ave|avenue|rd|road|blvd|boulevard|lane|drive|circle|terrace|parkway"
        r"|pkwy|hwy|highway|(?:st|ln|ct|dr)(?=[ ]?(?:,|apt|unit|#|\n|$)))\b(?:[ ](?:apt"
        r"|unit|#)[ ]?\w{1,5})?"
    ),
    (
        rf"\b(?:on|near|off|at|along)[ ](?P<x>(?:{_CAP}[ ]){{1,3}}(?:St|Street|Ave|Avenue"
        rf"|Rd|Road|Blvd|Boulevard|Lane|Ln|Drive|Dr|Way|Pkwy|Hwy|Square))\b"
    ),
    r"(?<![\w.])[NSEW]?\d{5}(?:-\d{4})?(?=[ ]?(?:\n|$))(?<=(?:[A-Z]{2}[ ]\d{5}))",
    # Coordinates and plus codes tell a house.
    r"(?<![\d.])-?\d{1,2}\.\d{4,8},[ ]?-?\d{1,3}\.\d{4,8}(?!\d)",
    (
        r"(?i)\bP\.?[ ]?O\.?[ ]?Box[ ]\w{1,8}|\b(?:Apartado|Postfach|BP|CP|Caixa[ ]Postal"
        r"|Postbus)[ ]\d{1,6}\b"
    ),
)
_FACILITY = (
    r"(?:Hospital|Infirmary|Hospice|Klinikum|Klinik|Krankenhaus|Spital"
    r"|Universit[äa]tsklinikum|Clinique|H[ôo]pital|CHU|CHRU"
    r"|Cl[ií]nica|Ospedale|Policlinico|Ziekenhuis|Medisch[ ]Centrum|Szpital"
    r"|Centro[ ]de[ ]Salud|Centre[ ]Hospitalier"
    r"|Seniorenheim|Pflegeheim|EHPAD|Praxis|Apotheke|Farmacia|Pharmacie|Residencia"
    r"|Maternit[ée]|Polyclinique"
    r"|Surgery|Practice|Health[ ]Centre|Health[ ]Center|Medical[ ]Centre"
    r"|Medical[ ]Center|Nursing[ ]Home|Care[ ]Home|Lodge"
    r"|House|Manor|Court|Gardens|Village|Rehab|Pines|Oaks|Meadows|Estates|Towers"
    r"|Villas?|Place|Pavilion|Center|Centre)"
)
_FACILITIES = (
    r"\b(?:(?i:centre[ ]hospitalier|clinique|h[ôo]pital|cl[ií]nica|klinikum|klinik"
    r"|krankenhaus|ospedale|ziekenhuis|szpital)|CHU|CHRU|CH|CHR|H[ôo]pital|Clinique"
    r"|Hospital|Cl[ií]nica|Klinikum|Klinik|Krankenhaus|Ospedale|Policlinico"
    r"|Ziekenhuis|Szpital|Centro[ ]de[ ]Salud|Centro[ ]M[eé]dico"
    r"|Centre[ ]Hospitalier|EHPAD|Pharmacie|Farmacia|Apotheke|Residencia"
    r"|Universit[äa]tsklinikum|Maternit[ée]|Hospices|Polyclinique)"
    rf"[ ](?:(?:de|du|des|la|le|les|del|los|las|di|der|am|im|San|St\.|Sankt|Santa"
    rf"|Sainte?-?)[ ]?){{0,3}}{_CAP}(?:[ -](?:(?:de|du|la|le|del"
    rf"|am)[ ])?{_CAP}){{0,3}}",
    rf"(?<![\w'\u2019])(?:{_CAP}[ -]){{1,4}}{_FACILITY}\b",
    (
        rf"(?<![\w'\u2019])(?:St\.?|Saint|Ste\.?|Mt\.?|Mount|Fort"
        rf"|Ft\.?)[ ]{_CAP}(?:'s)?(?:[ ]{_CAP})?(?:[ ](?:Hospital|Center|Clinic))?"
    ),
)
_CAP_OR_SHORT = rf"(?:{_CAP}(?:'s)?|St\.|Mt\.|[A-Z]{{2,6}})"
_NEAR = (
    # Two words with capitals after a word of place; clinical ones are left out by `finding`.
    rf"\b(?:at|from|to|in|near|outside|into|via)[ ](?:the[ ])?(?P<x>{_CAP_OR_SHORT}"
    rf"(?:[ -](?:(?:of|the|on|de|la|del)[ ])?{_CAP}(?:'s)?){{1,4}}"
    r"(?:[ ](?:station|store|clinic|office|club|center|centre|gym|church|school|mall"
    r"|park|shelter|plant|warehouse|terminal|depot|yard|branch|pharmacy|hotel|motel"
    r"|apartments|campus|village|farm|garage|bar|pub))?)",
    (
        rf"\b(?:at|from|to|in|near|outside|into|via)[ ](?:the[ ])?(?P<x>{_CAP}(?:'s)?[ ]"
        rf"(?:station|store|gym|church|school|mall|park|shelter|plant|warehouse|terminal"
        rf"|depot|yard|branch|pharmacy|hotel|motel|apartments|campus|village|farm|garage"
        rf"|bar|pub))\b"
    ),
)
_FIRMS = (
    (
        rf"(?<![\w'\u2019])(?P<x>{_CAP}[ ](?:{_CAP}[ ]|&[ ]|and[ ](?=[A-Z])"
        rf"|of[ ](?=[A-Z])){{0,4}}(?:Inc|LLC|L\.L\.C|Ltd|Limited|PLC|plc|Corp|Corporation"
        rf"|GmbH|AG|KG|UG|e\.V|LLP|LP|Group|Holdings|Partners|Company|Co|SA|S\.A|SAS|SARL"
        rf"|S\.L|SL|SpA|S\.p\.A|S\.r\.l|BV|B\.V|NV|Lda|Sp\.[ ]z[ ]o\.o|Pty|Industries"
        rf"|Enterprises|Logistics|Freight|Trucking|Haulage|Transport|Transportation|Lines"
        rf"|Motors|Foods|Farms|Services|Solutions|Systems|Technologies|Homecare"
        rf"|Home[ ]Care|Agency|Associates|Brothers|Bros|Sons|Bank|Credit[ ]Union"
        rf"|Insurance|Assurance|Mutual|Airlines|Airways|Express|Couriers?|Cleaning"
        rf"|Construction|Roofing|Plumbing|Electric|Bakery|Dairy|Brewery|Foundry|Mills?"
        rf"|Steel|Packing|Elementary|Academy|College|University|High|School|District"
        rf"|Church|Diner|Grill|Cafe|Caf[ée]|Restaurant|Supermarket|Market|Stores?"
        rf"|Warehouse|Fulfil+ment|Realty|Properties|Ministries|Foundation|Institute"
        rf"|Laboratories|Labs|Pharma|Pharmaceuticals|Transit|Kitchen|Trust|Nursing|Supply"
        rf"|Oxygen|Builders|Contractors|Catering|Landscaping|Haulier|Angels|Helpers"
        rf"|Staffing)\b\.?)"
    ),
    r"(?i:\b(?:works?|worked|working|employed|employee|job|retired|laid[ ]off|drives?"
    r"|trucker|driver|cashier|welder|nurse|teacher|clerk|janitor|cook|foreman|manager"
    r"|engineer|electrician|mechanic)[ ]"
    r"(?:\w{1,14}[ ]){0,4}?(?:for|at|by|of|with|from|w/))[ ](?:the[ ])?"
    rf"(?P<x>{_CAP}(?:[ ](?:&|and|of|the)[ ]{_CAP}"
    rf"|[ ]{_CAP}){{0,4}}(?:[ ](?i:fulfil+ment|warehouse|factory|plant"
    rf"|distribution))?)",
    (
        rf"(?i:\b(?:arbeitet|angestellt|travaille|trabaja|lavora|werkt|trabalha"
        rf"|pracuje)[ ](?:\w{{1,12}}[ ]){{0,3}}?(?:bei|chez|en|para|presso|bij|na|w|als"
        rf"|im|in)[ ](?:der[ ]|la[ ]|el[ ]|het[ ])?)(?P<x>{_CAP}(?:[ ]{_CAP}){{0,3}})"
    ),
)
_OLD_YEARS = r"(?:18[5-9]\d|19[0-2]\d|193[0-6])"
_UNIT = (
    r"(?![ ]?(?:%|mg|mcg|ml|mm|cm|kg|lbs?|bpm|min|days?|weeks?|months?|hours?|hrs?|sec|degrees?"
    r"|percent|/|over|units?|sats?|ra\b|on\b|km|miles|euros?|dollars|pounds|[.]\d|:|-\d))"
)
_NINETY = (
    r"(?:ninety(?:[ -](?:one|two|three|four|five|six|seven|eight|nine))?"
    r"|(?:a|one)[ -]hundred(?:[ ]and)?(?:[ -](?:one|two|three|four|five))?)"
)
_AGES = (
    # Beside a name, without a word of years: "Mrs Tobin, 90," or "(94)".
    rf"(?i)(?<=[a-z.][ ]\()(?P<x>9\d|1[01]\d)(?=[),;]){_UNIT}",
    rf"(?i)(?<=[a-z\"”)],[ ])(?P<x>9\d|10\d)(?=[,.;)]?(?:[ ]|\n|$)){_UNIT}",
    (
        rf"(?i)\b(?:is|was|now|turning|nearly|almost|just|aged?)[ ](?P<x>9\d|10\d"
        rf"|{_NINETY})(?![\w.%/-]){_UNIT}"
    ),
    rf"(?i)(?<=,[ ])(?P<x>{_NINETY})\b{_UNIT}",
    r"(?i)(?<![\w.])(?P<x>9[\dO]|1[01]\d)(?=[ ]?(?:y/o|yo\b|y\.o|yrs?\b|y\)|y\b))",
    r"(?<=[|\t])[ ]*(?P<x>9\d|10\d)(?=[ ]*[|\t])",
    r"(?<=[ ]{2})(?P<x>9\d|10\d)(?=[ ]?[FM]?[ ]{2})",
    r"(?i)\b(?:born(?:\s(?:in|on|about|around|c\.?|circa))?|b\.|birth(?:\syear)?"
    r"|year\sof\sbirth|yob|birthyear|dob|né\sen|née\sen"
    rf"|née?|nacid[oa]\sen|geboren(?:\sim\sjahr)?|jahrgang|jg\.?|nato\snel|nata\snel"
    rf"|nascid[oa]\sem|ur\.|urodzon[ya])[\s:(=]{{1,3}}(?P<x>{_OLD_YEARS})\b",
    rf"(?i)(?<=[(\s])\*\s?(?P<x>{_OLD_YEARS})\b",
    (
        r"(?i)(?<![\d./-])(?P<x>9\d|1[0-2]\d)(?=[\s-]{0,2}(?:years?|yrs?|yo\b|y/o|y\.o\."
        r"|jährige?|jahre|ans\b|años|anni|jaar|jarige|anos|lat\b|yr\sold|a\.\s|y\b))"
    ),
    (
        r"(?i)\b(?:age[ds]?|alter|âge|âgée?\sde|edad|età|leeftijd|idade"
        r"|wiek)[\s:=]{1,3}(?P<x>9\d|1[0-2]\d)\b(?!\s?(?:mg|ml|%|/|days|months|weeks"
        r"|hours|min))"
    ),
    (
        r"(?i)\b(?P<x>(?:ninety|one[ -]hundred|a[ -]hundred)(?:[ -](?:and[ -])?(?:one|two"
        r"|three|four|five|six|seven|eight|nine|ten))?)(?=[\s-](?:years?|yr|y)\b"
        r"|\s(?:last|this|next|in)\s)"
    ),
    (
        r"(?i)(?:\bd\.|\bdied|\bdec\.|\bdeceased|\bpassed(?:\saway)?|†|\blived\sto"
        r"|\blives|\bat\sage|\baged|\bage\sof)\s?(?:at\s|age\s|aged\s|of\s"
        r"|at\sage\s)?(?P<x>9\d|1[01]\d)\b(?!\s?(?:mg|ml|%|/|days|bpm|mm))"
    ),
    (
        r"(?i)\b(?:turned|turning|turns|aged|reached)\s(?P<x>9\d|1[0-2]\d"
        r"|ninety(?:[ -]\w{3,5})?|one\shundred(?:\sand)?(?:\s\w{3,5})?)\b"
    ),
    (
        r"(?i)\b(?P<x>9\d|1[01]\d)(?=[\s-]?(?:F|M|f|m|female|male|♀|♂|lady|gentleman"
        r"|woman|man)\b)(?!\s?(?:mg|ml|m\b\s?/))"
    ),
)

ABROAD: tuple[Pattern, ...] = (
    *(Pattern("DATE", 0.84, re.compile(regex)) for regex in (*_DATES, *_MORE_DATES)),
    Pattern(
        "DATE",
        0.55,
        re.compile(
            (
                rf"(?<!\w)(?:(?!{_SHORT_BEFORE}\b)[^\s\d]{{1,20}}[ :]{{1,2}}|[ ]{{3}}"
                rf"|(?m:^)[ ]{{0,4}}|[(,\[;>–-][ ]?){_SHORT}"
            ),
            re.IGNORECASE,
        ),
    ),
    *(Pattern("LOCATION", 0.86, re.compile(regex)) for regex in _LONG_STREETS),
    *(Pattern("LOCATION", 0.7, re.compile(regex)) for regex in _FACILITIES),
    *(Pattern("LOCATION", 0.55, re.compile(regex)) for regex in _NEAR),
    *(Pattern("EMPLOYER", 0.66, re.compile(regex)) for regex in _FIRMS),
    *(Pattern("AGE", 0.87, re.compile(regex)) for regex in _AGES),
)
