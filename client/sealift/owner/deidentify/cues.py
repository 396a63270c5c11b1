"""Names by the word before them: a title, a role, a relation, a verb; in any case of letters."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence

from sealift.owner.deidentify.clinical_words import ALSO_FIRST, EPONYMS, is_medical
from sealift.owner.deidentify.spans import Span
from sealift.owner.deidentify.text_names import Word, names_thing
from sealift.owner.deidentify.wordlists import word_set

_SCORE_TITLE = 0.88
_SCORE_CUE = 0.7
_LONGEST = 5

_TITLES = re.compile(
    r"(?<![\w/'-])(?:dr|dra|drs|mr|mrs|ms|mx|miss|prof|professor|doctor|mister|missus"
    r"|smt|shri|sri|kum|rev|reverend|sgt|officer"
    r"|judge|capt|captain|lt|det|detective|cllr|dame|lord|sir|np|rn|cna|lpn"
    r"|staff\snurse|nurse|snr"
    r"|sr|sister|matron|chaplain|pastor|rabbi|imam|father|coach|deputy|trooper"
    r"|paramedic"
    r"|herr|herrn|frau|hr|fr|fru|monsieur|madame|mme|mlle|mademoiselle|pr|professeur"
    r"|docteur|maitre"
    r"|sra|srta|se[nñ]or|se[nñ]ora|don|do[nñ]a|d\.|d[nñ]a|sig|sig\.ra|sig\.na|signor"
    r"|signora|signorina"
    r"|dott|dott\.ssa|dottor|dottoressa|dhr|mevr|mevrouw|meneer|mw|mej|pan|pani|pana"
    r"|panu|pani\u0105"
    r"|lek|dom|dona|senhor|senhora|enf|enfermera|enfermero|schwester|pfleger"
    r"|infirmi[e\u00e8]re"
    r"|onkel|tante|uncle|aunt|auntie|aunty|grandma|grandpa|granny|grandad|nana|nan"
    r"|cousin"
    r"|medic|technician|tech|attorney|atty|principal|warden)(?:\.|\b)"
    r"(?:[ ]?(?:med|dent|rer|nat|habil|univ|dipl|ing|dr)\.)*(?=[ \t\n(\"'A-Z])",
    re.IGNORECASE,
)
_ROMANCE_M = re.compile(r"(?<![\w.])M\.(?=[ ][A-Z\u00c0-\u00de])")
_CUES = re.compile(
    r"(?<![\w/'-])(?:"
    # relatives
    r"son|daughter|dtr|dau|wife|husband|hubby|spouse|mother|father|mom|mum|mommy"
    r"|mummy|dad|daddy"
    r"|brother|bro|sister|sis|partner|neighbou?r|friend|girlfriend|boyfriend|gf|bf"
    r"|fianc[e\u00e9]e?"
    r"|caregiver|carer|guardian|niece|nephew|grandson|granddaughter|grandmother"
    r"|grandfather"
    r"|grandchild|grandma|grandpa|stepson|stepdaughter|stepmother|stepfather|in-law"
    r"|roommate|twin"
    r"|landlord|housemate|flatmate|colleague|coworker|co-worker|boss|pa|aide|hha|poa"
    r"|nok|hcp"
    # people at work
    r"|attending|resident|registrar|consultant|surgeon|hospitalist|intern|fellow"
    r"|physician|provider"
    r"|pcp|gp|therapist|counsell?or|psychologist|psychiatrist|podiatrist|dentist"
    r"|optometrist"
    r"|midwife|doula|dietitian|dietician|nutritionist|pharmacist|anesthetist"
    r"|anaesthetist"
    r"|cardiologist|neurologist|oncologist|radiologist|pathologist|urologist"
    r"|nephrologist"
    r"|dermatologist|obstetrician|gynecologist|pediatrician|rheumatologist"
    r"|endocrinologist"
    r"|physio|ot|slp|sw|lcsw|cm|social\sworker|case\smanager|caseworker|key\sworker"
    r"|coordinator"
    r"|navigator|interpreter|translator|scribe|sitter|phlebotomist|sonographer"
    r"|technologist|driver"
    r"|dispatcher|dispatch|operator|supervisor|manager|agent|teller|adviser|advisor"
    r"|clerk|rep"
    r"|representative|colleague|customer|client|patient|pt|member|claimant|tenant"
    r"|witness|caller"
    r"|passenger|owner|employee|mechanic|inspector|broker|lawyer|solicitor|teacher"
    r"|babysitter"
    # verbs and abbreviations of speaking
    r"|d/w|dw|s/w|sw\.?|spoke\sw/?|spoke\swith|spoken\sto|spoke\sto|talked\sto"
    r"|talked\swith"
    r"|discussed\sw(?:/|ith)|disc\.?\sw/|seen\sw(?:/|ith)|seen\sby|s/b|r/v\sby|r/v"
    r"|rvw\sby"
    r"|reviewed\sby|rev\.?\sby|attn|fao|per|pgd|paged|paging|bleeped|called|call"
    r"|phoned|rang|texted"
    r"|emailed|msg(?:\sto|\sfrom)?|message(?:\sto|\sfrom)|report\s(?:to|from)"
    r"|handoff\s(?:to|from)"
    r"|handover\s(?:to|from)|h/o\sto|relieved\sby|updated|notified|informed|aware"
    r"|asked|told|thanks"
    r"|cc|cc'd|signed|sgd|e-signed|dictated\sby|typed\sby|transcribed\sby"
    r"|witnessed\sby|done\sby"
    r"|performed\sby|placed\sby|inserted\sby|drawn\sby|given\sby|taken\sby"
    r"|accompanied\sby"
    r"|brought\s(?:in\s)?by|referred\sby|sent\sby|cared\sfor\sby|driven\sby"
    r"|attended\sby|led\sby"
    r"|assisted\sby|scrubbed\sby|under|u/c|care\sof|c/o|seeing|saw|meet|met"
    r"|met\sw(?:/|ith)|visit\swith"
    r"|f/u\sw(?:/|ith)?|fu\sw(?:/|ith)|follow[\s-]up\swith|appt\sw(?:/|ith)?|named"
    r"|name\sis"
    r"|names?\sare|goes\sby|known\sas|aka|a\.k\.a\.|n[e\u00e9]e|formerly|lives\sw(?:/"
    r"|ith)|live\sw/"
    r"|stays\sw(?:/|ith)|divorced\sfrom|married\sto|widow\sof|wife\sof|son\sof"
    r"|daughter\sof"
    r"|collega|colega|coll[e\u00e8]gue|kollege|kollegin|confr[e\u00e8]re|consoeur"
    r"|estimad[oa]|lieber?"
    r"|hi|hello|hey|dear|regards|sincerely|cheers|thx|w/"
    # other languages
    r"|fils|fille|[e\u00e9]pouse|[e\u00e9]poux|mari|femme|fr[e\u00e8]re|s\u0153ur"
    r"|soeur|m[e\u00e8]re"
    r"|p[e\u00e8]re|conjointe?|voisine?|amie?|n\u00e9e?|hija|hijo|marido|mujer|esposa"
    r"|esposo|madre"
    r"|padre|hermana|hermano|vecina|vecino|cu\u00f1ada|nuera|yerno|sobrina|nieta"
    r"|tochter|sohn|ehefrau"
    r"|ehemann|mutter|vater|bruder|schwester|lebensgef\u00e4hrte|nachbarin"
    r"|patient(?:in)?|figlia"
    r"|figlio|moglie|marito|sorella|fratello|dochter|zoon|echtgenote|echtgenoot"
    r"|moeder|vader|broer"
    r"|zus|filha|filho|esposo|m\u00e3e|pai|irm\u00e3|irm\u00e3o|c\u00f3rka|syn"
    r"|\u017cona|m\u0105\u017c"
    r"|siostra|brat|geb\.|geborene|paciente|medecin|m\u00e9decin|m[e\u00e9]dico"
    r"|acompa\u00f1ad[ao]\spor"
    r")(?![\w-])\.?",
    re.IGNORECASE,
)
_AFTER_CUE = re.compile(
    r",?[ ]?\n{1,3}[ ]{0,4}|[ ]{0,2}(?:is|named|called|,|:|-"
    r"|\u2013)?[ ]?[\"'(]?(?:the[ ])?|[ ]?\n[ ]{0,4}"
)
# A line may end between these and the name.
_FIGURE = re.compile(r"[ .:]{0,2}\d")
_LINE_AFTER = re.compile(
    r"(?i)(?:regards|sincerely|cheers|thx|thanks|signed|dr|mr|mrs|ms|dear)\b"
)
_BETWEEN = re.compile(
    r"[ ]{1,2}|[ ]?-[ ]?|\.[ ]?|,[ ](?=[A-Z])|[ ]?[\"'(]|[\"')][ ]"
    r"|[ ]?\n[ ]{0,6}(?=[A-Z])"
)
_INITIALS = re.compile(
    r"(?<![\w.])(?:[A-Z]\.[ ]?){2,4}(?![\w])|(?<=[:/])[ ]?[a-z]{2,3}(?=\s*(?:$|\n))"
    r"|(?<=\bby )[A-Z]{2,3}(?![\w.-])|(?<=[Ii]nitials )[A-Z]{2,4}\b"
    r"|(?<=[Ii]nitials: )[A-Z]{2,4}\b"
    r"|(?<=[-\u2013~/] )[a-z]{2,3}(?=\s*(?:$|\n))|(?<=^- )[a-z]{2,9}(?=\s*(?:$|\n))"
    r"|(?<=prefers \")[A-Z]\w+|(?<=aka \")[A-Z]\w+|(?<=\(\")[A-Z]\w+(?=\"\))"
    r"|(?<![\w])[A-Z]{2,4}[/:][a-z]{2,4}(?![\w/])|(?<=\bby )[a-z]{3}(?=\s*(?:[.;,\n]"
    r"|$))"
    r"|(?<![\w@.])[a-zA-Z]\.[a-z]{4,20}(?=[ ]?(?:$|\n|,|rn\b|md\b|np\b|RN\b|MD\b|NP\b"
    r"|PA\b))",
    re.MULTILINE,
)
_NOT_INITIALS = frozenset(
    "u.s. u.k. e.g. i.e. a.m. p.m. b.i.d. t.i.d. q.i.d. u.s.a. p.o. i.v.".split()
)
_NOT_AFTER = frozenset(
    """
today yesterday tomorrow tonight now then here there again also still just only very well please
regarding about because since until while where when what which whose whom whether either neither
because during after before within without via per and or but nor yet so as at by for from in into
of off on onto out over to up with a an the this that these those his her hers their our your my its
he she it they we you i him them us me is are was were be been being has have had do does did will
would can could shall should may might must not no yes all any both each few more most other some
such than too room bed floor unit ward clinic center hospital home house office phone pager cell
number name names id dob mrn ssn unknown none self notes note states reports denies presents aware
""".split()
)
_PARTICLES = frozenset(
    "de la las los del della di da dos das do van von der den ter ten bin ibn al el "
    "du le zu ap".split()
)


def find_after_cues(text: str, words: Sequence[Word]) -> Iterator[Span]:
    """Find names that follow a title, a role, a relation or a verb of speaking."""
    starts = [word.start for word in words]
    for match in _TITLES.finditer(text):
        yield from _after(text, words, starts, match.end(), match[0], titled=True)
    for match in _ROMANCE_M.finditer(text):
        yield from _after(text, words, starts, match.end(), "m", titled=True)
    for match in _CUES.finditer(text):
        yield from _after(text, words, starts, match.end(), match[0], titled=False)
    for match in _INITIALS.finditer(text):
        plain = match[0].strip().lower()
        if plain not in _NOT_INITIALS and plain not in word_set("words"):
            yield Span(match.start(), match.end(), "PERSON", 0.5)


def _after(
    text: str,
    words: Sequence[Word],
    starts: Sequence[int],
    end: int,
    cue: str,
    *,
    titled: bool,
) -> Iterator[Span]:
    gap = _AFTER_CUE.match(text, end)
    place = bisect_left(starts, end)
    if gap is None or place >= len(words):
        return
    if "\n" in text[end : words[place].start] and not _LINE_AFTER.match(cue):
        return
    beside = end < words[place].start <= gap.end()
    if not beside and not (titled and words[place].start == end):
        return
    first = last = place
    # A particle begins a surname: "Dr van der Berg".
    while (
        words[last].folded in _PARTICLES and last + 1 < len(words) and last - first < 3
    ):
        if not _BETWEEN.fullmatch(text, words[last].end, words[last + 1].start):
            return
        last += 1
    accepts = _titled if titled else _cued
    if not accepts(text, words[last], cue.lower()):
        return
    while last + 1 < len(words) and last - first < _LONGEST:
        following = words[last + 1]
        if not _BETWEEN.fullmatch(text, words[last].end, following.start):
            break
        if text[words[last].end] == "." and not (
            words[last].is_initial or len(words[last].text) < 3
        ):
            break
        joins = following.may_join and (
            following.capital or following.folded in _PARTICLES
        )
        lower = (
            not following.capital
            and not words[last].capital
            and (following.is_last or following.is_first)
            and not following.is_word
            and not following.is_clinical
        )
        if not joins and not lower:
            break
        last += 1
    while last > first and words[last].folded in _PARTICLES and not words[last].capital:
        last -= 1
    score = _SCORE_TITLE if titled else _SCORE_CUE
    yield Span(words[first].start, words[last].end, "PERSON", score, spreads=True)


def _titled(text: str, word: Word, cue: str) -> bool:
    if word.folded in _NOT_AFTER or names_thing(text, word.end):
        return False
    if len(word.text) == 1:
        plain = cue.rstrip(".") in ("mr", "mrs", "ms", "miss", "dr")
        return plain and not _FIGURE.match(text, word.end)
    if word.capital:
        if (
            word.upper
            and len(word.text) < 4
            and cue.rstrip(".") in ("rn", "np", "pt", "fr", "sr", "tech")
        ):
            return False
        listed = word.is_first or word.is_last
        return listed or not is_medical(word.folded)
    listed = word.is_first or word.is_last
    if cue.rstrip(".") in _ALSO_WORDS:
        return listed and not word.is_word
    if word.is_word and not listed:
        return False
    return not is_medical(word.folded) and word.folded not in word_set("common")


# Titles that are words of other meanings.
_ALSO_WORDS = frozenset(
    "nurse officer judge father sister principal don dom pan np rn cna lpn tech "
    "technician"
    " medic paramedic attorney coach lord sir miss cousin nan lt fr sr pr d sig "
    "captain deputy"
    " pastor chaplain hr".split()
)


# After these, a name in lower case may be a word of English too: "pt earl", "wife dottie".
_CLOSE = frozenset(
    """
pt patient son daughter dtr wife husband spouse mother father mom mum dad brother sister partner
neighbor neighbour friend girlfriend boyfriend sitter carer caregiver landlord nurse aide driver
niece nephew grandson granddaughter d/w s/w pgd aunt uncle cousin gf bf
""".split()
)


def _cued(text: str, word: Word, cue: str) -> bool:
    if word.folded in _NOT_AFTER or len(word.text) < 2 or names_thing(text, word.end):
        return False
    if word.folded in EPONYMS or word.is_clinical:
        return False
    listed = word.is_first or word.is_last
    if not word.capital:
        if cue.rstrip(".") in _CLOSE and word.folded not in word_set("common"):
            if word.folded in ALSO_FIRST:
                return True
            known = (
                word.is_word
                or word.is_clinical
                or word.folded in word_set("rare_words")
            )
            if not known and len(word.text) > 3:
                return True
        return (
            listed
            and not word.is_word
            and len(word.text) > 2
            and cue not in ("w/", "under")
        )
    if word.upper and len(word.text) < 5 and not text.isupper():
        return False
    if not word.is_word:
        return True
    return word.is_first and word.folded not in word_set("common")
