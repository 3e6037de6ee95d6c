"""Helpers of the tests. A package, so that no module has the name of one of Python."""
