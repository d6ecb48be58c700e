"""Mutual information of the Gaussian with the samples' covariance, on the raw scale or on normal scores."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from scipy.special import digamma, polygamma

from mibench.errors import Unsupported
from mibench.estimator import Array, Capabilities, Estimate, Estimator, check_samples
from mibench.ranks import normal_scores
from mibench.registry import register_estimator

from ._samples import outliers, standardized, stderr_of_mean, ties


@register_estimator("cca")
class CCA(Estimator):
    """The sum of -1/2 log(1 - rho_i^2) over the canonical correlations, less its bias for Gaussian samples.

    Exact for jointly Gaussian variables; otherwise it sees linear dependence only. The expectation of a log
    determinant of a Wishart matrix is known, so the correction removes the bias at every n and dimension. Constant and
    linearly dependent columns carry no information and are dropped. ``sampling_error`` in the diagnostics is that of
    the influence function, and a standard error if the variables are Gaussian; what is not, no spread of samples shows,
    so none is stated. ``outliers`` says that single values decide: the standard deviation of a column is that many
    times what its quartiles say, and the answer is about those values.
    """

    version: ClassVar[str] = "2"
    citation: ClassVar[str] = (
        "Kay (1992), Feature discovery under contextual supervision using mutual information; "
        "bias: Misra, Singh & Demchuk (2005), Estimation of the entropy of a multivariate normal distribution"
    )
    capabilities: ClassVar = Capabilities(min_n=4, reference=True, memory=0.03)

    def estimate(self, x: Array, y: Array, seed: int = 0) -> Estimate:
        """Estimate I(X; Y) in nats; infinite where a linear function of x equals one of y.

        Raises
        ------
        Unsupported : no more samples than dimensions.
        """
        x, y = check_samples(x, y, self.capabilities.min_n)
        return gaussian_information(x, y)


@register_estimator("gaussian")
def gaussian() -> CCA:
    """The same as ``cca``."""
    return CCA()


@register_estimator("gaussian-copula")
class GaussianCopula(Estimator):
    """``cca`` after every column is replaced by the normal scores of its ranks.

    Exact for Gaussian copulas with whatever marginals. Under such a copula normal scores have the influence function of
    the latent variables' correlations (Klaassen & Wellner 1997), so the ``sampling_error`` in the diagnostics holds as
    well. There is no standard error, which would have to hold how far the copula is from a Gaussian.
    """

    version: ClassVar[str] = "2"
    citation: ClassVar[str] = (
        "Ince et al. (2017), A statistical framework for neuroimaging data analysis based on mutual information "
        "estimated via a Gaussian copula"
    )
    capabilities: ClassVar = Capabilities(min_n=4, memory=0.03)

    def estimate(self, x: Array, y: Array, seed: int = 0) -> Estimate:
        """Estimate I(X; Y) in nats; ties get the mean of their ranks.

        Raises
        ------
        Unsupported : no more samples than dimensions.
        """
        x, y = check_samples(x, y, self.capabilities.min_n)
        return gaussian_information(normal_scores(x), normal_scores(y))


def gaussian_information(x: Array, y: Array) -> Estimate:
    """Bias-corrected mutual information in nats of the Gaussian fitted to ``x`` (n, dim_x) and ``y`` (n, dim_y).

    The diagnostic ``sampling_error`` is its standard error where that Gaussian is the truth.
    """
    n = len(x)
    u, v = _orthonormal(x), _orthonormal(y)
    p, q = u.shape[1], v.shape[1]
    if n - 1 < p + q:
        raise Unsupported(f"{n} samples are too few for {p} + {q} linearly independent columns: it takes {p + q + 1}.")
    left, rho, right = np.linalg.svd(u.T @ v)
    pairs = len(rho)
    # canonical variables with unit variance, one column per canonical correlation
    a, b = (u @ left)[:, :pairs] * np.sqrt(n), (v @ right.T)[:, :pairs] * np.sqrt(n)
    unexplained = (1 - rho) * (1 + rho)
    diagnostics = {"rank_x": p, "rank_y": q, **ties(x, y), **outliers(x, y)}
    if unexplained.min() <= n * np.finfo(float).eps:
        return Estimate(float("inf"), diagnostics={**diagnostics, "linearly_dependent": True})
    plug_in = -0.5 * np.log(unexplained)
    log_ratios = plug_in + (rho * a * b - 0.5 * rho**2 * (a**2 + b**2)) / unexplained
    mi = float(plug_in.sum() - gaussian_bias(n, p, q))
    diagnostics["sampling_error"] = stderr_of_mean(log_ratios.sum(axis=1), variance_at_independence(n, p, q))
    return Estimate(mi, diagnostics=diagnostics)


def gaussian_bias(n: int, p: int, q: int) -> float:
    """The expectation, less the truth, of the plug-in estimate from n Gaussian samples of p + q dimensions, in nats.

    The expected log determinant of a d-dimensional Wishart matrix with n - 1 degrees of freedom differs from that of
    its mean by sum_{i=1}^{d} psi((n - i) / 2), up to terms proportional to d, which cancel between X, Y and (X, Y).
    """

    def log_determinant(d: int) -> float:
        return float(digamma((n - np.arange(1, d + 1)) / 2).sum())

    return 0.5 * (log_determinant(p) + log_determinant(q) - log_determinant(p + q))


def variance_at_independence(n: int, p: int, q: int) -> float:
    """The variance in nats^2 of the estimate from n independent Gaussian samples of p and q dimensions.

    exp(-2 I) is then Wilks's lambda, a product of p independent Beta((n - q - i) / 2, q / 2) variables.
    """
    i = np.arange(1, p + 1)
    return 0.25 * float((polygamma(1, (n - q - i) / 2) - polygamma(1, (n - i) / 2)).sum())


def _orthonormal(values: Array) -> Array:
    """An orthonormal basis (n, rank) of the centred columns, which are scaled first so that units do not matter."""
    basis, singular, _ = np.linalg.svd(standardized(values), full_matrices=False)
    tolerance = singular[0] * max(values.shape) * np.finfo(float).eps
    kept: Array = basis[:, singular > tolerance]
    return kept
