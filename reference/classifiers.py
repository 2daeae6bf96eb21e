#!/usr/bin/env python3
"""What scikit-learn's classifiers and curves say of one small data set.

    python classifiers.py --out test/fixtures/classifiers.json

Made with it: test/fixtures/classifiers.json. Two classes of 240 examples in 12 dimensions, half of them noise, six in ten for training. The file
holds the data (rounded, so that both programs read the same numbers), the probabilities of a logistic regression after standardisation,
ROC-AUCs of forests grown from 40 seeds, and ROC-AUC, average precision and calibration of the former's probabilities.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from sklearn.calibration import calibration_curve
from sklearn.datasets import make_classification
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss, precision_recall_curve, roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

SEEDS = 40


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    out = parser.parse_args().out
    x, y = make_classification(
        n_samples=400, n_features=12, n_informative=5, n_redundant=1, flip_y=0.1, class_sep=0.8, random_state=5
    )
    x = np.round(x, 3)
    train, test = slice(0, 240), slice(240, 400)
    line = make_pipeline(StandardScaler(), LogisticRegression(C=1.0, tol=1e-8, max_iter=1000)).fit(x[train], y[train])
    probabilities = line.predict_proba(x[test])[:, 1]
    forests = [
        roc_auc_score(
            y[test],
            RandomForestClassifier(n_estimators=100, random_state=seed).fit(x[train], y[train]).predict_proba(x[test])[:, 1],
        )
        for seed in range(SEEDS)
    ]
    precision, recall, thresholds = precision_recall_curve(y[test], probabilities)
    shares, scores = calibration_curve(y[test], probabilities, n_bins=10)
    value = {
        "features": x.tolist(),
        "labels": y.tolist(),
        "training": 240,
        "linear": {
            "probabilities": probabilities.tolist(),
            "auc": roc_auc_score(y[test], probabilities),
            "brier": brier_score_loss(y[test], probabilities),
            "calibration": [shares.tolist(), scores.tolist()],
            "precisionRecall": [precision.tolist(), recall.tolist(), thresholds.tolist()],
        },
        "forestAucs": forests,
    }
    out.write_text(json.dumps(value) + "\n")
    print(f"linear {value['linear']['auc']:.4f}, forests {np.mean(forests):.4f} ± {np.std(forests):.4f}")


if __name__ == "__main__":
    main()
