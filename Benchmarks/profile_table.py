"""Where an update's time goes: `cinch bench --profile` of every workload, as Markdown.

A table of all workloads by what they spend their time on, then one for each of them, op by op.

    python3 Benchmarks/profile_table.py .build/release/cinch --device opencl cpu > Benchmarks/results/profile-avx2.md
"""

import argparse
import json
import subprocess

import machine

KINDS = ("product", "convolution", "pass", "transfer")


def measure(cinch, device, workloads, repeats):
    """Pairs of a workload's throughput, measured without a profiler, and its profile, in the order of the program."""
    command = [cinch, "bench", *workloads, "--device", device, "--repeats", str(repeats), "--profile", "--json"]
    lines = [json.loads(line) for line in subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()]
    return list(zip(lines[::2], lines[1::2]))


def share(part, whole):
    return f"{100 * part / whole:.1f} %" if part > 0.0005 * whole else "–"


def ceiling(ops):
    """The share of the roofline that ops reach together: their least time over their time."""
    timed = [op for op in ops if op.get("ceiling_fraction")]
    seconds = sum(op["seconds"] for op in timed)
    return f"{100 * sum(op['seconds'] * op['ceiling_fraction'] for op in timed) / seconds:.0f} %" if seconds else "–"


def overview(rows):
    print("| workload | µs | products | of ceiling | convolutions | of ceiling | passes | of ceiling | transfers "
          "| launches | host, waiting | queueing | host |")
    print("|---|---|---|---|---|---|---|---|---|---|---|---|---|")
    for row, profile in rows:
        whole = profile["seconds"]
        cells = [f"`{row['workload']}`", f"{whole * 1e6:.0f}"]
        for kind in KINDS:
            ops = [op for op in profile["ops"] if op["kind"] == kind]
            cells.append(share(sum(op["seconds"] for op in ops), whole))
            if kind != "transfer":
                cells.append(ceiling(ops))
        cells += [share(profile["launching"], whole), share(profile["idle"], whole),
                  f"{profile['queueing'] * 1e6:.0f} µs" if profile["queueing"] else "–",
                  f"{100 * row['host_fraction']:.1f} %" if profile["queueing"] else "–"]
        print("| " + " | ".join(cells) + " |")


def table(row, profile):
    print(f"\n`{row['workload']}`, {row['median'] / 1e3:.1f} thousand samples/s, {profile['seconds'] * 1e6:.0f} µs\n")
    print("| op | what | calls | µs | share | GFLOP/s | GB/s | of ceiling |")
    print("|---|---|---|---|---|---|---|---|")
    for op in sorted(profile["ops"], key=lambda op: -op["seconds"]):
        if op["seconds"] < 0.002 * profile["seconds"]:
            continue
        fraction = op.get("ceiling_fraction")
        cells = [
            op["op"], op["what"], f"{op['calls']:.2f}".rstrip("0").rstrip("."), f"{op['seconds'] * 1e6:.1f}",
            share(op["seconds"], profile["seconds"]),
            f"{op['operations'] / op['seconds'] / 1e9:.0f}" if op["operations"] else "",
            f"{op['bytes'] / op['seconds'] / 1e9:.1f}", f"{100 * fraction:.0f} %" if fraction else "",
        ]
        print("| " + " | ".join(cells) + " |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cinch", help="the program")
    parser.add_argument("--device", nargs="+", default=["opencl", "cpu"])
    parser.add_argument("--workload", nargs="+", default=[], help="these alone")
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    measured = {device: measure(arguments.cinch, device, arguments.workload, arguments.repeats) for device in arguments.device}
    print(f"# Where an update's time goes\n\n{machine.processor()}.\n")
    print("`make profile`. Shares are of an update's time; *of ceiling* is the share of the measured roofline that ops of a kind")
    print("reach together. Caches hold more than a pass touches, so passes may exceed that of memory. *Queueing* is what the host takes")
    print("while the device runs, events for the profile included; *host* the processor time of its thread without them, of one core's.")
    for device, rows in measured.items():
        print(f"\n## `{device}`: {rows[0][0]['device_name']}, peak {rows[0][1]['peak_gflops']:.0f} GFLOP/s\n")
        overview(rows)
        for row, profile in rows:
            table(row, profile)


if __name__ == "__main__":
    main()
