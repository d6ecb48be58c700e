"""The built-in tasks: importing this package registers them. One file per family."""
