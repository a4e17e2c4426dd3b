#!/usr/bin/env python3
"""Golden values of convolution and pooling, computed by PyTorch in float64.

    make golden          # or: .venv/bin/python Benchmarks/golden_convolution.py

writes Tests/BackendTests/Golden/convolution.json: for each case PyTorch's own arguments, the inputs, the output, and
the gradients of <cotangent, output> by automatic differentiation. Images are [samples, channels, height, width] and
weights as PyTorch lays them out: the tests transpose. Inputs are multiples of 1/16, so float32 holds them exactly.

`same` holds TensorFlow's rule, from NumPy alone: PyTorch's convolution has no `same` with strides. Each sum is
written out, and rows that were worked out by hand stand next to it.
"""
import json
import math
import pathlib

import numpy as np
import torch
import torch.nn.functional as F

from golden import write

torch.set_default_dtype(torch.float64)
torch.set_num_threads(1)

OUTPUT = pathlib.Path(__file__).resolve().parent.parent / "Tests/BackendTests/Golden/convolution.json"


class Source:
    """Numbers that depend on the case's name alone."""

    def __init__(self, name):
        self.random = np.random.default_rng(list(name.encode()))

    def tensor(self, *shape, distinct=False):
        if distinct:  # No ties: the largest of a window is one.
            values = self.random.permutation(math.prod(shape)) - math.prod(shape) // 2
        else:
            values = self.random.integers(-16, 17, math.prod(shape))
        return torch.tensor(values / 16.0).reshape(shape).requires_grad_(True)


def array(tensor):
    tensor = tensor.detach()
    return dict(shape=list(tensor.shape), values=tensor.flatten().tolist())


def case(name, op, options, output, inputs, source, extra=None):
    cotangent = source.tensor(*output.shape).detach()
    gradients = torch.autograd.grad((output * cotangent).sum(), list(inputs.values()))
    return dict(
        name=name, op=op, options=options,
        inputs={k: array(v) for k, v in dict(inputs, cotangent=cotangent, **(extra or {})).items()},
        output=array(output), gradients={k: array(g) for k, g in zip(inputs, gradients)})


def convolution(name, x, outputs, kernel, **options):
    source = Source(name)
    x = source.tensor(*x)
    inputs = dict(x=x, weight=source.tensor(outputs, x.shape[1], *kernel), bias=source.tensor(outputs))
    return case(name, "conv2d", options, F.conv2d(*inputs.values(), **options), inputs, source)


def transposed(name, x, outputs, kernel, **options):
    source = Source(name)
    x = source.tensor(*x)
    inputs = dict(x=x, weight=source.tensor(x.shape[1], outputs, *kernel), bias=source.tensor(outputs))
    return case(name, "conv_transpose2d", options, F.conv_transpose2d(*inputs.values(), **options), inputs, source)


def max_pool(name, x, **options):
    source = Source(name)
    x = source.tensor(*x, distinct=True)
    output, indices = F.max_pool2d(x, return_indices=True, **options)
    return case(name, "max_pool2d", options, output, dict(x=x), source, dict(indices=indices.double()))


def max_unpool(name, x, **options):
    # Windows do not overlap: where two switches point at one pixel, PyTorch keeps either and Cinch adds both.
    source = Source(name)
    large = source.tensor(*x, distinct=True)
    _, indices = F.max_pool2d(large, return_indices=True, **options)
    y = source.tensor(*indices.shape)
    output = F.max_unpool2d(y, indices, output_size=large.shape, **options)
    return case(name, "max_unpool2d", options, output, dict(x=y), source, dict(indices=indices.double()))


def average_pool(name, x, **options):
    source = Source(name)
    x = source.tensor(*x)
    output = F.avg_pool2d(x, count_include_pad=False, **options)
    return case(name, "avg_pool2d", options, output, dict(x=x), source)


def nearest(name, x, scale):
    source = Source(name)
    x = source.tensor(*x)
    output = F.interpolate(x, scale_factor=scale, mode="nearest")
    return case(name, "interpolate", dict(scale=scale), output, dict(x=x), source)


def pairs(**options):
    """Every option as a pair (rows, columns)."""
    return {k: list(v) if isinstance(v, (tuple, list)) else [v, v] for k, v in options.items()}


def cases():
    yield convolution("plain", (2, 3, 5, 6), 4, (3, 3), **pairs(stride=1, padding=0, dilation=1))
    yield convolution("strided, padded", (2, 1, 8, 8), 3, (3, 3), **pairs(stride=2, padding=1, dilation=1))
    yield convolution("dilated", (1, 2, 9, 8), 2, (3, 2), **pairs(stride=1, padding=(2, 0), dilation=2))
    yield convolution("uneven", (2, 3, 10, 7), 2, (4, 1), **pairs(stride=(3, 2), padding=(2, 0), dilation=(1, 2)))
    yield convolution("one pixel", (3, 2, 1, 1), 5, (3, 3), **pairs(stride=1, padding=1, dilation=1))
    yield convolution("seven", (1, 1, 14, 14), 2, (7, 7), **pairs(stride=2, padding=3, dilation=1))
    for name, x, outputs, kernel, options in [
        ("plain", (2, 3, 4, 3), 2, (3, 3), dict(stride=1, padding=0, output_padding=0, dilation=1)),
        ("doubling", (2, 4, 4, 4), 3, (3, 3), dict(stride=2, padding=1, output_padding=1, dilation=1)),
        ("even kernel", (1, 2, 3, 5), 2, (4, 4), dict(stride=2, padding=1, output_padding=0, dilation=1)),
        ("uneven", (2, 2, 3, 4), 3, (2, 5),
         dict(stride=(3, 2), padding=(0, 2), output_padding=(2, 1), dilation=(1, 1))),
        ("dilated", (1, 3, 4, 3), 2, (3, 2), dict(stride=(2, 3), padding=1, output_padding=(1, 2), dilation=2)),
        ("gaps", (1, 1, 3, 3), 1, (2, 2), dict(stride=3, padding=0, output_padding=2, dilation=1)),
    ]:
        yield transposed(f"transposed, {name}", x, outputs, kernel, **pairs(**options))
    yield max_pool("max 2", (2, 3, 6, 8), **pairs(kernel_size=2, stride=2, padding=0))
    yield max_pool("max 2, not dividing", (1, 2, 7, 5), **pairs(kernel_size=2, stride=2, padding=0))
    yield max_pool("max 3, overlapping", (2, 2, 7, 9), **pairs(kernel_size=3, stride=2, padding=1))
    yield max_pool("max uneven", (1, 3, 8, 7), **pairs(kernel_size=(2, 3), stride=(1, 3), padding=(1, 0)))
    yield max_unpool("unpool 2", (2, 3, 6, 8), **pairs(kernel_size=2, stride=2, padding=0))
    yield max_unpool("unpool 3 × 2, not dividing", (1, 2, 7, 7), **pairs(kernel_size=(3, 2), stride=(3, 2), padding=0))
    yield average_pool("average 2", (2, 3, 6, 8), **pairs(kernel_size=2, stride=2, padding=0))
    yield average_pool("average 3, padded", (1, 2, 7, 8), **pairs(kernel_size=3, stride=2, padding=1))
    yield average_pool("average uneven", (2, 1, 5, 9), **pairs(kernel_size=(2, 3), stride=(3, 1), padding=(0, 1)))
    yield nearest("nearest 2", (2, 3, 3, 4), [2, 2])
    yield nearest("nearest 3 × 2", (1, 2, 3, 2), [3, 2])


def same_place(size, kernel, stride, dilation):
    """TensorFlow's `same`: outputs, zeros before, zeros after."""
    output = -(-size // stride)
    total = max((output - 1) * stride + dilation * (kernel - 1) + 1 - size, 0)
    return output, total // 2, total - total // 2


# Size, kernel, stride, dilation, and by hand: outputs, before, after.
BY_HAND = [
    ((5, 3, 1, 1), (5, 1, 1)), ((5, 3, 2, 1), (3, 1, 1)), ((6, 3, 2, 1), (3, 0, 1)), ((28, 3, 2, 1), (14, 0, 1)),
    ((7, 2, 2, 1), (4, 0, 1)), ((8, 2, 1, 1), (8, 0, 1)), ((8, 5, 3, 1), (3, 1, 2)), ((9, 5, 3, 1), (3, 1, 1)),
    ((7, 3, 1, 2), (7, 2, 2)), ((8, 3, 2, 2), (4, 1, 2)), ((4, 1, 3, 1), (2, 0, 0)), ((1, 7, 1, 1), (1, 3, 3)),
]


def same(name, x, outputs, kernel, stride, dilation):
    source = Source(name)
    samples, channels, height, width = x
    x = source.tensor(*x).detach().numpy()
    weight = source.tensor(outputs, channels, *kernel).detach().numpy()
    sides = [same_place(*a) for a in zip((height, width), kernel, stride, dilation)]
    (rows, top, bottom), (columns, left, right) = sides
    padded = np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)))
    y = np.zeros((samples, outputs, rows, columns))
    for i in range(rows):
        for j in range(columns):
            window = padded[:, :, i * stride[0]:i * stride[0] + dilation[0] * (kernel[0] - 1) + 1:dilation[0],
                            j * stride[1]:j * stride[1] + dilation[1] * (kernel[1] - 1) + 1:dilation[1]]
            y[:, :, i, j] = np.einsum("nchw,kchw->nk", window, weight)
    return dict(
        name=name, stride=list(stride), dilation=list(dilation), before=[top, left], x=array(torch.tensor(x)),
        weight=array(torch.tensor(weight)), output=array(torch.tensor(y)))


def main():
    for arguments, wanted in BY_HAND:
        assert same_place(*arguments) == wanted, (arguments, same_place(*arguments), wanted)
    result = dict(
        made_by=f"Benchmarks/golden_convolution.py, PyTorch {torch.__version__.split('+')[0]}, float64",
        cases=list(cases()),
        padding=[dict(zip(("size", "kernel", "stride", "dilation", "output", "before", "after"), a + b))
                 for a, b in BY_HAND],
        same=[
            same("odd", (1, 2, 5, 7), 2, (3, 3), (2, 2), (1, 1)),
            same("even", (2, 1, 6, 8), 3, (3, 2), (2, 3), (1, 1)),
            same("dilated", (1, 2, 7, 8), 2, (3, 3), (1, 2), (2, 2)),
        ])
    lines = []
    for key, value in result.items():
        rows = ",\n".join("  " + json.dumps(row) for row in value) if isinstance(value, list) else None
        lines.append(f" {json.dumps(key)}: " + (f"[\n{rows}\n ]" if rows else json.dumps(value)))
    write(OUTPUT, "{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()
