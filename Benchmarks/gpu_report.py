#!/usr/bin/env python3
"""Everything worth knowing of Cinch on one OpenCL device, in one file and within some minutes.

    make gpu-report DEVICE=opencl
    python3 Benchmarks/gpu_report.py --cinch DIST/cinch --device opencl:0:0 --python .venv/bin/python

The machine, the self-test, products beside PyTorch's (cuBLAS without TF32 where there is CUDA), where an update's time goes,
and training beside PyTorch, torch.compile and JAX. A part that fails or runs out of time says so, and the rest goes on.
Needs Python 3 alone; without --python, or where that has no PyTorch, the comparisons are left out.
"""
import argparse
import io
import json
import pathlib
import subprocess
import sys
import time
from contextlib import redirect_stdout

import profile_table

ROOT = pathlib.Path(__file__).resolve().parent.parent

# float32 products as PyTorch makes them: each side and op as `cinch selftest --perf` times it.
TORCH_PRODUCTS = """
import json, sys, time, torch
cuda = torch.cuda.is_available()
torch.backends.cuda.matmul.allow_tf32 = False
device = "cuda" if cuda else "cpu"
wait = torch.cuda.synchronize if cuda else lambda: None
for m, n, k in json.loads(sys.argv[1]):
    a, b = torch.rand(m, k, device=device), torch.rand(k, n, device=device)
    torch.mm(a, b); wait()
    rates = []
    for _ in range(5):
        count, start = 0, time.perf_counter()
        while time.perf_counter() - start < 0.1:
            for _ in range(4): torch.mm(a, b)
            wait(); count += 4
        rates.append(2 * m * n * k * count / (time.perf_counter() - start) / 1e9)
    print(json.dumps([m, n, k, sorted(rates)[2]]), flush=True)
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


def machine(report, options):
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


def products(report, options):
    text, trouble = report.run(
        [options.cinch, "selftest", "--perf", "--device", options.device, "--op", "matmul", "--json"], 0.2)
    rows = [row for row in records(text) if row.get("gflops")]
    # The program writes m × k × n.
    extents = [[int(part) for part in row["case"].split(",")[0].split("×")] for row in rows]
    shapes = [(m, n, k) for m, k, n in extents]
    others = {}
    if options.python and shapes:
        theirs, more = report.run([options.python, "-c", TORCH_PRODUCTS, json.dumps(shapes)], 0.2)
        others = {tuple(values[:3]): values[3] for values in records(theirs)}
        trouble += more
    lines = ["| product | GFLOP/s | of peak | PyTorch | Cinch / PyTorch |", "|---|---|---|---|---|"]
    for row, shape in zip(rows, shapes):
        other = others.get(shape)
        fraction = row.get("roofline_fraction")
        lines.append(f"| {row['case']} | {row['gflops']:,.0f} | {f'{100 * fraction:.0f} %' if fraction else '–'} | "
                     + (f"{other:,.0f} | {row['gflops'] / other:.2f} |" if other else "– | – |"))
    report.add("Products", "\n".join(lines) + f"\n\n{trouble}")


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
    if not options.python:
        return report.add("Beside peers", "Left out: no --python with PyTorch and JAX.")
    cuda, _ = report.run([options.python, "-c", "import torch; print(torch.cuda.is_available())"], 0.1)
    command = [options.python, str(ROOT / "Benchmarks/compare.py"), "--cinch", options.cinch, "--device", options.device,
               "--rounds", str(options.rounds)] + ["--cuda"] * (cuda.strip() == "True")
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
    for part in (machine, selftest, products, profiles, peers):
        part(report, options)
    print(options.output)


if __name__ == "__main__":
    main()
