"""All that knows MLflow: what a tracked run holds, and the one file that writes it down."""
