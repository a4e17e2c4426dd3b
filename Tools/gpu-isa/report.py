#!/usr/bin/env python3
"""What the compilers of GPUs make of the GPU family's programs: `make gpu-isa`.

    report.py COMPILERS PROGRAMS TABLE [--write]

COMPILERS is what Tools/gpu-isa/setup fetched, PROGRAMS what ExportKernels wrote. Prints the table, and without --write
compares it with TABLE: exits with 1 where a kernel spills, takes longer than a second of processor time to compile, or
has a bound below the table's, or where a model's kernels take longer than three, four on Intel. Without --only it also does
where a row of TABLE or a kernel of a model was not made.
"""
import argparse
import collections
import concurrent.futures
import glob
import os
import re
import sys
import tempfile

import compilers
import loops

ARCHITECTURES = {
    "nvidia": ["sm_75", "sm_90"],
    "amd": ["gfx906", "gfx90a", "gfx1030", "gfx1100"],
    "frugal": ["dg2"],
    "intel8": ["dg2"],
    "intel16": ["pvc"],
}
# What of a choice's programs is its own, where the others are another choice's, or are not what it is about.
OWN = {"intel8": "-sub8-", "intel16": "-sub16-"}
# Architectures that all of a choice's programs are compiled for, so that a model has all of its kernels.
WHOLE = {architecture for choice, of in ARCHITECTURES.items() if choice not in OWN for architecture in of}
KERNEL_SECONDS = 1.0
# Intel's compiler is the slowest; a model of images is beyond the three seconds that the others keep to.
MODEL_SECONDS = {"dg2": 4.0}
MODEL_SECONDS_ELSEWHERE = 3.0
# A bound is an exact count, rounded to a tenth of a percent in the table.
TOLERANCE = 0.05

# What a step of training compiles at its first use, each in the forms of a layer.
EVERY_MODEL = ["slices", "optimizer-adam", "reduction", "corruption"]
MODELS = {
    "dense": ["matmul-nt-64x64.*float4-forward", "matmul-nt-64x64.*float4-loss", "matmul-nn-64x64.*float4-backward",
              "matmul-tn-64x64.*float4-denseGradient", "matmul-n.-64x64.*float4-none"],
    "images": ["convolve-64x64.*float[14]-forward", "convolveTransposed-64x64.*float4-(forward|loss)",
               "convolve-64x64.*float4-backward", "convolveTransposed-64x64.*float4-backward",
               "convolutionGradient-64x64.*float[14]-none"],
}


def groups(kernel, tile, architecture):
    """Work-groups that a multiprocessor of NVIDIA's holds at once, by registers, local memory and work-items."""
    local, items, most, reserved = {"sm_75": (64, 1024, 16, 0), "sm_90": (227, 2048, 32, 1024)}[architecture]
    registers = (kernel.registers + 7) // 8 * 8
    limits = [65536 // (registers * tile.items), items // tile.items, most]
    if kernel.local:
        limits.append(local * 1024 // (kernel.local + reserved))
    return min(limits)


class Row:
    """The worst of a kernel's programs that differ in the epilogue and in how operands lie alone."""

    def __init__(self, name):
        self.name, self.programs = name, 0
        self.registers = self.spilled = self.local = 0
        self.seconds, self.bound, self.occupancy, self.mix = 0.0, None, None, ""

    def add(self, kernel, loop, occupancy):
        self.programs += 1
        self.registers = max(self.registers, kernel.registers)
        self.spilled = max(self.spilled, kernel.spilled + (loop.spills if loop else 0))
        self.local = max(self.local, kernel.local)
        self.seconds = max(self.seconds, kernel.seconds)
        if occupancy is not None and (self.occupancy is None or occupancy < self.occupancy):
            self.occupancy = occupancy
        if loop and (self.bound is None or loop.bound < self.bound):
            self.bound = loop.bound
            self.mix = " ".join(f"{op} {count:.0f}" for op, count in loop.mix.most_common(9))

    def cells(self):
        bound = "" if self.bound is None else f"{100 * self.bound:.1f}"
        occupancy = "" if self.occupancy is None else str(self.occupancy)
        return [self.name, self.programs, self.registers, self.spilled, self.local, occupancy, bound,
                f"{self.seconds:.2f}", self.mix]


COLUMNS = ["kernel", "programs", "registers", "spilled bytes", "local bytes", "occupancy", "bound %", "seconds", "step"]
OCCUPANCY = {"nvidia": "work-groups a multiprocessor", "amd": "waves a SIMD", "frugal": "lanes of a thread",
             "intel16": "lanes of a thread"}


COMPILERS = {"nvidia": compilers.nvidia, "amd": compilers.amd, "frugal": compilers.intel, "intel8": compilers.intel,
             "intel16": compilers.intel}


def starting(tools, options, choice, architecture):
    """Seconds that a program takes that does nothing: processes that start and read OpenCL's declarations, which a
    driver does not."""
    path = os.path.join(tools.work, f"nothing-{architecture}.cl")
    with open(path, "w") as file:
        file.write("kernel void nothing(global float *x) { x[get_global_id(0)] = 0.0f; }\n")
    return min(COMPILERS[choice](tools, path, options, architecture)[0].seconds for _ in range(3))


def look(tools, path, options, choice, architecture, start):
    """(program, architecture, kernels with their loops and occupancy, seconds)"""
    source = open(path).read()
    tile = loops.Tile.of(source)
    own = os.path.join(tools.work, f"{choice}-{architecture}-{os.path.basename(path)}")
    with open(own, "w") as file:
        file.write(source)
    kernels = COMPILERS[choice](tools, own, options, architecture)
    if choice == "nvidia":
        made = [(k, loops.nvidia(k, tile), groups(k, tile, architecture) if tile else None) for k in kernels]
    elif choice == "amd":
        wave = 64 if architecture.startswith("gfx9") else 32
        made = [(k, loops.amd(k, tile, wave), k.width) for k in kernels]
    else:
        made = [(k, loops.intel(k, tile), k.width) for k in kernels]
    for kernel in kernels:
        kernel.seconds = max(kernel.seconds - start, 0)
    if tile and not all(loop for _, loop, _ in made):
        raise compilers.Failure(f"{path}: no main loop was found in the code for {architecture}")
    return os.path.basename(path)[:-3], architecture, made, max(k.seconds for k in kernels)


def row_name(program, kernel):
    """matmul-nt-64x64x16-float4-loss → matmul 64x64x16 float4; a program without a tile is a row."""
    match = re.match(r"(\w+?)(?:-[nt]{2})?-(\d+x\d+x\d+(?:-sub\d+)?)-(float\d)-\w+$", program)
    return f"{match[1]} {match[2]} {match[3]}" if match else program


def measure(tools, programs, options, only):
    jobs = []
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for choice, architectures in ARCHITECTURES.items():
            for architecture in architectures:
                paths = [path for path in sorted(glob.glob(f"{programs}/{choice}/*.cl"))
                         if re.search(only, f"{choice}/{os.path.basename(path)}/{architecture}")
                         and OWN.get(choice, "") in path]
                start = starting(tools, options, choice, architecture) if paths else 0
                jobs += [pool.submit(look, tools, path, options, choice, architecture, start) for path in paths]
        tables, seconds = collections.defaultdict(dict), collections.defaultdict(dict)
        for job in concurrent.futures.as_completed(jobs):
            program, architecture, made, spent = job.result()
            seconds[architecture][program] = spent
            for kernel, loop, occupancy in made:
                name = row_name(program, kernel)
                tables[architecture].setdefault(name, Row(name)).add(kernel, loop, occupancy)
    return tables, seconds


def taken(spent):
    """The programs that a model takes: where sub-groups make the same, the tiles by local memory are for other devices."""
    what = lambda program: re.sub(r"\d+x\d+x\d+(-sub\d+)?", "", program)
    by_subgroups = {what(program) for program in spent if "-sub" in program}
    return {program: s for program, s in spent.items() if "-sub" in program or what(program) not in by_subgroups}


def models(seconds):
    """architecture → model → seconds of its first use, where all that it takes was compiled."""
    return {
        architecture: {
            model: sum(s for program, s in taken(spent).items()
                       if any(re.fullmatch(p, program) for p in patterns + EVERY_MODEL))
            for model, patterns in MODELS.items()
        } if all(program in spent for program in EVERY_MODEL) else {}
        for architecture, spent in seconds.items()
    }


def lacking(seconds):
    """What was to be compiled and was not: a sum without it would pass whatever it takes."""
    for architecture in dict.fromkeys(a for of in ARCHITECTURES.values() for a in of):
        programs = taken(seconds.get(architecture, {}))
        if not programs:
            yield f"{architecture}: nothing was compiled"
        elif architecture in WHOLE:
            for pattern in EVERY_MODEL + [p for patterns in MODELS.values() for p in patterns]:
                if not any(re.fullmatch(pattern, program) for program in programs):
                    yield f"{architecture}: no program is called {pattern}, of which a model is made"


INTRODUCTION = """# What compilers make of the GPU family

Made by `make gpu-isa WRITE=1`; `make gpu-isa` compares. Every program that a device may ask for is compiled as the device
would, for each architecture with the tiles that are shipped for its maker (`GPUTile.swift`); nothing runs. A row is the
worst of the programs that differ in the epilogue, or in how the operands of a product lie, alone.

- **NVIDIA**: clang 16 to PTX, then NVIDIA's own assembler (CUDA 12.9). The bound is the share of the multiply-add peak that
  a step of the main loop allows, its multiply-adds / 4 over the largest of that, wavefronts of local memory, and instructions
  / 4. Wavefronts are simulated from the lanes' addresses: 16-byte reads take 4, or 2 where lanes are paired. Both arms of a
  branch count. Left out: latency, barriers, register banks, global memory, the epilogue.
- **AMD**: LLVM 16. Vector instructions of a step, and bytes of local memory at 128 a clock shared by four SIMDs (two for
  gfx10 and later) that all run the loop. gfx90a and gfx1100 begin two multiply-adds at once: their peak is twice as high, and
  local memory bounds it.
- **Intel**: IGC 1.0.12504 (ocloc). Multiply-adds over all instructions of a step, which includes those that other pipes take.
  Tiles with `sub8` or `sub16` are by sub-groups of so many lanes: what is shipped for Intel's GPUs, by the registers that they
  have. The others stand for phones' GPUs too, of which no compiler is to be had. On dg2 an operand by local memory takes part
  of its bandwidth that the bound leaves out: see Benchmarks/README.md.

Seconds are of a processor, front end and back end, of the slowest program, less what a program takes that does nothing.
"""


def text(tables, seconds):
    lines, done = [INTRODUCTION], set()
    for choice, architectures in ARCHITECTURES.items():
        for architecture in architectures:
            # Two choices are compiled for one architecture.
            if architecture not in tables or architecture in done:
                continue
            done.add(architecture)
            lines.append(f"## {architecture}\n")
            if choice == "nvidia" or architecture in ("gfx906", "dg2", "pvc"):
                lines.append(f"Occupancy: {OCCUPANCY[choice]}.\n")
            lines.append("| " + " | ".join(COLUMNS) + " |")
            lines.append("|" + "---|" * len(COLUMNS))
            for name in sorted(tables[architecture]):
                lines.append("| " + " | ".join(map(str, tables[architecture][name].cells())) + " |")
            first = models(seconds)[architecture]
            uses = ", ".join(f"{m} {s:.1f} s" for m, s in first.items())
            lines.append(f"\nFirst use of a model: {uses}.\n" if first else "")
    return "\n".join(lines)


def bounds(path):
    """(architecture, kernel) → bound of a committed table, None for a kernel without one."""
    found, architecture = {}, None
    for line in open(path):
        if line.startswith("## "):
            architecture = line[3:].strip()
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if len(cells) == len(COLUMNS) and cells[1].isdigit():
            found[architecture, cells[0]] = float(cells[6]) if cells[6] else None
    return found


def faults(tables, seconds, committed):
    for architecture, rows in tables.items():
        for name, row in sorted(rows.items()):
            if row.spilled:
                yield f"{architecture}, {name}: {row.spilled} bytes do not fit the registers"
            if row.seconds > KERNEL_SECONDS:
                yield f"{architecture}, {name}: takes {row.seconds:.2f} s to compile, more than {KERNEL_SECONDS}"
            wanted = committed.get((architecture, name))
            if row.bound is not None and wanted is None:
                yield f"{architecture}, {name}: the table has no such row; write it anew"
            elif row.bound is not None and 100 * row.bound < wanted - TOLERANCE:
                yield f"{architecture}, {name}: the bound is {100 * row.bound:.1f} %, the table's {wanted} %"
        for model, spent in models(seconds)[architecture].items():
            most = MODEL_SECONDS.get(architecture, MODEL_SECONDS_ELSEWHERE)
            if spent > most:
                yield f"{architecture}: the kernels of a model of {model} take {spent:.1f} s, more than {most}"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("compilers")
    parser.add_argument("programs")
    parser.add_argument("table")
    parser.add_argument("--write", action="store_true", help="writes the table instead of comparing with it")
    parser.add_argument("--only", default="", help="a pattern of CHOICE/PROGRAM.cl/ARCHITECTURE, to look at a few")
    arguments = parser.parse_args()
    if arguments.write and arguments.only:
        parser.error("a table of what --only takes would lack the rest: leave out one of the two")
    options = open(os.path.join(arguments.programs, "options")).read().split()
    with tempfile.TemporaryDirectory() as work:
        tools = compilers.Toolchain(os.path.abspath(arguments.compilers), work)
        try:
            tables, seconds = measure(tools, arguments.programs, options, arguments.only)
        except compilers.Failure as failure:
            sys.exit(str(failure))
    made = text(tables, seconds)
    print(made)
    found = [] if arguments.only else list(lacking(seconds))
    if arguments.write and not found:
        with open(arguments.table, "w") as file:
            file.write(made)
    committed = bounds(arguments.table)
    if not arguments.only:
        rows = [(architecture, name) for architecture, of in tables.items() for name in of]
        found += [f"{architecture}, {name}: the table has this row, and no program made it"
                  for architecture, name in committed if (architecture, name) not in rows]
    found += faults(tables, seconds, committed)
    print("\n".join(found) if found else "Nothing spills, compiles slowly, or has a bound below the table's.")
    sys.exit(1 if found else 0)


main()
