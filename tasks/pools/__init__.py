"""Finite sets of labelled rows, pictures or vectors, from which tasks draw; nothing here is a task."""
