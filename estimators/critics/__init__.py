"""Variational estimators: critics, bounds, and the one trainer that fits a whole stack of critics at once."""

from . import methods

__all__ = ["methods"]
