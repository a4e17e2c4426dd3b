#!/usr/bin/env python3
"""Golden values of principal component analysis and its probabilistic form, computed by NumPy in float64.

    make golden          # or: .venv/bin/python Benchmarks/golden_components.py

writes pca.json and ppca.json to Tests/TrainingTests/Golden/closed-form. Components come from a singular value decomposition of
the centred samples, signed so that the element of largest magnitude is positive; log-likelihoods from the whole covariance
W W^T + s^2 I, its determinant and its inverse, as Tipping and Bishop (1999) write them. Nothing here uses Cinch or its closed
forms. A file holds:

    components          how many
    x, other            samples to fit, and others to evaluate; multiples of 1/256, so that float32 holds them exactly
    parameters          weights and biases by their file names
    codes, errors       of `other`: codes, and the mean squared error per element of `x` and of `other`
    log_likelihoods     ppca only: per sample in nats, of `x` and of `other`
"""
import pathlib

import numpy as np

from golden import dump, write

OUTPUT = pathlib.Path(__file__).resolve().parent.parent / "Tests/TrainingTests/Golden/closed-form"
SAMPLES, FEATURES, COMPONENTS = 12, 7, 3


def samples(rng, count, mixing, offset):
    factors = rng.normal(size=(count, FEATURES)) * 0.6 ** np.arange(FEATURES)
    return np.round((factors @ mixing + offset) * 256) / 256


def named(**tensors):
    return {
        k.replace("__", "."): dict(shape=list(np.shape(v)), values=np.ravel(v).tolist()) for k, v in tensors.items()}


def log_likelihood(x, mean, covariance):
    y = x - mean
    distances = np.einsum("ni,ni->n", y, np.linalg.solve(covariance, y.T).T)
    sign, determinant = np.linalg.slogdet(covariance)
    assert sign == 1
    return -0.5 * (x.shape[1] * np.log(2 * np.pi) + determinant + distances.mean())


def make(name):
    rng = np.random.default_rng(list(name.encode()))
    mixing, offset = rng.normal(size=(FEATURES, FEATURES)), rng.normal(size=FEATURES) * 2
    x, other = samples(rng, SAMPLES, mixing, offset), samples(rng, 5, mixing, offset)
    mean = x.mean(0)
    _, singular, axes = np.linalg.svd(x - mean, full_matrices=False)
    axes *= np.sign(axes[np.arange(len(axes)), np.abs(axes).argmax(1)])[:, None]
    values = singular**2 / len(x)
    kept, up = axes[:COMPONENTS], axes[:COMPONENTS].T
    down, extra = kept, {}
    result = dict(
        made_by=f"Benchmarks/golden_components.py, NumPy {np.__version__}, float64", components=COMPONENTS, x=x.tolist(),
        other=other.tolist())
    if name == "ppca":
        noise = values[COMPONENTS:].mean()
        up = up * np.sqrt(values[:COMPONENTS] - noise)
        down = np.linalg.solve(up.T @ up + noise * np.eye(COMPONENTS), up.T)
        extra = dict(loss__log_variance=[np.log(noise)])
        covariance = up @ up.T + noise * np.eye(FEATURES)
        result["log_likelihoods"] = [log_likelihood(x, mean, covariance), log_likelihood(other, mean, covariance)]
    result["parameters"] = named(
        encoder__0__weight=down, encoder__0__bias=-down @ mean, decoder__0__weight=up, decoder__0__bias=mean, **extra)
    codes = lambda v: (v - mean) @ down.T
    error = lambda v: ((codes(v) @ up.T + mean - v) ** 2).mean()
    result["codes"], result["errors"] = codes(other).tolist(), [error(x), error(other)]
    return result


def main():
    for name in ("pca", "ppca"):
        write(OUTPUT / f"{name}.json", dump(make(name)) + "\n")


if __name__ == "__main__":
    main()
