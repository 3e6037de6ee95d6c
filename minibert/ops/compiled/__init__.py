"""The functions of numpy_ops.py as compiled loops."""
