"""The training of a bidirectional GAN whose encoder also gains information between sample and code."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

from mibench.task import Outcome

from .bigan_setting import JUDGED, BiganSetting, Problem
from .gan_setting import SCORES
from .regularizer import apply_gradients, gradients, information_gradient
from .training import Learner, adam

if TYPE_CHECKING:
    from mibench.bound import Bound


class BiganLearner(Learner):
    """A generator, an encoder, the discriminator of their pairs, and the critics where there is a bound."""

    def __init__(self, task: BiganSetting, problem: Problem, bound: Bound | None, seed: int) -> None:
        super().__init__(task, seed, task.steps, SCORES)
        run = self.run
        self.task, self.problem, self.informed = task, problem, bound is not None
        self.generator = run.module("generator", task.new_generator)
        self.encoder = run.module("encoder", task.new_encoder)
        self.discriminator = run.module("discriminator", task.new_discriminator)
        nets = (self.generator, self.encoder, self.discriminator)
        self.adam_g, self.adam_e, self.adam_d = (adam(net, task.lr) for net in nets)
        self.information = information_gradient(run, bound, task.new_critic, task.lr, task.clipping, task.beta)
        self.of_generator, self.of_encoder = list(self.generator.parameters()), list(self.encoder.parameters())
        self.reals = problem.train.to(run.device)
        self.test = problem.decode(problem.test[:JUDGED].to(run.device))
        self.truth = self.test.cpu().numpy()

    def draw(self) -> list[Tensor]:
        """Samples and the encoder's noise, and the generator's codes."""
        batch = self.task.batch
        x = self.problem.decode(self.reals[self.run.integers("batches", len(self.reals), batch)])
        z = self.run.normal("prior", batch, self.task.latent)
        return [x, self.run.normal("noise", batch, self.task.noise), z]

    def learn(self, *drawn: Tensor) -> dict[str, Tensor]:
        """A step of the discriminator and of the critics, then one of encoder and generator."""
        x, noise, z = drawn
        code, fake = self.encoder(x, noise), self.generator(z)
        loss_d = self._discriminate(x, code, fake, z)
        self.information.train_critics(x, code)
        loss_e = F.softplus(self.discriminator(x, code)).mean()
        loss_g = F.softplus(-self.discriminator(fake, z)).mean()
        logged = {"loss/encoder": loss_e, "loss/generator": loss_g, "loss/discriminator": loss_d}
        loss = loss_e + loss_g
        if self.task.variant == "alice-l2":
            error = (self.generator(code) - x).flatten(1).square().sum(1).mean()
            logged["loss/reconstruction"] = error
            loss = loss + self.task.beta * error
        g = gradients(loss, [*self.of_encoder, *self.of_generator], retain_graph=self.informed)
        g_e, g_g = g[: len(self.of_encoder)], g[len(self.of_encoder) :]
        g_e, norms = self.information.add_to(g_e, self.information.losses(x, code), self.of_encoder)
        apply_gradients(self.adam_e, self.of_encoder, g_e)
        apply_gradients(self.adam_g, self.of_generator, g_g)
        return {name: value.detach() for name, value in (logged | norms).items()}

    def _discriminate(self, x: Tensor, code: Tensor, fake: Tensor, z: Tensor) -> Tensor:
        """A step of the discriminator; its loss."""
        on_real, on_fake = self.discriminator(x, code.detach()), self.discriminator(fake.detach(), z)
        loss = (F.softplus(-on_real) + F.softplus(on_fake)).mean()
        self.adam_d.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        self.adam_d.step()
        return loss

    def watched(self) -> dict[str, Tensor]:
        return self.information.on_batch()

    def judge(self, step: int) -> None:
        """On test samples: their codes, their reconstructions, and generated samples, all in evaluation mode."""
        for net in (self.encoder, self.generator):
            net.eval()
        with torch.no_grad():
            codes = self.encoder(self.test, self.run.normal("watching noise", len(self.test), self.task.noise))
            prior = self.run.normal("watching prior", len(self.test), self.task.latent)
            made = [self.generator(codes), self.generator(prior)]
        for net in (self.encoder, self.generator):
            net.train()
        self._rebuilt, samples = (self.run.check(step, part).cpu().numpy() for part in made)
        self._scores = self.problem.score(self.truth, self._rebuilt, samples)
        self.run.log_scores(step, self._scores)
        self.run.log(step, self.information.on_fresh(self.test[:1_000], codes[:1_000]))

    def pictures(self) -> dict[str, bytes]:
        return {"reconstructions": self.problem.picture(self.truth, self._rebuilt)}

    def outcome(self) -> Outcome:
        """The metrics after the last step, and their floor."""
        floor = dict(self.problem.perfect_model().metrics)
        return self.run.outcome(self._scores, floor=floor, **self.problem.facts)
