#!/usr/bin/env python3
"""Compares Cinch's persistent contrastive divergence with scikit-learn's BernoulliRBM on its digits.

    make rbm-check       # or: .venv/bin/python Benchmarks/check_rbm.py .build/release/cinch

Both train 100 hidden units on the 1,797 digits (8 x 8, in [0, 1]) with mini-batches of 10 at a rate of 0.1, from three seeds each.
The two draw other numbers, so their pseudo-likelihoods after 1 and 10 passes are compared with how much the seeds differ: the
means must lie within four standard errors of their difference, or 0.5 nats, and Cinch may be better.
"""
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile

import numpy as np
from sklearn.datasets import load_digits
from sklearn.neural_network import BernoulliRBM

SEEDS, PASSES = range(3), (1, 10)


def theirs(x, seed, passes):
    machine = BernoulliRBM(100, learning_rate=0.1, batch_size=10, n_iter=passes, random_state=seed).fit(x)
    return statistics.mean(float(machine.score_samples(x).mean()) for _ in range(5))


def ours(cinch, folder, data, seed, passes):
    run = folder / f"{seed}-{passes}"
    line = f"train rbm --persistent --layers 64,100 --batch-size 10 --lr 0.1 --epochs {passes} --seed {seed} --json"
    done = subprocess.run(
        [cinch, *line.split(), "--data", data, "--out", run], check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])["metrics"]["pseudo_likelihood"]


def main():
    cinch = sys.argv[1] if len(sys.argv) > 1 else ".build/release/cinch"
    x = (load_digits().data / 16).astype(np.float32)
    failed = False
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        np.save(folder / "digits.npy", x)
        for passes in PASSES:
            a = [theirs(x, seed, passes) for seed in SEEDS]
            b = [ours(cinch, folder, folder / "digits.npy", seed, passes) for seed in SEEDS]
            error = (statistics.variance(a) / len(a) + statistics.variance(b) / len(b)) ** 0.5
            worse = statistics.mean(a) - statistics.mean(b)
            good = worse < max(4 * error, 0.5)
            failed |= not good
            print(
                f"after {passes:2} passes: scikit-learn {statistics.mean(a):.2f} [{min(a):.2f}, {max(a):.2f}], "
                f"Cinch {statistics.mean(b):.2f} [{min(b):.2f}, {max(b):.2f}]: {'ok' if good else 'WORSE'}")
    sys.exit(failed)


if __name__ == "__main__":
    main()
