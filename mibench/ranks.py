"""Normal scores of ranks: what is left of a column when its marginal distribution is taken away."""

from __future__ import annotations

from .estimator import Array


def normal_scores(values: Array) -> Array:
    """Phi^-1(rank / (n + 1)) column by column, shape (n, dim); ties get the mean of their ranks, so constant columns 0.

    An increasing function of every column (van der Waerden 1952), so mutual information stays as it is.
    """
    from scipy.special import ndtri
    from scipy.stats import rankdata

    scores: Array = ndtri(rankdata(values, axis=0) / (len(values) + 1))
    return scores
