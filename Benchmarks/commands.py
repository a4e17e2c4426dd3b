#!/usr/bin/env python3
"""The whole command: from launch to exit, with imports, loading, validation and saving.

    make commands
    .venv/bin/python Benchmarks/commands.py --cinch .build/release/cinch --device opencl cpu --rounds 5

`cinch train` and a plain script of each peer (this file with --script) load Fashion-MNIST's 60,000 images, hold out a
tenth, train 1 or 10 epochs, evaluate the held-out images after each, and save the weights. `cinch train` also draws
pictures and looks at the codes of all samples. Cinch and the peers take turns; the table has medians and, in brackets, the
range. What each has compiled is in its cache before anything is timed: of the device's driver, of torch.compile, and of
JAX, whose cache is switched on. In the second table, from launch to the first update, PoCL's cache is empty, too; those of other
drivers stay as they are.
"""
import argparse
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

import machine
from check_plan import WORKLOADS as RECIPES
from scaling import npy

HERE = pathlib.Path(__file__).resolve().parent

# What the workloads of `cinch bench` set beyond the recipe's own.
ADAM = ["--optimizer", "adam", "--lr", "0.001"]
OPTIONS = {
    "deep": ADAM,
    "sparse": [*ADAM, "--rho", "0.05", "--beta", "3", "--weight-decay", "0.001"],
    "denoise": [*ADAM, "--corruption", "masking", "--corruption-level", "0.3"],
    "contractive": [*ADAM, "--contraction", "0.1"],
    "hinton": ADAM,
    "vae": ADAM,
    "rbm": [],
    "conv": ADAM,
    "convpool": ADAM,
}
SPLIT = 0.1
# A divisor of the held-out images, so that JAX compiles for one shape; about what Cinch has pass at a time.
EVALUATED = 1000


def script(peer, workload, epochs, layout, out):
    """What a user's own program does, with the models of peers.py."""
    import numpy as np

    import peers

    data = peers.fashion_mnist()
    order = np.random.default_rng(0).permutation(len(data))
    held, training = np.split(data[order], [int(SPLIT * len(data))])
    work = peers.WORKLOADS[workload]
    kind, compiled = peers.PEERS[peer]
    is_torch = kind is peers.TorchPeer
    model = kind(training, work, len(os.sched_getaffinity(0)), False, compiled, *([layout] if is_torch else []))
    if is_torch:
        rows = model.torch.from_numpy(held)

        def evaluate(start):
            with model.torch.no_grad():
                x = rows[start : start + EVALUATED]
                return reconstruction(model, x) if work.chain else model.loss(x)
    else:
        # Once, so that it is compiled once.
        loss = model.jax.jit(lambda parameters, x, key: jax_reconstruction(model, parameters, x) if work.chain
                             else model.loss(parameters, x, key))

        def evaluate(start):
            return loss(model.state[0], held[start : start + EVALUATED], model.key)

    for _ in range(epochs):
        model.run(-(-len(training) // work.batch))
        losses = [evaluate(start) for start in range(0, len(held), EVALUATED)]
        mean = sum(map(float, losses)) / len(losses)
        assert np.isfinite(mean)
    if is_torch:
        weights = ({"w": model.weight, "b": model.visible, "c": model.hidden} if work.chain
                   else model.layers.state_dict())
        model.torch.save(weights, f"{out}.pt")
    else:
        leaves = model.jax.tree.leaves(model.state[0])
        np.savez(f"{out}.npz", *(np.asarray(leaf) for leaf in leaves))


def reconstruction(model, v):
    """The squared error of a Boltzmann machine's mean-field reconstruction."""
    torch = model.torch
    means = torch.sigmoid(torch.sigmoid(v @ model.weight + model.hidden) @ model.weight.T + model.visible)
    return 0.5 * ((v - means) ** 2).sum() / len(v)


def jax_reconstruction(model, parameters, v):
    (weight, visible, hidden), sigmoid = parameters, model.jax.nn.sigmoid
    means = sigmoid(sigmoid(v @ weight + hidden) @ weight.T + visible)
    return 0.5 * ((v - means) ** 2).sum() / len(v)


def layout_of(peer, workload):
    """The faster memory format of PyTorch's images; any for the rest."""
    command = [sys.executable, str(HERE / "peers.py"), "--peer", peer, "--workload", workload, "--repeats", "1"]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(result.stdout.splitlines()[-1]).get("layout", "channels_first")


def timed(command, environment=None):
    start = time.perf_counter()
    result = subprocess.run(command, capture_output=True, text=True, env=environment)
    seconds = time.perf_counter() - start
    if result.returncode:
        sys.exit(f"{' '.join(command)}\n{result.stderr[-2000:]}")
    return seconds


def train(options, workload, device, epochs, out):
    return [options.cinch, "train", *RECIPES[workload], *OPTIONS[workload], "--device", device,
            "--validation-split", str(SPLIT), "--epochs", str(epochs), "--out", out, "--json"]


def first_update(command, environment):
    """Seconds from launch to the end of an epoch that is a single update: loading, kernels, one batch."""
    start = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment) as process:
        for line in process.stdout:
            if json.loads(line)["event"] == "epoch":
                seconds = time.perf_counter() - start
                process.kill()
                return seconds
    sys.exit(f"{' '.join(command)} ended without an epoch")


def cell(seconds):
    spread = f" [{min(seconds):.2f} – {max(seconds):.2f}]" if len(seconds) > 1 else ""
    return f"{statistics.median(seconds):.2f} s{spread}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--cinch", default=".build/release/cinch")
    parser.add_argument("--device", nargs="+", default=["opencl", "cpu"])
    parser.add_argument("--peer", nargs="*", default=["torch", "torch-compile", "jax"])
    parser.add_argument("--workload", nargs="+", default=list(RECIPES), choices=list(RECIPES))
    parser.add_argument("--epochs", nargs="+", type=int, default=[1, 10])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="one round, to try it")
    parser.add_argument("--script", nargs=5, metavar=("PEER", "WORKLOAD", "EPOCHS", "LAYOUT", "OUT"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.script:
        peer, workload, epochs, layout, out = options.script
        return script(peer, workload, int(epochs), layout, out)
    options.rounds = 1 if options.quick else options.rounds
    rounds = "One round" if options.rounds == 1 else f"Medians of {options.rounds} rounds and their range,"
    names = [*options.device, *options.peer]
    print(f"# The whole command\n\n{machine.processor()}; {machine.packages('torch', 'jax')}.\n")
    print("Seconds from launch to exit: imports, loading, training, validation, saving. "
          f"{rounds} in turns. Written by `make commands`.\n")
    print("| workload | epochs | " + " | ".join(f"`{name}`" for name in names) + " |\n" + "|---" * (2 + len(names)) + "|")
    with tempfile.TemporaryDirectory() as folder:
        caches = dict(
            os.environ, JAX_COMPILATION_CACHE_DIR=f"{folder}/jax", JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS="0",
            TORCHINDUCTOR_CACHE_DIR=f"{folder}/inductor", TORCHINDUCTOR_FX_GRAPH_CACHE="1")
        layouts = {}

        def once(name, workload, epochs):
            out = f"{folder}/run"
            shutil.rmtree(out, ignore_errors=True)
            if name in options.device:
                return timed(train(options, workload, name, epochs, out))
            layout = layouts[name, workload]
            return timed([sys.executable, __file__, "--script", name, workload, str(epochs), layout, out], caches)

        for workload in options.workload:
            for name in options.peer:
                is_torch = name.startswith("torch")
                layouts[name, workload] = layout_of(name, workload) if is_torch and "conv" in workload else "channels_first"
            for name in names:   # fills the caches
                once(name, workload, 1)
            for epochs in options.epochs:
                times = {name: [] for name in names}
                for number in range(options.rounds):
                    turn = number % len(names)
                    for name in names[turn:] + names[:turn]:
                        times[name].append(once(name, workload, epochs))
                print(f"| `{workload}` | {epochs} | " + " | ".join(cell(times[name]) for name in names) + " |", flush=True)
        print("\nFrom launch to the end of the first update, on a file of one batch of images.\n")
        found = {device: machine.device(options.cinch, device) for device in options.device}
        # Only PoCL's cache is told where to be.
        caches_of = {name: ("warm", "empty") if machine.is_pocl(device) else
                     ("warm",) if device and device["identifier"].startswith("opencl") else ("–",) for name, device in found.items()}
        images = npy(pathlib.Path(folder) / "images.npy", (128, 28, 28))
        print("| workload | device | kernel cache | seconds |\n|---|---|---|---|")
        for workload in [name for name in ("deep", "conv", "convpool") if name in options.workload]:
            for device in options.device:
                for cache in caches_of[device]:
                    seconds, kernels = [], pathlib.Path(folder) / "kernels"
                    for number in range(options.rounds + 1):
                        if cache == "empty":
                            shutil.rmtree(kernels, ignore_errors=True)
                        kernels.mkdir(exist_ok=True)
                        out = f"{folder}/run"
                        shutil.rmtree(out, ignore_errors=True)
                        environment = dict(os.environ, POCL_CACHE_DIR=str(kernels))
                        command = [options.cinch, "train", *RECIPES[workload], "--data", images, "--device", device, "--epochs", "1",
                                   "--batch-size", "128", "--out", out, "--json"]
                        seconds.append(first_update(command, environment))
                    # The first run fills the cache.
                    print(f"| `{workload}` | `{device}` | {cache} | {cell(seconds[1:])} |", flush=True)


if __name__ == "__main__":
    main()
