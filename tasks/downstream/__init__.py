"""Downstream tasks: models trained with a mutual-information estimator in the loss."""

from . import bigan, bottleneck, gan, gan_stacked

__all__ = ["bigan", "bottleneck", "gan", "gan_stacked"]
