"""The run: grids into cells, cells into batches, batches to workers, answers into the store."""
