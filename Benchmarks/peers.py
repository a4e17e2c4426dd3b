#!/usr/bin/env python3
"""Training throughput of the systems one would use instead of Cinch, on the workloads of `cinch bench`.

    make peers                      # or: .venv/bin/python Benchmarks/peers.py
    .venv/bin/python Benchmarks/peers.py --peer torch jax --workload deep sparse --repeats 5

One JSON line a peer and workload: median, smallest and largest samples/s over timed runs after a warm-up. A step is
what a user's loop does: draw a mini-batch at random from images in memory, those of Fashion-MNIST that `cinch bench` takes,
corrupt it where the workload says so, forward, loss, backward, Adam. With --cuda PyTorch and JAX run on the GPU, the data set
on it too.

PyTorch runs convolutions in both memory formats, channels first and channels last, while it warms up, and keeps the one
that is faster here; the line says which.

With --on-request the program measures one timed run for each line it reads, so that compare.py can take turns.
To add a workload, add it to WORKLOADS and teach `TorchPeer` and `JaxPeer` what is new in it.
"""
import argparse
import gzip
import json
import os
import statistics
import sys
import time
from dataclasses import dataclass

import numpy as np

# What `cinch bench` takes of Fashion-MNIST, so that batches come from as much memory.
SAMPLES = 15_360
FOLDERS = [os.environ.get("CINCH_DATA", ""), "/usr/share/datasets/fashion-mnist"]


@dataclass(frozen=True)
class Workload:
    widths: tuple = ()   # units of every dense layer, from input to output
    activations: tuple = ()   # one a layer; the last is the output's
    loss: str = "bce"    # on logits, or "sse"
    images: tuple = ()   # the layers of a network on 1x28x28 images instead: ("conv", filters, stride), ("deconv",
                         # filters, stride) for a transposed one, ("pool", 2), ("up", 2); kernels are 3x3, ReLU between
    batch: int = 256
    steps: int = 60      # in a timed run on a CPU
    masking: float = 0.0
    kl: tuple = ()       # (rho, beta)
    weight_decay: float = 0.0
    contraction: float = 0.0
    chain: bool = False  # a restricted Boltzmann machine, plain CD-1 at 0.1
    drawn: bool = False  # the code's layer gives means and log variances of half as many units, which are drawn

    def shapes(self):
        """Inputs and outputs of every dense layer."""
        pairs = list(zip(self.widths, self.widths[1:]))
        if self.drawn:
            code = len(pairs) // 2
            pairs[code] = (pairs[code][0] // 2, pairs[code][1])
        return pairs


WORKLOADS = {
    "deep": Workload((784, 128, 32, 128, 784), ("relu", "relu", "relu", "sigmoid"), "bce"),
    "sparse": Workload(
        (784, 196, 784), ("sigmoid", "sigmoid"), "sse", kl=(0.05, 3.0), weight_decay=1e-3),
    "denoise": Workload((784, 1024, 784), ("sigmoid", "sigmoid"), "bce", steps=30, masking=0.3),
    "contractive": Workload((784, 256, 784), ("sigmoid", "sigmoid"), "bce", contraction=0.1),
    "hinton": Workload(
        (784, 1000, 500, 250, 30, 250, 500, 1000, 784),
        ("sigmoid", "sigmoid", "sigmoid", "linear", "sigmoid", "sigmoid", "sigmoid", "sigmoid"), "bce", steps=20),
    "vae": Workload(
        (784, 400, 40, 400, 784), ("relu", "linear", "relu", "sigmoid"), "bce", batch=128, drawn=True),
    "rbm": Workload((784, 500), ("sigmoid",), batch=128, chain=True),
    "conv": Workload(
        images=(("conv", 16, 2), ("conv", 32, 2), ("deconv", 16, 2), ("deconv", 1, 2)), batch=128, steps=20),
    "convpool": Workload(
        images=(
            ("conv", 16, 1), ("pool", 2), ("conv", 8, 1), ("pool", 2), ("conv", 8, 1), ("up", 2), ("conv", 8, 1),
            ("up", 2), ("conv", 1, 1)),
        batch=128, steps=10),
}


def fashion_mnist():
    for folder in FOLDERS:
        path = os.path.join(folder, "train-images-idx3-ubyte.gz")
        if os.path.exists(path):
            with gzip.open(path) as file:
                return np.frombuffer(file.read(), np.uint8, offset=16).reshape(-1, 784).astype(np.float32) / 255
    sys.exit(
        "Fashion-MNIST is not here: install the Debian package dataset-fashion-mnist, "
        "or set CINCH_DATA to the folder of its four files.")


def keep_to(threads):
    """Keeps this process, and those that it starts, to so many processors: not every peer can be told how many threads."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
    os.environ["POCL_MAX_PTHREAD_COUNT"] = str(threads)


def device_name(cuda):
    """What PyTorch and JAX run on."""
    if not cuda:
        return "the processor"
    import torch

    return torch.cuda.get_device_name(0)


class TorchPeer:
    """PyTorch, eager or through torch.compile, with its fused Adam. `layout` is the memory format of images."""

    LAYOUTS = ("channels_first", "channels_last")

    def __init__(self, data, work, threads, cuda, compiled, layout="channels_first"):
        import torch

        torch.set_num_threads(threads)
        torch.manual_seed(0)
        self.torch, self.work, self.layout = torch, work, layout
        self.format = torch.channels_last if layout == "channels_last" else torch.contiguous_format
        self.device = "cuda" if cuda else "cpu"
        self.data = torch.from_numpy(data).to(self.device)
        layers = [torch.nn.Linear(i, o) for i, o in work.shapes()]
        self.layers = torch.nn.ModuleList(self.image_layers() if work.images else layers).to(self.device)
        if work.images:
            self.layers.to(memory_format=self.format)
        self.functions = [
            {"relu": torch.relu, "sigmoid": torch.sigmoid, "linear": lambda a: a}[name] for name in work.activations]
        mode = "reduce-overhead" if cuda else "default"
        if work.chain:
            self.weight = torch.randn(*work.widths, device=self.device) * 0.01
            self.visible, self.hidden = (torch.zeros(n, device=self.device) for n in work.widths)
            self.step = torch.compile(self.divergence, mode=mode) if compiled else self.divergence
            return
        self.objective = torch.compile(self.loss, mode=mode) if compiled else self.loss
        self.optimizer = torch.optim.Adam(self.layers.parameters(), 1e-3, fused=True)

    def image_layers(self):
        nn, channels, layers = self.torch.nn, 1, []
        for kind, number, *stride in self.work.images:
            if kind == "conv":
                layers.append(nn.Conv2d(channels, number, 3, stride[0], padding=1))
            elif kind == "deconv":
                layers.append(nn.ConvTranspose2d(channels, number, 3, stride[0], padding=1, output_padding=1))
            else:
                layers.append(nn.MaxPool2d(number) if kind == "pool" else nn.Upsample(scale_factor=number))
            channels = number if "conv" in kind else channels
        return layers

    def image_loss(self, x):
        x = x.view(-1, 1, 28, 28).to(memory_format=self.format)
        h = x
        for index, layer in enumerate(self.layers):
            h = layer(h)
            if "conv" in self.work.images[index][0] and index < len(self.layers) - 1:
                h = self.torch.relu(h)
        return self.torch.nn.functional.binary_cross_entropy_with_logits(h, x, reduction="sum") / len(x)

    def loss(self, x):
        torch, work = self.torch, self.work
        if work.images:
            return self.image_loss(x)
        h = x * (torch.rand_like(x) > work.masking) if work.masking else x
        code = len(self.layers) // 2 - 1
        for index, (layer, f) in enumerate(zip(self.layers, self.functions)):
            a = layer(h)
            h = f(a) if index < len(self.layers) - 1 or work.loss == "sse" else a
            if index == code:
                z = h
            if work.drawn and index == code:
                mean, s = h.chunk(2, 1)
                h = mean + torch.randn_like(mean) * (0.5 * s).exp()
        if work.loss == "sse":
            result = 0.5 * ((h - x) ** 2).sum() / len(x)
        else:
            result = torch.nn.functional.binary_cross_entropy_with_logits(h, x, reduction="sum") / len(x)
        if work.drawn:
            result = result + 0.5 * (mean.square() + s.exp() - 1 - s).sum() / len(x)
        if work.kl:
            (rho, beta), mean = work.kl, z.mean(0)
            kl = rho * torch.log(rho / mean) + (1 - rho) * torch.log((1 - rho) / (1 - mean))
            result = result + beta * kl.sum()
        if work.weight_decay:
            result = result + work.weight_decay / 2 * sum(l.weight.square().sum() for l in self.layers)
        if work.contraction:
            slope = z * (1 - z)
            result = result + work.contraction * ((slope * slope) @ self.layers[0].weight.square().sum(1)).mean()
        return result

    def divergence(self, v):
        torch, rate = self.torch, 0.1 / len(v)
        with torch.no_grad():
            h = torch.sigmoid(v @ self.weight + self.hidden)
            drawn = (torch.rand_like(h) < h).to(v.dtype)
            means = torch.sigmoid(drawn @ self.weight.T + self.visible)
            end = (torch.rand_like(means) < means).to(v.dtype)
            last = torch.sigmoid(end @ self.weight + self.hidden)
            self.weight.add_(v.T @ h - end.T @ last, alpha=rate)
            self.visible.add_((v - end).sum(0), alpha=rate)
            self.hidden.add_((h - last).sum(0), alpha=rate)
            return 0.5 * ((v - means) ** 2).sum() / len(v)

    def run(self, steps):
        for _ in range(steps):
            rows = self.torch.randint(0, len(self.data), (self.work.batch,), device=self.device)
            if self.work.chain:
                loss = self.step(self.data[rows])
                continue
            self.optimizer.zero_grad(set_to_none=True)
            loss = self.objective(self.data[rows])
            loss.backward()
            self.optimizer.step()
        return loss.item()   # waits for the device


class JaxPeer:
    """JAX: one jitted step with its buffers donated, which draws its batch and what else it needs by the step's number. On a CPU
    that is 1.04 times as fast as batches gathered by NumPy, and a key that is split outside costs 5 %."""

    def __init__(self, data, work, threads, cuda, compiled):
        import jax
        import jax.numpy as jnp

        if cuda and jax.default_backend() != "gpu":
            raise RuntimeError("JAX sees no GPU here")
        self.jax, self.jnp, self.work = jax, jnp, work
        self.data, self.key = jax.device_put(data), jax.random.PRNGKey(1)
        shapes = self.kernels() if work.images else work.shapes()
        parameters = []
        for key, shape in zip(jax.random.split(jax.random.PRNGKey(0), len(shapes)), shapes):
            taps = 9 if work.images else 1
            limit = (6 / (taps * (shape[-2] + shape[-1]))) ** 0.5
            w = jax.random.uniform(key, shape, minval=-limit, maxval=limit)
            parameters.append({"w": w, "b": jnp.zeros(shape[-1])})
        zeros = lambda: jax.tree.map(jnp.zeros_like, parameters)
        self.state = (parameters, jnp.int32(0), zeros(), zeros())
        self.functions = [
            {"relu": jax.nn.relu, "sigmoid": jax.nn.sigmoid, "linear": lambda a: a}[name] for name in work.activations]
        if work.chain:
            weight = 0.01 * jax.random.normal(jax.random.PRNGKey(0), work.widths)
            self.state = ((weight, *map(jnp.zeros, work.widths)), jnp.int32(0))
        self.step = jax.jit(self.update, donate_argnums=0)

    def kernels(self):
        channels, shapes = 1, []
        for kind, number, *_ in self.work.images:
            if "conv" in kind:
                shapes.append((3, 3, channels, number))
                channels = number
        return shapes

    def image_loss(self, parameters, x):
        # Channels last, which is what XLA is fastest with.
        jnp, lax, order = self.jnp, self.jax.lax, ("NHWC", "HWIO", "NHWC")
        x = x.reshape(-1, 28, 28, 1)
        h, rest = x, list(parameters)
        for kind, number, *stride in self.work.images:
            if kind == "pool":
                window = (1, number, number, 1)
                h = lax.reduce_window(h, -jnp.inf, lax.max, window, window, "VALID")
            elif kind == "up":
                h = h.repeat(number, 1).repeat(number, 2)
            else:
                layer, strides = rest.pop(0), (stride[0], stride[0])
                if kind == "conv":
                    h = lax.conv_general_dilated(
                        h, layer["w"], strides, ((1, 1), (1, 1)), dimension_numbers=order) + layer["b"]
                else:
                    h = lax.conv_transpose(
                        h, layer["w"], strides, ((1, 2), (1, 2)), dimension_numbers=order) + layer["b"]
                h = self.jax.nn.relu(h) if rest else h
        return (jnp.maximum(h, 0) - h * x + jnp.log1p(jnp.exp(-jnp.abs(h)))).sum() / len(x)

    def loss(self, parameters, x, key):
        jnp, work = self.jnp, self.work
        if work.images:
            return self.image_loss(parameters, x)
        h = x * (self.jax.random.uniform(key, x.shape) > work.masking) if work.masking else x
        code = len(parameters) // 2 - 1
        for index, (layer, f) in enumerate(zip(parameters, self.functions)):
            a = h @ layer["w"] + layer["b"]
            h = f(a) if index < len(parameters) - 1 or work.loss == "sse" else a
            if index == code:
                z = h
            if work.drawn and index == code:
                mean, s = jnp.split(h, 2, 1)
                h = mean + self.jax.random.normal(key, mean.shape) * jnp.exp(0.5 * s)
        if work.loss == "sse":
            result = 0.5 * ((h - x) ** 2).sum() / len(x)
        else:
            result = (jnp.maximum(h, 0) - h * x + jnp.log1p(jnp.exp(-jnp.abs(h)))).sum() / len(x)
        if work.drawn:
            result = result + 0.5 * (mean**2 + jnp.exp(s) - 1 - s).sum() / len(x)
        if work.kl:
            (rho, beta), mean = work.kl, z.mean(0)
            kl = rho * jnp.log(rho / mean) + (1 - rho) * jnp.log((1 - rho) / (1 - mean))
            result = result + beta * kl.sum()
        if work.weight_decay:
            result = result + work.weight_decay / 2 * sum((l["w"] ** 2).sum() for l in parameters)
        if work.contraction:
            slope = z * (1 - z)
            result = result + work.contraction * ((slope * slope) @ (parameters[0]["w"] ** 2).sum(0)).mean()
        return result

    def divergence(self, parameters, v, key):
        sigmoid, uniform, rate = self.jax.nn.sigmoid, self.jax.random.uniform, 0.1 / len(v)
        (weight, visible, hidden), (first, second) = parameters, self.jax.random.split(key)
        h = sigmoid(v @ weight + hidden)
        drawn = (uniform(first, h.shape) < h).astype(v.dtype)
        means = sigmoid(drawn @ weight.T + visible)
        end = (uniform(second, means.shape) < means).astype(v.dtype)
        last = sigmoid(end @ weight + hidden)
        parameters = (
            weight + rate * (v.T @ h - end.T @ last), visible + rate * (v - end).sum(0), hidden + rate * (h - last).sum(0))
        return parameters, 0.5 * ((v - means) ** 2).sum() / len(v)

    def update(self, state, data, key):
        jnp, random, tree = self.jnp, self.jax.random, self.jax.tree
        parameters, step, *moments = state
        # What a workload does not draw by its key the compiler leaves out.
        rows, key = random.split(random.fold_in(key, step))
        x = data[random.randint(rows, (self.work.batch,), 0, len(data))]
        step = step + 1
        if self.work.chain:
            parameters, loss = self.divergence(parameters, x, key)
            return (parameters, step), loss
        first, second = moments
        loss, gradients = self.jax.value_and_grad(self.loss)(parameters, x, key)
        first = tree.map(lambda m, g: 0.9 * m + 0.1 * g, first, gradients)
        second = tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, second, gradients)
        rate, correction = 1e-3 / (1 - 0.9**step), jnp.sqrt(1 - 0.999**step)
        parameters = tree.map(
            lambda p, m, v: p - rate * m / (jnp.sqrt(v) / correction + 1e-8), parameters, first, second)
        return (parameters, step, first, second), loss

    def run(self, steps):
        for _ in range(steps):
            self.state, loss = self.step(self.state, self.data, self.key)
        return float(loss)   # waits for the device


PEERS = {"torch": (TorchPeer, False), "torch-compile": (TorchPeer, True), "jax": (JaxPeer, False)}


def rate(peer, steps, batch):
    start = time.perf_counter()
    loss = peer.run(steps)
    return batch * steps / (time.perf_counter() - start), loss


def prepare(name, workload, data, options):
    """The peer, warm, and the steps of a timed run."""
    kind, compiled = PEERS[name]
    work = WORKLOADS[workload]
    layouts = kind.LAYOUTS if kind is TorchPeer and work.images else ()
    arguments = (data, work, options.threads, options.cuda, compiled)
    candidates = [kind(*arguments, layout) for layout in layouts] or [kind(*arguments)]
    for peer in candidates:
        peer.run(5)
    if len(candidates) > 1:   # in turns, so that whatever the machine does it does to both
        rounds = [[rate(peer, work.steps, work.batch)[0] for peer in candidates] for _ in range(3)]
        medians = [statistics.median(rates) for rates in zip(*rounds)]
        peer = candidates[medians.index(max(medians))]
    candidates.clear()
    steps = work.steps
    if options.cuda:   # as many as take about half a second
        steps = max(work.steps, int(0.5 * rate(peer, work.steps, work.batch)[0] / work.batch))
    return peer, steps


def emit(**values):
    print(json.dumps(values), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer", nargs="+", default=list(PEERS), choices=list(PEERS))
    parser.add_argument("--workload", nargs="+", default=list(WORKLOADS), choices=list(WORKLOADS))
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)), help="processors")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--cuda", action="store_true")
    parser.add_argument("--on-request", action="store_true", help="one timed run for each line on standard input")
    options = parser.parse_args()
    keep_to(options.threads)
    data = fashion_mnist()[:SAMPLES]
    for workload in options.workload:
        batch = WORKLOADS[workload].batch
        for name in options.peer:
            about = dict(peer=name, workload=workload, batch=batch)
            try:
                peer, steps = prepare(name, workload, data, options)
                if WORKLOADS[workload].images and isinstance(peer, TorchPeer):
                    about["layout"] = peer.layout
                if options.on_request:
                    emit(**about, ready=True)
                    for _ in sys.stdin:
                        peer.run(5)   # its threads have slept since the last request
                        value, loss = rate(peer, steps, batch)
                        emit(**about, samples_per_second=round(value), loss=round(loss, 4))
                    return
                runs = [rate(peer, steps, batch) for _ in range(options.repeats)]
                rates = [r[0] for r in runs]
                emit(
                    **about, median=round(statistics.median(rates)), min=round(min(rates)), max=round(max(rates)),
                    loss=round(runs[-1][1], 4))
            except Exception as error:   # one peer that cannot run must not hide the others
                emit(**about, error=f"{type(error).__name__}: {error}"[:300])


if __name__ == "__main__":
    main()
