"""A perceptron on sums u_j + v_i for many pairs (i, j), with its gradient, compiled for the processor.

A joint critic has a pass through its network to pay for every pair. In batched matrix products its time goes into
writing and reading the layers of 65,536 pairs; here a block of pairs goes through all layers, forward and backward,
before the next one is begun, so that layers never leave the first-level cache, and every operation works on a whole
block. Layers are computed again for the gradient instead of being kept.
"""

# what is compiled has the types that it is called with
# mypy: allow-untyped-defs, allow-untyped-calls

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from ..neighbours.compiled import compiler

CODES = {"relu": 0, "elu": 1, "gelu": 2, "silu": 3, "tanh": 4}
BLOCK = 128  # pairs: two layers of 16 numbers for each fill a third of a first-level cache

# sums may be reordered, or they could not be vectorised; infinities and NaN keep their meaning
UNORDERED = frozenset({"reassoc", "contract", "arcp", "nsz"})


# their arguments are arrays of any layout: the compiler looks at them at the first call
_compiled: Callable[[Any], Any] = compiler(UNORDERED, error_model="numpy")


@_compiled
def _exp(value):
    """exp of a float32, to 1e-6 of itself (Cephes' polynomial), written so that loops over it are vectorised."""
    value = np.float32(-87) if value < np.float32(-87) else value
    value = np.float32(87) if value > np.float32(87) else value
    n = np.int32(value * np.float32(1.44269504))
    r = value - np.float32(n) * np.float32(0.6931472)
    p = np.float32(1.9875691500e-4)
    p = p * r + np.float32(1.3981999507e-3)
    p = p * r + np.float32(8.3334519073e-3)
    p = p * r + np.float32(4.1665795894e-2)
    p = p * r + np.float32(1.6666665459e-1)
    p = p * r + np.float32(5.0000001201e-1)
    p = p * r * r + r + np.float32(1)
    return p * np.int32((n + 127) * 8388608).view(np.float32)


# Activations: h = a(z) and z becomes a'(z), for a layer's units (rows) in all pairs of a block (columns). Each is a
# function of its own, because all of them in one are more than the compiler is ready to vectorise. Only the derivative
# of relu is left until it is wanted, since the others have it almost for nothing.


@_compiled
def _relu(z, h, units):
    zero = np.float32(0)
    for a in range(units):
        for i in range(BLOCK):
            value = z[a, i]
            h[a, i] = zero if value < zero else value


@_compiled
def _relu_slopes(z, h, units):
    zero, one = np.float32(0), np.float32(1)
    for a in range(units):
        for i in range(BLOCK):
            z[a, i] = one if h[a, i] > zero else zero


@_compiled
def _elu(z, h, units):
    zero, one = np.float32(0), np.float32(1)
    for a in range(units):
        for i in range(BLOCK):
            value = z[a, i]
            e = _exp(value)
            h[a, i] = e - one if value < zero else value
            z[a, i] = e if value < zero else one


@_compiled
def _gelu(z, h, units):
    zero, one = np.float32(0), np.float32(1)
    for a in range(units):
        for i in range(BLOCK):
            value = z[a, i]
            density = _exp(np.float32(-0.5) * value * value)
            # Abramowitz & Stegun 7.1.26: the normal distribution function to 1e-7
            t = one / (one + np.float32(0.23164190) * abs(value))
            tail = np.float32(1.061405429) * t - np.float32(1.453152027)
            tail = tail * t + np.float32(1.421413741)
            tail = tail * t - np.float32(0.284496736)
            tail = (tail * t + np.float32(0.254829592)) * t * density * np.float32(0.5)
            below = tail if value < zero else one - tail
            h[a, i] = value * below
            z[a, i] = below + value * density * np.float32(0.39894228)


@_compiled
def _silu(z, h, units):
    one = np.float32(1)
    for a in range(units):
        for i in range(BLOCK):
            value = z[a, i]
            s = one / (one + _exp(-value))
            h[a, i] = value * s
            z[a, i] = s * (one + value * (one - s))


@_compiled
def _tanh(z, h, units):
    one, two = np.float32(1), np.float32(2)
    for a in range(units):
        for i in range(BLOCK):
            s = one - two / (one + _exp(two * z[a, i]))
            h[a, i] = s
            z[a, i] = one - s * s


@_compiled
def _activate(z, h, units, code):
    if code == 0:
        _relu(z, h, units)
    elif code == 1:
        _elu(z, h, units)
    elif code == 2:
        _gelu(z, h, units)
    elif code == 3:
        _silu(z, h, units)
    else:
        _tanh(z, h, units)


@_compiled
def _dense(h, w, bias, z, inputs, outputs):
    """z[o] = bias[o] + sum_a w[a, o] h[a], rows being units; ``inputs`` and ``outputs`` are multiples of 4.

    Sixteen products at a time, so that each number that is loaded is used four times.
    """
    for o in range(0, outputs, 4):
        c0, c1, c2, c3 = bias[o], bias[o + 1], bias[o + 2], bias[o + 3]
        for i in range(BLOCK):
            z[o, i], z[o + 1, i], z[o + 2, i], z[o + 3, i] = c0, c1, c2, c3
        for a in range(0, inputs, 4):
            w00, w10, w20, w30 = w[a, o], w[a + 1, o], w[a + 2, o], w[a + 3, o]
            w01, w11, w21, w31 = w[a, o + 1], w[a + 1, o + 1], w[a + 2, o + 1], w[a + 3, o + 1]
            w02, w12, w22, w32 = w[a, o + 2], w[a + 1, o + 2], w[a + 2, o + 2], w[a + 3, o + 2]
            w03, w13, w23, w33 = w[a, o + 3], w[a + 1, o + 3], w[a + 2, o + 3], w[a + 3, o + 3]
            for i in range(BLOCK):
                h0, h1, h2, h3 = h[a, i], h[a + 1, i], h[a + 2, i], h[a + 3, i]
                z[o, i] += w00 * h0 + w10 * h1 + w20 * h2 + w30 * h3
                z[o + 1, i] += w01 * h0 + w11 * h1 + w21 * h2 + w31 * h3
                z[o + 2, i] += w02 * h0 + w12 * h1 + w22 * h2 + w32 * h3
                z[o + 3, i] += w03 * h0 + w13 * h1 + w23 * h2 + w33 * h3


@_compiled
def _outer(h, g, sums, inputs, outputs):
    """sums[a, o] += sum over the block of h[a] g[o]."""
    for o in range(0, outputs, 4):
        for a in range(inputs):
            s0 = s1 = s2 = s3 = np.float32(0)
            for i in range(BLOCK):
                unit = h[a, i]
                s0 += unit * g[o, i]
                s1 += unit * g[o + 1, i]
                s2 += unit * g[o + 2, i]
                s3 += unit * g[o + 3, i]
            sums[a, o] += s0
            sums[a, o + 1] += s1
            sums[a, o + 2] += s2
            sums[a, o + 3] += s3


@_compiled
def _add_up(g, sums, units):
    """sums[a] += sum over the block of g[a]."""
    for a in range(units):
        total = np.float32(0)
        for i in range(BLOCK):
            total += g[a, i]
        sums[a] += total


@_compiled
def _forward(widths, weights, biases, code, z, h, score):
    """The scores of a block whose first layer before activation is z[0]; leaves layers in h and derivatives in z."""
    last = len(widths) - 1
    for k in range(last):
        _activate(z[k], h[k], widths[k], code)
        _dense(h[k], weights[k], biases[k], z[k + 1], widths[k], widths[k + 1])
    _activate(z[last], h[last], widths[last], code)
    score[:] = biases[last, 0]
    for a in range(0, widths[last], 2):
        w0, w1 = weights[last, a, 0], weights[last, a + 1, 0]
        for i in range(BLOCK):
            score[i] += w0 * h[last, a, i] + w1 * h[last, a + 1, i]


@_compiled
def _backward(widths, transposed, none, z, h, above, weight_sums, bias_sums):
    """After :func:`_forward`: add up the parameters' gradients, from those of the scores, ``above``; z[0] becomes the
    gradient of the first layer before activation."""
    last = len(widths) - 1
    for i in range(BLOCK):
        bias_sums[last, 0] += above[i]
    for a in range(widths[last]):
        weight, total = transposed[last, 0, a], np.float32(0)
        for i in range(BLOCK):
            total += h[last, a, i] * above[i]
            z[last, a, i] *= weight * above[i]
        weight_sums[last, a, 0] += total
    for k in range(last, 0, -1):
        _outer(h[k - 1], z[k], weight_sums[k - 1], widths[k - 1], widths[k])
        _add_up(z[k], bias_sums[k - 1], widths[k])
        # the layer below has done its part: the gradient takes its place
        _dense(z[k], transposed[k - 1], none, h[k - 1], widths[k], widths[k - 1])
        for a in range(widths[k - 1]):
            for i in range(BLOCK):
                z[k - 1, a, i] *= h[k - 1, a, i]


@_compiled
def _unpack(row, units, weights, biases):
    """Copy a network's parameters into arrays whose further rows and columns are 0."""
    at = 0
    for k in range(len(units)):
        outputs = units[k + 1] if k + 1 < len(units) else 1
        for a in range(units[k]):
            for o in range(outputs):
                weights[k, a, o] = row[at]
                at += 1
        for o in range(outputs):
            biases[k, o] = row[at]
            at += 1


@_compiled
def _pack(weights, biases, units, row):
    """The reverse of :func:`_unpack`."""
    at = 0
    for k in range(len(units)):
        outputs = units[k + 1] if k + 1 < len(units) else 1
        for a in range(units[k]):
            for o in range(outputs):
                row[at] = weights[k, a, o]
                at += 1
        for o in range(outputs):
            row[at] = biases[k, o]
            at += 1


@_compiled
def _score_matrices(u, v, parameters, units, code, out, wanted, u_sums, v_sums, sums):
    """Scores ``out`` (S, T, c, m) of u (S, T, m, w) and v (S, T, c, w); or, where ``wanted`` is not empty, its product
    with their derivatives by u, v and the parameters, added to the sums.

    Widths are rounded up to multiples of 4 by units that are 0 and stay it, because every activation is 0 at 0. Pairs
    beyond the last column are those of u = 0, and are not looked at.
    """
    models, matrices, columns, width = u.shape
    rows = v.shape[2]
    gradient = wanted.size > 0
    layers = len(units)
    widths = (units + 3) // 4 * 4
    most = widths.max()
    z, h = np.zeros((layers, most, BLOCK), np.float32), np.zeros((layers, most, BLOCK), np.float32)
    base, base_sums = np.zeros((most, BLOCK), np.float32), np.zeros((most, BLOCK), np.float32)
    shift, none, row_sums = np.zeros(most, np.float32), np.zeros(most, np.float32), np.zeros(most, np.float32)
    score, above = np.zeros(BLOCK, np.float32), np.zeros(BLOCK, np.float32)
    weights, transposed = np.zeros((layers, most, most), np.float32), np.zeros((layers, most, most), np.float32)
    weight_sums = np.zeros((layers, most, most), np.float32)
    biases, bias_sums = np.zeros((layers, most), np.float32), np.zeros((layers, most), np.float32)
    for s in range(models):
        _unpack(parameters[s], units, weights, biases)
        for k in range(layers):
            transposed[k] = weights[k].T
        weight_sums[:] = 0
        bias_sums[:] = 0
        for t in range(matrices):
            for start in range(0, columns, BLOCK):
                used = min(BLOCK, columns - start)
                for a in range(width):
                    base[a, used:] = 0
                    for i in range(used):
                        base[a, i] = u[s, t, start + i, a]
                base_sums[:] = 0
                above[used:] = 0
                for r in range(rows):
                    for a in range(width):
                        shift[a] = v[s, t, r, a]
                    for a in range(widths[0]):
                        c = shift[a]
                        for i in range(BLOCK):
                            z[0, a, i] = base[a, i] + c
                    _forward(widths, weights, biases, code, z, h, score)
                    if not gradient:
                        for i in range(used):
                            out[s, t, r, start + i] = score[i]
                        continue
                    if code == 0:
                        for k in range(layers):
                            _relu_slopes(z[k], h[k], widths[k])
                    for i in range(used):
                        above[i] = wanted[s, t, r, start + i]
                    _backward(widths, transposed, none, z, h, above, weight_sums, bias_sums)
                    row_sums[:] = 0
                    _add_up(z[0], row_sums, width)
                    for a in range(width):
                        v_sums[s, t, r, a] += row_sums[a]
                        for i in range(BLOCK):
                            base_sums[a, i] += z[0, a, i]
                if gradient:
                    for i in range(used):
                        for a in range(width):
                            u_sums[s, t, start + i, a] += base_sums[a, i]
        if gradient:
            _pack(weight_sums, bias_sums, units, sums[s])


class _Scores(torch.autograd.Function):
    """Scores of all pairs in each of several score matrices, differentiable once."""

    @staticmethod
    def forward(ctx: Any, u: Tensor, v: Tensor, parameters: Tensor, units: tuple[int, ...], code: int) -> Tensor:
        """u (S, T, m, w), v (S, T, c, w) and parameters (S, Q): scores (S, T, c, m)."""
        u, v, parameters = u.contiguous(), v.contiguous(), parameters.contiguous()
        ctx.save_for_backward(u, v, parameters)
        ctx.network = units, code
        out = torch.empty((*v.shape[:3], u.shape[2]))
        _run(u, v, parameters, units, code, out, NONE, NONE, NONE, NONE[0, 0])
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, wanted: Tensor) -> tuple[Tensor | None, ...]:
        given = ctx.saved_tensors
        sums = [torch.zeros_like(t) for t in given]
        _run(*given, *ctx.network, NONE, wanted.contiguous(), *sums)
        return (*sums, None, None)


NONE = torch.empty((1, 1, 0, 0))


def _run(u: Tensor, v: Tensor, parameters: Tensor, units: tuple[int, ...], code: int, *rest: Tensor) -> None:
    of_x, of_y, rows = (t.detach().numpy() for t in (u, v, parameters))
    _score_matrices(of_x, of_y, rows, np.array(units), code, *(t.detach().numpy() for t in rest))


def score_matrices(u: Tensor, v: Tensor, layers: Sequence[Tensor], activation: str) -> Tensor:
    """Scores (S, T, c, m) of u (S, T, m, w) and v (S, T, c, w): perceptrons of the sums of their rows.

    layers : weight (S, a, b) and bias (S, 1, b) of each layer behind the first, whose outputs before activation are the
        sums; the last layer has one output. All tensors are of float32 and on the CPU.
    """
    units = tuple(weight.shape[1] for weight in layers[::2])
    parameters = torch.cat([layer.flatten(1) for layer in layers], 1)
    scores: Tensor = _Scores.apply(u, v, parameters, units, CODES[activation])
    return scores


def warm_up() -> None:
    """Compile everything, or load what was compiled before."""
    u = torch.zeros(1, 1, 1, 1, requires_grad=True)
    torch.autograd.backward(score_matrices(u, u, [u[0], u[0]], "relu").sum())
