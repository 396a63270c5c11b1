"""Real records that ship in scikit-learn, and the classifier that is trained on them."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

WORDS = ("malignant", "benign")


def tumour_records() -> pa.Table:
    """569 records: 30 measurements, a diagnosis in words, and the target."""
    records = load_breast_cancer()
    names = [name.replace(" ", "_") for name in records.feature_names]
    columns = {name: records.data[:, place] for place, name in enumerate(names)}
    diagnosis = [str(records.target_names[target]) for target in records.target]
    return pa.table({**columns, "diagnosis": diagnosis, "target": records.target})


def accuracy(table: pa.Table) -> float:
    """Trains on three quarters of the records, and scores on the rest."""
    measurements = [f.name for f in table.schema if f.type == pa.float64()]
    features = np.column_stack([table[name].to_numpy() for name in measurements])
    target = table["target"].to_numpy()
    held_out = np.arange(len(target)) % 4 == 0
    model = make_pipeline(StandardScaler(), LogisticRegression(random_state=0))
    model.fit(features[~held_out], target[~held_out])
    return float(model.score(features[held_out], target[held_out]))
