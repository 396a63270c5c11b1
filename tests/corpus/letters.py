"""Synthetic letters in seven languages, and the noise of typing, scanning and capitals.

The sentences of each language are in two families. The rules may be made to fit the first; the
second is held out.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import replace

from corpus.clinical_notes import Label, Note
from corpus.marked import parse
from faker import Faker

LOCALES = {
    "en": "en_GB",
    "fr": "fr_FR",
    "es": "es_ES",
    "de": "de_DE",
    "it": "it_IT",
    "nl": "nl_NL",
    "pt": "pt_PT",
}
_FAMILIES = {
    "en": (
        "Dear Dr {doctor},\nRe: {name}, born {date}, {address}\nI saw {name} on {date} with"
        " shortness of breath. The {kin} {first} can be reached on {phone}. Hospital number"
        " {number}. BP 132/78, sats 96%. I have increased furosemide to 40 mg.\nYours sincerely,"
        "\n{doctor}",
        "{first} was brought in by ambulance from {town} this morning. According to the neighbour,"
        " {name}, there was a fall on {date}. The family live at {address}. Mobile {phone}, e-mail"
        " {email}. Case {number}. Discussed with {doctor}, orthopaedics; X-ray shows no fracture.",
    ),
    "fr": (
        "Cher confrère,\nJ'ai revu Madame {name}, née le {date}, demeurant {address}, pour une"
        " dyspnée. Sa fille {first} est joignable au {phone}. Dossier n° {number}. TA 13/8."
        " Traitement : furosémide 40 mg.\nDr {doctor}",
        "Compte rendu d'hospitalisation du {date}. Patient : {name}. Adressé par le Dr {doctor}"
        " de {town}. {first}, son épouse, signale une chute à domicile, {address}. Tél. {phone},"
        " courriel {email}. IPP {number}. Pas de fracture à la radiographie.",
    ),
    "es": (
        "Estimado compañero:\nHe visto a {name}, nacido el {date}, con domicilio en {address}, por"
        " disnea. Su hija {first} atiende en el {phone}. NHC {number}. TA 130/80. Tratamiento:"
        " furosemida 40 mg.\nDr. {doctor}",
        "Informe de urgencias del {date}. Paciente: {name}. Remitido por la Dra. {doctor} desde"
        " {town}. Su esposa, {first}, refiere caída en casa, {address}. Teléfono {phone}, correo"
        " {email}. Episodio {number}. Radiografía sin fracturas.",
    ),
    "de": (
        "Sehr geehrte Frau Kollegin {doctor},\nwir berichten über Herrn {name}, geb. {date},"
        " wohnhaft {address}, mit Dyspnoe. Die Tochter {first} ist unter {phone} erreichbar."
        " Fallnummer {number}. RR 130/80. Therapie: Furosemid 40 mg.\nDr. med. {doctor}",
        "Notaufnahmebericht vom {date}. Patient: {name}. Zuweisung durch Dr. {doctor} aus {town}."
        " Die Ehefrau, {first}, berichtet über einen Sturz zu Hause, {address}. Tel. {phone},"
        " E-Mail {email}. Vorgang {number}. Röntgen ohne Fraktur.",
    ),
    "it": (
        "Gentile collega,\nho visitato la Sig.ra {name}, nata il {date}, residente in {address},"
        " per dispnea. La figlia {first} risponde al {phone}. Cartella {number}. PA 130/80."
        " Terapia: furosemide 40 mg.\nDott. {doctor}",
        "Verbale di pronto soccorso del {date}. Paziente: {name}. Inviato dal Dott. {doctor} di"
        " {town}. La moglie, {first}, riferisce una caduta in casa, {address}. Cell. {phone},"
        " email {email}. Pratica {number}. Radiografia senza fratture.",
    ),
    "nl": (
        "Geachte collega {doctor},\nWij zagen mevrouw {name}, geboren {date}, wonende {address},"
        " met dyspnoe. Dochter {first} is bereikbaar op {phone}. Patiëntnummer {number}. RR"
        " 130/80. Furosemide 40 mg.\nDr. {doctor}",
        "SEH-verslag van {date}. Patiënt: {name}. Verwezen door dr. {doctor} uit {town}. Echtgenote"
        " {first} meldt een val thuis, {address}. Tel. {phone}, e-mail {email}. Dossiernummer"
        " {number}. Geen fractuur op de foto.",
    ),
    "pt": (
        "Caro colega,\nObservei a Sra. {name}, nascida em {date}, residente em {address}, por"
        " dispneia. A filha {first} atende no {phone}. Processo n.º {number}. TA 130/80."
        " Furosemida 40 mg.\nDr. {doctor}",
        "Relatório de urgência de {date}. Utente: {name}. Enviado pelo Dr. {doctor} de {town}. A"
        " esposa, {first}, refere queda em casa, {address}. Telemóvel {phone}, e-mail {email}."
        " Episódio {number}. Radiografia sem fratura.",
    ),
}
_DATE_FORMS = {
    "en": ("%d/%m/%Y", "%d %B %Y", "%d.%m.%y"),
    "fr": ("%d/%m/%Y", "%d-%m-%Y"),
    "es": ("%d/%m/%Y", "%d-%m-%y"),
    "de": ("%d.%m.%Y", "%d.%m.%y"),
    "it": ("%d/%m/%Y", "%d.%m.%Y"),
    "nl": ("%d-%m-%Y", "%d/%m/%Y"),
    "pt": ("%d/%m/%Y", "%d-%m-%Y"),
}
_KIN = ("daughter", "son", "sister", "partner")
_OCR = str.maketrans({"o": "0", "l": "1", "O": "0", "S": "5", "e": "c", "m": "rn"})


def letters(count: int, seed: int, *, held_out: bool = False) -> Iterator[Note]:
    """Make letters, the same number in each language; the template is the language's code."""
    for language, locale in LOCALES.items():
        fake = Faker(locale)
        fake.seed_instance(seed)
        chance = random.Random(f"{seed}{language}")
        template = _FAMILIES[language][held_out]
        for _ in range(count):
            yield parse(template.format_map(_Filled(fake, chance, language)), language)


class _Filled(dict[str, str]):
    def __init__(self, fake: Faker, chance: random.Random, language: str) -> None:
        super().__init__()
        self._fake, self._chance, self._language = fake, chance, language

    def __missing__(self, key: str) -> str:
        fake = self._fake
        match key:
            case "name":
                return f"⟦PERSON:{fake.first_name()} {fake.last_name()}⟧"
            case "first":
                return f"⟦PERSON:{fake.first_name()}⟧"
            case "doctor":
                return f"⟦PERSON:{fake.last_name()}⟧"
            case "date":
                form = self._chance.choice(_DATE_FORMS[self._language])
                day = fake.date_between("-80y", "-1y")
                return f"⟦DATE:{day.strftime(form)}⟧"
            case "address":
                street = fake.street_address().replace("\n", ", ")
                return f"⟦LOCATION:{street}, {fake.postcode()} {fake.city()}⟧"
            case "town":
                return f"⟦LOCATION:{fake.city()}⟧"
            case "phone":
                return f"⟦PHONE:{fake.phone_number()}⟧"
            case "email":
                return f"⟦EMAIL:{fake.ascii_safe_email()}⟧"
            case "number":
                return f"⟦MRN:{self._chance.randrange(10**6, 10**8)}⟧"
            case _:
                return self._chance.choice(_KIN)


def noisy(note: Note, kind: str, seed: int = 0) -> Note:
    """Return a note as it was typed in haste, read by a scanner, or in one case.

    Args:
        note: the note.
        kind: "typos" swaps letters, "ocr" takes letters for others, "lower" and "upper".
        seed: for the places of the noise.
    """
    chance = random.Random(f"{seed}{note.text}")
    change: Callable[[str], str]
    if kind == "lower":
        change = str.lower
    elif kind == "upper":
        change = str.upper
    elif kind == "ocr":
        change = lambda c: c.translate(_OCR) if chance.random() < 0.04 else c  # noqa: E731
    else:
        change = lambda c: _mistyped(c, chance) if chance.random() < 0.03 else c  # noqa: E731
    shown: list[str] = []
    places = [0]
    for character in note.text:
        shown.append(change(character))
        places.append(places[-1] + len(shown[-1]))
    labels = tuple(
        Label(places[label.start], places[label.end], label.kind)
        for label in note.labels
    )
    return replace(note, text="".join(shown), labels=labels)


def _mistyped(character: str, chance: random.Random) -> str:
    if not character.isalpha():
        return character
    return chance.choice(("", character * 2, chance.choice("aeinrst")))
