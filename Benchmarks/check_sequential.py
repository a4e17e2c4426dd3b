#!/usr/bin/env python3
"""Loads weights that Cinch exports into the `nn.Sequential` that it names, and weights that PyTorch saves into Cinch.

    make pytorch-check   # or: .venv/bin/python Benchmarks/check_sequential.py .build/release/cinch

Every recipe of `cinch recipes` that is such a module, and networks of other geometries, are trained for a moment. `load_state_dict`
must take the exported weights, strictly, and the module reconstruct as Cinch does; then PyTorch draws other weights, saves
them, and the run that `cinch import` makes of these must reconstruct as the module does.
"""
import json
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import nn  # The module's text names it.

from exported import GEOMETRIES, SAMPLES, images

TOLERANCE = 1e-5


def cinch(*arguments):
    return subprocess.run([sys.argv[1], *map(str, arguments)], capture_output=True, text=True)


def must(*arguments):
    done = cinch(*arguments)
    if done.returncode != 0:
        sys.exit(f"cinch {' '.join(map(str, arguments))}: {done.stderr.strip()}")


def outputs(module, x, shape):
    with torch.no_grad():
        return module.eval()(torch.from_numpy(x)).numpy().reshape(shape)


def check(place, name, train, x, input_shape):
    """Returns the two largest differences; None where Cinch says that there is no such module."""
    place.mkdir()
    np.save(place / "x.npy", x)
    must("train", *train, "--data", place / "x.npy", "--out", place / "run", "--quiet", "--device", "cpu")
    done = cinch("export", place / "run", "--names", "torch", "-o", place / "out.safetensors")
    if done.returncode == 64 and "no module of an nn.Sequential" in done.stderr:
        return None
    if done.returncode != 0:
        sys.exit(f"{name}: {done.stderr.strip()}")
    with safe_open(place / "out.safetensors", "pt") as file:
        module = eval(file.metadata()["module"])
    module.load_state_dict(load_file(place / "out.safetensors"), strict=True)
    must("reconstruct", place / "run", "-o", place / "y.npy", "--device", "cpu")
    theirs = x.astype(np.float32).reshape(len(x), *input_shape)
    expected = np.load(place / "y.npy")
    out = np.abs(outputs(module, theirs, expected.shape) - expected).max()
    torch.manual_seed(3)
    tied = json.loads((place / "run" / "config.json").read_text())["recipe"]["architecture"].get("tied")
    if not tied:
        for layer in module:
            if hasattr(layer, "reset_parameters"):
                layer.reset_parameters()
    save_file(module.state_dict(), place / "in.safetensors")
    must("import", place / "in.safetensors", "--recipe", place / "run" / "config.json", "-o", place / "back", "--device", "cpu")
    must("reconstruct", place / "back", "--data", place / "x.npy", "-o", place / "z.npy", "--device", "cpu")
    back = np.load(place / "z.npy")
    return out, np.abs(outputs(module, theirs, back.shape) - back).max()


def main():
    recipes = json.loads(cinch("recipes", "--json").stdout)
    failed, passed = False, 0
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        grey = images(28, 28) / np.float32(255)
        cases = []
        for recipe in recipes:
            name = recipe["name"]
            # A classifier reconstructs nothing.
            if recipe["architecture"]["kind"] != "autoencoder":
                continue
            shape = (1, 28, 28) if "image" in recipe["architecture"] else (784,)
            epochs = [] if name in ("pca", "ppca") else ["--epochs", 1]
            # Scaling, which imputation has unless told otherwise, is no part of the module.
            cases.append((name, [name, *epochs, "--scale", "none"], grey, shape))
        cases.append(("deep-tied", ["deep", "--tied", "--epochs", 1], grey, (784,)))
        for name, network in GEOMETRIES.items():
            (folder / f"{name}.json").write_text(json.dumps(network))
            channels, height, width = network["architecture"]["image"]
            x = images(height, width, channels, seed=5).transpose(0, 3, 1, 2) / np.float32(255)
            cases.append((name, ["--recipe", folder / f"{name}.json"], np.ascontiguousarray(x), (channels, height, width)))
        for name, train, x, shape in cases:
            found = check(folder / name, name, train, x.astype(np.float32), shape)
            if found is None:
                print(f"{name:22} no sequence")
                continue
            passed += 1
            good = all(difference <= TOLERANCE for difference in found)
            failed |= not good
            print(f"{name:22} exported {found[0]:.1e}, imported {found[1]:.1e}{'' if good else '   WRONG'}")
    print(f"{passed} modules, {SAMPLES} samples each")
    sys.exit(failed or passed < 15)


if __name__ == "__main__":
    main()
