"""Threads of the process, and compiled code with its cache."""
