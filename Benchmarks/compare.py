#!/usr/bin/env python3
"""Cinch against its peers, in turns, so that whatever the machine does it does to both.

    make peers
    .venv/bin/python Benchmarks/compare.py --device opencl --rounds 5
    .venv/bin/python Benchmarks/compare.py --device opencl --cuda     # on a machine with an NVIDIA GPU

A workload's peers are started and warmed up once. Each round then measures every peer and runs `cinch bench` once, in
an order that turns from round to round. A round's ratio is Cinch's samples/s over those of the fastest peer *of that
workload* (the one with the highest median over all rounds) in the same round. The table gives medians and, in
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
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return self.answer()["samples_per_second"]

    def close(self):
        self.process.stdin.close()
        self.process.wait(timeout=60)


def cinch(workload, options):
    """One run of `cinch bench`: its JSON line."""
    command = [options.cinch, "bench", workload, "--json", "--device", options.device]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    found = [line for line in lines if line.get("workload") == workload]
    if done.returncode != 0 or not found:
        sys.exit(f"'{' '.join(command)}' gave no result for {workload} (exit {done.returncode}).")
    return found[0]


def measure(workload, options):
    """Every round's samples/s of each system, and Cinch's lines."""
    processes = []
    for name in options.peer:
        try:
            processes.append(PeerProcess(name, workload, options))
        except RuntimeError as error:
            print(f"{workload}: {name} left out: {error}", file=sys.stderr)
    rates = {p.name: [] for p in processes} | {"cinch": []}
    lines = []
    for number in range(options.rounds):
        turns = processes + ["cinch"]
        shift = number % len(turns)
        for turn in turns[shift:] + turns[:shift]:
            if turn == "cinch":
                lines.append(cinch(workload, options))
                rates["cinch"].append(lines[-1]["median"])
            else:
                rates[turn.name].append(turn.measure())
        print(f"{workload} round {number + 1}/{options.rounds}  "
              + "  ".join(f"{name} {values[-1]:,.0f}" for name, values in rates.items()), file=sys.stderr)
    for process in processes:
        process.close()
    return rates, lines


def spread(values, form):
    return f"{form(statistics.median(values))} [{form(min(values))}–{form(max(values))}]"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cinch", default=str(ROOT / ".build/release/cinch"))
    parser.add_argument("--device", default="opencl")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--workload", nargs="+", default=list(peers.WORKLOADS), choices=list(peers.WORKLOADS))
    parser.add_argument("--peer", nargs="+", default=list(peers.PEERS), choices=list(peers.PEERS))
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--cuda", action="store_true", help="PyTorch and JAX on the GPU")
    parser.add_argument("--json", type=pathlib.Path, help="also write every figure to this file")
    options = parser.parse_args()

    everything, ratios = {}, []
    rate = lambda v: f"{v / 1000:,.1f} k"
    ratio_form = lambda v: f"{v:.2f}×"
    print("| workload | batch | cinch, samples/s | " + " | ".join(options.peer) + " | ratio to the fastest | of roofline |")
    print("|---|" + "---|" * (len(options.peer) + 4))
    for workload in options.workload:
        rates, lines = measure(workload, options)
        everything[workload] = dict(rates=rates, cinch=lines)
        others = {name: values for name, values in rates.items() if name != "cinch"}
        if not others:
            sys.exit(f"No peer could run {workload}.")
        fastest = max(others, key=lambda name: statistics.median(others[name]))
        per_round = [ours / theirs for ours, theirs in zip(rates["cinch"], others[fastest])]
        ratios.append(statistics.median(per_round))
        cells = [
            ("**{}**" if name == fastest else "{}").format(spread(others[name], rate)) if name in others else "–"
            for name in options.peer]
        roofline = statistics.median(line.get("roofline_fraction") or 0 for line in lines)
        print(
            f"| {workload} | {lines[0]['batch']} | {spread(rates['cinch'], rate)} | " + " | ".join(cells)
            + f" | {spread(per_round, ratio_form)} | {100 * roofline:.0f} % |", flush=True)
    mean = math.exp(statistics.mean(math.log(r) for r in ratios))
    print(f"\nGeometric mean of the ratios: {mean:.2f}× over {len(ratios)} workloads, {options.rounds} rounds each.")
    if options.json:
        options.json.write_text(json.dumps(dict(geometric_mean=mean, workloads=everything), indent=1) + "\n")


if __name__ == "__main__":
    main()
