"""Estimators that learn densities, scores or codes: doe, flow, minde and latent."""

from . import doe, flow, latent, minde

__all__ = ["doe", "flow", "latent", "minde"]
