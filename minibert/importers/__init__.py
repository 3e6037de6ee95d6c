"""Checkpoints of other programs, and their conversion to model folders."""
