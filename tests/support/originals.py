"""The two originals, made from our settings. Needs the extra `test`."""

import tokenizers
from tokenizers import models, normalizers, pre_tokenizers, processors

from minibert.tokenizer import AddedToken, TokenizerSettings
from tests.support.google_tokenizer import GoogleTokenizer


def hf_tokenizer(settings: TokenizerSettings) -> tokenizers.Tokenizer:
    """Hugging Face `tokenizers`."""
    original = tokenizers.Tokenizer(
        models.WordPiece(dict(settings.vocab), unk_token=settings.unk_token, max_input_chars_per_word=settings.max_input_chars_per_word)
    )
    original.normalizer = normalizers.BertNormalizer(
        clean_text=settings.clean_text,
        handle_chinese_chars=settings.handle_chinese_chars,
        strip_accents=settings.strip_accents,
        lowercase=settings.lowercase,
    )
    original.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = [(token, settings.ids[token]) for token in (settings.sep_token, settings.cls_token)]
    original.post_processor = processors.BertProcessing(*special)
    for token in settings.added_tokens:
        add = original.add_special_tokens if token.special else original.add_tokens
        add([_added(token)])
    return original


def _added(token: AddedToken) -> tokenizers.AddedToken:
    return tokenizers.AddedToken(
        token.content,
        lstrip=token.lstrip,
        rstrip=token.rstrip,
        normalized=token.normalized,
        single_word=token.single_word,
        special=token.special,
    )


def google_tokenizer(settings: TokenizerSettings) -> GoogleTokenizer:
    """google-research/bert."""
    return GoogleTokenizer(settings.vocab, settings.lowercase)
