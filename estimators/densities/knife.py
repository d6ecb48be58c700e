"""Mutual information as the difference of two entropies, whose densities are learned mixtures of Gaussian kernels."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from mibench.parameters import Count
from mibench.registry import register_estimator

from .beginnings import Described
from .doe import DoE

if TYPE_CHECKING:
    from torch import Tensor

    from .training import Learner


@register_estimator("knife")
class KNIFE(Described, DoE):
    """H(Y) - H(Y | X), each term the held-out cross-entropy of a learned mixture of Gaussian kernels.

    Where ``doe`` takes Y apart into one-dimensional densities, a kernel here spans all coordinates: it has a mean and a
    precision matrix, the product of two triangular ones. Weights, means and precisions of the kernels for Y are free,
    those for Y given X are functions of x: a network gives the weights, the means and the diagonal of the triangular
    matrices, while what is below the diagonal belongs to the kernel. Both mixtures start near the Gaussian densities
    with the moments of the training samples. As for ``doe``, the difference is neither bound, and ``sampling_error`` in
    the diagnostics, that of the mean over the test samples, is no standard error of it.

    Parameters
    ----------
    components : Gaussian kernels of each density; 1 makes it Gaussian.
    """

    components: Count = 8

    version: ClassVar[str] = "1"
    citation: ClassVar[str] = (
        "Pichler, Colombo, Boudiaf, Koliander & Piantanida (2022), A differential entropy estimator for training "
        "neural networks, ICML"
    )

    def learner(self, x: Tensor, y: Tensor) -> Learner:
        from .kernels import KernelEntropies

        return KernelEntropies(x, y, self.hidden, self.components)
