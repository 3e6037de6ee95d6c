"""The tokenizer as compiled loops."""
