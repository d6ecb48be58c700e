"""Downstream tasks: models trained with a mutual-information estimator in the loss."""

from . import bigan_reconstruction, gan_mode_collapse, information_bottleneck

__all__ = ["bigan_reconstruction", "gan_mode_collapse", "information_bottleneck"]
