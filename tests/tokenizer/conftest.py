"""Tokenizers that several files here test."""

import pytest

from minibert.tokenizer import WordPieceTokenizer
from tests.support.hard_texts import tokenizer_folders


@pytest.fixture(scope="session")
def tokenizers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, WordPieceTokenizer]:
    """The readable tokenizer of each of SETTINGS, with BERT's uncased vocabulary."""
    folders = tokenizer_folders(tmp_path_factory.mktemp("tokenizers"))
    return {name: WordPieceTokenizer.from_folder(folder) for name, folder in folders.items()}


@pytest.fixture(scope="session")
def uncased(tokenizers: dict[str, WordPieceTokenizer]) -> WordPieceTokenizer:
    return tokenizers["uncased"]
