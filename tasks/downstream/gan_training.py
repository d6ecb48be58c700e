"""The training of a GAN whose generator also gains information between code and sample."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

from mibench.graphs import beside
from mibench.task import Outcome

from .gan_setting import SCORES, GanSetting, Problem
from .regularizer import apply_gradients, gradients, information_gradient
from .training import Learner

if TYPE_CHECKING:
    from mibench.bound import Bound


SCORED = 2_000  # samples of each score along training
HELD_OUT = 1_000  # fresh pairs on which the bound is reported


class GanLearner(Learner):
    """A generator, its discriminator, and the critics of the information where there is a bound."""

    def __init__(self, task: GanSetting, problem: Problem, bound: Bound | None, seed: int) -> None:
        super().__init__(task, seed, task.steps, task.watched or SCORES)
        run = self.run
        self.task, self.problem, self.informed = task, problem, bound is not None
        self.generator = run.module("generator", task.new_generator)
        self.discriminator = run.module("discriminator", task.new_discriminator)
        self.adam_g, self.adam_d = task.new_optimizers(self.generator, self.discriminator)
        self.information = information_gradient(run, bound, task.new_critic, task.lr, task.clipping, task.beta)
        self.parameters = list(self.generator.parameters())
        self.reals = problem.samples.to(run.device)

    def draw(self) -> list[Tensor]:
        """Real samples, then the inputs and codes of each step of the generator."""
        pairs = [self.task.draw_inputs(self.run, "training", self.task.batch) for _ in range(self.task.generator_steps)]
        chosen = self.run.integers("batches", len(self.reals), self.task.batch)
        return [self.problem.decode(self.reals[chosen]), *itertools.chain.from_iterable(pairs)]

    def learn(self, *drawn: Tensor) -> dict[str, Tensor]:
        """A step of every network; of the generator and the critics as many as the task says."""
        real, *pairs = drawn
        logged: dict[str, Tensor] = {}
        for inputs, code in zip(pairs[::2], pairs[1::2], strict=True):
            fake = self.generator(inputs)
            # neither network reads what the other changes
            (losses, g), of_information = beside(
                lambda fake=fake, first=not logged: self._play(real, fake, first),  # type: ignore[misc]
                lambda fake=fake, code=code: self._inform(fake, code),  # type: ignore[misc]
            )
            g, norms = self.information.add_to(g, of_information, self.parameters)
            logged |= losses | norms
            apply_gradients(self.adam_g, self.parameters, g)
        return logged

    def _play(self, real: Tensor, fake: Tensor, first: bool) -> tuple[dict[str, Tensor], list[Tensor]]:
        """A step of the discriminator, where it is its turn; the losses, and the generator's gradient."""
        losses: dict[str, Tensor] = {}
        if first:
            on_real, on_fake = self.discriminator(real), self.discriminator(fake.detach())
            loss_d = F.softplus(-on_real).mean() + F.softplus(on_fake).mean()
            self.adam_d.zero_grad(set_to_none=True)
            torch.autograd.backward(loss_d)
            self.adam_d.step()
            losses["loss/discriminator"] = loss_d.detach()
        loss_g = F.softplus(-self.discriminator(fake)).mean()
        losses["loss/generator"] = loss_g.detach()
        return losses, gradients(loss_g, self.parameters, retain_graph=self.informed)

    def _inform(self, fake: Tensor, code: Tensor) -> list[Tensor]:
        """A step of the critics, and what the generator descends by them."""
        self.information.train_critics(fake, code)
        return self.information.losses(fake, code)

    def watched(self) -> dict[str, Tensor]:
        return self.information.on_batch()

    def judge(self, step: int) -> None:
        self._judged = self._generate(step, "watching", SCORED)[0].cpu().numpy()
        self.run.log_scores(step, self.problem.score(self._judged))
        if self.informed:
            self.run.log(step, self.information.on_fresh(*self._generate(step, "held out", HELD_OUT)))

    def pictures(self) -> dict[str, bytes]:
        return {"samples": self.problem.picture(self._judged)}

    def outcome(self) -> Outcome:
        """The metrics of more samples than along the way, and their floor."""
        samples = self._generate(self.steps, "final", self.task.generated)[0].cpu().numpy()
        floor = self.problem.floor(self.task.generated, self.run.seed)
        return self.run.outcome(self.problem.score(samples), floor=floor, **self.problem.facts)

    def _generate(self, step: int, stream: str, count: int) -> tuple[Tensor, Tensor]:
        """Samples for judging, and their codes: in evaluation mode, where each depends on its own input alone."""
        sizes = [min(1_000, count - done) for done in range(0, count, 1_000)]
        self.generator.eval()
        with torch.no_grad():
            pairs = [self.task.draw_inputs(self.run, stream, size) for size in sizes]
            made = torch.cat([self.generator(inputs) for inputs, _ in pairs])
        self.generator.train()
        return self.run.check(step, made), torch.cat([code for _, code in pairs])
