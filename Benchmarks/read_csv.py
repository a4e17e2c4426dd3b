"""Compares how fast Cinch and pandas' C parser read a CSV file of 2 GB, in turns.

    python3 Benchmarks/read_csv.py [--cinch .build/release/cinch] [--size 2e9] [--rounds 5] [--folder /tmp]

Needs numpy and pandas. Makes two files and deletes them: 30 columns of numbers of 6 digits, and the same with 5 columns of
texts. Each reading is a process of its own, after one that fills the page cache. pandas is told what the columns are: float32,
and category.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time

TEXTS = {0: 2, 6: 3, 12: 5, 18: 8, 24: 12}


def make(path, size, has_texts):
    import numpy as np

    rng = np.random.default_rng(1)
    rows = 20_000
    block = rng.normal(size=(rows, 30)) * 10.0 ** rng.integers(-2, 4, size=30)
    cells = [[f"{value:.6g}" for value in row] for row in block]
    if has_texts:
        for column, count in TEXTS.items():
            for row, kind in enumerate(rng.integers(0, count, size=rows)):
                cells[row][column] = f"kind-{column}-{kind}"
    text = ("\n".join(",".join(row) for row in cells) + "\n").encode()
    with open(path, "wb") as file:
        file.write((",".join(f"c{column}" for column in range(30)) + "\n").encode())
        while file.tell() < size:
            file.write(text)


def read_with_pandas(path, has_texts):
    import numpy as np
    import pandas as pd

    types = {f"c{c}": "category" if has_texts and c in TEXTS else np.float32 for c in range(30)}
    start = time.perf_counter()
    pd.read_csv(path, engine="c", dtype=types)
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
    print(json.dumps({"megabytes_per_second": os.path.getsize(path) / 1e6 / seconds, "peak_megabytes": peak}))


def measure(command):
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--cinch", default=".build/release/cinch")
    parser.add_argument("--size", type=float, default=2e9)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", default="/tmp")
    parser.add_argument("--pandas", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.pandas:
        return read_with_pandas(options.pandas[0], options.pandas[1] == "texts")
    for kind in ["numbers", "texts"]:
        path = f"{options.folder}/cinch-benchmark-{kind}.csv"
        try:
            make(path, options.size, kind == "texts")
            commands = {
                "cinch": [options.cinch, "bench", "--read", path, "--repeats", "1", "--json"],
                "pandas": [sys.executable, __file__, "--pandas", path, kind],
            }
            measure(commands["cinch"])
            found = {name: [] for name in commands}
            for _ in range(options.rounds):
                for name, command in commands.items():
                    found[name].append(measure(command))
            for name, results in found.items():
                rates = [result["megabytes_per_second"] for result in results]
                peak = max(result["peak_megabytes"] for result in results)
                print(
                    f"{kind:8} {name:7} {statistics.median(rates):5.0f} MB/s ({min(rates):.0f} to {max(rates):.0f}), "
                    f"{peak:.0f} MB at most", flush=True)
        finally:
            if os.path.exists(path):
                os.remove(path)


main()
