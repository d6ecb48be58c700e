"""Estimators that learn densities, scores or codes: doe, flow, gmm, latent, minde, mmg and vce."""

PLUGINS = ("doe", "flow", "gmm", "latent", "minde", "mmg")
"""The modules that register something; importing them here would tie each of them to all the others."""
