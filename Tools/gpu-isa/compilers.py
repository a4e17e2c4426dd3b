"""The compilers of GPUs, as Tools/gpu-isa/setup unpacks them: each takes a source and gives the facts of its kernels."""
import glob
import os
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass, field


@dataclass
class Kernel:
    """What a compiler makes of one kernel."""
    name: str
    registers: int
    spilled: int  # bytes that do not fit the registers
    local: int  # bytes of local memory
    seconds: float  # processor time of the whole program's compilation
    code: list = field(default_factory=list)  # (opcode, rest) of each instruction
    labels: dict = field(default_factory=dict)  # label → index of the next instruction
    width: int = 0  # AMD: waves a SIMD; Intel: work-items of a thread


class Failure(Exception):
    pass


class Toolchain:
    def __init__(self, folder, work):
        self.root = os.path.join(folder, "root", "usr")
        self.work = work
        self.clang = os.path.join(self.root, "lib/llvm-16/bin/clang")
        self.ocloc = os.path.join(self.root, "bin/ocloc")
        self.ptxas = self.find(folder, "ptxas")
        self.disassembler = self.find(folder, "nvdisasm")
        self.libraries = os.path.join(self.root, "lib/x86_64-linux-gnu")

    @staticmethod
    def find(folder, name):
        return glob.glob(f"{folder}/nvidia/**/bin/{name}", recursive=True)[0]

    def run(self, *command, **environment):
        """What a command prints, and the processor time that it took."""
        with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
            process = subprocess.Popen(
                command, stdout=output, stderr=errors, cwd=self.work,
                env={**os.environ, "LD_LIBRARY_PATH": self.libraries, **environment})
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            texts = []
            for file in (output, errors):
                file.seek(0)
                texts.append(file.read().decode(errors="replace"))
        if process.returncode:
            raise Failure(f"{' '.join(command)}\n{(texts[1] or texts[0])[:3000]}")
        return texts, usage.ru_utime + usage.ru_stime

    def compile(self, source, options, target, processor, functions, output, *more):
        return self.run(
            self.clang, "-x", "cl", *options, "-O3", "-w", "-Xclang", "-finclude-default-header", "-nogpulib",
            "-target", target, "-Xclang", "-target-cpu", "-Xclang", processor, "-Xclang", "-mlink-builtin-bitcode",
            "-Xclang", f"{self.root}/lib/clc/{functions}.bc", *more, "-S", source, "-o", output)[1]


def nvidia(tools, source, options, architecture):
    """By PTX; NVIDIA's own front end may give another before its assembler."""
    ptx, binary = f"{source}.{architecture}.ptx", f"{source}.{architecture}.cubin"
    front = tools.compile(source, options, "nvptx64-nvidia-nvcl", "sm_70", "nvptx64--nvidiacl", ptx)
    (_, errors), back = tools.run(tools.ptxas, f"-arch={architecture}", "-v", ptx, "-o", binary)
    facts = {}
    for part in errors.split("Compiling entry function '")[1:]:
        number = lambda pattern: int((re.search(pattern, part) or [0, "0"])[1])
        facts[part.split("'")[0]] = (
            number(r"Used (\d+) registers"), number(r"(\d+) bytes spill stores"), number(r"(\d+) bytes smem"))
    (listing, _), _ = tools.run(tools.disassembler, "-c", binary)
    kernels = []
    for part in re.split(r"\n(?=\.text\.)", "\n" + listing)[1:]:
        name = re.match(r"\.text\.(\w+)", part).group(1)
        code, labels = [], {}
        for line in part.splitlines():
            if match := re.match(r"\s*(\.L\w*):", line):
                labels[match.group(1)] = len(code)
            if match := re.match(r"\s*/\*[0-9a-f]+\*/\s+(?:@!?U?P\w+\s+)?([A-Z][A-Z0-9_.]*)(.*)", line):
                code.append(match.groups())
        kernels.append(Kernel(name, *facts[name], front + back, code, labels))
    return kernels


def amd(tools, source, options, architecture):
    text = f"{source}.{architecture}.s"
    # libclc has no functions of its own for later processors; those of gfx906 use nothing that they lack.
    seconds = tools.compile(
        source, options, "amdgcn-mesa-mesa3d", architecture, "gfx906-amdgcn-mesa-mesa3d", text)
    kernels = []
    for part in re.split(r"; -- Begin function ", open(text).read())[1:]:
        name = part.split()[0]
        if "; Kernel info:" not in part:
            continue
        number = lambda key: int(re.search(rf"; {key}: (\d+)", part)[1])
        code, labels = [], {}
        for line in part.splitlines():
            if match := re.match(r"(\.L\w+):", line):
                labels[match.group(1)] = len(code)
            if match := re.match(r"\s+([a-z][a-z0-9_]*)\b(.*)", line):
                code.append(match.groups())
        kernels.append(
            Kernel(name, number("NumVgprs"), number("ScratchSize"), number("LDSByteSize"), seconds, code, labels,
                   number("Occupancy")))
    return kernels


def intel(tools, source, options, architecture):
    dump = f"{source}.{architecture}.dump"
    shutil.rmtree(dump, ignore_errors=True)
    os.makedirs(dump)
    seconds = tools.run(
        tools.ocloc, "compile", "-file", source, "-device", architecture, "-out_dir", dump, "-options",
        " ".join(options), IGC_ShaderDumpEnable="1", IGC_DumpToCustomDir=dump)[1]
    kernels = {}
    for path in sorted(glob.glob(f"{dump}/**/*.asm", recursive=True)):
        text = open(path, errors="replace").read()
        number = lambda key: int((re.search(rf"^//\.{key}\s+(\d+)", text, re.M) or [0, "0"])[1])
        name = re.search(r"^//\.kernel (\S+)", text, re.M)[1]
        width = int(re.search(r"_simd(\d+)_", path)[1])
        registers = int(re.search(r"numGRF=(\d+)", text)[1])
        code, labels = [], {}
        for line in text.splitlines():
            if match := re.match(r"(\w+):\s*(?://.*)?$", line):
                labels[match.group(1)] = len(code)
            elif match := re.match(r"(?:\(\W?\w+[^)]*\))?\s*(?:\(\S+\)\s+)?([a-z]\w*(?:\.\w+)*)\s+(.*)", line):
                code.append(match.groups())
        made = Kernel(name, registers, number("spill size"), 0, seconds, code, labels, width)
        # Where work-items of 16 lanes do not fit the registers, the compiler leaves them for 8.
        if name not in kernels or width < kernels[name].width:
            kernels[name] = made
    return list(kernels.values())
