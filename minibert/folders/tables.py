"""The file of tokenizer tables in a new model folder, which `load` reads instead of making them."""

from pathlib import Path

from ..files.access import create, errors_name
from ..tokenizer.compiled import TABLES_FILE
from ..tokenizer.table_writer import tables_of


def write_tables(folder: Path, is_lower: bool) -> None:
    """Write the tables of the tokenizer in a folder that is being made.

    There is no file for a tokenizer that the compiled loops cannot run.

    Args:
        folder: where the vocabulary is.
        is_lower: whether the settings of sentence-transformers force lower case (do_lower_case).
    """
    content = tables_of(folder, is_lower)
    if content is not None:
        with errors_name(folder / TABLES_FILE), create(folder / TABLES_FILE) as file:
            file.write(content)
