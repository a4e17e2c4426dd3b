#!/usr/bin/env python3
"""Edge filters from natural images: a 64-25-64 sparse autoencoder on whitened patches, trained by L-BFGS.

    make patches-check   # or: .venv/bin/python Benchmarks/check_patches.py CINCH [FOLDER]

cuts 8x8 patches from scikit-learn's two photographs, trains, and measures how oriented each filter is: the coherence of its
power spectrum, (a - b) / (a + b) for the eigenvalues a > b of the spectrum's second moments. A grating has 1, a
blob 0; noise, which the filters begin as, is measured beside them. Fails where fewer than three filters in four are more
oriented than nineteen in twenty of noise. The filters' picture lies in FOLDER/run.
"""
import json
import pathlib
import struct
import subprocess
import sys
import tempfile

import numpy as np
from sklearn.datasets import load_sample_images


def coherence(filters):
    frequency = np.fft.fftshift(np.fft.fftfreq(16))
    y, x = np.meshgrid(frequency, frequency, indexing="ij")
    power = np.abs(np.fft.fftshift(np.fft.fft2(filters - filters.mean((1, 2), keepdims=True), (16, 16)), (1, 2))) ** 2
    xx, yy, xy = ((power * m).sum((1, 2)) for m in (x * x, y * y, x * y))
    return np.sqrt((xx - yy) ** 2 + 4 * xy ** 2) / (xx + yy)


def weights(path):
    """`encoder.0.weight` of a safetensors file."""
    data = pathlib.Path(path).read_bytes()
    size = struct.unpack("<Q", data[:8])[0]
    entry = json.loads(data[8:8 + size])["encoder.0.weight"]
    first, last = entry["data_offsets"]
    return np.frombuffer(data[8 + size + first:8 + size + last], np.float32).reshape(-1, 8, 8)


def main():
    cinch = str(pathlib.Path(sys.argv[1]).resolve())
    folder = pathlib.Path(sys.argv[2] if len(sys.argv) > 2 else tempfile.mkdtemp())
    folder.mkdir(parents=True, exist_ok=True)
    photographs = np.stack([image.mean(2) for image in load_sample_images().images]).round().astype(np.uint8)
    np.save(folder / "photographs.npy", photographs)
    command = (
        "train sparse --data photographs.npy --patches 8x8 --count 100000 --layers 64,25 --scale zca --zca-epsilon 1 "
        "--output-activation linear --weight-decay 0.003 --optimizer lbfgs --epochs 400 --batch-size 10000 --out run --quiet")
    print("cinch " + command)
    subprocess.run([cinch] + command.split(), cwd=folder, check=True)
    learned = coherence(weights(folder / "run/model.safetensors"))
    noise = coherence(np.random.default_rng(0).normal(size=(2000, 8, 8)))
    limit = np.quantile(noise, 0.95)
    oriented = int((learned > limit).sum())
    print(f"coherence: median {np.median(learned):.2f}, of noise {np.median(noise):.2f}, nineteen in twenty of it below {limit:.2f}")
    print(f"{oriented} of {len(learned)} filters are more oriented than that")
    sys.exit(0 if oriented >= 0.75 * len(learned) else 1)


if __name__ == "__main__":
    main()
