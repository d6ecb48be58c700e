"""The inside of a worker process (``worker``) and the pool of them on this machine (``local``).

A pool takes batches and hands out ``concurrent.futures.Future`` objects, so the runner is one loop over finished ones.
"""
