"""Estimators that learn densities, scores or codes: doe, flow, minde and latent."""

PLUGINS = ("doe", "flow", "latent", "minde")
"""The modules that register something; importing them here would tie each of them to all the others."""
