"""Multivariate Student-t: Gaussian X and Y whose scale is shared, random and heavy-tailed."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from scipy.special import digamma, gammaln

from mibench.estimator import Array
from mibench.parameters import Count, Positive
from mibench.registry import register_task

from ._made_of import MadeOf
from .citations import CZYZ_2023
from .gaussian import Gauss, Gaussian, MultinormalSparse


def student_entropy(k: int, dof: float) -> float:
    """Differential entropy in nats of the k-dimensional standard Student-t, less k/2 log(dof pi)."""
    a = 0.5 * (dof + k)
    return float(-gammaln(a) + gammaln(0.5 * dof) + a * (digamma(a) - digamma(0.5 * dof)))


def student_information(dim_x: int, dim_y: int, dof: float) -> float:
    """What the shared scale adds to the Gaussian's mutual information, in nats, whatever the covariance."""
    return student_entropy(dim_x, dof) + student_entropy(dim_y, dof) - student_entropy(dim_x + dim_y, dof)


@register_task("student")
class Student(MadeOf):
    """(X, Y) = Z sqrt(dof / W), Z from a Gaussian base with covariance S, one W ~ chi^2_dof for all coordinates.
    I(X; Y) = I_S + h(dim_x) + h(dim_y) - h(dim_x + dim_y), where I_S is the base's information and, with
    a = (dof + k) / 2, h(k) = -log Gamma(a) + log Gamma(dof / 2) + k/2 log(dof pi) + a (psi(a) - psi(dof / 2)).

    Parameters
    ----------
    base : the Gaussian task.
    dof : degrees of freedom, greater than 0; 1 gives Cauchy marginals.
    """

    base: Gaussian = Gauss(rho=0.75)
    dof: Positive = 2.0

    own_family: ClassVar[str] = "student"
    citation: ClassVar[str] = (
        "Arellano-Valle, Contreras-Reyes & Genton (2013), Shannon entropy and mutual information for multivariate "
        f"skew-elliptical distributions; {CZYZ_2023}"
    )

    @property
    def mutual_information(self) -> float:
        return self.base.mutual_information + student_information(self.dim_x, self.dim_y, self.dof)

    def draw(self, n: int, rng: np.random.Generator) -> tuple[Array, Array]:
        x, y = self.base.draw(n, rng)
        scale = np.sqrt(self.dof / rng.chisquare(self.dof, (n, 1)))
        return x * scale, y * scale

    def log_density_ratio(self, x: Array, y: Array) -> Array:
        """From the three t densities, whose logarithm is -(dof + k)/2 log(1 + norm / dof) and constants."""
        norm_x, norm_y, norm_xy = self.base.squared_norms(x, y)
        nu, k, m = self.dof, self.dim_x, self.dim_y
        constant = gammaln(0.5 * (nu + k + m)) + gammaln(0.5 * nu) - gammaln(0.5 * (nu + k)) - gammaln(0.5 * (nu + m))
        kernel = (
            0.5 * (nu + k) * np.log1p(norm_x / nu)
            + 0.5 * (nu + m) * np.log1p(norm_y / nu)
            - 0.5 * (nu + k + m) * np.log1p(norm_xy / nu)
        )
        ratio: Array = self.base.mutual_information + constant + kernel
        return ratio


@register_task("student-identity")
def student_identity(dim_x: Count = 1, dim_y: Count = 1, dof: Positive = 2.0) -> Student:
    """The standard Student-t: uncorrelated coordinates, which depend on each other through the common scale alone."""
    return Student(base=MultinormalSparse(dim_x=dim_x, dim_y=dim_y, pairs=1, rho=0.0), dof=dof)


StudentT = student_identity  # as the distribution is called elsewhere
