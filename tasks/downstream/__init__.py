"""Downstream tasks: models trained with a mutual-information estimator in the loss."""
