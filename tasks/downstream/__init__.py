"""Downstream tasks: models trained with a mutual-information estimator in the loss."""

PLUGINS = (
    "bigan",
    "bigan_convolutional",
    "bottleneck",
    "capacity",
    "experiment",
    "gan",
    "gan_stacked",
    "leakage",
    "representation",
    "selection",
)
"""The modules that register something; importing them here would tie each of them to all the others."""
