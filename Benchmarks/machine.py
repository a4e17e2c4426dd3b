#!/usr/bin/env python3
"""What a table was measured on, for its head, and for the name of its file.

    python3 Benchmarks/machine.py             # AMD EPYC (Zen 3, AVX2), 2 threads
    python3 Benchmarks/machine.py --vectors   # avx2
"""
import importlib.metadata
import json
import os
import re
import subprocess
import sys

# AMD's family and Intel's model, which virtual machines hide in names such as "AMD EPYC".
KINDS = {
    ("AuthenticAMD", 25): lambda model: "Zen 3" if model < 0x10 or 0x20 <= model < 0x60 else "Zen 4",
    ("AuthenticAMD", 23): lambda model: "Zen 2" if model >= 0x30 else "Zen",
    ("AuthenticAMD", 26): lambda model: "Zen 5",
    ("GenuineIntel", 6): lambda model: {
        0x55: "Skylake-SP or Cascade Lake", 0x6A: "Ice Lake", 0x8F: "Sapphire Rapids", 0xCF: "Emerald Rapids",
        0xAD: "Granite Rapids"}.get(model),
}


def fields():
    with open("/proc/cpuinfo") as file:
        return dict(re.findall(r"^(.+?)\s*: (.*)$", file.read().split("\n\n")[0], re.MULTILINE))


def vectors(fields):
    """The widest instructions that kernels have code for."""
    flags = fields.get("flags", "").split()
    return next((name for flag, name in (("avx512f", "AVX-512"), ("avx2", "AVX2")) if flag in flags), "baseline")


def processor():
    """Such as "AMD EPYC (Zen 3, AVX2), 2 threads"."""
    about = fields()
    family, model = int(about.get("cpu family", 0)), int(about.get("model", 0))
    kind = KINDS.get((about.get("vendor_id"), family), lambda model: None)(model)
    name, threads = about.get("model name", "an unknown processor").strip(), len(os.sched_getaffinity(0))
    return f"{name} ({', '.join(part for part in (kind, vectors(about)) if part)}), {threads} threads"


def packages(*names):
    """Such as "torch 2.15.0, jax 0.10.2": those that are installed."""
    found = []
    for name in names:
        try:
            found.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            pass
    return ", ".join(found)


def device(cinch, name):
    """What `cinch devices --json` says of the device that `--device NAME` takes, such as `opencl`; None where it takes none."""
    def records(*arguments):
        try:
            return subprocess.run([cinch, *arguments, "--json"], capture_output=True, text=True, timeout=60).stdout
        except (OSError, subprocess.TimeoutExpired):
            return ""

    try:
        # A check of one op tells what the name stands for, `/gpu` behind it where the kernels are not the device's own.
        own = json.loads(records("selftest", "--small", "--op", "fill", "--device", name).splitlines()[0])["device"].split("/")[0]
        return next(one for one in json.loads(records("devices"))["devices"] if one["identifier"] == own)
    except (IndexError, ValueError, StopIteration):
        return None


def is_pocl(device):
    return device is not None and device["driver"].startswith("Portable Computing Language")


if __name__ == "__main__":
    print(vectors(fields()).lower().replace("-", "") if "--vectors" in sys.argv else processor())
