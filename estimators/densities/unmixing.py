"""Independent component analysis: the linear map that makes columns as independent as it can.

The symmetric fixed-point iteration for E[log cosh] finds the components (Hyvärinen 1999); maximum likelihood, with the
density of every component learned beside it, then makes them as sharp as the samples allow (Pham & Garat 1997). For a
component whose density has an edge that is a great deal sharper.
"""

from __future__ import annotations

import numpy as np

from mibench.estimator import Array

LEVELS = (0.003, 0.01, 0.03, 0.08, 0.2, 0.4, 0.6, 0.8, 0.92, 0.97, 0.99, 0.997)
"""Quantiles about which the score of a component may bend."""
LEAST_INFORMATION = 1.02
"""Fisher information of a component with variance 1; a normal one has 1, and could be rotated at will."""


def unmixing_matrix(centred: Array, rng: np.random.Generator) -> Array:
    """W (dim, dim), for which the columns of ``centred @ W`` have variance 1.

    centred : (n, dim) with mean 0. Directions in which nothing varies are scaled as the least that does.
    """
    n, dim = centred.shape
    variances, axes = np.linalg.eigh(centred.T @ centred / n)
    whitening: Array = axes / np.sqrt(np.maximum(variances, variances[-1] * dim * np.finfo(float).eps))
    if dim == 1:
        return whitening
    white = centred @ whitening
    turned = sharpened(white, fixed_point(white, rng))
    matrix: Array = whitening @ turned
    return matrix


def fixed_point(white: Array, rng: np.random.Generator, steps: int = 200) -> Array:
    """A rotation (dim, dim) of decorrelated columns ``white`` (n, dim)."""
    n, dim = white.shape
    single = white.astype(np.float32)
    rotation = np.linalg.qr(rng.standard_normal((dim, dim)))[0].astype(np.float32)
    for _ in range(steps):
        bent = np.tanh(single @ rotation)
        update = single.T @ bent / n - rotation * (1 - np.mean(bent * bent, axis=0))
        left, _, right = np.linalg.svd(update)
        before, rotation = rotation, left @ right
        if np.abs((before * rotation).sum(axis=0)).min() > 1 - 1e-4:
            break
    return rotation.astype(np.float64)


def sharpened(white: Array, start: Array, steps: int = 12) -> Array:
    """Relative Newton steps of -log |det W| - sum_i E log p_i(s_i), s = white @ W, from ``start``; W need not rotate.

    With the scores psi_i = -(log p_i)', the gradient in the direction s_i -> s_i + e s_j is E[psi_i s_j], and the
    second derivatives are h_i = E psi_i' with itself and 1 with that of s_j -> s_j + e s_i.
    """
    n = len(white)
    matrix = start
    for _ in range(steps):
        apart = white @ matrix
        spread = apart.std(axis=0)
        matrix, apart = matrix / spread, apart / spread
        psi, information = scores(apart)
        gradient = psi.T @ apart / n
        determinant = np.maximum(np.outer(information, information) - 1, 0.05)
        step = (gradient.T - information * gradient) / determinant
        np.fill_diagonal(step, 0)
        largest = float(np.abs(step).max())
        matrix = matrix + matrix @ (step.T * min(1.0, 0.3 / max(largest, 1e-300)))
        if largest < 1e-4:
            break
    final: Array = matrix / (white @ matrix).std(axis=0)
    return final


def scores(apart: Array) -> tuple[Array, Array]:
    """psi_i = -(log p_i)' at every row, (n, dim), and h_i = E psi_i' = E psi_i^2, (dim,), of columns with variance 1.

    The least squares fit to the score among sums of 1, s and tanh((s - q) / w) for quantiles q: by parts, it needs the
    means of the products and of the derivatives of these functions only.
    """
    n, dim = apart.shape
    psi, information = np.empty_like(apart), np.empty(dim)
    quantiles = np.quantile(apart, LEVELS, axis=0)
    for j in range(dim):
        column, centres = apart[:, j, None], quantiles[:, j]
        widths = 0.7 * np.maximum(np.gradient(centres), 1e-3)
        bent = np.tanh((column - centres) / widths)
        basis = np.hstack([np.ones((n, 1)), column, bent])
        slopes = np.concatenate([[0.0, 1.0], ((1 - bent * bent) / widths).mean(axis=0)])
        products = basis.T @ basis / n
        weights = np.linalg.solve(products + 1e-6 * np.diag(np.diag(products)), slopes)
        psi[:, j] = basis @ weights
        information[j] = max(float(slopes @ weights), LEAST_INFORMATION)
    return psi, information
