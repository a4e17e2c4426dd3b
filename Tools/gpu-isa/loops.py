"""The main loop of a kernel: what it consists of, and the share of the peak that this allows."""
import collections
import re
from dataclasses import dataclass

# Local-memory accesses of a warp are counted in wavefronts, of which a multiprocessor begins one a clock, as many as
# it has four warps' worth of fused multiply-adds. NVIDIA's engineers on 16-byte accesses (forums.developer.nvidia.com/t/
# unexpected-shared-memory-bank-conflict/77228): what is returned is 128 bytes a clock, so they take four wavefronts, or
# two if all lanes n and n^1, or all n and n^2, read the same address.


def wavefronts(addresses, size):
    """Those of one access of `size` bytes by 32 lanes, at byte addresses."""

    def conflicts(lanes):
        banks = collections.defaultdict(set)
        for address in lanes:
            for word in range(size // 4):
                banks[(address // 4 + word) % 32].add(address // 4 + word)
        return max(map(len, banks.values()))

    if size == 4:
        return conflicts(addresses)
    count = 0
    for half in (addresses[:16], addresses[16:]):
        paired = any(all(half[i] == half[i ^ bit] for i in range(16)) for bit in (1, 2))
        count += conflicts(half) if paired else conflicts(half[:8]) + conflicts(half[8:])
    return count


@dataclass
class Tile:
    """The constants of a program, by which Kernels/gpu/tile.cl lays out its lanes."""
    rows: int
    columns: int
    own_rows: int
    own_columns: int
    steps: int
    width: int

    @staticmethod
    def of(source):
        """None for a program without tiles."""
        define = lambda name: int((re.search(rf"^#define {name} (\d+)$", source, re.M) or [0, "0"])[1])
        if define("TILE_ROWS"):
            return Tile(*map(define, ("TILE_ROWS", "TILE_COLUMNS", "OWN_ROWS", "OWN_COLUMNS", "TILE_STEPS", "LOAD_WIDTH")))
        return None

    @property
    def items(self):
        return self.rows * self.columns // (self.own_rows * self.own_columns)

    @property
    def products(self):
        """Multiply-adds of a work-item in a step."""
        return self.own_rows * self.own_columns * self.steps

    def lane(self, lane):
        """As `ownPlace` in tile.cl."""
        return 4 * ((lane & 1) | (lane >> 1 & 6)), 4 * ((lane >> 1 & 1) | (lane >> 3 & 2))

    def store(self, extent, along):
        """The worst wavefronts of a store of one operand, as `put` in tile.cl."""
        line, worst = extent + 4, 0
        for first in range(0, self.items, 32):
            lanes = range(first, first + 32)
            if along:
                per = self.steps // self.width
                at = [(s % per * self.width * line + s // per) * 4 for s in lanes]
                worst = max(worst, wavefronts(at, 4))
            else:
                per = extent // self.width
                at = [(s // per * line + s % per * self.width) * 4 for s in lanes]
                worst = max(worst, wavefronts(at, 4 * self.width))
        return worst

    def load(self):
        """Wavefronts of a step's reads of both operands."""
        columns, rows = zip(*(self.lane(lane) for lane in range(32)))
        a, b = wavefronts([4 * r for r in rows], 16), wavefronts([4 * c for c in columns], 16)
        return self.steps * (self.own_rows // 4 * a + self.own_columns // 4 * b), self.steps * (self.own_rows + self.own_columns) // 4


@dataclass
class Loop:
    mix: collections.Counter
    bound: float  # of the peak of multiply-adds, 0 … 1
    spills: int


def find(kernel, worth, is_local, is_global, target, tile):
    """The instructions of a step of the main loop with how often each runs, or None. `worth(op, rest)` says how many
    multiply-adds one is, `is_local` and `is_global` which ones read which memory."""
    if not tile:
        return None
    code, loops = kernel.code, []
    for at, (op, rest) in enumerate(code):
        start = kernel.labels.get(target(op, rest), at + 1)
        if start <= at:
            loops.append((start, at + 1))
    count = lambda span: sum(worth(*code[at]) for at in range(*span))
    has = lambda span, test: any(test(code[at][0]) for at in range(*span))
    size = lambda span: span[1] - span[0]
    # Where the products are: of loops that make whole ones of a work-item's, the one with most in its instructions.
    one = tile.own_rows * tile.own_columns
    whole = [s for s in loops if has(s, is_local) and count(s) >= one and count(s) % one == 0
             and tile.products % count(s) == 0]
    if not whole:
        return None
    inner = max(whole, key=lambda span: count(span) / size(span))
    # The step is around it, and fetches the next one.
    around = [s for s in loops if s[0] <= inner[0] and s[1] >= inner[1] and has(s, is_global)]
    step = min(around, key=size, default=inner)
    weight = tile.products / count(inner)
    return [(*code[at], weight if inner[0] <= at < inner[1] else 1) for at in range(*step)]


def counted(code, short):
    mix = collections.Counter()
    for op, rest, weight in code:
        mix[short(op)] += weight
    return mix


def nvidia(kernel, tile):
    target = lambda op, rest: (re.search(r"(\.L\w+)", rest) or [None, None])[1] if op.startswith("BRA") else None
    code = find(kernel, lambda op, _: op.startswith("FFMA"), lambda op: op.startswith("LDS"),
                lambda op: op.startswith("LDG"), target, tile)
    if not code:
        return None
    mix = counted(code, lambda op: op.split(".")[0] + (".128" if ".128" in op else ".64" if ".64" in op else ""))
    clocks = mix["FFMA"] / 4
    if tile:
        reads, accesses = tile.load()
        # Reads beyond those of the operands are of tables, at one address or two.
        local = reads + 2 * max(0, mix["LDS.128"] - accesses) + mix["LDS"]
        scalar = max(tile.store(extent, True) for extent in (tile.rows, tile.columns))
        if tile.width == 4:
            local += mix["STS"] * scalar
            local += mix["STS.128"] * max(tile.store(extent, False) for extent in (tile.rows, tile.columns))
        else:
            local += mix["STS"] * max(scalar, *(tile.store(extent, False) for extent in (tile.rows, tile.columns)))
            local += 4 * mix["STS.128"]
    else:
        local = mix["LDS"] + mix["STS"] + 2 * (mix["LDS.64"] + mix["STS.64"]) + 4 * (mix["LDS.128"] + mix["STS.128"])
    bound = clocks / max(clocks, local, sum(mix.values()) / 4)
    mix["wavefronts"] = local
    return Loop(mix, bound, sum(op.startswith(("LDL", "STL")) for op, _, _ in code))


def amd(kernel, tile, wave):
    """A SIMD begins a vector instruction each `wave`/16 or, with waves of 32, each clock; four SIMDs share a local memory
    that gives 128 bytes a clock, or two of them. Scalar instructions are other waves' to run beside."""
    target = lambda op, rest: rest.strip() if op.startswith(("s_cbranch", "s_branch")) else None
    fma = lambda op: op.startswith(("v_fma_f32", "v_fmac_f32", "v_mac_f32", "v_mad_f32", "v_pk_fma_f32", "v_dual_fmac"))
    # Two in one instruction: v_pk_fma_f32 and v_dual_fmac_f32 :: v_dual_fmac_f32.
    worth = lambda op, rest: (2 if op.startswith("v_pk_fma") else 1 + rest.count("v_dual_fmac")) if fma(op) else 0
    code = find(kernel, worth, lambda op: op.startswith(("ds_read", "ds_load")),
                lambda op: op.startswith(("global_load", "flat_load")), target, tile)
    if not code:
        return None
    products = sum(worth(op, rest) * weight for op, rest, weight in code)
    mix = counted(code, lambda op: op)
    vector = sum(n for op, n in mix.items() if op.startswith("v_"))
    peak = 2 if any(op.startswith(("v_pk_fma", "v_dual_fmac")) for op in mix) else 1
    sizes = {"b32": 4, "b64": 8, "b96": 12, "b128": 16, "2_b32": 8, "2_b64": 16, "2st64_b32": 8, "2st64_b64": 16}
    size = lambda op: next((n for key, n in sorted(sizes.items(), key=lambda e: -len(e[0])) if op.endswith(key)), 4)
    lanes = wave * sum(n * size(op) for op, n in mix.items() if op.startswith(("ds_read", "ds_load", "ds_write", "ds_store")))
    clocks = vector * (4 if wave == 64 else 1)
    local = lanes / 128 * (4 if wave == 64 else 2)
    ideal = products / peak * (4 if wave == 64 else 1)
    return Loop(mix, ideal / max(clocks, local, ideal), sum(op.startswith(("scratch_", "buffer_")) for op, _, _ in code))


def intel(kernel, tile):
    target = lambda op, rest: next((w for w in rest.split() if w in kernel.labels), None) if op.startswith(
        ("while", "jmpi", "goto", "brd", "brc")) else None
    # Global and local memory are messages alike; later disassemblers name what they do.
    message = lambda op: op.startswith(("send", "load", "store"))
    fma = lambda op, rest: op.startswith("mad") and ":f" in rest
    code = find(kernel, fma, message, message, target, tile)
    if not code:
        return None
    # Of whole numbers, some are for addresses.
    code = [("imad" if op.startswith("mad") and not fma(op, rest) else op, rest, n) for op, rest, n in code]
    mix = counted(code, lambda op: op.split(".")[0])
    scratch = sum(weight for op, rest, weight in code if "scratch" in rest)
    return Loop(mix, mix["mad"] / sum(mix.values()), scratch)
