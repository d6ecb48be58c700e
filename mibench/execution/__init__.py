"""The inside of a worker process and the pools that run it."""
