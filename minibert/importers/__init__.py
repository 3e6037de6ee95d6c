"""Checkpoints of other programs -> a model folder."""
