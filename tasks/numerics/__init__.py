"""Integrals, inverses, entropies and matrices behind the tasks; nothing here is a task."""
