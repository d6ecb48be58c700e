"""Finite sets of labelled rows, pictures or vectors, from which tasks draw; nothing here is a task.

Files that are not there raise NotInstalled, and those that cannot be used, like rows that no pool holds, DataError.
"""
