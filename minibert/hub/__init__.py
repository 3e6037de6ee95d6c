"""Named models: the catalogue, the download of one, and the comparison with published numbers."""
