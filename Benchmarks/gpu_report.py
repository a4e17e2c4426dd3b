#!/usr/bin/env python3
"""Everything worth knowing of Cinch on one OpenCL device, in one file and within some minutes.

    make gpu-report DEVICE=opencl
    python3 Benchmarks/gpu_report.py --cinch DIST/cinch --device opencl:0:0 --python .venv/bin/python

The machine, the self-test, products beside PyTorch's (on a GPU cuBLAS without TF32), where an update's time goes, and
training beside PyTorch, torch.compile and JAX. A part that fails or runs out of time says so, and the rest goes on.
Needs Python 3 alone. Peers run on the device's own hardware: the processor, or an NVIDIA GPU with CUDA. On other GPUs, without
--python, or where that has no PyTorch for the device, the comparisons are left out.
"""
import argparse
import io
import json
import pathlib
import subprocess
import sys
import time
from contextlib import redirect_stdout

import machine
import profile_table

ROOT = pathlib.Path(__file__).resolve().parent.parent

# float32 products as PyTorch makes them, timed as `cinch selftest --perf` times its own (Timing.swift): as many calls as take a
# tenth of a second, with one wait behind them, and the median of five times that.
TORCH_PRODUCTS = """
import json, os, sys, time, torch
device = sys.argv[1]
torch.backends.cuda.matmul.allow_tf32 = False
torch.set_num_threads(len(os.sched_getaffinity(0)))
wait = torch.cuda.synchronize if device == "cuda" else lambda: None
def operand(rows, columns, turned):
    return torch.rand(columns, rows, device=device).T if turned else torch.rand(rows, columns, device=device)
for name, m, n, k in json.loads(sys.argv[2]):
    a, b = operand(m, k, "Aᵀ" in name), operand(k, n, "Bᵀ" in name)
    out = torch.empty(m, n, device=device)
    def seconds(count):
        start = time.perf_counter()
        for _ in range(count): torch.mm(a, b, out=out)
        wait()
        return time.perf_counter() - start
    seconds(2)
    count = 1
    while seconds(count) < 0.1: count *= 2
    median = sorted(seconds(count) / count for _ in range(5))[2]
    print(json.dumps([name, 2 * m * n * k / median / 1e9]), flush=True)
"""


class Report:
    """Markdown, written anew after every part, so that an end in between loses nothing."""

    def __init__(self, path, seconds):
        self.path, self.text, self.end = path, "", time.monotonic() + seconds

    def left(self):
        return max(self.end - time.monotonic(), 1)

    def add(self, title, body):
        self.text += f"\n## {title}\n\n{body.strip()}\n"
        self.path.write_text(self.text.lstrip())
        print(f"{title}: written", file=sys.stderr)

    def run(self, command, share=1.0):
        """What a command prints, and what it said or did wrong; it gets a share of the time that is left."""
        limit = self.left() * share
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=limit)
        except subprocess.TimeoutExpired as error:
            text = error.stdout.decode() if isinstance(error.stdout, bytes) else error.stdout or ""
            return text, f"It was ended after {limit:.0f} s."
        except OSError as error:
            return "", f"{command[0]} cannot be run: {error.strerror}."
        return done.stdout, "" if done.returncode == 0 else f"Exit status {done.returncode}: {done.stderr.strip()[-2000:]}"


def records(text):
    for line in text.splitlines():
        try:
            yield json.loads(line)
        except ValueError:
            pass


def about(report, options):
    parts = []
    for command in ([options.cinch, "--version"], [options.cinch, "devices"],
                    ["nvidia-smi", "--query-gpu=name,driver_version,memory.total,clocks.max.sm", "--format=csv"]):
        text, trouble = report.run(command, 0.1)
        if text or not trouble.startswith("nvidia-smi"):
            parts.append(f"```\n{text.strip()}\n{trouble}".rstrip() + "\n```")
    report.add("Machine", "\n\n".join(parts))


def selftest(report, options):
    text, trouble = report.run([options.cinch, "selftest", "--device", options.device, "--json"], 0.3)
    rows = list(records(text))
    failed = [row for row in rows if row["failed"]]
    body = (f"{sum(row['cases'] for row in rows)} cases of {len(rows)} ops, {sum(row['failed'] for row in rows)} failed; "
            f"worst error {max((row['worst_error'] for row in rows), default=0):.2f} of what rounding allows. {trouble}\n\n")
    body += "\n".join(f"- `{row['op']}`: {failure}" for row in failed for failure in row.get("failures", [])[:5])
    report.add("Self-test", body)


def hardware(report, options):
    """Where peers have to run to be compared, "cpu" or "cuda", and what that is called; or None, and why they are left out."""
    if not options.python:
        return None, "no --python with PyTorch and JAX"
    found = machine.device(options.cinch, options.device)
    if not found:
        return None, f"cinch does not tell which device {options.device} is"
    cuda, trouble = report.run(
        [options.python, "-c", "import torch; print(torch.cuda.get_device_name(0) if torch.version.cuda and "
         "torch.cuda.is_available() else '')"], 0.1)
    if trouble:
        return None, f"{options.python} has no PyTorch"
    if found["type"] == "cpu":
        return "cpu", "the processor"
    if "nvidia" not in f"{found['driver']} {found['name']}".lower():
        return None, f"peers would run elsewhere than on {found['name']}"
    if not cuda.strip():
        return None, f"the PyTorch of {options.python} does not see {found['name']}: it needs one with CUDA"
    return "cuda", cuda.strip()


def products(report, options):
    text, trouble = report.run(
        [options.cinch, "selftest", "--perf", "--device", options.device, "--op", "matmul", "--json"], 0.2)
    rows = [row for row in records(text) if row.get("gflops")]
    # The program writes m × k × n.
    extents = [[int(part) for part in row["case"].split(",")[0].split("×")] for row in rows]
    shapes = [(row["case"], m, n, k) for row, (m, k, n) in zip(rows, extents)]
    others = {}
    if options.peers and shapes:
        theirs, more = report.run([options.python, "-c", TORCH_PRODUCTS, options.peers, json.dumps(shapes)], 0.2)
        others = dict(records(theirs))
        trouble += more
    lines = ["| product | GFLOP/s | of peak | PyTorch | Cinch / PyTorch |", "|---|---|---|---|---|"]
    for row in rows:
        other = others.get(row["case"])
        fraction = row.get("roofline_fraction")
        lines.append(f"| {row['case']} | {row['gflops']:,.0f} | {f'{100 * fraction:.0f} %' if fraction else '–'} | "
                     + (f"{other:,.0f} | {row['gflops'] / other:.2f} |" if other else "– | – |"))
    note = (f"PyTorch on {options.peers_device}: the product alone, with operands that lie alike. Cinch's have in them what the "
            "row names, such as bias, activation or loss." if options.peers else f"PyTorch is left out: {options.peers_device}.")
    report.add("Products", "\n".join(lines) + f"\n\n{note} {trouble}")


def profiles(report, options):
    text, trouble = report.run(
        [options.cinch, "bench", "--device", options.device, "--profile", "--json", "--repeats", "3"], 0.4)
    lines = list(records(text))
    rows = list(zip(lines[::2], lines[1::2]))
    shown = io.StringIO()
    with redirect_stdout(shown):
        profile_table.overview(rows)
        for row, profile in rows:
            profile_table.table(row, profile)
    report.add("Where an update's time goes", shown.getvalue() + f"\n{trouble}")


def peers(report, options):
    if not options.peers:
        return report.add("Beside peers", f"Left out: {options.peers_device}.")
    command = [options.python, str(ROOT / "Benchmarks/compare.py"), "--cinch", options.cinch, "--device", options.device,
               "--rounds", str(options.rounds)] + ["--cuda"] * (options.peers == "cuda")
    text, trouble = report.run(command)
    report.add("Beside peers", f"{text}\n{trouble}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cinch", default=str(ROOT / ".build/release/cinch"))
    parser.add_argument("--device", default="opencl")
    parser.add_argument("--python", help="one that has PyTorch and JAX")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--output", type=pathlib.Path, default=pathlib.Path("gpu-report.md"))
    options = parser.parse_args()
    report = Report(options.output, 60 * options.minutes)
    report.text = f"# Cinch on `{options.device}`\n"
    options.peers, options.peers_device = hardware(report, options)
    for part in (about, selftest, products, profiles, peers):
        part(report, options)
    print(options.output)


if __name__ == "__main__":
    main()
