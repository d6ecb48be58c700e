"""Small models that gain or lose information whose amount is known exactly: what the tasks with exact answers share.

A model makes pairs (x, y); an estimator's bound on I(X; Y) is its only guide. How much information there really is
follows from the model by closed form or quadrature, and so does the best that any model could reach. The control is the
model before training, with the same initial weights; a placebo moves it as far along a gradient that carries no
information.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from mibench.parameters import Count, Positive, Widths, at_least
from mibench.task import Metric, Outcome

from .arms import RegularizedTask, is_control

if TYPE_CHECKING:
    from torch import Tensor

    from mibench.bound import Bound
    from mibench.estimator import Estimator

    from .models import PairModel
    from .nets import Critic
    from .regularizer import Regularizer
    from .training import Training

INFORMATION = Metric("information", "higher", "nats", "True I(X; Y) of the trained model.")
GAP = Metric("gap", "lower", "nats", "What of the greatest possible information is missing.")
ESTIMATE = Metric("estimate", "", "nats", "The bound by its own critic on 10 x 1,000 fresh pairs.")
EXCESS = Metric("over_report", "lower", "nats", "By how much the estimate exceeds the truth; 0 where it does not.")

LOSSES, SCORES = 40, 8  # how often the losses are logged and the model is scored along training
HELD_OUT, CHUNKS = 1_000, 10  # fresh pairs per evaluation of the bound, and evaluations that are averaged in the end


@dataclass(frozen=True, eq=False, repr=False)
class ExactTask(RegularizedTask):
    """A model whose information is known: parameters that all these tasks share.

    Parameters
    ----------
    steps, batch : training steps, pairs per step.
    lr, critic_lr : Adam's learning rates (beta1 0.5) for model and critic.
    critic_hidden, critic_steps : hidden layers of both halves of the critic, and its steps per step of the model.
    gradient : ``information``, or ``placebo``: the gradient of a critic of shuffled pairs, as long as the real one.
    variant : ``plain``, or ``optimum``: the best possible model, which gives the floor of every metric.
    """

    steps: Count = 1_000
    batch: Annotated[int, at_least(4)] = 128
    lr: Positive = 1e-3
    critic_lr: Positive = 2e-3
    critic_hidden: Widths = (64, 64)
    critic_steps: Count = 2
    gradient: Literal["information", "placebo"] = "information"
    variant: Literal["plain", "optimum"] = "plain"

    arm_parameters: ClassVar[tuple[str, ...]] = ("gradient", "variant", "critic_hidden", "critic_steps")
    metrics: ClassVar[tuple[Metric, ...]] = (INFORMATION, GAP, ESTIMATE, EXCESS)
    gains: ClassVar[bool] = True
    """Whether the model ascends the bound; one that must lose information descends it."""
    truth: ClassVar[str] = "information"
    """The metric that the estimate is an estimate of."""

    def remarks(self, control: bool) -> Sequence[str]:
        """``placebo`` and an unusual critic, as far as they matter."""
        if control:
            return []
        defaults = type(self)()
        words = ["placebo"] if self.gradient == "placebo" else []
        if self.critic_hidden != defaults.critic_hidden:
            words.append("critic of " + " x ".join(map(str, self.critic_hidden)))
        if self.critic_steps != defaults.critic_steps:
            words.append(f"{self.critic_steps} critic steps")
        return words

    def accepts(self, estimator: Estimator) -> bool:
        """As for every task; the control has no gradient and no critic, so it stands once per table."""
        return super().accepts(estimator) and not (is_control(estimator) and self.remarks(control=False))

    @abstractmethod
    def new_model(self, seed: int) -> PairModel:
        """The model with its initial weights; what belongs to the problem and not to the weights may use the seed."""

    @abstractmethod
    def exact(self, model: PairModel) -> dict[str, float]:
        """The metrics of a model that need no estimate, by closed form or quadrature."""

    @abstractmethod
    def optimum(self, seed: int) -> dict[str, float]:
        """The same metrics of the best possible model."""

    def picture(self, model: PairModel) -> bytes | None:
        """What the model has learnt as PNG; by default there is nothing to see."""
        return None

    def new_critic(self, run: Training, model: PairModel, conditional: bool) -> Critic:
        """A separable critic of standardised pairs; a log-density of y where it is to be conditional."""
        from . import nets

        x, y = model.pairs(run, "scale", 2_000)
        scale_x, scale_y = nets.Standardized(x), nets.Standardized(y)
        size_x, size_y, hidden = x.shape[1], y.shape[1], self.critic_hidden
        if conditional:
            return nets.ScaledCritic(nets.GaussianCritic(nets.mlp([size_x, *hidden, 2 * size_y])), scale_x, scale_y)
        f, g = (nets.mlp([size, *hidden, hidden[-1]]) for size in (size_x, size_y))
        return nets.ScaledCritic(nets.SeparableCritic(f, g), scale_x, scale_y)

    def regularizer(self, run: Training, bound: Bound, model: PairModel, name: str) -> Regularizer:
        """The bound with a critic of its own; critics of one name start from the same weights in all arms."""
        from .regularizer import Regularizer
        from .training import adam

        critic = run.module(name, lambda: self.new_critic(run, model, bound.conditional))
        return Regularizer(bound, critic, adam(critic, self.critic_lr))

    def objective(self, model: PairModel, regularizer: Regularizer, x: Tensor, y: Tensor) -> Tensor:
        """A scalar whose gradient by the model's weights is that of the bound, through the pairs."""
        return regularizer.objective(x, y)

    def judge(
        self, run: Training, model: PairModel, regularizer: Regularizer | None, chunks: int = CHUNKS
    ) -> dict[str, float]:
        """All metrics of the model as it is; without a bound, those that are not about the estimate."""
        import torch

        scores = self.exact(model)
        if regularizer is not None:
            with torch.no_grad():
                values = [regularizer.value(*model.pairs(run, "held out", HELD_OUT)) for _ in range(chunks)]
            scores |= self.about_estimate(sum(values) / chunks, scores[self.truth])
        return scores

    def about_estimate(self, estimate: float, truth: float) -> dict[str, float]:
        """The metrics of the estimate beside the truth, both in nats."""
        return {"estimate": estimate, "over_report": max(0.0, estimate - truth)}

    def train_one(self, bound: Bound | None, seed: int) -> Outcome:
        """Train one model; the arms of a seed start from the same weights and see the same data and noise."""
        from .training import Diverged, Training

        floor = self.optimum(seed)
        if self.variant == "optimum":
            return Outcome(floor)
        run = Training(seed)
        try:
            model, scores = self.fit(run, bound, seed)
        except Diverged as reason:
            return run.diverged(self, reason)
        picture = self.picture(model)
        if picture is not None:
            run.images["model"] = picture
        return run.outcome(scores, floor=floor)

    def fit(self, run: Training, bound: Bound | None, seed: int, name: str = "") -> tuple[PairModel, dict[str, float]]:
        """The model, trained where there is a bound, and its metrics; ``name`` tells models of one training apart."""
        model = run.module(f"{name}model", lambda: self.new_model(seed))
        if bound is not None:
            return self.fit_model(run, bound, model, name)
        scores = self.judge(run, model, None)
        run.log(self.steps, {f"metric/{name}{key}": value for key, value in scores.items()})
        return model, scores

    def fit_model(
        self, run: Training, bound: Bound, model: PairModel, name: str = ""
    ) -> tuple[PairModel, dict[str, float]]:
        """Train a model with this bound, and judge it."""
        from .regularizer import apply_gradients, global_norm, gradients, rescaled, strangers
        from .training import adam, due

        scores: dict[str, float] = {}
        regularizer = self.regularizer(run, bound, model, f"{name}critic")
        placebo = self.regularizer(run, bound, model, f"{name}placebo") if self.gradient == "placebo" else None
        parameters = list(model.parameters())
        optimizer = adam(model, self.lr)
        sign = -1.0 if self.gains else 1.0

        def descent(of: Regularizer, x: Tensor, y: Tensor) -> list[Tensor]:
            return gradients(sign * self.objective(model, of, x, y), parameters, retain_graph=True)

        for step in range(1, self.steps + 1):
            for _ in range(self.critic_steps):
                x, y = model.pairs(run, f"{name}critic pairs", self.batch)
                regularizer.train_critic(x, y)
                if placebo is not None:
                    placebo.train_critic(*strangers(x, y))
            x, y = model.pairs(run, f"{name}pairs", self.batch)
            g = descent(regularizer, x, y)
            if placebo is not None:
                g = rescaled(descent(placebo, *strangers(x, y)), global_norm(g))
            apply_gradients(optimizer, parameters, g)
            if due(step, self.steps, LOSSES):
                run.log(step, {f"{name}bound_on_batch": regularizer.on_batch(), f"{name}gradient_norm": global_norm(g)})
            if due(step, self.steps, SCORES):
                scores = self.judge(run, model, regularizer, CHUNKS if step == self.steps else 1)
                run.log(step, {f"metric/{name}{key}": value for key, value in scores.items()})
        return model, scores
