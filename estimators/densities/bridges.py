"""A classifier of the joint distribution, the product of its marginals, and a Gaussian of each: behind ``mime.py``.

With p and q for the joint distributions of the samples and of the Gaussian, and o for the products of their marginals:

    log p / p_o = log q / q_o + log p / q - log p_o / q_o.

The first term is known. The second and the third are differences of logits of classes that overlap, however much
information there is, and the third is a sum of a function of x and one of y, as both of its distributions are products.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .beginnings import random_shifts, starting_at_zero
from .folds import HeldOutEstimate
from .training import Learner, shrunk_moments

JOINT, REFERENCE, PRODUCT, REFERENCE_PRODUCT = range(4)
"""The classes, in the order of the logits."""


class GaussianReference(nn.Module):
    """The Gaussian with the moments of the samples, and the product of its marginals.

    With the Cholesky factor of the covariance of (x, y): z = root (u, v) + mean for standard normal u and v.
    """

    mean: Tensor
    root: Tensor
    white: Tensor
    alone: Tensor

    def __init__(self, x: Tensor, y: Tensor) -> None:
        super().__init__()
        dim = x.shape[1]
        mean, covariance = shrunk_moments(torch.cat([x, y], -1))
        root = torch.linalg.cholesky(covariance)
        of_y = torch.linalg.cholesky(covariance[dim:, dim:])
        white = torch.linalg.inv(root)
        alone = torch.linalg.inv(of_y)
        self.log_scale = float(alone.diagonal().log().sum() - white[dim:, dim:].diagonal().log().sum())
        self.dim = dim
        for name, value in {"mean": mean, "root": root, "white": white, "alone": alone}.items():
            self.register_buffer(name, value.float())

    def residual(self, x: Tensor, y: Tensor) -> Tensor:
        """What y is beyond its regression on x, whitened: shape (n, dim_y)."""
        return F.linear(torch.cat([x, y], -1) - self.mean, self.white[self.dim :])

    def log_ratio(self, x: Tensor, y: Tensor, residual: Tensor) -> Tensor:
        """log q(x, y) / (q(x) q(y)), shape (n,), which is log q(y | x) - log q(y)."""
        whole = F.linear(y - self.mean[self.dim :], self.alone)
        return 0.5 * (whole.square().sum(-1) - residual.square().sum(-1)) - self.log_scale

    def sample(self, n: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """x (n, dim_x) and y (n, dim_y) from the joint distribution."""
        noise = torch.randn(n, len(self.mean), generator=generator).to(self.mean)
        both = F.linear(noise, self.root) + self.mean
        return both[:, : self.dim], both[:, self.dim :]


class Logits(nn.Module):
    """Logits of the four classes at pairs (x, y): shape (n, 4).

    hidden : widths of three networks, which are 0 at first: of x and y together, of x and of y.
    """

    def __init__(self, x: Tensor, y: Tensor, hidden: tuple[int, ...]) -> None:
        super().__init__()
        self.reference = GaussianReference(x, y)
        dim_x, dim_y = x.shape[1], y.shape[1]
        seen = dim_x + 2 * dim_y, dim_x, dim_y
        self.together, self.of_x, self.of_y = (starting_at_zero(dim, 1, hidden) for dim in seen)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        residual = self.reference.residual(x, y)
        known = self.reference.log_ratio(x, y, residual)
        # y is seen on the scale on which it depends on x as well
        joint = known + self.together(torch.cat([x, y, residual], -1))[:, 0]
        product = self.of_x(x)[:, 0] + self.of_y(y)[:, 0]
        return torch.stack([joint, known, product, torch.zeros_like(known)], -1)

    def log_ratio(self, x: Tensor, y: Tensor) -> Tensor:
        """log p(x, y) / (p(x) p(y)), shape (n,)."""
        logits = self.forward(x, y)
        return logits[:, JOINT] - logits[:, PRODUCT]


class Bridged(Learner):
    """The classifier, trained on its cross-entropy, and the mean log ratio.

    shifts : the pairs of a product are those of so many cyclic shifts of the y of a batch.
    """

    def __init__(self, x: Tensor, y: Tensor, hidden: tuple[int, ...], shifts: int) -> None:
        self.model = Logits(x, y, hidden).to(x.device)
        self.models = (self.model,)
        self.shifts = shifts
        self.seed = int(torch.randint(2**62, ()))  # of the references that all validations share

    def losses(self, x: Tensor, y: Tensor, generator: torch.Generator) -> Tensor:
        """The cross-entropy of the four classes, each of which counts alike, in nats: shape (1,)."""
        classes = self._classes(x, y, generator)
        logits = self.model(*(torch.cat(parts) for parts in zip(*classes, strict=True)))
        entropies = [
            F.cross_entropy(part, torch.full((len(part),), label, device=part.device))
            for label, part in enumerate(torch.split(logits, [len(x) for x, _ in classes]))
        ]
        return torch.stack(entropies).mean()[None]

    def validated(self, x: Tensor, y: Tensor) -> Tensor:
        return self.losses(x, y, torch.Generator().manual_seed(self.seed))

    def tested(self, x: Tensor, y: Tensor, generator: torch.Generator) -> HeldOutEstimate:
        return HeldOutEstimate.mean(self.model.log_ratio(x, y).double().cpu().numpy())

    def _classes(self, x: Tensor, y: Tensor, generator: torch.Generator) -> list[tuple[Tensor, Tensor]]:
        """Pairs of each class."""
        some = random_shifts(len(x), self.shifts, generator)
        product = x.repeat(len(some), 1), torch.cat([y.roll(shift, 0) for shift in some])
        reference = self.model.reference.sample(len(x) * len(some), generator)
        apart = reference[0], reference[1].roll(1, 0)
        return [(x, y), reference, product, apart]
