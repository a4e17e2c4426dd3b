#!/usr/bin/env python3
"""Cinch against its peers, in turns, so that whatever the machine does it does to both.

    make peers
    .venv/bin/python Benchmarks/compare.py --device opencl cpu --rounds 5
    .venv/bin/python Benchmarks/compare.py --device opencl --cuda     # on a machine with an NVIDIA GPU

A workload's peers are started and warmed up once. Each round then measures every peer and runs `cinch bench` once a
device, in an order that turns from round to round. A round's ratio is Cinch's samples/s over those of the fastest peer
*of that workload* (the one with the highest median over all rounds) in the same round. The table gives medians and, in
brackets, the range over the rounds; the last line the geometric mean of the workloads' median ratios.
"""
import argparse
import json
import math
import os
import pathlib
import statistics
import subprocess
import sys

import machine
import peers

ROOT = pathlib.Path(__file__).resolve().parent.parent


class PeerProcess:
    """peers.py, waiting for a line before each timed run."""

    def __init__(self, name, workload, options):
        command = [sys.executable, str(ROOT / "Benchmarks/peers.py"), "--on-request", "--peer", name]
        command += ["--workload", workload, "--threads", str(options.threads)] + ["--cuda"] * options.cuda
        self.name = name
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        answer = self.answer()
        if not answer.get("ready"):
            raise RuntimeError(answer.get("error", "it ended without a word"))

    def answer(self):
        line = self.process.stdout.readline()
        return json.loads(line) if line else {}

    def measure(self):
        try:
            self.process.stdin.write("\n")
            self.process.stdin.flush()
        except OSError:
            pass   # it has ended, which its answer tells
        answer = self.answer()
        if "samples_per_second" not in answer:
            raise RuntimeError(answer.get("error", "it ended without a word"))
        return answer["samples_per_second"]

    def close(self):
        try:
            self.process.stdin.close()
        except OSError:
            pass
        self.process.wait(timeout=60)


class CinchOnDevice:
    """`cinch bench` on one device, started anew for each timed run; keeps its JSON lines."""

    def __init__(self, device, workload, options):
        self.name, self.workload, self.lines = device, workload, []
        self.command = [options.cinch, "bench", workload, "--json", "--device", device]

    def measure(self):
        done = subprocess.run(self.command, stdout=subprocess.PIPE, text=True)
        lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
        found = [line for line in lines if line.get("workload") == self.workload]
        if done.returncode != 0 or not found:
            sys.exit(f"'{' '.join(self.command)}' gave no result for {self.workload} (exit {done.returncode}).")
        self.lines.append(found[0])
        return found[0]["median"]

    def roofline(self):
        """The share of the peak: the rounds' median, and of the fastest pass of any, as the peak is the fastest of its own."""
        usual = statistics.median(line.get("roofline_fraction") or 0 for line in self.lines)
        best = max(line.get("best_roofline_fraction") or 0 for line in self.lines)
        return f"{100 * usual:.0f} % ({100 * best:.0f} %)"


def measure(workload, options):
    """Every round's samples/s of each peer and each device, and Cinch's own lines."""
    processes = []
    for name in options.peer:
        try:
            processes.append(PeerProcess(name, workload, options))
        except RuntimeError as error:
            print(f"{workload}: {name} left out: {error}", file=sys.stderr)
    devices = [CinchOnDevice(device, workload, options) for device in options.device]
    turns = devices + processes
    rates = {turn.name: [] for turn in turns}
    for number in range(options.rounds):
        shift = number % len(turns)
        for turn in turns[shift:] + turns[:shift]:
            try:
                rates[turn.name].append(turn.measure())
            except RuntimeError as error:
                print(f"{workload}: {turn.name} left out after {number} rounds: {error}", file=sys.stderr)
                turns.remove(turn)
                del rates[turn.name]
        print(f"{workload} round {number + 1}/{options.rounds}  "
              + "  ".join(f"{name} {values[-1]:,.0f}" for name, values in rates.items()), file=sys.stderr)
    for process in processes:
        process.close()
    return rates, devices


def spread(values, form):
    return f"{form(statistics.median(values))} [{form(min(values))}–{form(max(values))}]"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cinch", default=str(ROOT / ".build/release/cinch"))
    parser.add_argument("--device", nargs="+", default=["opencl", "cpu"])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--workload", nargs="+", default=list(peers.WORKLOADS), choices=list(peers.WORKLOADS))
    parser.add_argument("--peer", nargs="+", default=list(peers.PEERS), choices=list(peers.PEERS))
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)), help="processors, for Cinch and peers")
    parser.add_argument("--cuda", action="store_true", help="PyTorch and JAX on the GPU")
    parser.add_argument("--json", type=pathlib.Path, help="also write every figure to this file")
    options = parser.parse_args()
    peers.keep_to(options.threads)

    everything, ratios = {}, {device: [] for device in options.device}
    rate = lambda v: f"{v / 1000:,.1f} k"
    ratio_form = lambda v: f"{v:.2f}×"
    columns = ["workload", "batch"]
    for device in options.device:
        columns += [f"Cinch, {device}", "of peak (at best)"]
    columns += options.peer + [f"{device} / fastest" for device in options.device]
    print(f"{machine.processor()}; {machine.packages('torch', 'jax')} on {peers.device_name(options.cuda)}.\n")
    print("| " + " | ".join(columns) + " |\n" + "|---" * len(columns) + "|")
    for workload in options.workload:
        rates, devices = measure(workload, options)
        everything[workload] = dict(rates=rates, cinch={device.name: device.lines for device in devices})
        others = {name: rates[name] for name in options.peer if name in rates}
        if not others:
            sys.exit(f"No peer could run {workload}.")
        fastest = max(others, key=lambda name: statistics.median(others[name]))
        cells = [workload, str(devices[0].lines[0]["batch"])]
        for device in devices:
            cells += [spread(rates[device.name], rate), device.roofline()]
        for name in options.peer:
            emphasis = "**{}**" if name == fastest else "{}"
            cells.append(emphasis.format(spread(others[name], rate)) if name in others else "–")
        for device in devices:
            per_round = [ours / theirs for ours, theirs in zip(rates[device.name], others[fastest])]
            ratios[device.name].append(statistics.median(per_round))
            cells.append(spread(per_round, ratio_form))
        print("| " + " | ".join(cells) + " |", flush=True)
    names = {device.name: device.lines[0]["device_name"] for device in devices}
    print("\n" + ", ".join(f"`{device}` is {name}" for device, name in names.items()) + ".")
    means = {device: math.exp(statistics.mean(map(math.log, of))) for device, of in ratios.items()}
    print(f"\nGeometric mean over {len(options.workload)} workloads of {options.rounds} rounds each: "
          + ", ".join(f"{device} {mean:.2f}×" for device, mean in means.items()) + ".")
    if options.json:
        figures = dict(
            processor=machine.processor(), peers=peers.device_name(options.cuda), devices=names, geometric_means=means,
            workloads=everything)
        options.json.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
