"""Variational estimators: critics, bounds, and the one trainer that fits a whole stack of critics at once."""

PLUGINS = ("methods", "residual", "telescoping")
"""The modules that register something; importing them here would tie each of them to all the others."""
