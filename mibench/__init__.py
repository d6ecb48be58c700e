"""mibench: which mutual-information estimator can you trust, on data like yours, at what cost?"""
