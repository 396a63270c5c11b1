"""A hospital's FHIR export and images, de-identified and sealed, and a readmission model on them.

The privacy officer's policy is `hipaa-safe-harbor`: names, addresses and numbers go, dates become
years, free text is scrubbed, ids become pseudonyms that are the same in every dataset of this
hospital. Each type of resource is a dataset of its own; the laboratory joins them by pseudonym,
and requires the policy. Images go under `dicom-basic`. The model is as good as on the
plaintext that the hospital's own machine de-identifies. Everything lives in a temporary folder.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
from commands import step
from members import (
    as_,
    compare,
    deidentified,
    left_in,
    push,
    refused,
    relay_with,
    same_records,
    shown,
)
from patients import DISEASES, LABORATORY, TYPES, Export, write_export
from pydicom import dcmread
from pydicom.data import get_testdata_file
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score
from threadpoolctl import threadpool_limits
from traces import search

import sealift

POLICY, IMAGE_POLICY = "hipaa-safe-harbor", "dicom-basic"
IMAGES = ("CT_small.dcm", "MR_small.dcm")
ULTRASOUND = "examples_rgb_color.dcm"
PURPOSE = "readmission model, protocol 12"
TRAINER = "laboratory"


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("--patients", type=int, default=3_000)
    options.add_argument(
        "--notes", type=int, default=40, help="patients with notes in free text"
    )
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="sealift-hospital-") as name:
        folder = Path(name)
        step("the hospital exports FHIR R4 Bulk Data, and a few images")
        export = write_export(folder / "export", chosen.patients, chosen.notes)
        print(f"  {export.resources:,} resources of {chosen.patients:,} patients")
        images = folder / "images"
        images.mkdir()
        for image in (*IMAGES, ULTRASOUND):
            shutil.copy(str(get_testdata_file(image)), images / image)
        with relay_with(folder, {"hospital": "owner", TRAINER: "trainer"}) as relay:
            push_records(folder, export)
            push_images(images)
            wrong = train(export, images)
            step("everything that the relay holds is searched")
            needles, control = telling(export, images)
            wrong += search([relay], needles, control)
        step("the relay has let its calls finish and stopped")
    if wrong:
        sys.exit(f"the example failed: {wrong}")


# --- the hospital --------------------------------------------------------------------------------


def push_records(folder: Path, export: Export) -> None:
    step(
        "the privacy officer looks at what the policy changes, before anything is sent"
    )
    rehearsal = ("deidentify", export.files["Patient"], "--policy", POLICY)
    print(f"  hospital$ {shown(rehearsal)}", flush=True)
    show_first(as_("hospital", *rehearsal, "--records", 200, quiet=True))

    step("each type of resource becomes a dataset of its own, under one policy")
    for kind, path in export.files.items():
        terms = (
            "--dataset",
            kind,
            "--to",
            TRAINER,
            "--policy",
            POLICY,
            "--purpose",
            PURPOSE,
        )
        push("hospital", path, *terms, brief=True)

    step(
        "new patients are pushed under another policy: refused before anything is sealed"
    )
    later = write_export(folder / "later", 20, 0, seed=12).files["Patient"]
    refused(
        "hospital",
        "push",
        later,
        "--dataset",
        "Patient",
        "--policy",
        "gdpr-pseudonymous",
    )


def push_images(images: Path) -> None:
    step(
        "an ultrasound image lies among the others: such devices write names into the picture"
    )
    terms = ("--dataset", "images", "--to", TRAINER, "--policy", IMAGE_POLICY)
    refused("hospital", "push", images, *terms)
    step("it is taken out, and the others go")
    (images / ULTRASOUND).unlink()
    push("hospital", images, *terms, brief=True)


def show_first(rehearsal: str) -> None:
    """Prints the first record of a rehearsal, without empty columns."""
    lines = rehearsal.splitlines()
    second = next(
        (n for n, line in enumerate(lines) if line.startswith("  2 ")), len(lines)
    )
    print("\n".join(f"  {line}" for line in lines[:second] if "(null)" not in line))


# --- the laboratory ------------------------------------------------------------------------------


def train(export: Export, images: Path) -> list[str]:
    step("the laboratory requires the policy; what is under another is not opened")
    with sealift.connect(TRAINER) as laboratory:
        try:
            laboratory.open_dataset(
                "hospital/Patient", require_policy="gdpr-pseudonymous"
            )
        except sealift.errors.PolicyUnmet as error:
            print(f"  {error}")
        else:
            return ["required policy"]
        opened = {
            kind: laboratory.open_dataset(
                f"hospital/{kind}", require_policy=POLICY
            ).to_table()
            for kind in TYPES
        }
        pictures = laboratory.open_dataset(
            "hospital/images", require_policy=IMAGE_POLICY
        )
        scans = pictures.to_table()
    rows = ", ".join(f"{table.num_rows:,} {kind}" for kind, table in opened.items())
    print(f"  opened {rows}, {scans.num_rows} images")

    step(
        "the four tables are joined by pseudonym, and the model is trained; then on the plaintext"
    )
    plain = {
        kind: deidentified("hospital", path, POLICY)
        for kind, path in export.files.items()
    }
    wrong = [
        what for kind in TYPES for what in same_records(kind, opened[kind], plain[kind])
    ]
    wrong += compare("ROC AUC", readmission(opened), readmission(plain))
    wrong += compare_pictures(scans, images)

    step(
        "names, record numbers, telephones and addresses are looked for in what was opened"
    )
    people = {*export.identifiers, *of_images(images)}
    wrong += left_in(people, *opened.values(), scans)
    told = opened["Condition"]["note.text"].drop_null()
    print(f"  a scrubbed note: {told[0].as_py()[0] if len(told) else 'none'}")
    return wrong


def readmission(tables: Mapping[str, pa.Table]) -> float:
    """Trains on three quarters of the patients whether they come back; scores the others.

    The tables know patients by pseudonyms only, which are the same in all of them.
    """
    people = tables["Patient"]
    place = {
        pseudonym: number for number, pseudonym in enumerate(people["id"].to_pylist())
    }
    features = np.zeros((len(place), 3 + len(DISEASES) + len(LABORATORY)))
    features[:, 0] = people["birthDate"].to_numpy()
    features[:, 1] = [gender == "female" for gender in people["gender"].to_pylist()]

    def rows_of(table: pa.Table) -> np.ndarray:
        return np.array(
            [place[person] for person in table["subject.reference.id"].to_pylist()]
        )

    stays = tables["Encounter"]
    again = (
        np.array(stays["hospitalization.reAdmission.coding.code"].to_pylist()) == "R"
    )
    readmitted = np.zeros(len(place), bool)
    readmitted[rows_of(stays)[again]] = True
    np.add.at(
        features[:, 2], rows_of(stays)[~again], stays["length.value"].to_numpy()[~again]
    )
    # Measurements during the predicted stay do not count.
    coming = set(stays["id"].filter(pa.array(again)).to_pylist())
    for offset, (kind, codes) in enumerate(
        (("Condition", DISEASES), ("Observation", LABORATORY))
    ):
        table = tables[kind]
        rows, found = rows_of(table), np.array(table["code.coding.code"].to_pylist())
        values, known = np.ones(len(rows)), np.ones(len(rows), bool)
        if kind == "Observation":
            values = table["valueQuantity.value"].to_numpy()
            known = np.array(
                [e not in coming for e in table["encounter.reference.id"].to_pylist()]
            )
        for column, code in enumerate(codes, start=3 + offset * len(DISEASES)):
            chosen = known & (found == code)
            total, count = np.zeros(len(place)), np.zeros(len(place))
            np.add.at(total, rows[chosen], values[chosen])
            np.add.at(count, rows[chosen], 1)
            features[:, column] = total / np.maximum(count, 1)
    held_out = np.arange(len(place)) % 4 == 0
    model = HistGradientBoostingClassifier(
        max_iter=60, learning_rate=0.05, early_stopping=False, random_state=0
    )
    # Threads add up in the order in which they end, and the last bit of a sum depends on it.
    with threadpool_limits(limits=1):
        model.fit(features[~held_out], readmitted[~held_out])
        told = model.predict_proba(features[held_out])[:, 1]
    print(f"  {len(place):,} patients joined, {readmitted.sum():,} came back")
    return float(roc_auc_score(readmitted[held_out], told))


def compare_pictures(scans: pa.Table, images: Path) -> list[str]:
    """Checks that pixels equal the originals' and headers do not; returns the problems found."""
    wrong = []
    for path, row in zip(sorted(images.iterdir()), scans.to_pylist(), strict=True):
        pixels = np.frombuffer(row["pixels"], row["pixel_type"]).reshape(
            row["pixel_shape"]
        )
        same = np.array_equal(pixels, dcmread(path).pixel_array)
        print(
            f"  {path.name}: {pixels.shape} {pixels.dtype}, equal to the original: {same}"
        )
        wrong += [] if same and "PatientName" not in row else [path.name]
    return wrong


# --- what must not be found ----------------------------------------------------------------------


def of_images(images: Path) -> set[str]:
    """Names, dates and numbers in the headers of the images."""
    found: set[str] = set()
    for path in images.iterdir():
        header = dcmread(path)
        names = ("PatientName", "InstitutionName", "StudyInstanceUID", "SOPInstanceUID")
        found |= {str(header.get(name, "")) for name in names}
    return {value for value in found if len(value) >= 10}


def telling(export: Export, images: Path) -> tuple[set[str | bytes], bytes]:
    """Identifiers, clinical words and pixels; and the plaintext that contains them."""
    needles: set[str | bytes] = {
        *export.identifiers,
        *of_images(images),
        *DISEASES.values(),
    }
    needles |= {"valueQuantity", "birthDate", "creatinine".title()}
    control = export.files["Patient"].read_bytes()
    control += b"".join(path.read_bytes()[:100_000] for path in export.files.values())
    for path in images.iterdir():
        pixels = dcmread(path).pixel_array.tobytes()
        middle = len(pixels) // 2
        needles |= {pixels[at : at + 16] for at in range(middle, middle + 512, 64)}
        control += path.read_bytes()
    return needles, control


if __name__ == "__main__":
    main()
