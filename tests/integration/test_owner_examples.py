"""The owners' examples run as they stand, smaller than by default, and say what they should."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
from patience import PATIENCE
from places import ROOT

EXAMPLES = ROOT / "examples"
pytestmark = pytest.mark.usefixtures("warm_scripts")
PAGES = ROOT / "docs" / "owner" / "examples"


def played(example: str, *options: object) -> str:
    done = subprocess.run(
        [sys.executable, EXAMPLES / example, *map(str, options)],
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def both_sides(shown: str, what: str) -> tuple[float, float]:
    """A score on what was opened, and on the de-identified plaintext."""
    [opened] = re.findall(rf"{what} on the opened records: +(\S+)", shown)
    [plain] = re.findall(rf"{what} on the de-identified plaintext: +(\S+)", shown)
    return float(opened), float(plain)


def test_a_hospital_trains_a_readmission_model_on_pseudonyms() -> None:
    pytest.importorskip("pydicom")
    shown = played("hospital.py", "--patients", 800, "--notes", 5)
    opened, plain = both_sides(shown, "ROC AUC")
    assert opened == plain > 0.7
    for line in (
        "birthDate",
        "Observation: 7,",
        "opened records and the plaintext's: equal",
        "accepts only records de-identified under another policy",
        "suspected of burned-in text",
        "not de-identified under the policy you require",
        "800 patients joined",
        "CT_small.dcm: (128, 128) int16, equal to the original: True",
        "names and numbers, 0 are left",
        "<PERSON> (MRN <MRN>) was seen on <DATE>",
        "found: nothing",
    ):
        assert line in shown, line
    assert shown.count("plaintext's: equal") == 4


def test_banks_train_a_fraud_detector_on_tokens() -> None:
    shown = played("bank.py", "--records", 100_000, "--cards", 500)
    for what in ("ROC AUC", "average precision"):
        opened, plain = both_sides(shown, what)
        assert opened == plain
    assert both_sides(shown, "ROC AUC")[0] > 0.8
    [a], [b] = (
        re.findall(
            rf"{bank}: card (\d{{16}}) is (\d{{16}}) in all of its payments", shown
        )
        for bank in ("bank-a", "bank-b")
    )
    assert a[0] == b[0]
    assert len({*a, *b}) == 3
    assert {number[:6] for number in (*a, *b)} == {a[0][:6]}
    for line in (
        "pushed 100,000 records",
        "pushed 10,000 records",
        "accepts only records de-identified under another policy",
        "card-payments: 110,000 opened records and the plaintext's: equal",
        "names and numbers, 0 are left",
        "found: nothing",
    ):
        assert line in shown, line


def test_a_fleet_records_for_two_teams_and_survives_a_power_failure() -> None:
    pytest.importorskip("torch")
    shown = played("vehicle.py", "--mib", 54)
    opened, plain = both_sides(shown, "accuracy")
    # One pass over 2,048 frames; by default there are more.
    assert opened == plain > 0.5
    opened, plain = both_sides(shown, "rise of the road")
    assert opened == plain == pytest.approx(0.02, abs=0.002)
    for line in (
        "the recorder was killed",
        "drives 3 to 4 were de-identified, sealed and committed",
        "fleet/front-camera  2,048 records",
        "SHA-256 of all frames and labels on both sides: equal",
        "plates and faces in 2,048 frames: 0 left",
        "names and numbers, 0 are left",
    ):
        assert line in shown, line
    assert shown.count("there is no such dataset, or you have no grant of it") == 2
    assert shown.count("found: nothing") == 2


@pytest.mark.parametrize("example", ["hospital", "bank", "vehicle"])
def test_each_example_is_told_with_what_it_prints(example: str) -> None:
    told = (PAGES / f"{example}.md").read_text()
    assert f"python examples/{example}.py" in told
    assert "found: nothing" in told
    steps = re.findall(r'step\(f?"([^"{;:]+)', (EXAMPLES / f"{example}.py").read_text())
    assert steps
    for step in steps:
        assert step.strip() in told, step
