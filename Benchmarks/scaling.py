#!/usr/bin/env python3
"""How throughput depends on sizes: batch, width, image, depth, samples, threads.

    make scaling
    python3 Benchmarks/scaling.py .build/release/cinch --device opencl cpu --output Benchmarks/results/scaling-avx2.md
    python3 Benchmarks/scaling.py .build/release/cinch --quick --output /tmp/scaling.md      # to try it

Every point is a `cinch train --json` of its own on random samples; what counts is the quickest epoch but the first, in
samples/s. Beside the Markdown file lies a folder of SVG charts. The exit status is 1, after all is written, where a
larger batch is slower per sample than a smaller one by more than --tolerance; and with nothing written where a run fails, or
a device refuses all runs of a sweep.
"""
import argparse
import json
import math
import os
import pathlib
import random
import re
import resource
import shutil
import subprocess
import sys
import tempfile

import machine

COLORS = ("#1b6ca8", "#c8553d", "#3a7d44", "#7d5ba6")


def powers(low, high, step=4):
    values = []
    while low <= high:
        values.append(low)
        low *= step
    return values


def npy(path, shape):
    """Random bytes as a NumPy file, so that nothing but the standard library is needed."""
    header = f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}"
    header += " " * (-(len(header) + 11) % 64) + "\n"
    generator, rest = random.Random(1), math.prod(shape)
    with open(path, "wb") as file:
        file.write(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode())
        while rest > 0:
            file.write(generator.randbytes(min(rest, 1 << 24)))
            rest -= 1 << 24
    return str(path)


class Bench:
    def __init__(self, cinch, folder, epochs):
        self.cinch, self.folder, self.epochs, self.files = cinch, pathlib.Path(folder), epochs, {}

    def data(self, shape):
        if shape not in self.files:
            name = "x".join(map(str, shape)) + ".npy"
            self.files[shape] = npy(self.folder / name, shape)
        return self.files[shape]

    def rate(self, recipe, shape, device, *options, threads=None, memory=None):
        """Samples/s of the quickest epoch but the first; None where the device has too little memory."""
        environment, command = dict(os.environ), []
        if threads:
            environment["POCL_MAX_PTHREAD_COUNT"] = str(threads)
            command = ["taskset", "-c", ",".join(map(str, sorted(os.sched_getaffinity(0))[:threads]))]
        out = self.folder / "run"
        shutil.rmtree(out, ignore_errors=True)
        command += [self.cinch, "train", recipe, "--data", self.data(shape), "--device", device, "--json", "--out",
                    str(out), "--epochs", str(self.epochs), *map(str, options)]
        limit = (lambda: resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))) if memory else None
        result = subprocess.run(command, capture_output=True, text=True, env=environment, preexec_fn=limit)
        if result.returncode:
            print(f"{' '.join(command)}: {result.stderr.strip()} ({result.returncode})", file=sys.stderr)
            # 64 and 69 are the program's, for networks and buffers that do not fit, and for much else.
            if result.returncode in (64, 69) and re.search(r"\b(memory|buffer)\b", result.stderr):
                return None
            sys.exit("A run failed, so nothing is written.")
        events = [json.loads(line) for line in result.stdout.splitlines()]
        rates = [event["samples_per_second"] for event in events if event["event"] == "epoch"]
        return max(rates[1:] or rates)


def chart(path, title, axis, series):
    """Lines over logarithmic axes as an SVG file."""
    width, height, left, top, right, bottom = 640, 400, 70, 40, 150, 50
    points = [(x, y) for line in series.values() for x, y in line if y]
    if not points:
        return
    (x0, x1), (y0, y1) = ((math.log10(f(p[i] for p in points)) for f in (min, max)) for i in (0, 1))
    x1, y0, y1 = max(x1, x0 + 0.1), math.floor(y0), math.ceil(max(y1, y0 + 0.1))
    place = lambda x, y: (left + (math.log10(x) - x0) / (x1 - x0) * (width - left - right),
                          height - bottom - (math.log10(y) - y0) / max(y1 - y0, 1) * (height - top - bottom))
    svg = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="12">',
           f'<rect width="{width}" height="{height}" fill="white"/><text x="{left}" y="22" font-size="15">{title}</text>',
           f'<text x="{(left + width - right) / 2}" y="{height - 10}" text-anchor="middle">{axis}</text>',
           f'<text x="14" y="{height / 2}" text-anchor="middle" transform="rotate(-90 14 {height / 2})">samples/s</text>']
    for power in range(int(y0), int(y1) + 1):
        y = place(points[0][0], 10**power)[1]
        svg.append(f'<path d="M{left} {y:.1f}H{width - right}" stroke="#ddd"/>'
                   f'<text x="{left - 6}" y="{y + 4:.1f}" text-anchor="end">{10**power:,}</text>')
    for value in sorted({x for x, _ in points}):
        x = place(value, points[0][1])[0]
        svg.append(f'<text x="{x:.1f}" y="{height - bottom + 18}" text-anchor="middle">{value:,}</text>')
    for index, (name, line) in enumerate(series.items()):
        color, places = COLORS[index % len(COLORS)], [place(x, y) for x, y in line if y]
        if not places:
            continue
        svg.append(f'<polyline fill="none" stroke="{color}" stroke-width="2" points="'
                   + " ".join(f"{x:.1f},{y:.1f}" for x, y in places) + '"/>')
        svg += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{color}"/>' for x, y in places]
        svg.append(f'<text x="{width - right + 10}" y="{top + 18 * index + 10}" fill="{color}">{name}</text>')
    path.write_text("\n".join(svg + ["</svg>"]) + "\n")


def sweeps(options, bench):
    """Names of charts with their axis, their values, and the rate at one of them."""
    quick = options.quick
    dense = lambda count: (count, 784)
    batches = [1, 64, 1024] if quick else powers(1, 4096, 2)
    # Small batches see fewer samples, which takes as long.
    of_batch = lambda batch: min(16_384, max(1024, 256 * batch) if not quick else 2048)
    yield "batch", "samples in a batch, deep", batches, lambda v, d: bench.rate(
        "deep", dense(of_batch(v)), d, "--layers", "784,128,32", "--batch-size", v)
    yield "batch-conv", "samples in a batch, conv", batches[:10], lambda v, d: bench.rate(
        "conv", (1024 if quick else 4096, 28, 28), d, "--batch-size", v)
    yield "width", "units of the hidden layer, 784 features", [64, 512] if quick else powers(64, 4096, 2), \
        lambda v, d: bench.rate("sparse", dense(4096), d, "--layers", f"784,{v}", "--batch-size", 256)
    yield "image", "pixels of an image's side, conv", [16, 32] if quick else powers(16, 128, 2), \
        lambda v, d: bench.rate("conv", (512, v, v), d, "--batch-size", 64)
    yield "depth", "layers of 256 units in the encoder", [1, 4] if quick else [1, 2, 4, 8], \
        lambda v, d: bench.rate("deep", dense(4096), d, "--layers", ",".join(["784"] + ["256"] * v), "--batch-size", 256)
    # A device keeps a quarter or so of what the process may have: the last file, of 784 MB, is read batch by batch.
    yield "samples", "samples in the data set, deep; a million are streamed", \
        [1000, 100_000] if quick else powers(1000, 1_000_000, 10), lambda v, d: bench.rate(
            "deep", dense(v), d, "--layers", "784,128,32", "--batch-size", 256, memory=1 << 30)
    yield "threads", "threads, hinton", sorted({1, *powers(1, len(os.sched_getaffinity(0)), 2)}), lambda v, d: bench.rate(
        "hinton", dense(4096), d, "--layers", "784,1000,500,250,30", "--batch-size", 256, threads=v)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("cinch")
    parser.add_argument("--device", nargs="+", default=["opencl", "cpu"])
    parser.add_argument("--output", type=pathlib.Path, required=True)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--tolerance", type=float, default=0.05)
    parser.add_argument("--only", nargs="+", help="names of sweeps")
    parser.add_argument("--quick", action="store_true", help="two or three points each, to try it")
    options = parser.parse_args()
    folder, charts = options.output.with_suffix(""), []
    text, slower = ["# Throughput against size", "", f"{machine.processor()}.", "",
                    "Samples/s of the quickest epoch of each run. Written by `make scaling`.", ""], []
    with tempfile.TemporaryDirectory() as work:
        bench = Bench(options.cinch, work, options.epochs)
        for name, axis, values, rate in sweeps(options, bench):
            if options.only and name not in options.only:
                continue
            series = {device: [(value, rate(value, device)) for value in values] for device in options.device}
            for device, line in series.items():
                if not any(y for _, y in line):
                    sys.exit(f"{device} refused all runs of '{name}', so nothing is written.")
            charts.append((folder / f"{name}.svg", name, axis, series))
            text += [f"## {name}", "", f"![{axis}]({folder.name}/{name}.svg)", "",
                     "| " + " | ".join([axis, *options.device]) + " |", "|---" * (1 + len(options.device)) + "|"]
            for index, value in enumerate(values):
                rates = [series[device][index][1] for device in options.device]
                text.append("| " + " | ".join([f"{value:,}"] + [f"{r:,.0f}" if r else "–" for r in rates]) + " |")
            text.append("")
            if name.startswith("batch"):
                for device, line in series.items():
                    line = [point for point in line if point[1]]
                    for smaller, larger in zip(line, line[1:]):
                        if larger[1] < (1 - options.tolerance) * smaller[1]:
                            slower.append(f"{name}, `{device}`: a batch of {larger[0]:,} is {1 - larger[1] / smaller[1]:.0%} "
                                          f"slower per sample than one of {smaller[0]:,}")
    text += ["## Larger batches that are slower", ""] + ([f"- {line}" for line in slower] or ["None."])
    folder.mkdir(parents=True, exist_ok=True)
    for arguments in charts:
        chart(*arguments)
    options.output.write_text("\n".join(text) + "\n")
    for line in slower:
        print(line)
    sys.exit(1 if slower else 0)


if __name__ == "__main__":
    main()
