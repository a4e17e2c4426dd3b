#!/usr/bin/env python3
"""Golden values: training steps of every variant, computed by PyTorch in float64.

    make golden          # or: .venv/bin/python Benchmarks/golden.py

writes one file a variant to Tests/TrainingTests/Golden. The tests train the same recipe on the same samples from
the same first weights and compare. Nothing here uses Cinch or its closed forms: gradients come from automatic
differentiation, the contractive term from a Jacobian that autograd computes sample by sample, unit by unit, and the
random numbers from a second implementation of the generator, below.

A file holds:

    recipe              as a recipe file spells it; the mini-batch is the whole data set, so an epoch is one step
    x                   the samples; multiples of 1/256, so that float32 holds them exactly (as are the weights);
                        images with channels first
    x_corrupted         denoising only: for each of three steps what the encoder sees, in the order of x. It is what
                        the recipe's seed draws, so a test may draw it or feed it
    parameters          first weights and biases by their file names, shaped as PyTorch's; a tied decoder's weights
                        are left out
    loss                of the first step: the reconstruction per sample, each penalty, and their sum
    gradients           of the whole objective, weight decay included
    after_one_step      parameters after one update with each optimiser
    after_three_steps   the same after three; the second and third see the moments of the ones before

A file whose values differ in their last digits alone, as another processor rounds them, stays as it is.
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
    "hinton": dict(
        input=7, encoder=[(6, "sigmoid"), (5, "sigmoid"), (4, "linear")],
        decoder=[(5, "sigmoid"), (6, "sigmoid"), (7, "sigmoid")]),
    "tied": dict(layers=[7, 5, 3], activation="sigmoid", tied=True, penalties=dict(weight_decay=0.01)),
    "tied-contractive": dict(layers=[7, 5], activation="sigmoid", tied=True, penalties=dict(contraction=0.1)),
    "activations": dict(
        input=7, loss="mse",
        encoder=[(6, "tanh"), (5, "softplus"), (4, "leaky-relu"), (3, "linear")],
        decoder=[(4, "sigmoid"), (5, "relu"), (6, "tanh"), (7, "linear")]),
    "vae": dict(
        input=7, encoder=[(5, "relu"), (8, "linear"), dict(type="sampling")], decoder=[(5, "relu"), (7, "sigmoid")],
        penalties=dict(prior=dict(beta=1.0, warm_up=0))),
    "rbm": dict(
        input=7, loss="sse", tied=True, chain=dict(steps=2, persistent=False),
        encoder=[(4, "sigmoid")], decoder=[(7, "sigmoid")]),
    "classifier": dict(input=7, encoder=[(6, "relu"), (5, "relu")], classes=3, loss="softmax"),
    # Fine-tuning with penalties on the code.
    "classifier-penalties": dict(
        input=7, encoder=[(6, "tanh"), (5, "sigmoid")], classes=4, loss="softmax",
        penalties=dict(weight_decay=0.01, kl=dict(rho=0.1, beta=0.5, momentum=0.0), l1=0.02)),
    "vae-gaussian": dict(
        input=7, loss="gaussian", encoder=[(5, "tanh"), (8, "linear"), dict(type="sampling")],
        decoder=[(5, "tanh"), (7, "linear")],
        penalties=dict(weight_decay=0.01, prior=dict(beta=0.5, warm_up=2))),
}


def conv(filters, kernel=3, stride=1, padding="same", dilation=1, activation="relu"):
    return dict(
        type="convolution", filters=filters, kernel=kernel, stride=stride, padding=padding, dilation=dilation,
        activation=activation)


def transposed(size, **settings):
    return dict(conv(**settings), type="transposed-convolution", output_size=size)


def pool(kind, size):
    return dict(type=kind, size=size)


UNPOOL, UPSAMPLE = dict(type="unpool"), dict(type="upsample", size=2)

# Images of one to three channels; sizes, strides and padding that no symmetry forgives.
VARIANTS |= {
    "imputation": dict(
        layers=[7, 9, 11], activation="tanh", output_activation="linear", loss="mixed",
        columns=["number", "binary", 3, 2], corruption=dict(kind="masking", level=0.5), missing=True),
    "conv": dict(
        image=[1, 7, 6],
        encoder=[conv(2, stride=2, padding=1), conv(3, stride=2, padding=1)],
        decoder=[
            transposed([4, 3], filters=2, stride=2, padding=1),
            transposed([7, 6], filters=1, stride=2, padding=1, activation="sigmoid")]),
    "conv-colour": dict(
        image=[3, 5, 4],
        encoder=[conv(2, kernel=[2, 3], stride=[2, 1], dilation=[1, 2], activation="tanh")],
        decoder=[
            transposed(
                [5, 4], filters=3, kernel=[2, 3], stride=[2, 1], dilation=[1, 2], activation="sigmoid")]),
    "conv-pool": dict(
        image=[1, 6, 4],
        encoder=[conv(3), pool("max-pool", 2)], decoder=[conv(2), UPSAMPLE, conv(1, activation="sigmoid")]),
    "conv-unpool": dict(
        image=[3, 4, 6],
        encoder=[conv(2, activation="tanh"), pool("max-pool", 2)],
        decoder=[UNPOOL, transposed([4, 6], filters=3, activation="sigmoid")]),
    "conv-average": dict(
        image=[2, 5, 6], loss="mse",
        encoder=[conv(2, kernel=2, padding=[0, 0, 1, 2], activation="softplus"), pool("average-pool", 2)],
        decoder=[
            UPSAMPLE, transposed([5, 6], filters=2, kernel=2, padding=[0, 0, 1, 2], activation="linear")]),
    "conv-denoising": dict(
        image=[1, 6, 5], corruption=dict(kind="masking", level=0.3),
        encoder=[conv(3, stride=2, padding=1)],
        decoder=[transposed([6, 5], filters=1, stride=2, padding=1, activation="sigmoid")]),
    "conv-vae": dict(
        image=[2, 5, 4], penalties=dict(prior=dict(beta=1.0, warm_up=0)),
        encoder=[conv(3, stride=2, padding=1), (8, "linear"), dict(type="sampling")],
        decoder=[
            dict(type="dense", units=18, activation="relu", image=[3, 3, 2]),
            transposed([5, 4], filters=2, stride=2, padding=1, activation="sigmoid")]),
    "conv-tied": dict(
        image=[3, 5, 4], tied=True, penalties=dict(weight_decay=0.01),
        encoder=[conv(2, kernel=2, stride=2, activation="sigmoid"), conv(3, kernel=2, activation="tanh")],
        decoder=[
            transposed([3, 2], filters=2, kernel=2, activation="sigmoid"),
            transposed([5, 4], filters=3, kernel=2, stride=2, activation="sigmoid")]),
    "conv-sparse": dict(
        image=[3, 4, 4],
        penalties=dict(weight_decay=0.001, l1=0.05, kl=dict(rho=0.05, beta=3.0, momentum=0.0)),
        encoder=[conv(2, stride=2, padding=1, activation="sigmoid")],
        decoder=[transposed([4, 4], filters=3, stride=2, padding=1, activation="sigmoid")]),
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

# Variants with updates by L-BFGS, whose batch is the whole data set.
LBFGS = ["sparse", "deep"]

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
SHUFFLE, CORRUPTION, BERNOULLI, SAMPLING = 2, 3, 5, 6


def philox_key(seed, stream, site=0):
    z = (seed + stream * 0x9E3779B97F4A7C15 + site * 0xD1B54A32D192ED03) & (2**64 - 1)
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


def normal(rows, columns, seed, site, step):
    """The standard normal numbers of a layer's draws at an update, by Box-Muller."""
    key, result = philox_key(seed, SAMPLING, site), torch.empty(rows, columns)
    for element in range(rows * columns):
        words = philox(key, (element // 4, step, 0, 0))
        first = element % 4 // 2 * 2
        u, v = ((words[first] >> 8) + 1) * 2**-24, (words[first + 1] >> 8) * 2**-24
        turn = math.cos if element % 2 == 0 else math.sin
        result[element // columns, element % columns] = math.sqrt(-2 * math.log(u)) * turn(2 * math.pi * v)
    return result


def bernoulli(p, seed, site, step):
    """Ones where a layer's draws at an update fall below p."""
    key, result = philox_key(seed, BERNOULLI, site), torch.zeros_like(p)
    for element in range(p.numel()):
        word = philox(key, (element // 4, step, 0, 0))[element % 4]
        result.view(-1)[element] = float((word >> 8) * 2**-24 < p.reshape(-1)[element])
    return result


# The objective.

def pair(value):
    return tuple(value) if isinstance(value, list) else (value, value)


def padding(layer, size):
    """Zeros (top, bottom, left, right) around a large image of that size."""
    if layer["padding"] != "same":
        return layer["padding"] if isinstance(layer["padding"], list) else [layer["padding"]] * 4
    amounts = []
    for extent, k, s, d in zip(size, pair(layer["kernel"]), pair(layer["stride"]), pair(layer["dilation"])):
        total = max((math.ceil(extent / s) - 1) * s + d * (k - 1) + 1 - extent, 0)
        amounts += [total // 2, total - total // 2]
    return amounts


def convolve(x, weight, layer):
    top, bottom, left, right = padding(layer, x.shape[2:])
    x = torch.nn.functional.pad(x, (left, right, top, bottom))
    return torch.nn.functional.conv2d(x, weight, stride=pair(layer["stride"]), dilation=pair(layer["dilation"]))


def convolve_transposed(x, weight, layer):
    """PyTorch's without padding, which is then cut away; rows that no window of the large image reaches are zero."""
    (height, width), F = layer["output_size"], torch.nn.functional
    top, _, left, _ = padding(layer, (height, width))
    full = F.conv_transpose2d(x, weight, stride=pair(layer["stride"]), dilation=pair(layer["dilation"]))
    full = F.pad(full, (0, max(0, left + width - full.shape[3]), 0, max(0, top + height - full.shape[2])))
    return full[:, :, top:top + height, left:left + width]


def convolved(layer, size):
    top, bottom, left, right = padding(layer, size)
    padded = size[0] + top + bottom, size[1] + left + right
    return [
        (n - d * (k - 1) - 1) // s + 1
        for n, k, s, d in zip(padded, pair(layer["kernel"]), pair(layer["stride"]), pair(layer["dilation"]))]


class Model:
    def __init__(self, recipe, rng):
        self.recipe = recipe
        self.layers = recipe["encoder"] + recipe["decoder"]
        self.depth = len(recipe["encoder"])
        self.names = [f"encoder.{i}" for i in range(self.depth)]
        behind = "classifier" if "classes" in recipe else "decoder"
        self.names += [f"{behind}.{i}" for i in range(len(self.layers) - self.depth)]
        draw = lambda shape, scale: torch.tensor(np.round(rng.uniform(-scale, scale, shape) * 256) / 256)
        self.parameters = {}
        fan_in = recipe["image"][0] if "image" in recipe else recipe["input"]
        size = recipe.get("image", [0])[1:]
        for index, (name, layer) in enumerate(zip(self.names, self.layers)):
            fan_out = layer.get("units") or layer.get("filters")
            if layer["type"] == "dense":
                fan_in *= math.prod(size)
                size = layer["image"][1:] if "image" in layer else []
            elif layer["type"] == "convolution":
                size = convolved(layer, size)
            if layer["type"] == "sampling":
                fan_in //= 2
            if not fan_out:
                continue
            shape = (fan_in, fan_out) if layer["type"] == "transposed-convolution" else (fan_out, fan_in)
            shape += pair(layer["kernel"]) if "kernel" in layer else ()
            if not (recipe["tied"] and index >= self.depth):
                self.parameters[f"{name}.weight"] = draw(shape, 1)
            self.parameters[f"{name}.bias"] = draw((fan_out,), 0.5)
            fan_in = layer["image"][0] if "image" in layer else fan_out
        if recipe["loss"] == "gaussian":
            self.parameters["loss.log_variance"] = torch.zeros(1)

    def weight(self, p, index):
        if self.recipe["tied"] and index >= self.depth:
            mirrored = p[self.names[2 * self.depth - 1 - index] + ".weight"]
            # A transposed convolution has its weight the other way round by itself.
            return mirrored.T if mirrored.dim() == 2 else mirrored
        return p[self.names[index] + ".weight"]

    def run(self, p, h, layers, places, step=0):
        """The output and the last pre-activation; `places` keeps what each max-pool found where, and a drawn code's
        means and log variances."""
        for index in layers:
            layer, F = self.layers[index], torch.nn.functional
            match layer["type"]:
                case "dense": a = h.flatten(1) @ self.weight(p, index).T
                case "convolution": a = convolve(h, self.weight(p, index), layer)
                case "transposed-convolution": a = convolve_transposed(h, self.weight(p, index), layer)
                case "max-pool":
                    places.append(h.shape)
                    h, where = F.max_pool2d(h, layer["size"], return_indices=True)
                    places.append(where)
                case "unpool":
                    where, shape = places.pop(), places.pop()
                    h = F.max_unpool2d(h, where, 2, output_size=shape)
                case "average-pool": h = F.avg_pool2d(h, layer["size"])
                case "sampling":
                    places.append(h)
                    mean, s = h.chunk(2, 1)
                    h = mean + torch.exp(s / 2) * normal(*mean.shape, self.recipe["seed"], index, step)
                case "upsample": h = F.interpolate(h, scale_factor=layer["size"])
            if "activation" in layer:
                bias = p[self.names[index] + ".bias"]
                a = a + (bias if a.dim() == 2 else bias[:, None, None])
                h = ACTIVATIONS[layer["activation"]](a)
                if "image" in layer:
                    h = h.reshape(len(h), *layer["image"])
        return h, a

    def free_energy(self, p, v):
        hidden = torch.nn.functional.softplus(v @ p["encoder.0.weight"].T + p["encoder.0.bias"]).sum(1)
        return (-v @ p["decoder.0.bias"] - hidden).mean()

    def boltzmann(self, p, v, step):
        """The squared error of one step's means, and what has contrastive divergence's gradient: the free energy of the
        samples less that of where Gibbs sampling takes them."""
        seed, steps, weight = self.recipe["seed"], self.recipe["chain"]["steps"], p["encoder.0.weight"]
        hidden = lambda v: torch.sigmoid(v @ weight.T + p["encoder.0.bias"])
        with torch.no_grad():
            h = bernoulli(hidden(v), seed, 0, step)
            for k in range(steps):
                means = torch.sigmoid(h @ weight + p["decoder.0.bias"])
                error = 0.5 * ((means - v) ** 2).sum() / len(v) if k == 0 else error
                end = bernoulli(means, seed, 2 * k + 1, step)
                h = bernoulli(hidden(end), seed, 2 * k + 2, step)
        return error, self.free_energy(p, v) - self.free_energy(p, end)

    def objective(self, p, x, x_input, step=0):
        recipe, penalties = self.recipe, self.recipe["penalties"]
        n, d = x.shape
        if "image" in recipe:
            x, x_input = (v.reshape(n, *recipe["image"]) for v in (x, x_input))
        places = []
        code, _ = self.run(p, x_input, range(self.depth), places, step)
        output, logits = self.run(p, code, range(self.depth, len(self.names)), places)
        if recipe["loss"] == "sse":
            reconstruction = 0.5 * ((output - x) ** 2).sum() / n
        elif recipe["loss"] == "mixed":
            reconstruction = (self.mixed(output, x) * self.observed).sum() / n
        elif recipe["loss"] == "softmax":
            labels = torch.arange(n) % recipe["classes"]
            reconstruction = torch.nn.functional.cross_entropy(output, labels)
        elif recipe["loss"] == "mse":
            reconstruction = ((output - x) ** 2).sum() / d / n
        elif recipe["loss"] == "gaussian":
            s = p["loss.log_variance"]
            reconstruction = 0.5 * ((output - x) ** 2 / torch.exp(s) + math.log(2 * math.pi) + s).sum() / n
        else:
            reconstruction = torch.nn.functional.binary_cross_entropy_with_logits(logits, x, reduction="sum") / n
        terms = {}
        if "weight_decay" in penalties:
            weights = [v for k, v in p.items() if k.endswith(".weight")]
            terms["weight_decay"] = penalties["weight_decay"] / 2 * sum((w ** 2).sum() for w in weights)
        if "kl" in penalties:
            rho, mean = penalties["kl"]["rho"], code.mean([i for i in range(code.dim()) if i != 1])
            kl = rho * torch.log(rho / mean) + (1 - rho) * torch.log((1 - rho) / (1 - mean))
            terms["kl"] = penalties["kl"]["beta"] * kl.sum()
        if "l1" in penalties:
            terms["l1"] = penalties["l1"] * code.abs().sum() / n
        if "contraction" in penalties:
            terms["contractive"] = penalties["contraction"] * self.jacobian_norm(p, x_input)
        if "prior" in penalties:
            prior, (mean, s) = penalties["prior"], places[0].chunk(2, 1)
            beta = prior["beta"] * (min(1, (step + 1) / prior["warm_up"]) if prior["warm_up"] else 1)
            terms["prior"] = beta * 0.5 * (mean ** 2 + torch.exp(s) - 1 - s).sum() / n
        return reconstruction, terms

    def mixed(self, logits, x):
        """The loss of each element: of a category where it is."""
        losses, start, F = [], 0, torch.nn.functional
        for column in self.recipe["columns"]:
            width = column if isinstance(column, int) else 1
            a, target = logits[:, start:start + width], x[:, start:start + width]
            if column == "number":
                losses.append(0.5 * (a - target) ** 2)
            elif column == "binary":
                losses.append(F.binary_cross_entropy_with_logits(a, target, reduction="none"))
            else:
                losses.append(-target * F.log_softmax(a, dim=1))
            start += width
        return torch.cat(losses, 1)

    def jacobian_norm(self, p, x):
        """mean over samples of ‖∂h/∂x‖²_F, one unit's gradient at a time."""
        total = 0
        for sample in x:
            sample = sample.clone().requires_grad_(True)
            code, _ = self.run(p, sample[None], range(self.depth), [])
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
    if "classes" in recipe:
        recipe["decoder"] = [(recipe["classes"], "linear")]
    for part in ("encoder", "decoder"):
        recipe[part] = [
            l if isinstance(l, dict) else dict(type="dense", units=l[0], activation=l[1]) for l in recipe[part]]
    if "image" in recipe:
        recipe["input"] = math.prod(recipe["image"])
    recipe.pop("missing", None)
    return dict(dict(loss="bce", tied=False, penalties={}), **recipe)


def spelled(recipe):
    """The recipe as a recipe file spells it: a classifier in parts, the others with all settings side by side."""
    if "classes" not in recipe:
        return recipe
    architecture = dict(kind="classifier", **{k: recipe[k] for k in ("input", "encoder", "classes")})
    return dict(
        format=2, name=recipe["name"], architecture=architecture,
        objective=dict(loss=recipe["loss"], penalties=recipe["penalties"]),
        training=dict(batch_size=recipe["batch_size"], seed=recipe["seed"]))


def named(tensors):
    return {k: dict(shape=list(v.shape), values=v.detach().flatten().tolist()) for k, v in tensors.items()}


def table(columns, rng):
    """Rows of columns, and 0 for each number of a cell that is missing."""
    x, observed = [], []
    for column in columns:
        width = column if isinstance(column, int) else 1
        if column == "number":
            x.append(np.round(rng.normal(size=(SAMPLES, 1)) * 256) / 256)
        elif column == "binary":
            x.append(rng.integers(0, 2, (SAMPLES, 1)))
        else:
            x.append(np.eye(width)[rng.integers(0, width, SAMPLES)])
        observed.append(np.repeat(rng.random((SAMPLES, 1)) < 0.6, width, axis=1))
    return torch.tensor(np.concatenate(x, 1)).double(), torch.tensor(np.concatenate(observed, 1)).double()


def make(name, settings):
    recipe = full_recipe(name, settings)
    rng = np.random.default_rng(list(name.encode()))
    model = Model(recipe, rng)
    x = torch.tensor(np.round(rng.random((SAMPLES, recipe["input"])) * 256) / 256)
    observed = None
    if settings.get("missing"):
        x, observed = table(recipe["columns"], rng)
        model.observed = observed
    corruption = recipe.get("corruption")
    inputs = [masked(x, corruption["level"], recipe["seed"], s) if corruption else x for s in range(STEPS)]
    result = dict(made_by=f"Benchmarks/golden.py, PyTorch {torch.__version__.split('+')[0]}, float64", recipe=spelled(recipe))
    result["x"] = x.tolist()
    if observed is not None:
        result["observed"] = observed.tolist()
    if corruption:
        result["x_corrupted"] = [i.tolist() for i in inputs]
    result["parameters"] = named(model.parameters)

    def fresh():
        return {k: v.clone().requires_grad_(True) for k, v in model.parameters.items()}

    def step_of(p, step):
        """The reconstruction, the penalties, and what is differentiated."""
        if "chain" in recipe:
            error, difference = model.boltzmann(p, x, step)
            return error, {}, difference
        reconstruction, terms = model.objective(p, x, inputs[step], step)
        return reconstruction, terms, reconstruction + sum(terms.values())

    p = fresh()
    reconstruction, terms, total = step_of(p, 0)
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
            step_of(p, step)[2].backward()
            optimizer.step()
            if step in (0, STEPS - 1):
                place = result["after_one_step" if step == 0 else "after_three_steps"]
                place[rule] = dict(optimizer=description, parameters=named(p))
    if name in LBFGS:
        for steps, place in ((1, "after_one_step"), (STEPS, "after_three_steps")):
            result[place]["lbfgs"] = dict(
                optimizer=dict(rule="lbfgs", learning_rate=1.0, history_size=2),
                parameters=named(lbfgs(fresh(), step_of, gradients, steps)))
    assert all(math.isfinite(v) for g in result["gradients"].values() for v in g["values"])
    return result


def lbfgs(p, step_of, gradients, steps):
    """The parameters after so many steps of L-BFGS with a history of 2.

    PyTorch's first trial is the learning rate over the gradient's 1-norm, Cinch's over its 2-norm: the first rate makes up
    for that. What the two interpolate otherwise never comes about, as every first trial keeps the strong Wolfe conditions.
    """
    flat = torch.cat([g.flatten() for g in gradients.values()])
    first = min(1, 1 / flat.norm().item()) / min(1, 1 / flat.abs().sum().item())
    optimizer = torch.optim.LBFGS(
        list(p.values()), lr=first, max_iter=1, max_eval=100, history_size=2, tolerance_grad=0, tolerance_change=0,
        line_search_fn="strong_wolfe")

    def closure():
        optimizer.zero_grad()
        total = step_of(p, 0)[2]
        total.backward()
        return total

    for step in range(steps):
        optimizer.step(closure)
        optimizer.param_groups[0]["lr"] = 1.0
    # One at the beginning of each step, and one trial.
    assert optimizer.state[next(iter(p.values()))]["func_evals"] == 2 * steps, optimizer.state
    return p


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


def near(old, new):
    """Whether two files differ by no more than another processor's rounding."""
    if isinstance(old, float) or isinstance(new, float):
        return all(isinstance(v, (int, float)) for v in (old, new)) and abs(old - new) <= 1e-12 * max(1, abs(old))
    if isinstance(old, dict) and isinstance(new, dict):
        return old.keys() == new.keys() and all(near(old[key], new[key]) for key in old)
    if isinstance(old, list) and isinstance(new, list):
        return len(old) == len(new) and all(map(near, old, new))
    return old == new


def write(path, text):
    """Writes a file unless it is there with the same values, made by the same versions: a difference says that it was stale."""
    kept = path.exists() and near(json.loads(path.read_text()), json.loads(text))
    if not kept:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    print(f"{path.name}  {path.stat().st_size / 1024:.1f} KB" + ("" if kept else ", written"))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=pathlib.Path, default=OUTPUT)
    parser.add_argument("variant", nargs="*", default=list(VARIANTS), help="default: all")
    options = parser.parse_args()
    # Known answer of Philox4x32-10 (Random123's kat_vectors), so that the masks are what they claim to be.
    assert philox((0, 0), (0, 0, 0, 0)) == (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)
    for name in options.variant:
        write(options.output / f"{name}.json", dump(make(name, VARIANTS[name])) + "\n")


if __name__ == "__main__":
    main()
