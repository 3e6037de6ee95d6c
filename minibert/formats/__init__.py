"""File -> {name: array}. Each module knows one file format; none knows BERT."""
