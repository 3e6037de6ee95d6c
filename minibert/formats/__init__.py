"""File -> {name: array}. Each module reads one file format. No module depends on BERT."""
