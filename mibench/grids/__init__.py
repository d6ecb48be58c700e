"""Preset grids as TOML files."""
