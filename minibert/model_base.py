"""What a MiniBert is made of. `model.py` has what it does."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NoReturn, Self

from .arguments import check_poolings
from .bert.config import BertConfig
from .folders.sentence_modules import Module, Step, prepare_module, size_after
from .ops import MAX_SHORT_TEXTS, Encoder, Float32, ShortTexts
from .pooling import Pooling
from .runtime.cached import cached_attribute
from .runtime.threads import forks_wait
from .runtime.tuples import FieldTuple
from .tokenizer import PackedEncoding, WordPieceTokenizer

SHORT_POOLINGS = ("mean", "cls")
ONLY_STR = frozenset({str})


class ModelSettings(FieldTuple):
    """How texts become vectors, and where a model comes from. `load` reads it from a folder."""

    max_length: int  # tokens of the longest text that is not cut, [CLS] and [SEP] included
    num_threads: int = 1
    poolings: tuple[Pooling, ...] = ("mean",)  # side by side
    include_prompt: bool = True  # whether the tokens of a prompt count in the pooling
    modules: tuple[Module, ...] = ()  # behind the pooling, without Normalize at the end
    normalize_embeddings: bool = False  # whether there is a Normalize at the end
    truncate_dim: int | None = None
    prompts: Mapping[str, str] = MappingProxyType({})
    default_prompt_name: str | None = None
    weights_files: tuple[str, ...] = ()  # named in errors
    reload: tuple[Callable[..., "ModelBase"], tuple[Any, ...]] | None = None  # how to make the same model; None for parts
    name: str = "parts"


class ModelBase:
    """An encoder, a tokenizer and settings that do not change, and the checks that need them."""

    config: BertConfig
    tokenizer: WordPieceTokenizer
    backend: str
    precision: str
    num_threads: int
    num_parameters: int
    max_length: int
    pooling: Pooling | tuple[Pooling, ...]
    normalize_embeddings: bool
    modules: tuple[str, ...]
    include_prompt: bool
    embedding_dimension: int
    truncate_dim: int | None
    prompts: Mapping[str, str]
    default_prompt_name: str | None
    _encoder: Encoder
    _steps: tuple[Step, ...]  # the functions of the modules
    _settings: ModelSettings
    _short_texts: ShortTexts | None

    def __init__(self, encoder: Encoder, tokenizer: WordPieceTokenizer, settings: ModelSettings) -> None:
        poolings = check_poolings(settings.poolings)
        size = size_after(settings.modules, len(poolings) * encoder.config.hidden_size)
        vars(self).update(
            config=encoder.config,
            tokenizer=tokenizer,
            backend=encoder.backend,
            precision=encoder.precision,
            num_threads=settings.num_threads,
            num_parameters=encoder.num_parameters,
            max_length=settings.max_length,
            pooling=poolings[0] if len(poolings) == 1 else poolings,
            normalize_embeddings=settings.normalize_embeddings,
            modules=tuple(map(str, settings.modules)),
            include_prompt=settings.include_prompt,
            embedding_dimension=size if settings.truncate_dim is None else min(size, settings.truncate_dim),
            truncate_dim=settings.truncate_dim,
            prompts=settings.prompts,
            default_prompt_name=settings.default_prompt_name,
            _encoder=encoder,
            _steps=tuple(prepare_module(module, encoder) for module in settings.modules),
            _settings=settings,
            _short_texts=None
            if settings.modules or settings.truncate_dim is not None
            else encoder.short_texts(tokenizer, settings.num_threads),
        )

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"{name}: a loaded model does not change; give the argument to `encode`, or load the model again")

    def __delattr__(self, name: str) -> NoReturn:
        self.__setattr__(name, None)

    def __reduce__(self) -> tuple[Callable[..., "ModelBase"], tuple[Any, ...]]:
        if self._settings.reload is None:
            raise TypeError("a MiniBert made from parts cannot be pickled; save its folder and use minibert.load")
        return self._settings.reload

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self

    def __repr__(self) -> str:
        config = self.config
        size = f"{config.num_hidden_layers} layers of {config.hidden_size}"
        return f"MiniBert({self._settings.name!r}: {size}, {self.backend}, {self.precision})"

    def _encode_short(self, texts: object, prefix: str, pooling: str, limit: int, is_unit: bool) -> Float32 | None:
        """Return vectors as `encode` does, or None if these texts have to take the usual path."""
        if self._short_texts is None or pooling not in SHORT_POOLINGS or (prefix and (type(prefix) is not str or not self.include_prompt)):
            return None
        if type(texts) is str:
            vectors = self._short_texts([prefix + texts], pooling, limit, is_unit)
            return None if vectors is None else vectors[0]
        if type(texts) is not list or len(texts) > MAX_SHORT_TEXTS:
            return None
        several = texts.copy()  # another thread may change the list
        if {*map(type, several)} != ONLY_STR:
            return None
        return self._short_texts([prefix + text for text in several] if prefix else several, pooling, limit, is_unit)

    def _check_pooler(self, poolings: tuple[Pooling, ...]) -> None:
        if "pooler" in poolings and not self._encoder.has_pooler:
            name = next(iter(self._settings.weights_files), "weights")
            raise ValueError(f"{name}: no pooler.dense in these weights; choose another pooling")

    def _encoding(self, texts: list[str | tuple[str, str]], prefix: str, limit: int) -> PackedEncoding:
        if prefix:
            texts = [prefix + text if isinstance(text, str) else (prefix + text[0], text[1]) for text in texts]
        encoding = self.tokenizer.encode_batch(texts, limit)
        if encoding.token_type_ids is not None and self.tokenizer.special_tokens.second_type >= self.config.type_vocab_size:
            raise ValueError("texts: expected no pairs for a model with one token type (type_vocab_size in config.json), found some")
        return encoding

    def _prompt_length(self, prompt: str, limit: int) -> int:
        """Return how many tokens of a prompt do not count in the pooling: [CLS] and the prompt's.

        Where no file of the tokenizer names [SEP], sentence-transformers also counts the [SEP] of
        the prompt, and so the first token of the text.
        """
        if self.include_prompt or not prompt:
            return 0
        return len(self.tokenizer.encode_batch([prompt], limit).input_ids) - self.tokenizer.facts.names_sep

    @cached_attribute
    def _google_tokenizer(self) -> WordPieceTokenizer:
        with forks_wait():  # a fork during an import would leave the module half imported in the child
            settings = self.tokenizer.settings
            return self.tokenizer if settings.compat == "google" else WordPieceTokenizer(settings.as_google())
