"""Downstream tasks: models trained with a mutual-information estimator in the loss."""

PLUGINS = ("bigan", "bottleneck", "gan", "gan_stacked")
"""The modules that register something; importing them here would tie each of them to all the others."""
