#!/usr/bin/env python3
"""Golden values: training steps of every variant, computed by PyTorch in float64.

    make golden          # or: .venv/bin/python Benchmarks/golden.py

writes one file a variant to Tests/TrainingTests/Golden. The tests train the same recipe on the same samples from
the same first weights and compare. Nothing here uses Cinch or its closed forms: gradients come from automatic
differentiation, the contractive term from a Jacobian that autograd computes sample by sample, unit by unit, and the
random numbers from a second implementation of the generator, below.

A file holds:

    recipe              as a recipe file spells it; the mini-batch is the whole data set, so an epoch is one step
    x                   the samples; multiples of 1/256, so that float32 holds them exactly (as are the weights)
    x_corrupted         denoising only: for each of three steps what the encoder sees, in the order of x. It is what
                        the recipe's seed draws, so a test may draw it or feed it
    parameters          first weights [out, in] and biases by their file names; a tied decoder's weights are left out
    loss                of the first step: the reconstruction per sample, each penalty, and their sum
    gradients           of the whole objective, weight decay included
    after_one_step      parameters after one update with each optimiser
    after_three_steps   the same after three; the second and third see the moments of the ones before
"""
import argparse
import json
import math
import pathlib

import numpy as np
import torch

torch.set_default_dtype(torch.float64)
torch.set_num_threads(1)

SAMPLES = 4
STEPS = 3
OUTPUT = pathlib.Path(__file__).resolve().parent.parent / "Tests/TrainingTests/Golden"

# Every file is a recipe; what it leaves out has the defaults of a recipe file (ReLU, sigmoid output, bce).
VARIANTS = {
    "linear": dict(layers=[7, 3], activation="linear", output_activation="linear", loss="sse"),
    "undercomplete": dict(layers=[7, 3]),
    "overcomplete": dict(layers=[5, 8], activation="sigmoid", penalties=dict(weight_decay=0.01)),
    "deep": dict(layers=[7, 5, 3]),
    "sparse": dict(
        layers=[7, 5], activation="sigmoid", loss="sse",
        penalties=dict(weight_decay=0.001, kl=dict(rho=0.05, beta=3.0, momentum=0.0))),
    "sparse-l1": dict(layers=[7, 5], penalties=dict(l1=0.05)),
    "sparse-l1-tanh": dict(layers=[7, 5], activation="tanh", penalties=dict(l1=0.05)),
    "denoising": dict(layers=[7, 9], activation="sigmoid", corruption=dict(kind="masking", level=0.3)),
    "contractive": dict(layers=[7, 5], activation="sigmoid", penalties=dict(contraction=0.1)),
    "contractive-tanh": dict(layers=[7, 5], activation="tanh", penalties=dict(contraction=0.1)),
    "tied": dict(layers=[7, 5, 3], activation="sigmoid", tied=True, penalties=dict(weight_decay=0.01)),
    "tied-contractive": dict(layers=[7, 5], activation="sigmoid", tied=True, penalties=dict(contraction=0.1)),
    "activations": dict(
        input=7, loss="mse",
        encoder=[(6, "tanh"), (5, "softplus"), (4, "leaky-relu"), (3, "linear")],
        decoder=[(4, "sigmoid"), (5, "relu"), (6, "tanh"), (7, "linear")]),
}

OPTIMIZERS = {
    "sgd": (dict(rule="sgd", learning_rate=0.1), lambda p: torch.optim.SGD(p, lr=0.1)),
    "momentum": (
        dict(rule="momentum", learning_rate=0.1, momentum=0.9), lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9)),
    "nesterov": (
        dict(rule="nesterov", learning_rate=0.1, momentum=0.9),
        lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True)),
    "adam": (dict(rule="adam", learning_rate=0.01), lambda p: torch.optim.Adam(p, lr=0.01)),
}

ACTIVATIONS = {
    "linear": lambda a: a,
    "sigmoid": torch.sigmoid,
    "relu": torch.relu,
    "tanh": torch.tanh,
    "softplus": torch.nn.functional.softplus,
    "leaky-relu": lambda a: torch.nn.functional.leaky_relu(a, 0.01),
}


# Randomness: Philox4x32-10 and the permutation that shuffles.

MASK32 = 0xFFFFFFFF
SHUFFLE, CORRUPTION = 2, 3


def philox_key(seed, stream):
    z = (seed + stream * 0x9E3779B97F4A7C15) & (2**64 - 1)
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & (2**64 - 1)
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & (2**64 - 1)
    z ^= z >> 31
    return z & MASK32, z >> 32


def philox(key, counter):
    (k0, k1), (c0, c1, c2, c3) = key, counter
    for _ in range(10):
        p0, p1 = c0 * 0xD2511F53, c2 * 0xCD9E8D57
        c0, c1, c2, c3 = (p1 >> 32) ^ c1 ^ k0, p1 & MASK32, (p0 >> 32) ^ c3 ^ k1, p0 & MASK32
        k0, k1 = (k0 + 0x9E3779B9) & MASK32, (k1 + 0xBB67AE85) & MASK32
    return c0, c1, c2, c3


def permutation(count, key):
    """The order of an epoch: an eight-round Feistel network with cycle walking."""
    bits = 2
    while 1 << bits < count:
        bits += 2
    half, mask = bits // 2, (1 << bits // 2) - 1

    def value(v):
        while True:
            left, right = v >> half, v & mask
            for r in range(8):
                f = right ^ ((key[r % 4] + r * 0x9E3779B9) & MASK32)
                f = ((f ^ (f >> 16)) * 0x85EBCA6B) & MASK32
                f = ((f ^ (f >> 13)) * 0xC2B2AE35) & MASK32
                left, right = right, left ^ ((f ^ (f >> 16)) & mask)
            v = left << half | right
            if v < count:
                return v
    return [value(i) for i in range(count)]


def masked(x, level, seed, step):
    """x with components zeroed as update `step` of a run zeroes them; rows in the order of x, not of the batch."""
    order = permutation(len(x), philox(philox_key(seed, SHUFFLE), (0, step, 0, 0)))
    key, threshold = philox_key(seed, CORRUPTION), round(level * 2**32)
    result = x.clone()
    for row, sample in enumerate(order):
        for feature in range(x.shape[1]):
            element = row * x.shape[1] + feature
            if philox(key, (element // 4, step, 0, 0))[element % 4] < threshold:
                result[sample, feature] = 0
    return result


# The objective.

class Model:
    def __init__(self, recipe, rng):
        self.recipe = recipe
        widths = [recipe["input"]] + [l["units"] for l in recipe["encoder"] + recipe["decoder"]]
        self.depth = len(recipe["encoder"])
        self.names = [f"encoder.{i}" for i in range(self.depth)]
        self.names += [f"decoder.{i}" for i in range(len(widths) - 1 - self.depth)]
        self.activations = [ACTIVATIONS[l["activation"]] for l in recipe["encoder"] + recipe["decoder"]]
        draw = lambda shape, scale: torch.tensor(np.round(rng.uniform(-scale, scale, shape) * 256) / 256)
        self.parameters = {}
        for index, name in enumerate(self.names):
            fan_in, fan_out = widths[index], widths[index + 1]
            if not (recipe["tied"] and index >= self.depth):
                self.parameters[f"{name}.weight"] = draw((fan_out, fan_in), 1)
            self.parameters[f"{name}.bias"] = draw((fan_out,), 0.5)

    def weight(self, p, index):
        if self.recipe["tied"] and index >= self.depth:
            return p[self.names[2 * self.depth - 1 - index] + ".weight"].T
        return p[self.names[index] + ".weight"]

    def run(self, p, h, layers):
        for index in layers:
            a = h @ self.weight(p, index).T + p[self.names[index] + ".bias"]
            h = self.activations[index](a)
        return h, a

    def objective(self, p, x, x_input):
        recipe, penalties = self.recipe, self.recipe["penalties"]
        n, d = x.shape
        code, _ = self.run(p, x_input, range(self.depth))
        output, logits = self.run(p, code, range(self.depth, len(self.names)))
        if recipe["loss"] == "sse":
            reconstruction = 0.5 * ((output - x) ** 2).sum() / n
        elif recipe["loss"] == "mse":
            reconstruction = ((output - x) ** 2).sum() / d / n
        else:
            reconstruction = torch.nn.functional.binary_cross_entropy_with_logits(logits, x, reduction="sum") / n
        terms = {}
        if "weight_decay" in penalties:
            weights = [v for k, v in p.items() if k.endswith(".weight")]
            terms["weight_decay"] = penalties["weight_decay"] / 2 * sum((w ** 2).sum() for w in weights)
        if "kl" in penalties:
            rho, mean = penalties["kl"]["rho"], code.mean(0)
            kl = rho * torch.log(rho / mean) + (1 - rho) * torch.log((1 - rho) / (1 - mean))
            terms["kl"] = penalties["kl"]["beta"] * kl.sum()
        if "l1" in penalties:
            terms["l1"] = penalties["l1"] * code.abs().sum() / n
        if "contraction" in penalties:
            terms["contractive"] = penalties["contraction"] * self.jacobian_norm(p, x_input)
        return reconstruction, terms

    def jacobian_norm(self, p, x):
        """mean over samples of ‖∂h/∂x‖²_F, one unit's gradient at a time."""
        total = 0
        for sample in x:
            sample = sample.clone().requires_grad_(True)
            code, _ = self.run(p, sample[None], range(self.depth))
            for unit in code[0]:
                total = total + (torch.autograd.grad(unit, sample, create_graph=True)[0] ** 2).sum()
        return total / len(x)


def full_recipe(name, settings):
    """The recipe with its layers spelled out."""
    recipe = dict(settings, name=name, batch_size=SAMPLES, seed=7)
    if "layers" in recipe:
        layers, hidden = recipe.pop("layers"), recipe.pop("activation", "relu")
        recipe["input"] = layers[0]
        recipe["encoder"] = [(units, hidden) for units in layers[1:]]
        recipe["decoder"] = [(units, hidden) for units in layers[-2:0:-1]]
        recipe["decoder"].append((layers[0], recipe.pop("output_activation", "sigmoid")))
    for part in ("encoder", "decoder"):
        recipe[part] = [dict(type="dense", units=u, activation=a) for u, a in recipe[part]]
    return dict(dict(loss="bce", tied=False, penalties={}), **recipe)


def named(tensors):
    return {k: dict(shape=list(v.shape), values=v.detach().flatten().tolist()) for k, v in tensors.items()}


def make(name, settings):
    recipe = full_recipe(name, settings)
    rng = np.random.default_rng(list(name.encode()))
    model = Model(recipe, rng)
    x = torch.tensor(np.round(rng.random((SAMPLES, recipe["input"])) * 256) / 256)
    corruption = recipe.get("corruption")
    inputs = [masked(x, corruption["level"], recipe["seed"], s) if corruption else x for s in range(STEPS)]
    result = dict(made_by=f"Benchmarks/golden.py, PyTorch {torch.__version__.split('+')[0]}, float64", recipe=recipe)
    result["x"] = x.tolist()
    if corruption:
        result["x_corrupted"] = [i.tolist() for i in inputs]
    result["parameters"] = named(model.parameters)

    def fresh():
        return {k: v.clone().requires_grad_(True) for k, v in model.parameters.items()}

    p = fresh()
    reconstruction, terms = model.objective(p, x, inputs[0])
    total = reconstruction + sum(terms.values())
    gradients = dict(zip(p, torch.autograd.grad(total, list(p.values()))))
    result["loss"] = dict(
        reconstruction=reconstruction.item(), penalties={k: v.item() for k, v in terms.items()}, total=total.item())
    result["gradients"] = named(gradients)
    result["after_one_step"], result["after_three_steps"] = {}, {}
    for rule, (description, optimizer_of) in OPTIMIZERS.items():
        p = fresh()
        optimizer = optimizer_of(list(p.values()))
        for step in range(STEPS):
            optimizer.zero_grad()
            reconstruction, terms = model.objective(p, x, inputs[step])
            (reconstruction + sum(terms.values())).backward()
            optimizer.step()
            if step in (0, STEPS - 1):
                place = result["after_one_step" if step == 0 else "after_three_steps"]
                place[rule] = dict(optimizer=description, parameters=named(p))
    assert all(math.isfinite(v) for g in result["gradients"].values() for v in g["values"])
    return result


def dump(value, indent=0):
    """JSON with one line a leaf object or row: small, and readable in a diff."""
    inner = value.values() if isinstance(value, dict) else value
    nested = isinstance(value, (dict, list)) and any(isinstance(v, (dict, list)) for v in inner)
    if not nested or "values" in value:
        return json.dumps(value)
    pad, close = "\n" + " " * (indent + 1), "\n" + " " * indent
    if isinstance(value, dict):
        items = [f"{json.dumps(k)}: {dump(v, indent + 1)}" for k, v in value.items()]
        return "{" + pad + ("," + pad).join(items) + close + "}"
    return "[" + pad + ("," + pad).join(dump(v, indent + 1) for v in value) + close + "]"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=pathlib.Path, default=OUTPUT)
    parser.add_argument("variant", nargs="*", default=list(VARIANTS), help="default: all")
    options = parser.parse_args()
    # Known answer of Philox4x32-10 (Random123's kat_vectors), so that the masks are what they claim to be.
    assert philox((0, 0), (0, 0, 0, 0)) == (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)
    options.output.mkdir(parents=True, exist_ok=True)
    for name in options.variant:
        path = options.output / f"{name}.json"
        path.write_text(dump(make(name, VARIANTS[name])) + "\n")
        print(f"{path.name}  {path.stat().st_size / 1024:.1f} KB")


if __name__ == "__main__":
    main()
