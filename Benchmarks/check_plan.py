#!/usr/bin/env python3
"""Not a benchmark of speed: `cinch plan` beside a short `cinch train`, for every workload of `cinch bench`.

    make plan-check
    python3 Benchmarks/check_plan.py .build/release/cinch --device opencl cpu --rounds 3

Planned and seen samples/s and device memory as Markdown. Plan and run take turns; a workload's figure is the median of its
rounds' ratios. The last column is the peak of the process's resident memory, with the host's own part: program, samples,
copies for checkpoints. The exit status is 1 where time is off by more than --time, or memory by more than --memory. Run
nothing else.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile

# Recipe and options of each workload.
WORKLOADS = {
    "deep": ["deep", "--layers", "784,128,32", "--batch-size", "256"],
    "sparse": ["sparse", "--layers", "784,196", "--batch-size", "256"],
    "denoise": ["denoising", "--layers", "784,1024", "--batch-size", "256"],
    "contractive": ["contractive", "--layers", "784,256", "--batch-size", "256"],
    "hinton": ["hinton", "--layers", "784,1000,500,250,30", "--batch-size", "256"],
    "vae": ["vae", "--layers", "784,400,20", "--batch-size", "128"],
    "rbm": ["rbm", "--layers", "784,500", "--batch-size", "128"],
    "conv": ["conv", "--batch-size", "128"],
    "convpool": ["conv-pool", "--batch-size", "128"],
}


def lines(command):
    """The JSON lines that a command prints, and the peak of its resident memory in bytes."""
    with tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True)
        output = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            errors.seek(0)
            sys.exit(f"{' '.join(command)}: {errors.read().strip()}")
    return [json.loads(line) for line in output.splitlines()], usage.ru_maxrss * 1024


def compare(cinch, workload, device, options):
    """Planned and seen samples/s, bytes, and the run's resident bytes."""
    arguments = [*WORKLOADS[workload], "--device", device, "--json"]
    arguments += ["--validation-split", str(options.split)] * (options.split > 0)
    arguments += ["--epochs", str(options.epochs)]
    plan = lines([cinch, "plan", *arguments])[0][0]
    with tempfile.TemporaryDirectory() as folder:
        events, resident = lines([cinch, "train", *arguments, "--out", f"{folder}/run"])
    seen = statistics.median([event["samples_per_second"] for event in events if event["event"] == "epoch"])
    return plan["samples_per_second"], seen, plan["device_bytes"], events[-1]["device_bytes"], resident


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("cinch")
    parser.add_argument("--device", nargs="+", default=["opencl", "cpu"])
    parser.add_argument("--workload", nargs="+", default=list(WORKLOADS), choices=list(WORKLOADS))
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--split", type=float, default=0.1, help="the share of samples that is held out")
    parser.add_argument("--time", type=float, default=0.15)
    parser.add_argument("--memory", type=float, default=0.05)
    options = parser.parse_args()
    failed = False
    print("| workload | device | samples/s planned | seen | off by | MB planned | taken | off by | resident |\n" + "|---" * 9 + "|")
    for workload in options.workload:
        for device in options.device:
            rounds = [compare(options.cinch, workload, device, options) for _ in range(options.rounds)]
            planned, seen = (statistics.median(column) for column in list(zip(*rounds))[:2])
            time = statistics.median(row[0] / row[1] for row in rounds) - 1
            bytes_planned, bytes_taken, resident = rounds[-1][2:]
            memory = bytes_planned / bytes_taken - 1
            failed |= abs(time) > options.time or abs(memory) > options.memory
            print(f"| `{workload}` | `{device}` | {planned:,.0f} | {seen:,.0f} | {time:+.0%} | {bytes_planned / 1e6:.1f} "
                  f"| {bytes_taken / 1e6:.1f} | {memory:+.1%} | {resident / 1e6:.0f} |", flush=True)
    sys.exit(failed)


if __name__ == "__main__":
    main()
