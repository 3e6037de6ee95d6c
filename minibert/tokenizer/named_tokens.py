"""The special and added tokens that the files of a folder name, with the ids that transformers
gives them.

tokenizer_config.json, special_tokens_map.json, added_tokens.json and tokenizer.json may name
tokens. transformers collects them in an order of its own and adds them to the vocabulary. A token
of the vocabulary keeps its id, and any other gets the next one. The id that a file states does not
count, so a token whose id differs is refused.

Source: transformers 5.24, `PreTrainedTokenizerBase._from_pretrained` and
`TokenizersBackend.__init__`; tokenizers 0.23.3, `AddedVocabulary::add_tokens`.
"""

import re
from collections.abc import Iterable, Mapping, Sized
from dataclasses import dataclass, field, replace
from typing import Any

from ..files.fields import Fields, shown, shown_name
from .added import AddedToken
from .model_files import ModelFiles

# The roles that transformers has, in the order in which it adds their tokens, and BertTokenizer's
# own tokens.
ROLES = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token")
BERT_TOKENS = {"unk_token": "[UNK]", "sep_token": "[SEP]", "pad_token": "[PAD]", "cls_token": "[CLS]", "mask_token": "[MASK]"}
NEEDED = ("unk_token", "cls_token", "sep_token")  # BERT does not work without them
TRANSFORMERS = "5.24"  # the version that has these rules
LISTS = ("extra_special_tokens", "additional_special_tokens")  # the name since transformers 5, and the one before
MAX_NAMED = 1 << 17  # tokens that one place of a file names; each takes 20 µs before its length counts
OTHERS = "model_specific_special_tokens"  # where transformers 5 writes the roles of a model's own again


@dataclass
class Named:
    """What tokenizer_config.json and special_tokens_map.json say. Tokens have the id 0 for now."""

    roles: dict[str, AddedToken | None] = field(default_factory=dict)  # None: no token, although BertTokenizer has one
    others: dict[str, AddedToken] = field(default_factory=dict)  # of roles of a model's own
    extras: list[AddedToken] | None = None  # None: no file has a list of them
    late_extras: list[AddedToken] = field(default_factory=list)  # transformers finds them after added_tokens.json
    objects: set[str] = field(default_factory=set)  # in tokenizer_config.json as objects, which transformers reads after it too

    @property
    def tokens(self) -> list[AddedToken]:
        """All of them, in the order in which transformers adds them."""
        return [
            *(token for role in ROLES if (token := self.roles.get(role))),
            *self.others.values(),
            *(self.extras or []),
            *self.late_extras,
        ]


@dataclass
class Claims:
    """Tokens by the id that a file states. Of two tokens with one id, the last one counts."""

    tokens: dict[int, AddedToken] = field(default_factory=dict)
    where: dict[str, str] = field(default_factory=dict)

    def add(self, id: int, token: AddedToken, where: str) -> None:
        try:
            self.tokens[id] = replace(token, id=id)
        except ValueError as error:
            raise ValueError(f"{where}: {error}") from None
        self.where[token.content] = where


def read_tokens(files: ModelFiles, config: Fields, file: Fields, vocab: Mapping[str, int], sep_token: str | None) -> dict[str, Any]:
    """Fields of TokenizerSettings: `added_tokens`, `names_sep`, and for BertTokenizer more.

    For BertTokenizer, they are also `unk_token`, `cls_token` and `sep_token`.

    Args:
        config: tokenizer_config.json.
        file: tokenizer.json, without fields if there is none.
        vocab: token -> id.
        sep_token: [SEP] by the rules of tokenizer.json; None if BertTokenizer reads the folder. It
            adds tokens of its own, and adds those of tokenizer.json like all others.

    Raises ValueError for what is not a token, and for an id that transformers does not give.
    """
    is_bert, own = sep_token is None, Claims()
    _check_number(file, file.get("added_tokens", list))
    for token in file.children("added_tokens"):
        own.add(token.need("id", int), _token(token, token.content, is_special=False), token.where)
    named, claims = _named_by_config(config), Claims()
    if config.content.get("added_tokens_decoder") is not None:
        _claim_decoder(config.child("added_tokens_decoder"), claims)
    else:
        _merge_map(files.fields("special_tokens_map.json"), named)
        _claim_added(files.fields("added_tokens.json"), named, claims)
        claims = Claims(claims.tokens | own.tokens, claims.where | own.where)
    tokens: dict[str, AddedToken] = {}
    needed: dict[str, str] = {}
    if is_bert:
        needed = _with_defaults(named, claims, vocab, config)
    else:
        if pad_token := file.child("padding").get("pad_token", str):
            named.roles.setdefault("pad_token", _token(file.child("padding"), pad_token, is_special=True, name="pad_token"))
        _number(own.tokens.values(), vocab, tokens, own.where)
    _number(_wanted(named, claims, tokens), vocab, tokens, claims.where)
    return {
        "added_tokens": tuple(tokens.values()),
        "names_sep": is_bert or sep_token in {token.content for token in named.tokens},
        **needed,
    }


# --- What each file says --------------------------------------------------------------------------


def _list(file: Fields, name: str) -> list[Any] | None:
    """A list of tokens, or None. An object under the newest name is read by `_add_others`."""
    if isinstance(file.content.get(name), dict):
        return None
    found = file.get(name, list)
    _check_number(file, found)
    return found


def _check_number(file: Fields, tokens: Sized | None) -> None:
    """Raise ValueError for more tokens than any model has, before each of them is looked at."""
    if tokens is not None and len(tokens) > MAX_NAMED:
        raise ValueError(f"{file.where}: expected at most {MAX_NAMED:,} special and added tokens, found {len(tokens):,}")


def _named_by_config(config: Fields) -> Named:
    named = Named()
    _check_number(config, config.content)
    for role, value in config.content.items():
        if role in ROLES:
            named.roles[role] = None if value is None else _token(config, value, is_special=True, name=role)
        elif role.endswith("_token") and (isinstance(value, str) or _is_typed(value)):
            named.others[role] = _token(config, value, is_special=True, name=role)
    _add_others(config, named)
    if not named.others:
        others = config.child(OTHERS)
        _check_number(others, others.content)
        named.others = {role: _token(config, value, is_special=True, name=role) for role, value in others.content.items()}
    new, old = (_list(config, name) for name in LISTS)
    listed = new if new or old is None else old
    named.extras = None if listed is None else [_token(config, each, not _is_typed(each), LISTS[0]) for each in listed]
    values = [*(value for role, value in config.content.items() if role in ROLES), *(listed or [])]
    named.objects = {str(value["content"]) for value in values if isinstance(value, dict)}
    return named


def _is_typed(value: Any) -> bool:
    """Whether an object states that it is an AddedToken, as transformers writes it since version
    3.
    """
    return isinstance(value, dict) and value.get("__type") == "AddedToken"


def _add_others(file: Fields, named: Named) -> None:
    """Roles of a model's own, which `extra_special_tokens` may have as an object."""
    extras = file.content.get(LISTS[0])
    _check_number(file, extras if isinstance(extras, dict) else None)
    for role, value in extras.items() if isinstance(extras, dict) else ():
        named.others[role] = _token(file, value, is_special=True, name=role)


def _merge_map(file: Fields, named: Named) -> None:
    """Merge special_tokens_map.json. transformers reads it after tokenizer_config.json, so it
    counts.
    """
    _check_number(file, file.content)
    for role, value in file.content.items():
        if role in ROLES:
            named.roles[role] = token = None if value is None else _token(file, value, is_special=True, name=role)
            named.objects -= {token.content} if token else set()
        elif role.endswith("_token") and isinstance(value, str | dict):
            named.others.setdefault(role, _token(file, value, is_special=True, name=role))
    _add_others(file, named)
    new, old = ([_token(file, each, is_special=True, name=name) for each in _list(file, name) or []] for name in LISTS)
    if named.extras is None and not new:
        named.late_extras = old
    known = {token.content for token in named.extras or []}
    named.extras = [*(named.extras or []), *(token for token in new if token.content not in known)]


def _claim_decoder(decoder: Fields, claims: Claims) -> None:
    """`added_tokens_decoder` of tokenizer_config.json: id -> token.

    Where it is present, transformers reads no other file for tokens.
    """
    _check_number(decoder, decoder.content)
    for number in decoder.content:
        if not re.fullmatch("[0-9]{1,10}", number):
            raise ValueError(f"{decoder.where}: expected ids as names, found {shown(number)}")
        token = decoder.child(number)
        claims.add(int(number), _token(token, token.content, is_special=False), token.where)


def _claim_added(file: Fields, named: Named, claims: Claims) -> None:
    """added_tokens.json of old transformers: token -> id."""
    _check_number(file, file.content)
    special = {token.content for token in (*named.roles.values(), *(named.extras or [])) if token} - named.objects
    for content in file.content:
        is_special = content in special
        token = _made(file.where, content, special=is_special, normalized=not is_special)
        claims.add(file.need(content, int), token, f"{file.where}: {shown_name(content)}")


def _token(file: Fields, value: Any, is_special: bool, name: str = "content") -> AddedToken:
    """A token written as a text, or as an object with the text and its flags in it."""
    where = file.where if value is file.content else f"{file.where}: {shown_name(name)}"
    if isinstance(value, str) and value:
        return _made(where, value)
    if not isinstance(value, dict):
        raise file.refuse(name, "a token")
    token = Fields(where, value)
    is_special = is_special or token.get("special", bool, False)
    flags = {flag: token.get(flag, bool, False) for flag in ("lstrip", "rstrip", "single_word")}
    normalized = token.get("normalized", bool, not is_special)
    return _made(where, token.need("content", str), special=is_special, normalized=normalized, **flags)


def _made(where: str, content: str, **flags: bool) -> AddedToken:
    """A token whose id is not known yet."""
    try:
        return AddedToken(content, 0, **flags)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None


# --- What transformers makes of it ----------------------------------------------------------------


def _with_defaults(named: Named, claims: Claims, vocab: Mapping[str, int], config: Fields) -> dict[str, str]:
    """Give BertTokenizer's own tokens to the roles that no file has. Returns those that are needed.

    transformers would add a missing [CLS], although the weights have no row for it. It is left out
    here, so TokenizerSettings refuses the vocabulary.
    """
    claimed = {token.content for token in claims.tokens.values()}
    for role, content in BERT_TOKENS.items():
        if role not in named.roles and (role not in NEEDED or content in vocab or content in claimed):
            named.roles[role] = AddedToken(content, 0)
    needed = {role: named.roles.get(role, AddedToken(BERT_TOKENS[role], 0)) for role in NEEDED}
    for role, token in needed.items():
        if token is None:
            raise config.refuse(role, "a token")
    return {role: token.content for role, token in needed.items() if token}


def _wanted(named: Named, claims: Claims, known: Mapping[str, AddedToken]) -> list[AddedToken]:
    """The tokens that transformers adds to the known ones, in its order."""
    special = {token.content for token in (*named.roles.values(), *named.others.values()) if token}
    wanted = [token for _, token in sorted(claims.tokens.items()) if known.get(token.content) != token]
    seen = {*known, *(token.content for token in wanted)}
    for token in named.tokens:
        if token.content not in seen:
            wanted.append(token)
            seen.add(token.content)
    return [token if token.special or token.content not in special else replace(token, special=True) for token in wanted]


def _number(tokens: Iterable[AddedToken], vocab: Mapping[str, int], known: dict[str, AddedToken], where: Mapping[str, str]) -> None:
    """Add tokens to those that are known, each with its id.

    That is its id in the vocabulary, the id that it has already, or the next one.
    """
    next_id = max([len(vocab), *(token.id + 1 for token in known.values())])
    for token in tokens:
        id = vocab[token.content] if token.content in vocab else known[token.content].id if token.content in known else next_id
        next_id += id == next_id and token.content not in vocab
        if token.content in where and token.id != id:
            raise ValueError(f"{where[token.content]}: expected id {shown(id)}, which transformers gives to this token, found {token.id}")
        known[token.content] = token if token.id == id else replace(token, id=id)
