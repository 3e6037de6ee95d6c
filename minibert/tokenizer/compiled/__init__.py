"""The tokenizer as compiled loops."""

MAX_WORD_CHARS = 10_000  # characters of a word for which the loops have buffers
TABLES_FILE = "tokenizer.tables"  # beside the vocabulary; table_file.py reads it
