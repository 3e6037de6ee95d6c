"""The loops compiled ahead of time: one shared library for each tier. Needs Numba and ziglang."""
