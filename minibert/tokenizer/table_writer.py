"""The content of a file of tables, which table_file.py reads."""

from pathlib import Path

from .compiled.layout import ZERO
from .compiled.tables import has_compiled_form, prepare
from .loading import forced_lower, settings_of
from .model_files import ModelFiles
from .table_file import ALIGNMENT, BLOCK, FILES, HEAD, MAGIC, MAX_BYTES, NUMBERS, SETTINGS, checksum, files_of, modules_hash
from .wordpiece import facts_of, make_rules


def tables_of(folder: Path, is_forced_lower: bool) -> bytes | None:
    """The content of the file of tables for a model folder.

    It is None for a tokenizer that the loops cannot run, and for a file that would be too large.
    Raises like `load_settings`.
    """
    kept = files_of(folder)
    settings = settings_of(ModelFiles(folder, kept))
    settings = forced_lower(settings) if is_forced_lower else settings
    if kept is None or not has_compiled_form(settings):
        return None
    rules = make_rules(settings)
    facts, (tables, options, leaves) = facts_of(rules), prepare(rules)
    special = facts.special_tokens
    values = {
        "is_forced_lower": is_forced_lower, "lowercase": options.fold != ZERO, "cls_id": special.cls_id, "sep_id": special.sep_id,
        "unk_id": facts.unk_id, "second_type": special.second_type, "added_root": options.added_root,
        "max_word_chars": options.max_word_chars, "leaves": leaves[0], "leaves_if_split": leaves[1], "last_id": facts.last_id,
        "model_max_length": facts.model_max_length or 0, "names_sep": facts.names_sep,
    }  # fmt: skip
    tokens = (token.encode("utf-8", "surrogatepass") for token in (special.cls_token, special.sep_token))
    content = packed(values, [*(kept[name] for name in FILES), *tokens, *(array.tobytes() for array in tables)])
    return content if len(content) <= MAX_BYTES else None


def packed(values: dict[str, int], parts: list[bytes | None]) -> bytes:
    """A file of tables with these settings and these parts, in the order of SETTINGS and PARTS."""
    lengths = [-1 if part is None else len(part) for part in parts]
    content = bytearray(HEAD.size) + NUMBERS.pack(*(int(values[name]) for name in SETTINGS), *lengths)
    for part in parts:
        content += bytes(-len(content) % ALIGNMENT) + (part or b"")
    content += bytes((HEAD.size - len(content)) % BLOCK)
    HEAD.pack_into(content, 0, MAGIC, modules_hash(), checksum(bytes(content)))
    return bytes(content)
