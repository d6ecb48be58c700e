"""Estimators that learn densities, scores, flows or codes, and classifiers that start from a density."""

PLUGINS = ("doe", "flow", "fmmi", "gmm", "knife", "latent", "max_sliced", "mime", "minde", "mmg", "ndoe", "remedi")
"""The modules that register something; importing them here would tie each of them to all the others."""
