"""Which estimate to trust on a sample whose mutual information nobody knows, and how far.

A panel of fast estimators is asked (``panel``), on the sample and on views of it that show how they err (``views``);
what the sample looks like is put in numbers (``looks``); a model of a reference table, thousands of samples whose
mutual information is known exactly, says what such answers have meant there (``model``, ``verdict``).
"""
