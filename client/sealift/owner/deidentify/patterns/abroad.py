"""Dates and addresses in the languages and forms of other countries, and as they are dictated."""

from __future__ import annotations

import re

from sealift.owner.deidentify.patterns.pattern import Pattern

_MONTHS = (
    # English, French, Spanish, German, Italian, Portuguese, Dutch, Polish.
    r"(?:january|february|march|april|may|june|july|august|september|october|november|december"
    r"|janv(?:ier)?|f[eé]v(?:r(?:ier)?)?|mars|avr(?:il)?|mai|juin|juil(?:let)?|ao[uû]t|septembre"
    r"|octobre|novembre|d[eé]c(?:embre)?|enero|febrero|marzo|abril|mayo|junio|julio|agosto"
    r"|sep?tiembre|octubre|noviembre|diciembre|ene|abr|ago|dic|januar|j[aä]nner|februar|m[aä]rz|juni"
    r"|juli|oktober|dezember|okt|dez|gennaio|febbraio|aprile|maggio|giugno|luglio|settembre"
    r"|ottobre|dicembre|gen|mag|giu|lug|set|ott|janeiro|fevereiro|mar[cç]o|maio|junho|julho"
    r"|setembro|outubro|dezembro|fev|out|januari|februari|maart|mei|augustus|mrt|stycznia|lutego"
    r"|marca|kwietnia|maja|czerwca|lipca|sierpnia|wrze[sś]nia|pa[zź]dziernika|listopada|grudnia"
    r"|stycze[nń]|luty|marzec|kwiecie[nń]|maj|czerwiec|lipiec|sierpie[nń]|wrzesie[nń]"
    r"|pa[zź]dziernik|listopad|grudzie[nń]|jan|feb|mar|apr|jun|jul|aug|sept?|oct|nov|dec)"
)
# Months that are no words of English: enough by themselves.
_OWN_MONTHS = (
    r"(?:janvier|f[eé]vrier|juin|juillet|ao[uû]t|septembre|octobre|d[eé]cembre|enero|febrero|marzo"
    r"|mayo|junio|julio|agosto|sep?tiembre|octubre|noviembre|diciembre|januar|j[aä]nner|februar|m[aä]rz"
    r"|oktober|dezember|gennaio|febbraio|aprile|maggio|giugno|luglio|settembre|ottobre|dicembre"
    r"|janeiro|fevereiro|maio|junho|julho|setembro|outubro|dezembro|januari|februari|maart|augustus"
    r"|stycznia|lutego|kwietnia|czerwca|lipca|sierpnia|wrze[sś]nia|pa[zź]dziernika|listopada|grudnia)"
)
_DAY = r"(?:0?[1-9]|[12]\d|3[01])"
_YEAR = r"(?:1[89]|20)\d\d"
_TIME = (
    r"(?:,?[ ](?:at[ ]|@[ ]?|um[ ]|à[ ]|a[ ]las[ ])?(?:[01]?\d|2[0-3])[:.h][0-5]\d(?::[0-5]\d)?"
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
    r"(?:first|second|third|fourth|fifth|sixth|seventh|eighth|ninth|tenth|eleventh|twelfth"
    r"|(?:thir|four|fif|six|seven|eigh|nine)teenth|twentieth"
    r"|twenty[ -](?:first|second|third|fourth|fifth|sixth|seventh|eighth|ninth)|thirtieth"
    r"|thirty[ -]first)"
)
_MONTH_WORDS = r"(?:january|february|march|april|may|june|july|august|september|october|november|december)"
_WEEKDAYS = (
    r"(?:lundi|mardi|mercredi|jeudi|vendredi|samedi|dimanche|lunes|martes|mi[eé]rcoles|jueves|viernes"
    r"|s[aá]bado|domingo|montag|dienstag|mittwoch|donnerstag|freitag|samstag|sonnabend|sonntag"
    r"|luned[iì]|marted[iì]|mercoled[iì]|gioved[iì]|venerd[iì]|domenica|maandag|dinsdag|woensdag"
    r"|donderdag|vrijdag|zaterdag|zondag|segunda-feira|ter[cç]a-feira|quarta-feira|quinta-feira"
    r"|sexta-feira|poniedzia[lł]ek|wtorek|[sś]roda|czwartek|pi[aą]tek|sobota|niedziela)"
)
_MORE_DATES = (
    r"(?i)(?<![\d.])\d{1,2}\.(?:i{1,3}|iv|vi{0,3}|ix|xi{0,2})\.(?:\d{4}|\d\d)(?!\d)",
    # Days of the week in notes; "sat" and "sun" are also words.
    r"(?i)\b(?:mon|tue|wed|thu|fri)\b(?!-|')",
    r"(?i)\b(?:sat|sun)\b(?=[ ]?(?:[),.;\n]|$|fr\b|from\b|to\b|a\.?m\b|p\.?m\b|clinic))(?<!o2[ ]sat)(?<!02[ ]sat)",
    r"(?i)\b(?:mon|tue|tues|wed|thu|thur|thurs|fri|sat|sun)(?:[a-z]{0,6}day)?[ ,]{1,2}(?:the[ ])?(?:[12]?\d|3[01])(?:st|nd|rd|th)\b",
    rf"(?i)\b(?:mon|tues|wednes|thurs|fri|satur|sun)day[ ]the[ ]{_NTH}\b",
    rf"(?i)\b(?:(?:mon|tues|wednes|thurs|fri|satur|sun)day[ ])?{_MONTH_WORDS}[ ](?:the[ ])?(?:{_NTH}|{_TWO})\b",
    rf"(?i)\b{_NTH}[ ]{_MONTH_WORDS}\b(?:,?[ ](?:{_YEAR_WORDS}|{_YEAR}))?",
    rf"(?i)\b(?:date[ ]of[ ]birth|birth[ ]?date|dob|born)[ :]{{1,2}}(?:is[ ])?(?P<x>{_TWO}(?:[ ,-]{{1,2}}{_TWO}){{2,4}})\b",
    rf"(?i)\b(?:{_NTH}|{_TWO})[ ]of[ ]the[ ](?:{_NTH}|{_TWO}),?[ ](?:{_YEAR_WORDS}|{_TWO})\b",
    r"(?i)\b(?:jan|feb|mar|apr|may|jun|jul|aug|sep|sept|oct|nov|dec)[a-z]{0,6}\.?[ ]\d{1,2}/\d{2,4}\b",
    r"(?i)(?<![\w./-])(?:[12]?\d|3[01])(?:JAN|FEB|MAR|APR|MAY|JUN|JUL|AUG|SEP|OCT|NOV|DEC)(?:\d{2}|\d{4})?(?!\w)",
    r"(?<![\d./-])(?:19|20)\d\d-(?:0[1-9]|1[0-2])(?![\d-])",
    r"(?i)\b(?:january|february|april|june|july|august|september|october|november|december)\b",
    r"(?<=[a-z,;(] )March\b",
    r"(?i)\b(?:wk|week|w/c|w/e|wc|night|evening|day|clinic)[ ](?:of[ ]|commencing[ ]|ending[ ])?(?P<x>(?:0?[1-9]|[12]\d|3[01])/(?:0?[1-9]|[12]\d|3[01]))(?![\d/])",
    r"\b(?!(?:Post|Op|Hospital|Operative|Cycle|Half|Every|Per|Each|Last|First|One|All|Same|Next|Present|Rest|Day)\b)[A-Z][a-z]+(?:['\u2019]s?|s['\u2019])?(?:[ ][A-Z][a-z]+['\u2019]?s?['\u2019]?)?[ ](?:Day|Eve|Sunday|Wed|Wednesday)\b(?![ ]?\d|[ ](?:Case|Surgery|Hospital|Unit|Center|Centre|Program))",
    r"(?i)\b(?:christmas|easter|halloween|thanksgiving|new[ ]year'?s?|diwali|ramadan|eid)(?:[ ](?:eve|day))?[ ](?:19|20)\d\d\b",
)
_DATES = (
    # 3rd Sept, 12 juin 1949, 5 de enero de 2024, 1er mars, 9. März 2021, 7-Jul-90, 11 NOV 2023 14:22
    rf"(?i)(?<![\d./-])(?:(?:{_DAY},[ ]?){{0,4}}{_DAY}(?:st|nd|rd|th|er|\.|º|ª)?(?:[ ]?(?:au|to|al|a|bis|tot|do|-|–|and|&)[ ]?"
    rf"{_DAY}(?:st|nd|rd|th|er|\.)?)?[ -]{{1,2}}(?:of[ ]|de[ ]|d')?){_MONTHS}\b\.?"
    rf"(?:(?:,?[ ]{{1,2}}|-)(?:de[ ]|del[ ])?(?:{_YEAR}|['\u2019]?\d\d(?!\d|[:.]\d)))?{_TIME}",
    rf"(?i)\b{_MONTHS}\.?[ -]{{1,2}}(?:the[ ])?{_DAY}(?:st|nd|rd|th)?"
    rf"(?:[ ]?(?:to|-|–|and|&)[ ]?{_DAY}(?:st|nd|rd|th)?)?\b(?![./]\d|[ ]?(?:mg|ml|%|years?|yo|of\b))"
    rf"(?:,?[ ]{{1,2}}(?:{_YEAR}|'\d\d)(?!\d))?{_TIME}",
    rf"(?i)\b{_OWN_MONTHS}\b\.?(?:[ ](?:de[ ]|del[ ])?{_YEAR})?",
    rf"(?i)\b{_MONTHS}\.?[ /-]?(?:of[ ])?{_YEAR}\b",
    # Numbers in any order, also misread by a scanner: 1O/O2/2O23.
    r"(?<![\w./-])[\dOolIS]{1,2}[ ]?(?P<s>[./-])[ ]?[\dOolIS]{1,2}[ ]?(?P=s)[ ]?"
    r"(?:[12][\dOolIS]{3}|[\dOolIS]{2})(?![\w]|[./-]\d)"
    rf"{_TIME}",
    rf"(?<![\w./-]){_YEAR}(?P<s>[./ -])(?:0?[1-9]|1[0-2])(?P=s){_DAY}(?![\d])(?:[T ]\d\d:?\d\d(?::?\d\d)?)?",
    # HL7 and CDA: 20231229, 202312290815+0100
    r"(?<![\d./-])(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])(?:[0-2]\d[0-5]\d(?:[0-5]\d)?"
    r"(?:\.\d{1,4})?)?(?:[+-]\d{4})?(?![\d])",
    # Day and month with a point: 12.03., and after a preposition 21.11
    r"(?i)\b(?:am|vom|bis|zum|ab|seit|den|dem|und|im|le|el|il|dal|al|op|van|tot|dnia|od|do|on|dated)[ ](?:zum[ ]|dem[ ])?"
    r"(?P<x>(?:0?[1-9]|[12]\d|3[01])\.[ ]?(?:0?[1-9]|1[0-2])\.)(?!\d)",
    r"(?<![\d./-])(?:0?[1-9]|[12]\d|3[01])\.(?:0?[1-9]|1[0-2])\.(?=[ ]?(?:bis|-|–|und)\b)",
    r"(?i)\b(?:am|vom|bis|seit|ab|on|le|du|au|el|del|il|dal|op|van|em|dnia|od|do|mdt|appt|seen|review"
    r"|until|till|from|by|since|opa|tci)[ :]{1,2}(?P<x>(?:0?[1-9]|[12]\d|3[01])[./-](?:0?[1-9]|1[0-2]))(?![\d/.%]\d)(?!\d)",
    # Dictated.
    rf"(?i)\b{_MONTH_WORDS}[ ](?:the[ ])?{_NTH}\b(?:,?[ ]{_YEAR_WORDS}|,?[ ]{_YEAR})?",
    rf"(?i)\b(?:the[ ])?{_NTH}(?:[ ]day)?[ ]of[ ]{_MONTH_WORDS}\b(?:,?[ ](?:{_YEAR_WORDS}|{_YEAR}))?",
    rf"(?i)\b{_MONTH_WORDS}[ ]{_TWO}(?:[ ]{_YEAR_WORDS}|,?[ ]{_YEAR})",
    rf"(?i)\b{_MONTH_WORDS}(?:[ ]of)?[ ](?:nineteen[ ]{_TWO}|two[ ]thousand(?:[ ](?:and[ ])?{_TWO})?)",
    rf"(?i)\b(?:born|dob|birth)\b[^\n.]{{0,20}}?(?P<x>{_YEAR_WORDS})\b",
    rf"(?i)\b{_WEEKDAYS}\b(?:[ ](?:le[ ]|der[ ]|den[ ])?{_DAY}\.?(?!\d|[.,:/]\d|[ ]?h))?",
    r"(?i)\b(?:mon|tues|wednes|thurs|fri|satur|sun)day[ ,]{1,2}(?:the[ ])?(?:[12]?\d|3[01])(?:st|nd|rd|th)?(?!\d|[.,:/]\d|[ ]?(?:am|pm|mg))",
    r"(?i)\b(?:tues|weds|thurs|thur)\b",
    r"\b(?:Mon|Tue|Wed|Thu|Fri)\b",
    r"(?i)(?<![\w'])(?:opéré|vu|vue|sortie|entrée|prévue?|rdv)[ ]le[ ](?P<x>(?:1er|[12]?\d|3[01]))(?![\d/:h]|[.,]\d|[ ]?(?:mg|ml|cm|mm|%))",
    r"(?i)\b(?:spring|summer|autumn|fall|winter|early|mid|late)[ ](?:of[ ])?(?:19|20)\d\d\b",
    r"(?i)(?:\b(?:on|until|till|by|from|since|through)[ ]|,[ ])(?:the[ ])?(?P<x>(?:[12]?\d|3[01])(?:st|nd|rd|th))\b"
    r"(?![ ](?:floor|day|week|percentile|rib|toe|finger|digit|visit|cycle|dose|attempt|degree|of\s(?:her|his)|grade|trimester|post"
    r"|hospital|street|st\b|ave|metacarpal|metatarsal|nerve|ventricle|intercostal|generation))",
    r"(?i)\b(?:super[ ]bowl[ ]sunday|black[ ]friday|ash[ ]wednesday|good[ ]friday|holy[ ]week|pentecost|whit[ ]monday|lunar[ ]new[ ]year|chinese[ ]new[ ]year|new[ ]year'?s?(?:[ ](?:eve|day))?|xmas(?:[ ](?:eve|day))?"
    r"|christmas(?:[ ](?:eve|day))?|eid(?:[ ]al[ -](?:fitr|adha))?|boxing[ ]day|bank[ ]holiday|mlk[ ]day"
    r"|presidents'?[ ]day|cinco[ ]de[ ]mayo|thanksgiving|halloween|easter(?:[ ](?:sunday|monday))?|ramadan"
    r"|hanukkah|passover|diwali|holi|rosh[ ]hashanah|yom[ ]kippur|noël|navidad|weihnachten|ostern|pâques"
    r"|semana[ ]santa|nochebuena|silvester|toussaint|natale|pasqua|kerst|pasen|boże[ ]narodzenie"
    r"|4th[ ]of[ ]july|fourth[ ]of[ ]july|mother'?s[ ]day|father'?s[ ]day|labou?r[ ]day|memorial[ ]day|st[.]?[ ]patrick'?s[ ]day"
    r"|guy[ ]fawkes|bonfire[ ]night|anzac[ ]day|canada[ ]day|australia[ ]day|valentine'?s(?:[ ]day)?)\b",
    r"(?i)\b(?:mon|tues?|weds?|thurs?|fri|sat|sun)\b\.?(?=[ ,]{1,2}(?:\d{1,2}(?:st|nd|rd|th|/\d|[ -](?:jan|feb|mar|apr|may"
    r"|jun|jul|aug|sep|oct|nov|dec)|[ap]m\b)|am\b|pm\b|morning|afternoon|evening|night|clinic|eve\b|@))",
    r"(?i)(?:\b(?:on|by|until|till|this|next|last|from|every|since|for|d/c|dc|due|home|back|return|again)[ ])"
    r"(?P<x>mon|tues?|weds?|thurs?|fri|sat|sun)\b(?![\w-])",
)
_SHORT = (
    # A day and a month with a slash, where nothing says that it is a score or a ratio.
    r"(?<![\w./+-])(?P<x>(?:(?:0?[1-9]|1[0-2])/(?:0?[1-9]|[12]\d|3[01])|(?:1[3-9]|2\d|3[01])/(?:0?[1-9]|1[0-2])))"
    r"(?:[ ]?[-–][ ]?(?P<y>(?:0?[1-9]|1[0-2])/(?:0?[1-9]|[12]\d|3[01])))?"
    r"(?![\w%/]|\.\d|-\d|[ ]?(?:strength|motor|power|pain|murmur|sem\b|systolic|diastolic|vision|mg|ml|tab|cup"
    r"|pack|normal|ns\b|saline|on[ ]the|scale|severity|intensity|nrs|vas|out[ ]of|trials|correct|items|words|recall"
    r"|reflex|pulses|edema|in[ ]all|in[ ]the|throughout|bilat|bl\b|b/l|positive|negative|sirs|of[ ]the|criteria"
    r"|lymph|nodes|cores|bpm|mm|with[ ]mets|dtr|ue\b|le\b|rue|lue|rle|lle|llsb|apex|left|right|lung|lobe|weeks|days|hours|months|yrs))"
)
_SHORT_BEFORE = (
    r"(?i:strength|motor|power|pain|murmur|score|scored|apgars?|gcs|phq|gad|mmse|moca|rated|scale|grade|reflexes"
    r"|pulses|level|currently|kps|nihss|bishop|ratio|fraction|vision|va|od|os|ou|bp|is|of|at|rates|was|with|a|by"
    r"|severity|x|nodes?|cores?|dtrs?|mets|sem|ii|iii|i|gleason|qsofa|curb|wells|chads|vas|nrs|ta|pa|rr|t\.a\.?|tas|intensity|discomfort|recall|orientation)"
)
_STREET_WORD = r"[^\W\d_][^\W\d_'\u2019.-]{0,25}(?:['\u2019.-][^\W\d_]{1,25})*\.?"
_CAP = r"[A-Z\u00c0-\u00de\u0141\u015a\u0179\u017b][^\W\d_]*(?:['\u2019-][^\W\d_]+)*"
_NUMBER = (
    r"\d{1,5}[A-Za-z]?(?:[ ]?[-/–][ ]?\d{0,5}[A-Za-z]?)?(?:[ ]?(?:bis|ter|quater)\b)?"
)
_TOWN = rf"{_CAP}(?:[ -](?:(?:de|la|le|les|sur|sous|am|an|der|den|del|el|upon|on|in|the|of|y|dos|do|da)[ -])?{_CAP}){{0,3}}"
_AFTER_STREET = (
    r"(?:,?[ ]?(?:\d{1,2}[ºª°]|piso|puerta|esc\.?|bajo|apto\.?|apt\.?|appt\.?|int\.?|bât\.?|étage|m\.|lok\.|bus|wohnung|stock|og|eg)"
    r"[ ]?[\w]{0,4}(?:[ ][A-Z]\b)?){0,3}"
    rf"(?:,?[ ]|[ ]?\n[ ]{{0,8}}|,[ ]?)(?:(?:Col\.|Colonia|Urb\.|Bairro)[ ]{_TOWN},?[ ])?"
    rf"(?:(?:[A-Z]{{1,2}}-)?(?:\d{{4,5}}(?:-\d{{3,4}})?|\d{{4}}[ ]?[A-Z]{{2}}|\d{{2}}-\d{{3}})[ ]{_TOWN}|{_CAP})"
)
_POSTCODE_UK = r"(?:[A-Z]{1,2}\d[A-Z\d]?[ ]?\d[A-Z]{2})"
_LONG_STREETS = (
    # French, Spanish, Portuguese, Italian, Polish: the kind of street comes first.
    rf"(?i:\b(?:\d{{1,5}}(?:[ ]?(?:bis|ter))?,?[ ])?(?:rue|avenue|av\.|bd|boulevard|place|impasse|chemin|allée|allee|quai|route|cours|square|passage|résidence|lotissement)[ ])"
    rf"(?:(?:de|du|des|la|le|les|l'|d'|de[ ]la|de[ ]l')[ ]?){{0,3}}{_CAP}(?:[ -](?:(?:de|du|des|la|le|et)[ -]){{0,2}}{_CAP}){{0,4}}(?:{_AFTER_STREET})?",
    rf"(?:\b(?:Calle|C/|c/|Cl\.|Avda\.?|Avenida|Av\.|Paseo|Pº|Pza\.?|Plaza|Camino|Carretera|Ctra\.|Ronda|Travesía|Rúa|Glorieta|Urbanización|Rua|Travessa|Praça|Largo|Estrada|Alameda|Via|Viale|Piazza|Corso|Vicolo|Largo|Strada|ul\.|ulica|al\.|aleja|pl\.|os\.))[ ]?"
    rf"(?:(?:de|del|la|las|los|el|da|do|das|dos|della|delle|dei)[ ]){{0,3}}{_CAP}(?:[ ](?:(?:de|del|la|las|los|y|da|do|dos|das|e|della|di)[ ]){{0,3}}{_CAP}){{0,5}}"
    rf"(?:,?[ ](?:n[º°.]?[ ]?|nr[ ]?)?{_NUMBER})?(?:{_AFTER_STREET})?",
    # German, Dutch, Scandinavian: Lindenallee 17, 04277 Leipzig.
    rf"\b[A-Z\u00c0-\u00de][^\W\d_-]{{2,25}}(?:-[A-Z\u00c0-\u00de][^\W\d_-]{{1,20}}){{0,3}}"
    rf"(?i:str\.|straße|strasse|gasse|weg|allee|platz|ring|ufer|damm|steig|hof|berg|straat|laan|gracht|plein|kade|dijk|singel|dreef|hof|gade|vej|gatan|vägen|veien)"
    rf"[ ]{_NUMBER}(?:{_AFTER_STREET})?",
    rf"\b(?:Am|An[ ]der|An[ ]den|Auf[ ]der|Auf[ ]dem|Im|In[ ]der|In[ ]den|Zum|Zur|Unter[ ]den|Alte|Neue|Großer|Kleine)[ ]{_CAP}[ ]{_NUMBER}(?:{_AFTER_STREET})",
    rf"\b{_CAP}[ ](?i:str\.|straße|strasse|gasse|weg|allee|platz|ring)[ ]{_NUMBER}(?:{_AFTER_STREET})?",
    # A kind of street, anything, a postal code and a town, in any case of letters.
    r"(?i)(?<!\w)(?:\d{1,5}[ ]?(?:bis|ter)?,?[ ])?(?:rue|ruelle|rte|route|avenue|av\.?|bd|boulevard|place|impasse|chemin|all[ée]e|quai|cours|passage"
    r"|calle|c/|avenida|avda\.?|paseo|pasaje|plaza|rambla|ronda|v[ií]a|urbanizaci[óo]n|camino|cuesta|callej[óo]n|glorieta|acceso|alameda|ca[ñn]ada|pasadizo|travesía|vial"
    r"|viale|piazza|corso|borgo|strada|vicolo|contrada|canale|incrocio|rotonda|stretto|rua|travessa|pra[çc]a|largo|estrada|ulica|ul\.)[ ]"
    r"[^\n;:|]{2,60}?[ ,]{1,2}(?:\d{4,5}(?:-\d{3})?|\d{2}-\d{3})[ ][^\W\d_][\w'-]+(?:[ -](?!por\b|per\b|com\b|pour\b|tel)[^\W\d_][\w'-]+){0,2}",
    r"(?i)(?<!\w)[^\W\d_][\w-]{1,30}(?:stra(?:ß|ss)e|str\.|weg|platz|allee|gasse|ring|straat|laan|gracht|plein|kade|dijk|singel|dreef|pad|hof|dam|steeg|weide|wal|baan)[ ]\d{1,4}[\w/-]{0,5},[ ]"
    r"\d{4,5}[ ]?(?:[a-z]{2}[ ])?[^\W\d_][\w-]+(?:[ ](?:am|an|der|den|bad|aan|de)[ ][\w-]+)?",
    r"(?i)(?<!\w)(?:(?:flat|studio|apartment|apt|unit|suite|room)[ ][\w]{1,5}[ ,]{1,2}|\d{1,4}[a-z]?[ ])[^\n;:|.]{3,50}?[ ,]{1,2}[a-z]{1,2}\d[a-z\d]?[ ]?\d[a-z]{2}(?!\w)(?:[ ][^\W\d_]{3,}(?:[ ](?:upon[ ])?[^\W\d_]{4,})?)?",
    # Whatever stands after a word of living, up to the end of the sentence, if it has a number.
    r"(?i)\b(?:demeurant|domicili[ée]e?(?:[ ][àa])?|con[ ]domicilio[ ]en|domicilio:?|residente[ ](?:in|en|em)|wohnhaft(?:[ ]in)?|wonende(?:[ ]te)?|woonachtig[ ](?:te|op)|zamieszka[łl][aey](?:[ ]w)?"
    r"|resid(?:es|ing|ent)[ ](?:at|of)|lives[ ]at|living[ ]at|lived[ ]at|address(?:[ ]is|:)|home[ ]at|house[ ]at|staying[ ]at|moved[ ]to|vive[ ]en|habite(?:[ ]au)?|abita[ ]in|mora[ ](?:na|em)|reside[ ]en)[ :]{1,2}"
    r"(?P<x>(?=[^\n;.]{0,60}\d)[^\n;|]{4,90}?)(?=[.](?:\s|$)|\n|;|$|\||[ ]\(|,?[ ](?:pour|por|per|com|mit|met|with|for|has|was|who|che|que|qui|and|und|zu|since|tel|phone|telephone|t[ée]l|where|but|vi|alone|together|under|a[ ]été|est|ist|is|wegen|durante|porque)\b)",
    # A postal code and a town.
    rf"(?<![\w.-])(?:[A-Z]{{1,2}}-)?(?:\d{{5}}|\d{{4}}[ ]?[A-Z]{{2}}|\d{{2}}-\d{{3}}|\d{{4}}-\d{{3}})[ ](?!(?i:units?|mg|ml|patients?|cells|euros?|people|steps|cases|days))"
    rf"(?!(?:A|I|In|On|At|The|He|She|Pt|Patient|Phone|Tel|For|To|And|DOB|MRN|SSN|From|With|No|Date|Time|Name|Sex|Age)\b){_TOWN}",
    # British: Flat 3, 27 Beech Grove, Headingley, Leeds LS6 3PQ
    rf"(?:(?i:flat|apartment|unit|suite)[ ][\w]{{1,5}},?[ ])?(?:{_NUMBER}[ ]|The[ ])(?:{_CAP}[ ]?){{1,4}},[ ](?:{_TOWN},?[ ]){{0,4}}{_POSTCODE_UK}\b",
    rf"(?:{_TOWN},[ ]?){{0,4}}{_TOWN},?[ ]{_POSTCODE_UK}\b",
    rf"(?<![\w-]){_POSTCODE_UK}(?![\w-])(?=[\s,.;)|<\"]|$)",
    # County roads, motorways, routes; cross streets.
    r"\b\d{1,6}[ ](?:[NSEW]\.?[ ])?(?:County|State|US|Farm|Ranch|FM|CR|SR|Hwy|Highway|Rural|Rte|Route|Rt)[ ]?(?:Road|Rd|Route|Highway|Hwy)?[ ]?\d{1,5}[A-Z]?\b",
    rf"(?i:\b(?:flat|apt|apartment|suite|ste|unit|lot|trailer|plot)\.?[ ]#?[\dA-Z]{{1,5}}),?[ ]\d{{1,5}}[ ](?:{_CAP}[ ]){{0,3}}{_CAP}",
    rf"(?<![\w.])\d{{1,6}}(?:-\d{{1,4}}|[½A-Za-z])?[ ](?:[NSEWnsew]{{1,2}}\.?[ ])?(?:(?:{_CAP}|\d{{1,3}}(?:st|nd|rd|th))\.?[ ]){{1,4}}(?i:st|street|ave?|avenue|rd|road|blvd|boulevard|ln|lane|dr|drive|ct|court|cir|circle|way|pl|place|ter|terrace|trl|trail|pkwy|parkway|hwy|grove|close|crescent|cres|gardens|mews|row|walk|hill|rise|view|park|square|sq|drove|green|gate|wharf|quay|parade|loop|run|path|pike|xing)\b\.?"
    rf"(?:,?[ ](?:#|(?i:apt|apartment|unit|suite|ste|fl|floor|rm|bldg)\.?[ ]?)[ ]?[\w-]{{1,6}})?(?:(?:,[ ]?|[ ]|[ ]?\n[ ]{{0,8}}){_TOWN},?[ ](?:[A-Z]{{2}}\.?(?:[ ]\d{{5}}(?:-\d{{4}})?)?))?",
    rf"(?i)(?<![\w.])\d{{2,5}}[ ](?:[nsew]\.?[ ])?(?:[a-z]{{3,15}}[ ]){{1,2}}(?:street|ave|avenue|rd|road|blvd|boulevard|lane|drive|circle|terrace|parkway|pkwy|hwy|highway|(?:st|ln|ct|dr)(?=[ ]?(?:,|apt|unit|#|\n|$)))\b(?:[ ](?:apt|unit|#)[ ]?\w{{1,5}})?",
    rf"\b(?:on|near|off|at|along)[ ](?P<x>(?:{_CAP}[ ]){{1,3}}(?:St|Street|Ave|Avenue|Rd|Road|Blvd|Boulevard|Lane|Ln|Drive|Dr|Way|Pkwy|Hwy|Square))\b",
    r"(?<![\w.])[NSEW]?\d{5}(?:-\d{4})?(?=[ ]?(?:\n|$))(?<=(?:[A-Z]{2}[ ]\d{5}))",
    # Coordinates and plus codes tell a house.
    r"(?<![\d.])-?\d{1,2}\.\d{4,8},[ ]?-?\d{1,3}\.\d{4,8}(?!\d)",
    r"(?i)\bP\.?[ ]?O\.?[ ]?Box[ ]\w{1,8}|\b(?:Apartado|Postfach|BP|CP|Caixa[ ]Postal|Postbus)[ ]\d{1,6}\b",
)
_FACILITY = (
    r"(?:Hospital|Infirmary|Hospice|Klinikum|Klinik|Krankenhaus|Spital|Universit[äa]tsklinikum|Clinique|H[ôo]pital|CHU|CHRU"
    r"|Cl[ií]nica|Ospedale|Policlinico|Ziekenhuis|Medisch[ ]Centrum|Szpital|Centro[ ]de[ ]Salud|Centre[ ]Hospitalier"
    r"|Seniorenheim|Pflegeheim|EHPAD|Praxis|Apotheke|Farmacia|Pharmacie|Residencia|Maternit[ée]|Polyclinique"
    r"|Surgery|Practice|Health[ ]Centre|Health[ ]Center|Medical[ ]Centre|Medical[ ]Center|Nursing[ ]Home|Care[ ]Home|Lodge"
    r"|House|Manor|Court|Gardens|Village|Rehab|Pines|Oaks|Meadows|Estates|Towers|Villas?|Place|Pavilion|Center|Centre)"
)
_FACILITIES = (
    rf"\b(?:(?i:clinique|h[ôo]pital|cl[ií]nica|klinikum|klinik|krankenhaus|ospedale|ziekenhuis|szpital)|CHU|CHRU|CH|CHR|H[ôo]pital|Clinique|Hospital|Cl[ií]nica|Klinikum|Klinik|Krankenhaus|Ospedale|Policlinico|Ziekenhuis|Szpital|Centro[ ]de[ ]Salud|Centro[ ]M[eé]dico|Centre[ ]Hospitalier|EHPAD|Pharmacie|Farmacia|Apotheke|Residencia|Universit[äa]tsklinikum|Maternit[ée]|Hospices|Polyclinique)"
    rf"[ ](?:(?:de|du|des|la|le|les|del|los|las|di|der|am|im|San|St\.|Sankt|Santa|Sainte?-?)[ ]?){{0,3}}{_CAP}(?:[ -](?:(?:de|du|la|le|del|am)[ ])?{_CAP}){{0,3}}",
    rf"(?<![\w'\u2019])(?:{_CAP}[ -]){{1,4}}{_FACILITY}\b",
    rf"(?<![\w'\u2019])(?:St\.?|Saint|Ste\.?|Mt\.?|Mount|Fort|Ft\.?)[ ]{_CAP}(?:'s)?(?:[ ]{_CAP})?(?:[ ](?:Hospital|Center|Clinic))?",
)
_CAP_OR_SHORT = rf"(?:{_CAP}(?:'s)?|St\.|Mt\.|[A-Z]{{2,6}})"
_NEAR = (
    # Two words with capitals after a word of place; clinical ones are left out by `finding`.
    rf"\b(?:at|from|to|in|near|outside|into|via)[ ](?:the[ ])?(?P<x>{_CAP_OR_SHORT}(?:[ -](?:(?:of|the|on|de|la|del)[ ])?{_CAP}(?:'s)?){{1,4}}"
    r"(?:[ ](?:station|store|clinic|office|club|center|centre|gym|church|school|mall|park|shelter|plant|warehouse|terminal|depot|yard|branch|pharmacy|hotel|motel|apartments|campus|village|farm|garage|bar|pub))?)",
    rf"\b(?:at|from|to|in|near|outside|into|via)[ ](?:the[ ])?(?P<x>{_CAP}(?:'s)?[ ](?:station|store|gym|church|school|mall|park|shelter|plant|warehouse|terminal|depot|yard|branch|pharmacy|hotel|motel|apartments|campus|village|farm|garage|bar|pub))\b",
)
_FIRMS = (
    rf"(?<![\w'\u2019])(?P<x>{_CAP}[ ](?:{_CAP}[ ]|&[ ]|and[ ](?=[A-Z])|of[ ](?=[A-Z])){{0,4}}(?:Inc|LLC|L\.L\.C|Ltd|Limited|PLC|plc|Corp|Corporation|GmbH|AG|KG|UG|e\.V|LLP|LP|Group|Holdings|Partners|Company|Co|SA|S\.A|SAS|SARL|S\.L|SL|SpA|S\.p\.A|S\.r\.l|BV|B\.V|NV|Lda|Sp\.[ ]z[ ]o\.o|Pty|Industries|Enterprises|Logistics|Freight|Trucking|Haulage|Transport|Transportation|Lines|Motors|Foods|Farms|Services|Solutions|Systems|Technologies|Homecare|Home[ ]Care|Agency|Associates|Brothers|Bros|Sons|Bank|Credit[ ]Union|Insurance|Assurance|Mutual|Airlines|Airways|Express|Couriers?|Cleaning|Construction|Roofing|Plumbing|Electric|Bakery|Dairy|Brewery|Foundry|Mills?|Steel|Packing|Elementary|Academy|College|University|High|School|District|Church|Diner|Grill|Cafe|Caf[ée]|Restaurant|Supermarket|Market|Stores?|Warehouse|Fulfil+ment|Realty|Properties|Ministries|Foundation|Institute|Laboratories|Labs|Pharma|Pharmaceuticals|Transit|Kitchen|Trust|Nursing|Supply|Oxygen|Builders|Contractors|Catering|Landscaping|Haulier|Angels|Helpers|Staffing)\b\.?)",
    r"(?i:\b(?:works?|worked|working|employed|employee|job|retired|laid[ ]off|drives?|trucker|driver|cashier|welder|nurse|teacher|clerk|janitor|cook|foreman|manager|engineer|electrician|mechanic)[ ]"
    r"(?:\w{1,14}[ ]){0,4}?(?:for|at|by|of|with|from|w/))[ ](?:the[ ])?"
    rf"(?P<x>{_CAP}(?:[ ](?:&|and|of|the)[ ]{_CAP}|[ ]{_CAP}){{0,4}}(?:[ ](?i:fulfil+ment|warehouse|factory|plant|distribution))?)",
    rf"(?i:\b(?:arbeitet|angestellt|travaille|trabaja|lavora|werkt|trabalha|pracuje)[ ](?:\w{{1,12}}[ ]){{0,3}}?(?:bei|chez|en|para|presso|bij|na|w|als|im|in)[ ](?:der[ ]|la[ ]|el[ ]|het[ ])?)(?P<x>{_CAP}(?:[ ]{_CAP}){{0,3}})",
)
_OLD_YEARS = r"(?:18[5-9]\d|19[0-2]\d|193[0-6])"
_UNIT = r"(?![ ]?(?:%|mg|mcg|ml|mm|cm|kg|lbs?|bpm|min|days?|weeks?|months?|hours?|hrs?|sec|degrees?|percent|/|over|units?|sats?|ra\b|on\b|km|miles|euros?|dollars|pounds|[.]\d|:|-\d))"
_NINETY = r"(?:ninety(?:[ -](?:one|two|three|four|five|six|seven|eight|nine))?|(?:a|one)[ -]hundred(?:[ ]and)?(?:[ -](?:one|two|three|four|five))?)"
_AGES = (
    # Beside a name, without a word of years: "Mrs Tobin, 90," or "(94)".
    rf"(?i)(?<=[a-z.][ ]\()(?P<x>9\d|1[01]\d)(?=[),;]){_UNIT}",
    rf"(?i)(?<=[a-z\"”)],[ ])(?P<x>9\d|10\d)(?=[,.;)]?(?:[ ]|\n|$)){_UNIT}",
    rf"(?i)\b(?:is|was|now|turning|nearly|almost|just|aged?)[ ](?P<x>9\d|10\d|{_NINETY})(?![\w.%/-]){_UNIT}",
    rf"(?i)(?<=,[ ])(?P<x>{_NINETY})\b{_UNIT}",
    r"(?i)(?<![\w.])(?P<x>9[\dO]|1[01]\d)(?=[ ]?(?:y/o|yo\b|y\.o|yrs?\b|y\)|y\b))",
    r"(?<=[|\t])[ ]*(?P<x>9\d|10\d)(?=[ ]*[|\t])",
    r"(?<=[ ]{2})(?P<x>9\d|10\d)(?=[ ]?[FM]?[ ]{2})",
    rf"(?i)\b(?:born(?:\s(?:in|on|about|around|c\.?|circa))?|b\.|birth(?:\syear)?|year\sof\sbirth|yob|birthyear|dob|né\sen|née\sen"
    rf"|née?|nacid[oa]\sen|geboren(?:\sim\sjahr)?|jahrgang|jg\.?|nato\snel|nata\snel|nascid[oa]\sem|ur\.|urodzon[ya])[\s:(=]{{1,3}}(?P<x>{_OLD_YEARS})\b",
    rf"(?i)(?<=[(\s])\*\s?(?P<x>{_OLD_YEARS})\b",
    r"(?i)(?<![\d./-])(?P<x>9\d|1[0-2]\d)(?=[\s-]{0,2}(?:years?|yrs?|yo\b|y/o|y\.o\.|jährige?|jahre|ans\b|años|anni|jaar|jarige|anos|lat\b|yr\sold|a\.\s|y\b))",
    r"(?i)\b(?:age[ds]?|alter|âge|âgée?\sde|edad|età|leeftijd|idade|wiek)[\s:=]{1,3}(?P<x>9\d|1[0-2]\d)\b(?!\s?(?:mg|ml|%|/|days|months|weeks|hours|min))",
    r"(?i)\b(?P<x>(?:ninety|one[ -]hundred|a[ -]hundred)(?:[ -](?:and[ -])?(?:one|two|three|four|five|six|seven|eight|nine|ten))?)(?=[\s-](?:years?|yr|y)\b|\s(?:last|this|next|in)\s)",
    r"(?i)(?:\bd\.|\bdied|\bdec\.|\bdeceased|\bpassed(?:\saway)?|†|\blived\sto|\blives|\bat\sage|\baged|\bage\sof)\s?(?:at\s|age\s|aged\s|of\s|at\sage\s)?(?P<x>9\d|1[01]\d)\b(?!\s?(?:mg|ml|%|/|days|bpm|mm))",
    r"(?i)\b(?:turned|turning|turns|aged|reached)\s(?P<x>9\d|1[0-2]\d|ninety(?:[ -]\w{3,5})?|one\shundred(?:\sand)?(?:\s\w{3,5})?)\b",
    r"(?i)\b(?P<x>9\d|1[01]\d)(?=[\s-]?(?:F|M|f|m|female|male|♀|♂|lady|gentleman|woman|man)\b)(?!\s?(?:mg|ml|m\b\s?/))",
)

ABROAD: tuple[Pattern, ...] = (
    *(Pattern("DATE", 0.84, re.compile(regex)) for regex in (*_DATES, *_MORE_DATES)),
    Pattern(
        "DATE",
        0.55,
        re.compile(
            rf"(?<!\w)(?:(?!{_SHORT_BEFORE}\b)[^\s\d]{{1,20}}[ :]{{1,2}}|[ ]{{3}}|(?m:^)[ ]{{0,4}}|[(,\[;>–-][ ]?){_SHORT}",
            re.IGNORECASE,
        ),
    ),
    *(Pattern("LOCATION", 0.86, re.compile(regex)) for regex in _LONG_STREETS),
    *(Pattern("LOCATION", 0.7, re.compile(regex)) for regex in _FACILITIES),
    *(Pattern("LOCATION", 0.55, re.compile(regex)) for regex in _NEAR),
    *(Pattern("EMPLOYER", 0.66, re.compile(regex)) for regex in _FIRMS),
    *(Pattern("AGE", 0.87, re.compile(regex)) for regex in _AGES),
)
