"""The application with all its commands."""

from .shared import app

from . import run, estimate, new, look, report, submit, ci  # isort: skip  # noqa: F401  (in the order of the help)

__all__ = ["app"]
