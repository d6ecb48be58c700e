"""Mutual information in a model's loss: a bound, its critic trained alongside, and adaptive gradient clipping.

The bound is any :class:`~mibench.bound.Bound`; the model is whatever made the samples. Nothing here knows GANs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from mibench.bound import Bound
from mibench.errors import Unsupported

from .nets import Critic
from .training import Training, adam


class Regularizer:
    """A bound on I(X; Y) with its own critic and optimiser.

    :meth:`train_critic` is the critic's ascent on samples cut off from the model; :meth:`objective` is what the model
    ascends (to gain information) or descends (to lose it) through its samples, with the critic held fixed. The state
    of the bound (such as MINE's moving average) moves with the critic's steps only.
    """

    def __init__(self, bound: Bound, critic: Critic, optimizer: torch.optim.Optimizer) -> None:
        if bound.second:
            raise Unsupported(
                f"{type(bound).__name__} learns a second function beside the critic; these critics are one."
            )
        self.bound, self.critic, self.optimizer = bound, critic, optimizer
        self.state: Tensor | None = None
        self._seen: tuple[Tensor, Tensor] | None = None

    def train_critic(self, x: Tensor, y: Tensor) -> None:
        """One step of the critic on B pairs, which receive no gradient."""
        joint, product = self.critic.scores(x.detach(), y.detach())
        loss, state = self.bound.loss(joint, product, self.state)
        self.optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        self.optimizer.step()
        if self.state is None or state is None:
            self.state = None if state is None else state.detach().clone()
        else:
            self.state.copy_(state.detach())  # in its place, where a recorded step finds it
        self._seen = joint.detach(), product.detach()

    @torch.no_grad()
    def on_batch(self) -> Tensor:
        """The bound's value on the pairs of the critic's last step, with the critic as it was before that step.

        It is for watching the training. What is reported as an estimate is :meth:`value` on fresh samples.
        """
        if self._seen is None:
            raise RuntimeError("the critic has not been trained yet")
        return self.bound.value(*self._seen)

    def objective(self, x: Tensor, y: Tensor) -> Tensor:
        """The bound as a differentiable scalar in nats (or its surrogate with the intended gradient)."""
        joint, product = self.critic.scores(x, y)
        return self.bound.objective(joint, product, self.state)[0]

    @torch.no_grad()
    def value(self, x: Tensor, y: Tensor) -> float:
        """The bound in nats on these pairs, which the critic must not have been trained on."""
        self.critic.eval()
        value = float(self.bound.value(*self.critic.scores(x, y)))
        self.critic.train()
        return value


def global_norm(gradients: Sequence[Tensor]) -> Tensor:
    """Frobenius norm over all the tensors together."""
    norm: Tensor = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(list(gradients))))
    return norm


def rescaled(gradients: Sequence[Tensor], norm: Tensor, own: Tensor | None = None) -> list[Tensor]:
    """The same direction with this global norm, from ``own`` where that is known; a zero gradient stays zero."""
    own = global_norm(gradients) if own is None else own
    return list(torch._foreach_mul(list(gradients), norm / own.clamp_min(torch.finfo(norm.dtype).tiny)))


def gradients(loss: Tensor, parameters: Sequence[nn.Parameter], retain_graph: bool = False) -> list[Tensor]:
    """d loss / d parameters as new tensors: ``.grad`` is left alone, zeros where the loss does not reach."""
    found = torch.autograd.grad(loss, parameters, retain_graph=retain_graph, allow_unused=True)
    return [torch.zeros_like(p) if g is None else g for p, g in zip(parameters, found, strict=True)]


def apply_gradients(optimizer: torch.optim.Optimizer, parameters: Sequence[nn.Parameter], g: Sequence[Tensor]) -> None:
    """One optimiser step along the given gradients."""
    for parameter, gradient in zip(parameters, g, strict=True):
        parameter.grad = gradient
    optimizer.step()


def strangers(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """B / 2 pairs without information: x from the first half of the batch, y from the second.

    Shuffling the whole batch would leave true pairs among the other pairs that serve as the product of the marginals,
    and with them a trace of the information, with the wrong sign.
    """
    half = len(x) // 2
    return x[:half], y[half : 2 * half]


class InformationGradient:
    """The gradient g_m of the information that joins a model's own gradient g_u as g_u + beta g_a, under three rules.

    ``adaptive``: g_a = min(||g_u||, ||g_m||) g_m / ||g_m||, no longer than the model's own, with the norm over all
    parameters together (Belghazi et al. 2018, appendix). ``unclipped``: g_a = g_m. ``placebo``: g_a has the norm of the
    clipped one and the direction of a second critic's gradient, trained on shuffled pairs: an extra gradient that
    carries no information.
    """

    def __init__(
        self, regularizer: Regularizer, clipping: str, beta: float, placebo: Regularizer | None = None
    ) -> None:
        self.regularizer, self.clipping, self.beta, self.placebo = regularizer, clipping, beta, placebo

    def on_batch(self) -> dict[str, Tensor]:
        """As :meth:`Regularizer.on_batch`, to be logged."""
        return {"bound_on_batch": self.regularizer.on_batch()}

    def on_fresh(self, x: Tensor, y: Tensor) -> dict[str, float]:
        """As :meth:`Regularizer.value`, to be logged."""
        return {"estimate": self.regularizer.value(x, y)}

    def train_critics(self, x: Tensor, y: Tensor) -> None:
        """One critic step on the pairs, and one on shuffled pairs for the placebo."""
        if self.placebo is not None:
            self.placebo.train_critic(*strangers(x, y))
        self.regularizer.train_critic(x, y)

    def losses(self, x: Tensor, y: Tensor) -> list[Tensor]:
        """What the model descends to gain information, and the placebo's, where there is one."""
        terms = [-self.regularizer.objective(x, y)]
        if self.placebo is not None:
            terms.append(-self.placebo.objective(*strangers(x, y)))
        return terms

    def add_to(
        self, g_u: Sequence[Tensor], losses: Sequence[Tensor], parameters: Sequence[nn.Parameter]
    ) -> tuple[list[Tensor], dict[str, Tensor]]:
        """g_u plus beta times the rule's gradient of :meth:`losses`, and the norms before and after clipping."""
        of_information, *of_placebo = losses
        g_m = gradients(of_information, parameters, retain_graph=bool(of_placebo))
        model, information = global_norm(g_u), global_norm(g_m)
        if of_placebo:
            g_a = rescaled(gradients(of_placebo[0], parameters), torch.minimum(model, information))
        elif self.clipping == "adaptive":
            g_a = rescaled(g_m, torch.minimum(model, information), information)
        else:
            g_a = g_m
        norms = {
            "gradient_norm/model": model,
            "gradient_norm/information": information,
            "gradient_norm/information_clipped": global_norm(g_a),
        }
        return list(torch._foreach_add(list(g_u), torch._foreach_mul(g_a, self.beta))), norms


class NoInformation:
    """What stands in the place of an :class:`InformationGradient` where no bound does: the model is trained alone."""

    def on_batch(self) -> dict[str, Tensor]:
        return {}

    def on_fresh(self, x: Tensor, y: Tensor) -> dict[str, float]:
        return {}

    def train_critics(self, x: Tensor, y: Tensor) -> None:
        """There are none."""

    def losses(self, x: Tensor, y: Tensor) -> list[Tensor]:
        return []

    def add_to(
        self, g_u: Sequence[Tensor], losses: Sequence[Tensor], parameters: Sequence[nn.Parameter]
    ) -> tuple[list[Tensor], dict[str, Tensor]]:
        """g_u as it is, and its norm."""
        return list(g_u), {"gradient_norm/model": global_norm(g_u)}


def information_gradient(
    run: Training, bound: Bound | None, critic: Callable[[bool], Critic], lr: float, clipping: str, beta: float
) -> InformationGradient | NoInformation:
    """The information term of a training, with critics of its own where there is a bound.

    ``critic`` builds a critic's module, as a log-density log q(y | x) where it is called with True.
    """
    if bound is None:
        return NoInformation()

    def regularizer(name: str) -> Regularizer:
        module = run.module(name, lambda: critic(bound.conditional))
        return Regularizer(bound, module, adam(module, lr))

    placebo = regularizer("placebo critic") if clipping == "placebo" else None
    return InformationGradient(regularizer("critic"), clipping, beta, placebo)
