"""MiniBert: text in, vectors out. Policy lives here: which files, how long, how many at a time, what is an error."""

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, NoReturn, Self, overload

import numpy as np
import numpy.typing as npt

from . import encoder, habits
from .arguments import (
    Truncation,
    check_choice,
    check_flag,
    check_integer,
    check_rectangle,
    check_text,
    check_texts,
    check_texts_or_pairs,
    report_truncation,
)
from .arrays import widen
from .bert.config import BertConfig
from .bert.quantize import quantize
from .bert.weights import FLOATS
from .files.fields import shown
from .folders.save import open_weights, weights_file
from .folders.sentence_modules import Module, Step, prepare_module, size_after
from .folders.settings import BOX, FolderSettings, load_folder
from .formats.shards import open_whole
from .habits import explain, explain_attributes
from .hub.catalog import exists, resolve
from .levels import LEVELS, SPARK_LENGTH, Reading, TokenLevel, read_pieces, read_spark, read_words
from .ops import Backend, Float32, numpy_ops
from .outputs import BertOutput, TokenEmbeddings
from .packing import Int32, PackedBatch, pack, pack_padded, plan_batches, unpack, unpack_attentions
from .pooling import POOLINGS, Pooling, WordPooling, pool, unit_length
from .runtime.jit import can_compile
from .runtime.threads import forks_wait, is_inside, usable_threads
from .scheduling import Schedule
from .texts import Text
from .tokenizer import COMPATS, PackedEncoding, WordPieceTokenizer, load_settings

PRECISIONS = ("auto", "float32", "int8")
COMPILED_TOKENIZER_PAYS = 10_000  # characters in a call, where Numba is there anyway: half a second to load, 1 ms for every 10,000 saved
DOCUMENT_PROMPTS = ("document", "passage", "corpus")  # in the order in which sentence-transformers looks for one


@explain("load", habits.LOAD)
def load(
    path: str | Path | None = None,
    *,
    backend: str = "auto",
    precision: str = "auto",
    num_threads: int | None = None,
    tokenizer_compat: str = "hf",
    mmap: bool = False,
) -> "MiniBert":
    """Load the model in the box, or a model folder, as transformers or sentence-transformers write it. Nothing is downloaded.

    A loaded model does not depend on its files any more, unless they are mapped.

    Args:
        path: a folder with `config.json`, `model.safetensors` (or shards and their index), and `tokenizer.json` or `vocab.txt`; or the
            name of a model that `minibert fetch` has brought, or an alias (`minibert models`); or OWNER/REPO that is in the cache of the
            Hugging Face hub; None for the model in the box, minibert-L8-H128, which turns English texts into 128 numbers.
        backend: "numba", compiled kernels; "numpy", which needs nothing but NumPy; or "auto": the first where Numba imports.
        precision: "float32"; "int8", matrix products of eight-bit integers, several times as fast, a quarter of the memory, vectors with a
            cosine of 0.998 to the others; or "auto": as the folder stores its weights.
        num_threads: threads of a call, at most four for each CPU of the machine; None for the CPUs that affinity and the container's
            quota leave to this process.
        tokenizer_compat: whose tokenizer: "hf", Hugging Face `tokenizers` 0.23.3, or "google", google-research/bert. They differ on
            hundreds of characters; `minibert.tokenizer` has the list.
        mmap: True maps the weights instead of reading them, so that processes share their pages: the word embeddings, and with "numpy"
            the float32 matrices too. Then the file must stay as it is: a file that is written over changes the vectors, and a file that
            is cut ends the process with SIGBUS. Put a new file in its place by a rename.

    Raises:
        FileNotFoundError: the folder or a file in it is missing.
        ValueError: a file is broken or changes while it is read, the files do not belong together, or one asks for something that is not
            implemented.
        ImportError: `backend="numba"`, and there is no Numba.
    """
    return MiniBert(path, backend, precision, num_threads, tokenizer_compat, mmap)


@explain_attributes(habits.MODEL)
class MiniBert:
    """A BERT encoder with its tokenizer. Make one with `minibert.load`.

    A model does not change: its attributes cannot be set, and `encode` takes what is to be otherwise in one call. So threads may share
    it, and a copy is the model itself. It pickles as its path and options.

    Attributes:
        config: the numbers of the architecture, a BertConfig.
        tokenizer: text -> ids; see WordPieceTokenizer.
        backend, precision: what is in use: "numba" or "numpy", "float32" or "int8".
        num_threads: threads of a call.
        num_parameters: how many numbers the encoder has learnt, pooler included.
        max_length: tokens of the longest text that is not cut, [CLS] and [SEP] included.
        pooling, normalize_embeddings: what `encode` does unless told otherwise; from the folder, else "mean" and False. Several poolings
            are a tuple.
        modules: what the folder has between pooling and normalisation, such as "Dense(768 -> 512, Tanh)"; `encode` goes through all.
        include_prompt: whether the tokens of a prompt count in the pooling; from the folder, else True.
        embedding_dimension: numbers of a vector that `encode` gives unless told otherwise.
        truncate_dim: dimensions that `encode` keeps unless told otherwise, None for all.
        prompts: the folder's prompts, name -> text that `encode` puts before each text; default_prompt_name: the one it uses, or None.
    """

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
    _options: tuple[Any, ...]  # of `__init__`, for pickle
    _ops: Backend
    _parameters: Any  # the backend's own
    _modules: tuple[Module, ...]  # without Normalize at the end
    _steps: tuple[Step, ...]  # what they do
    _weights_files: tuple[Path, ...]

    def __init__(
        self, path: str | Path | None, backend: str, precision: str, num_threads: int | None, tokenizer_compat: str, mmap: bool
    ) -> None:
        check_choice("backend", backend, ("auto", "numba", "numpy"))
        check_choice("precision", precision, PRECISIONS)
        check_choice("tokenizer_compat", tokenizer_compat, COMPATS)
        # A name may lead to another folder where this is unpickled.
        named = path if path is None or not exists(Path(path)) else Path(path).absolute()
        options = (None if named is None else str(named), backend, precision, num_threads, tokenizer_compat, mmap)
        num_threads = usable_threads(None if num_threads is None else check_integer("num_threads", num_threads, 1))
        used = ("numba" if can_compile() else "numpy") if backend == "auto" else backend
        ops = _ops(used)
        path = resolve(path)
        folder = load_folder(path)
        tokenizer_options = {"compiled_pays": COMPILED_TOKENIZER_PAYS} if used == "numba" else {"backend": backend}
        tokenizer = _tokenizer(folder, tokenizer_compat, **tokenizer_options)
        with open_weights(folder.weights, mmap) as weights:
            if weights.is_int8 and precision == "float32":
                raise ValueError(f"{path}: precision: expected 'auto' or 'int8', since these weights are stored as int8, found 'float32'")
            max_length = _max_length(path, folder, tokenizer, weights.config)
            dimension = folder.dimension(weights.config.hidden_size)
            parameters = ops.prepare(quantize(weights) if precision == "int8" else weights)
        inner = folder.inner_modules
        vars(self).update(
            config=weights.config,
            tokenizer=tokenizer,
            backend=used,
            precision="int8" if weights.is_int8 or precision == "int8" else "float32",
            num_threads=num_threads,
            num_parameters=weights.num_parameters,
            max_length=max_length,
            pooling=folder.poolings[0] if len(folder.poolings) == 1 else folder.poolings,
            normalize_embeddings=len(inner) < len(folder.modules),
            modules=tuple(map(str, inner)),
            include_prompt=folder.include_prompt,
            embedding_dimension=dimension,
            truncate_dim=folder.truncate_dim,
            prompts=MappingProxyType(dict(folder.prompts)),
            default_prompt_name=folder.default_prompt_name,
            _options=options,
            _ops=ops,
            _parameters=parameters,
            _modules=inner,
            _steps=tuple(prepare_module(module, ops, parameters) for module in inner),
            _weights_files=(weights_file(folder.weights), *(module.weights for module in inner if module.shapes)),
        )

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"{name}: a loaded model does not change; give the argument to `encode`, or load the model again")

    def __delattr__(self, name: str) -> NoReturn:
        self.__setattr__(name, None)

    def __reduce__(self) -> tuple[type["MiniBert"], tuple[Any, ...]]:
        return MiniBert, self._options

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self

    def __repr__(self) -> str:
        config = self.config
        path = self._options[0] or BOX
        return f"MiniBert({path!r}: {config.num_hidden_layers} layers of {config.hidden_size}, {self.backend}, {self.precision})"

    @explain("encode", habits.ENCODE)
    def encode(
        self,
        texts: str | Iterable[Text],
        *,
        pooling: Pooling | Sequence[Pooling] | None = None,
        layer: int | Sequence[int] = -1,
        normalize_embeddings: bool | None = None,
        truncate_dim: int | None = None,
        max_length: int | None = None,
        truncation: Truncation = "warn",
        prompt: str | None = None,
        prompt_name: str | None = None,
        batch_tokens: int | None = None,
        show_progress_bar: bool | None = None,
    ) -> Float32:
        """One vector per text: (num_texts, dim) float32 in the order of the texts; a single str gives (dim,).

        Args:
            texts: a str, or any iterable of them. No texts give (0, dim); an empty text is [CLS][SEP]. A tuple or a list of two str among
                several is a pair, [CLS] a [SEP] b [SEP] with token types 0 and 1: `encode([("a", "b")])` gives one vector.
            pooling: "mean" (of all tokens, [CLS] and [SEP] included), "cls", "max", "mean_sqrt_len_tokens", "weightedmean", "lasttoken",
                "pooler" (tanh of a linear of [CLS]) or "mean_words" (without [CLS] and [SEP]); several give vectors side by side. None
                for what the folder says, else "mean". What the folder has after its pooling follows in any case.
            layer: which hidden states to pool: 0 for the embeddings, 1.. for the layers, negative from the end; several are averaged.
            normalize_embeddings: True for vectors of length 1, None for what the folder says, False for vectors without the normalisation
                at the end of the folder's modules; the modules before it stay.
                (sentence-transformers differs in one place: its False leaves the folder's own normalisation on, as None does here.)
            truncate_dim: keep the first dimensions only; None for what the folder says, else all. `normalize_embeddings=True`
                normalises what is left, as in sentence-transformers; the folder's own normalisation comes before and does not.
            max_length: tokens of a text, [CLS] and [SEP] included; longer ones are cut. None for `model.max_length`.
            truncation: what to do about texts that are cut: "warn" once with numbers, "error", or "silent".
            prompt: text to put before each text, in a pair before the first. prompt_name: the same, by its name in `model.prompts`.
            batch_tokens: tokens that a thread works on at a time (a longer text goes alone); it bounds memory, not results.
            show_progress_bar: True writes progress to stderr.

        Raises:
            TypeError: a text is not a str. ValueError: an argument is out of range; a text is too long and `truncation="error"`;
            the weights are not finite numbers.
        """
        poolings = self._poolings(pooling)
        check_flag("normalize_embeddings", normalize_embeddings)
        layers = self._layers(layer)
        size = size_after(self._modules, len(poolings) * self.config.hidden_size)
        if truncate_dim is not None:
            truncate_dim = check_integer("truncate_dim", truncate_dim, 1, size)
        prefix = self._prompt(prompt, prompt_name)
        encoding = self._encoding(check_texts_or_pairs(texts), prefix, max_length, truncation)
        prompt_length = self._prompt_length(prefix, max_length)
        embeddings = np.empty((len(encoding), size), np.float32)
        bounds, types = encoding.cu_seqlens[1:-1], encoding.token_type_ids
        ids = np.split(encoding.input_ids, bounds)
        types_of = None if types is None else np.split(types, bounds)

        def work(indices: list[int]) -> None:
            batch = pack([ids[index] for index in indices], None if types_of is None else [types_of[index] for index in indices])
            vectors = self._pool(self._hidden_states(batch, layers), batch.cu_seqlens, poolings, prompt_length)
            for step in self._steps:
                vectors = step(vectors)
            self._check_finite(vectors)
            embeddings[indices] = vectors

        self._run(work, np.diff(encoding.cu_seqlens).tolist(), batch_tokens, bool(show_progress_bar))
        if normalize_embeddings is None and self.normalize_embeddings:
            embeddings = unit_length(embeddings)
        kept = self.truncate_dim if truncate_dim is None else truncate_dim
        embeddings = np.ascontiguousarray(embeddings[:, :kept])
        if normalize_embeddings:
            embeddings = unit_length(embeddings)
        return embeddings[0] if isinstance(texts, str) else embeddings

    def encode_query(self, texts: str | Iterable[Text], **options: Any) -> Float32:
        """`encode` with the folder's prompt for queries, if it has one. Takes the arguments of `encode`."""
        return self._encode_as(("query",), texts, options)

    def encode_document(self, texts: str | Iterable[Text], **options: Any) -> Float32:
        """`encode` with the folder's prompt for documents, if it has one. Takes the arguments of `encode`."""
        return self._encode_as(DOCUMENT_PROMPTS, texts, options)

    @overload
    def encode_tokens(  # type: ignore[overload-overlap]  # a str is an Iterable[str] too
        self,
        texts: str,
        *,
        level: TokenLevel = ...,
        word_pooling: WordPooling = ...,
        layer: int | Sequence[int] = ...,
        max_length: int | None = ...,
        truncation: Truncation = ...,
        batch_tokens: int | None = ...,
    ) -> TokenEmbeddings: ...
    @overload
    def encode_tokens(
        self,
        texts: Iterable[str],
        *,
        level: TokenLevel = ...,
        word_pooling: WordPooling = ...,
        layer: int | Sequence[int] = ...,
        max_length: int | None = ...,
        truncation: Truncation = ...,
        batch_tokens: int | None = ...,
    ) -> list[TokenEmbeddings]: ...

    @explain("encode_tokens", habits.ENCODE_TOKENS)
    def encode_tokens(
        self,
        texts: str | Iterable[str],
        *,
        level: TokenLevel = "piece",
        word_pooling: WordPooling = "first",
        layer: int | Sequence[int] = -1,
        max_length: int | None = None,
        truncation: Truncation = "warn",
        batch_tokens: int | None = None,
    ) -> TokenEmbeddings | list[TokenEmbeddings]:
        """A vector for each token of each text: TokenEmbeddings for a str, a list of them for several.

        Args:
            texts, layer, max_length, truncation, batch_tokens: as in `encode`.
            level: "piece": every piece of the vocabulary, [CLS] and [SEP] included. "word": every stretch between whitespace, as the text
                spells it; a word of which the model saw nothing (cut off, or made of control characters only) has a vector of zeros.
                Whitespace is the tokenizer's: a form feed is a control character for BERT and ends no word, though it does in `str.split`.
                "spark": the tokens of Spark NLP and the vectors that its BertEmbeddings gives them, for those who compare; the text is
                one sentence, `max_length` 128 unless told otherwise, and `minibert.tokenizer.spark` says how they differ from words.
            word_pooling: the vector of a word: its "first" piece, or the "mean" of its pieces. Spark NLP's is always the first.

        Raises:
            As `encode`.
        """
        check_choice("level", level, LEVELS)
        check_choice("word_pooling", word_pooling, ("first", "mean"))
        layers = self._layers(layer)
        many = check_texts(texts)
        if level == "spark" and max_length is None:
            max_length = min(self.max_length, SPARK_LENGTH)
        limit = self._limit(max_length)
        readings = [self._read(text, level, word_pooling, limit) for text in many]
        report_truncation([each.num_truncated for each in readings], limit, truncation)
        results: list[TokenEmbeddings] = [None] * len(many)  # type: ignore[list-item]

        def work(indices: list[int]) -> None:
            batch = pack([readings[index].input_ids for index in indices])
            hidden = self._hidden_states(batch, layers)
            self._check_finite(hidden)
            for index, states in zip(indices, np.split(hidden, batch.cu_seqlens[1:-1]), strict=True):
                results[index] = readings[index].embeddings(states)

        self._run(work, [len(each.input_ids) for each in readings], batch_tokens, show_progress=False)
        return results[0] if isinstance(texts, str) else results

    @explain("a model's call", habits.FORWARD)
    def __call__(
        self,
        input_ids: npt.ArrayLike,
        attention_mask: npt.ArrayLike | None = None,
        token_type_ids: npt.ArrayLike | None = None,
        output_hidden_states: bool = False,
        output_attentions: bool = False,
    ) -> BertOutput:
        """The forward pass on a rectangle of ids, as BertModel of transformers does it.

        Args:
            input_ids: (num_sequences, seq_len).
            attention_mask: the same shape, 1 for tokens and 0 for padding, which may stand anywhere; None for all ones. Positions are
                column numbers, so padding on the left moves a text, as it does in transformers.
            token_type_ids: the same shape; None for zeros.
            output_hidden_states: also the hidden states after the embeddings and after each layer.
            output_attentions: also the attention probabilities of each layer.

        Raises:
            ValueError: shapes differ; ids, types or length are out of range; a mask has other values than 0 and 1 or a row without 1;
            the weights are not finite numbers.
        """
        ids, mask, types = check_rectangle(input_ids, attention_mask, token_type_ids, self.config)
        batch = pack_padded(ids, mask, types)
        attentions: list[list[Float32]] | None = [] if output_attentions else None
        num_layers = self.config.num_hidden_layers
        wanted = range(num_layers + 1) if output_hidden_states else [num_layers]
        with self._ops.limit_threads(self.num_threads, []), forks_wait(), np.errstate(all="ignore"):
            states = list(encoder.forward(self._parameters, batch, self._ops, wanted, attentions))
            self._check_finite(states[-1])
            last_hidden_state = unpack(states[-1], mask)
            pooled = self._pool_cls(np.ascontiguousarray(last_hidden_state[:, 0])) if self._parameters.pooler else None
        return BertOutput(
            last_hidden_state,
            pooled,
            tuple(unpack(hidden, mask) for hidden in states) if output_hidden_states else None,
            None if attentions is None else tuple(unpack_attentions(each, mask) for each in attentions),
        )

    def predict(self, texts: str | Iterable[str], output_level: Literal["token", "sentence"] = "token") -> list[dict[str, Any]]:
        """Rows for `pandas.DataFrame`: one per word (`output_level="token"`) or per text ("sentence").

        Keys are `token` or `sentence`, `embeddings` (a vector, as `encode_tokens(level="word")` or `encode` gives it), and `origin_index`,
        the number of the text.
        """
        check_choice("output_level", output_level, ("token", "sentence"))
        many = check_texts(texts)
        if output_level == "sentence":
            vectors = self.encode(many)
            return [{"origin_index": index, "sentence": text, "embeddings": vectors[index]} for index, text in enumerate(many)]
        return [
            {"origin_index": index, "token": token, "embeddings": vector}
            for index, each in enumerate(self.encode_tokens(many, level="word"))
            for token, vector in zip(each.tokens, each.vectors, strict=True)
        ]

    def _read(self, text: str, level: TokenLevel, word_pooling: WordPooling, limit: int) -> Reading:
        if level == "piece":
            return read_pieces(text, self.tokenizer, limit)
        if level == "word":
            return read_words(text, self.tokenizer, limit, word_pooling)
        return read_spark(text, self._google_tokenizer, limit)

    @cached_property
    def _google_tokenizer(self) -> WordPieceTokenizer:
        settings = self.tokenizer.settings
        return self.tokenizer if settings.compat == "google" else WordPieceTokenizer(settings.as_google())

    def _encode_as(self, names: Sequence[str], texts: str | Iterable[Text], options: dict[str, Any]) -> Float32:
        if options.get("prompt") is None and options.get("prompt_name") is None:
            options = options | {"prompt_name": next((name for name in names if name in self.prompts), None)}
        return self.encode(texts, **options)

    def _prompt(self, prompt: str | None, prompt_name: str | None) -> str:
        if prompt is not None:
            return check_text(prompt, "prompt")
        name = prompt_name if prompt_name is not None else self.default_prompt_name
        if name is not None and (not isinstance(name, str) or name not in self.prompts):
            raise ValueError(f"prompt_name: expected one of {', '.join(self.prompts)}, found {shown(name)}")
        return "" if name is None else self.prompts[name]

    def _prompt_length(self, prompt: str, max_length: int | None) -> int:
        """Tokens of a prompt that do not count in the pooling: [CLS] and those of the prompt alone.

        sentence-transformers also counts its [SEP], and so the text's first token, where no file of the tokenizer names that.
        """
        if self.include_prompt or not prompt:
            return 0
        return len(self.tokenizer.encode_batch([prompt], self._limit(max_length)).input_ids) - self.tokenizer.settings.names_sep

    def _poolings(self, pooling: Pooling | Sequence[Pooling] | None) -> tuple[Pooling, ...]:
        chosen = self.pooling if pooling is None else pooling
        if not isinstance(chosen, list | tuple):
            chosen = (chosen,)  # type: ignore[assignment]
        if not 1 <= len(chosen) <= len(POOLINGS):
            raise ValueError(f"pooling: expected one or several of {', '.join(POOLINGS)}, found {len(chosen)}")
        for each in chosen:
            check_choice("pooling", each, POOLINGS)
        return tuple(chosen)  # type: ignore[arg-type]

    def _layers(self, layer: int | Sequence[int]) -> list[int]:
        states = self.config.num_hidden_layers + 1
        layers = list(layer) if isinstance(layer, Sequence) and not isinstance(layer, str) else [layer]
        if not layers:
            raise ValueError("layer: expected one number or several, found none")
        return [check_integer("layer", each, -states, states - 1) % states for each in layers]

    def _limit(self, max_length: int | None) -> int:
        if max_length is None:
            return self.max_length
        return check_integer("max_length", max_length, 2, self.config.max_position_embeddings, " ([CLS] and [SEP], to all positions)")

    def _encoding(self, texts: list[str | tuple[str, str]], prefix: str, max_length: int | None, truncation: Truncation) -> PackedEncoding:
        limit = self._limit(max_length)
        prefixed = [prefix + text if isinstance(text, str) else (prefix + text[0], text[1]) for text in texts]
        encoding = self.tokenizer.encode_batch(prefixed, limit)
        if encoding.token_type_ids is not None and self.tokenizer.frame.second_type >= self.config.type_vocab_size:
            raise ValueError("texts: expected no pairs for a model with one token type (type_vocab_size in config.json), found some")
        report_truncation(encoding.num_truncated.tolist(), limit, truncation)
        return encoding

    def _hidden_states(self, batch: PackedBatch, layers: list[int]) -> Float32:
        """The mean of some hidden states, (num_tokens, hidden_size)."""
        found = dict(zip(sorted({*layers}), encoder.forward(self._parameters, batch, self._ops, layers), strict=True))
        states = [found[layer] for layer in layers]
        return states[0] if len(states) == 1 else np.mean(states, axis=0, dtype=np.float32)

    def _pool(self, hidden: Float32, cu_seqlens: Int32, poolings: Sequence[Pooling], prompt_length: int) -> Float32:
        """One vector per text, those of several poolings side by side."""
        parts = []
        for each in poolings:
            vectors = pool(hidden, cu_seqlens, each, prompt_length)
            parts.append(self._pool_cls(vectors) if each == "pooler" else vectors)
        return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)

    def _pool_cls(self, vectors: Float32) -> Float32:
        """The pooler. It gives NaN where its sums are not finite, which tanh alone would turn into 1."""
        if self._parameters.pooler is None:
            raise ValueError(f"{self._weights_files[0]}: no pooler.dense in these weights; choose another pooling")
        with np.errstate(all="ignore"):
            pooled = self._ops.pooler(self._parameters, vectors)
        self._check_finite(pooled)
        return pooled

    def _run(self, work: Callable[[list[int]], None], seqlens: list[int], batch_tokens: int | None, show_progress: bool) -> None:
        """Hand batches to threads, which help each other at the end; a single one is worked on here, with all threads for its products."""
        budget = self._ops.BATCH_TOKENS if batch_tokens is None else check_integer("batch_tokens", batch_tokens, 1)
        batches = list(plan_batches(seqlens, budget, self.num_threads))
        workers = max(1, min(self.num_threads, len(batches)))
        share = self.num_threads // workers
        calls: list[Any] = []  # that a thread without a batch of its own may join

        def quietly(batch: list[int]) -> None:
            # numbers that are not finite are found in the result
            with self._ops.limit_threads(share, calls), forks_wait(), np.errstate(all="ignore"):
                work(batch)

        def report(done: Sequence[int]) -> None:
            if show_progress and sys.stderr is not None:
                number = sum(len(batches[index]) for index in done)
                sys.stderr.write(f"\r{number:,} of {len(seqlens):,} texts" + "\n" * (number == len(seqlens)))

        if len(batches) == 1:
            quietly(batches[0])
            report([0])
            return
        schedule = Schedule(batches, quietly, lambda: self._ops.join(calls))
        with self._ops.limit_threads(share, calls):
            schedule.run(1 if is_inside() else workers, report)

    def _check_finite(self, result: Float32) -> None:
        if not np.isfinite(result).all():
            self._refuse_weights()

    def _refuse_weights(self) -> NoReturn:
        """Name the tensors that hold NaN or infinity. They are looked for only when a result shows that there may be one."""
        for file in self._weights_files:
            guilty: dict[Path, list[str]] = {}  # by shard
            with suppress(OSError, ValueError), open_whole(file) as tensors:  # another file may be there now, or none
                for name, each in sorted(tensors.items()):
                    if each.dtype in FLOATS and not np.isfinite(widen(np.asarray(each))).all():
                        guilty.setdefault(each.path, []).append(name)
            for path, names in guilty.items():
                raise ValueError(f"{path}: expected finite numbers, found NaN or infinity in {', '.join(names)}; the file is damaged")
        file = self._weights_files[0]
        raise ValueError(f"{file}: the result is not finite though all weights are: float32 overflowed on the way")


def _ops(backend: str) -> Backend:
    if backend == "numpy":
        return numpy_ops
    try:
        with forks_wait():
            from .ops.compiled import kernels  # takes Numba, and a third of a second
    except ImportError as error:
        raise ImportError(f"backend='numba': Numba does not import here ({error}); install it, or take backend='numpy'") from error
    return kernels


def _max_length(path: Path, folder: FolderSettings, tokenizer: WordPieceTokenizer, config: BertConfig) -> int:
    """Tokens of the longest text that is not cut. Raises ValueError if tokenizer and weights do not belong together."""
    settings = tokenizer.settings
    if (last := settings.last_id) >= config.vocab_size:
        raise ValueError(
            f"{path}: expected a vocabulary of at most {config.vocab_size} tokens (vocab_size in config.json), found ids up to {last}; "
            "tokenizer and weights belong to different models"
        )
    limits = [folder.max_seq_length, settings.model_max_length]
    max_length = min(next(filter(None, limits), sys.maxsize), config.max_position_embeddings)
    if max_length < 2:
        raise ValueError(f"{path}: expected a maximal length of at least 2 tokens, [CLS] and [SEP], found {max_length}")
    return max_length


@explain("load_tokenizer", habits.LOAD_TOKENIZER)
def load_tokenizer(path: str | Path | None = None, compat: str = "hf") -> WordPieceTokenizer:
    """The tokenizer of a model folder alone, or of the model in the box; weights are not looked at. Raises like `load`."""
    check_choice("compat", compat, COMPATS)
    return _tokenizer(load_folder(resolve(path)), compat)


def _tokenizer(folder: FolderSettings, compat: str, **options: Any) -> WordPieceTokenizer:
    settings = load_settings(folder.weights)
    if folder.do_lower_case:
        settings = replace(settings, lowercase=True)
    return WordPieceTokenizer(settings.as_google() if compat == "google" else settings, **options)
