"""The built-in estimators: importing this package registers them. One file per family."""
