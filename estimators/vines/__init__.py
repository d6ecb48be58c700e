"""Densities made of copulas of two variables each."""

PLUGINS = ("vine",)
"""The modules that register something."""
