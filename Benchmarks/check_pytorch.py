#!/usr/bin/env python3
"""PyTorch's opinion of a run of the recipe `conv`: its weights in the obvious module give the same reconstructions.

    make pytorch-check              # or:
    cinch train conv --epochs 1 --out run
    cinch reconstruct run --data samples.npy --output reconstructions.npy
    .venv/bin/python Benchmarks/check_pytorch.py run samples.npy reconstructions.npy

With --make-samples N the first N images of Fashion-MNIST are written to SAMPLES first, and nothing is checked.
"""
import argparse
import pathlib
import sys

import numpy as np
import torch
from safetensors.torch import load_file

TOLERANCE = 1e-4


class Autoencoder(torch.nn.Module):
    """`conv`: 1→16→32 filters of 3×3, stride 2, padding 1, and their mirror."""

    def __init__(self, channels):
        super().__init__()
        conv = lambda i, o: torch.nn.Conv2d(i, o, 3, stride=2, padding=1)
        transposed = lambda i, o: torch.nn.ConvTranspose2d(i, o, 3, stride=2, padding=1, output_padding=1)
        self.encoder = torch.nn.ModuleList([conv(channels, 16), conv(16, 32)])
        self.decoder = torch.nn.ModuleList([transposed(32, 16), transposed(16, channels)])

    def forward(self, x):
        for layer in [*self.encoder, self.decoder[0]]:
            x = torch.relu(layer(x))
        return torch.sigmoid(self.decoder[1](x))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=pathlib.Path)
    parser.add_argument("samples", type=pathlib.Path)
    parser.add_argument("reconstructions", type=pathlib.Path)
    parser.add_argument("--make-samples", type=int, metavar="N")
    options = parser.parse_args()
    if options.make_samples:
        import peers

        np.save(options.samples, peers.fashion_mnist()[: options.make_samples].reshape(-1, 28, 28))
        return
    samples, ours = np.load(options.samples), np.load(options.reconstructions)
    weights = load_file(options.run / "model.safetensors")
    images = torch.from_numpy(samples).reshape(len(samples), -1, *samples.shape[-2:])
    model = Autoencoder(images.shape[1])
    model.load_state_dict(weights, strict=True)
    with torch.no_grad():
        theirs = model(images).numpy()
    worst = float(np.abs(theirs.reshape(ours.shape) - ours).max())
    print(f"{len(samples)} images, largest difference {worst:.2e}")
    if not worst <= TOLERANCE:
        sys.exit(f"PyTorch reconstructs {options.samples} differently by {worst:.2e}, more than {TOLERANCE:.0e}.")


if __name__ == "__main__":
    main()
