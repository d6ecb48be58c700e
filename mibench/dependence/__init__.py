"""Whether two variables depend at all, and how much each pair of columns of a table shares."""

from __future__ import annotations

from .independence import Independence, independence_test

__all__ = ["Independence", "independence_test"]
