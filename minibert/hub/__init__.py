"""Models that have names: the catalogue, fetching one, comparing one with what was published."""
