"""MiniBert: text in, vectors out. Here is the policy: lengths, batches, and what is an error."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Literal, get_args, overload

import numpy as np

from . import habits
from .arguments import (
    TRUNCATIONS,
    Truncation,
    check_choice,
    check_flag,
    check_integer,
    check_layers,
    check_length,
    check_poolings,
    check_rectangle,
    check_texts,
    check_texts_or_pairs,
    chosen_prompt,
    report_truncation,
)  # fmt: skip
from .encoder import forward
from .finite import check_finite
from .folders.sentence_modules import size_after
from .habits import explain, explain_attributes
from .model_base import ModelBase
from .ops import Float32
from .packing import pack_padded, unpack, unpack_attentions
from .pooling import Pooling, WordPooling, finish
from .runtime.threads import forks_wait
from .scheduling import limited, run_batches
from .texts import Text
from .vectors import mean_hidden_states, pool_all

if TYPE_CHECKING:
    import numpy.typing as npt

    from .levels import Reading
    from .outputs import BertOutput, TokenEmbeddings

TokenLevel = Literal["piece", "word", "spark"]
LEVELS: tuple[TokenLevel, ...] = get_args(TokenLevel)
SPARK_LENGTH = 128  # tokens of a sentence in Spark NLP, unless it is configured
DOCUMENT_PROMPTS = ("document", "passage", "corpus")  # in the order in which sentence-transformers looks for one


@explain_attributes(habits.MODEL)
class MiniBert(ModelBase):
    """A BERT encoder with its tokenizer. `minibert.load` makes one from a folder.

    A model does not change. Its attributes cannot be set, and `encode` takes what is to be
    different in one call. So threads may share it, and a copy is the model itself. It pickles as
    its path and options.

    Attributes:
        config: the numbers of the architecture, a BertConfig.
        tokenizer: text -> ids; see WordPieceTokenizer.
        backend, precision: what is in use: "library", "numba" or "numpy"; "float32" or "int8".
        num_threads: threads of a call.
        num_parameters: how many numbers the weights of the encoder have, pooler included.
        max_length: tokens of the longest text that is not cut, [CLS] and [SEP] included.
        pooling: the pooling of `encode`: the folder's, else "mean". Several are a tuple.
        normalize_embeddings: whether the folder ends with a normalisation; else False.
        modules: what the folder has between pooling and normalisation, such as
            "Dense(768 -> 512, Tanh)". `encode` applies all of them.
        include_prompt: whether the tokens of a prompt count in the pooling; True by default.
        embedding_dimension: numbers of a vector that `encode` gives by default.
        truncate_dim: dimensions that `encode` keeps by default, None for all.
        prompts: the folder's prompts, from a name to the text that goes before each text.
        default_prompt_name: the prompt that `encode` uses by default, or None.
    """

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
        """Return one vector per text: (num_texts, dim) float32 in the order of the texts.

        A single str gives (dim,). No texts give (0, dim). An empty text is [CLS][SEP].

        Args:
            texts: a str, or an iterable of them. A tuple or a list of two str in it is a pair,
                [CLS] a [SEP] b [SEP] with token types 0 and 1, and gives one vector.
            pooling: "mean" (all tokens, [CLS] and [SEP] included), "cls", "max",
                "mean_sqrt_len_tokens", "weightedmean", "lasttoken", "pooler" (tanh of a linear
                layer of [CLS]) or "mean_words" (without [CLS] and [SEP]). Several give vectors side
                by side. None is the folder's pooling. The folder's modules follow in any case.
            layer: which hidden states to pool: 0 for the embeddings, 1.. for the layers, negative
                from the end. Several are averaged.
            normalize_embeddings: True gives vectors of length 1. None does what the folder says.
                False leaves out the normalisation at the end of the folder's modules, which
                sentence-transformers keeps in that case.
            truncate_dim: keep the first dimensions only. None does what the folder says. True for
                `normalize_embeddings` normalises what is left, as in sentence-transformers. The
                folder's own normalisation comes before the truncation.
            max_length: tokens of a text, [CLS] and [SEP] included. Longer texts are cut. None is
                `model.max_length`.
            truncation: for texts that are cut, "warn" once with numbers, "error", or "silent".
            prompt: text to put before each text, in a pair before the first.
            prompt_name: the name of a prompt in `model.prompts`, instead of `prompt`.
            batch_tokens: tokens that a thread works on at a time. A longer text goes alone. This
                bounds memory and does not change results.
            show_progress_bar: True writes progress to stderr.

        Raises:
            TypeError: a text is not a str.
            ValueError: an argument is out of range, a text is too long with `truncation="error"`,
                or the weights are not finite numbers.
        """
        encoder, settings = self._encoder, self._settings
        poolings = settings.poolings if pooling is None else check_poolings(pooling)
        self._check_pooler(poolings)
        check_flag("normalize_embeddings", normalize_embeddings)
        prefix = chosen_prompt(prompt, settings.default_prompt_name if prompt_name is None else prompt_name, settings.prompts)
        limit = check_length(max_length, self.max_length, self.config)
        may_be_short = truncate_dim is None and batch_tokens is None and not show_progress_bar and len(poolings) == 1
        if may_be_short and isinstance(layer, int) and layer == -1 and isinstance(truncation, str) and truncation in TRUNCATIONS:
            is_unit = settings.normalize_embeddings if normalize_embeddings is None else bool(normalize_embeddings)
            if (short := self._encode_short(texts, prefix, poolings[0], limit, is_unit)) is not None:
                return short
        layers = check_layers(layer, self.config.num_hidden_layers)
        size = size_after(settings.modules, len(poolings) * self.config.hidden_size)
        kept = settings.truncate_dim if truncate_dim is None else check_integer("truncate_dim", truncate_dim, 1, size)
        encoding = self._encoding(check_texts_or_pairs(texts), prefix, limit)
        report_truncation(encoding.num_truncated, limit, truncation)
        prompt_length = self._prompt_length(prefix, limit)
        is_normalized = normalize_embeddings is None and settings.normalize_embeddings
        embeddings = np.empty((len(encoding), size if kept is None else min(size, kept)), np.float32)

        def work(indices: list[int]) -> None:
            batch = encoding.take(indices)
            vectors = pool_all(encoder, mean_hidden_states(encoder, batch, layers), batch.cu_seqlens, poolings, prompt_length)
            for step in self._steps:
                vectors = step(vectors)
            check_finite(vectors, settings.weights_files)
            embeddings[indices] = finish(vectors, is_normalized, kept, bool(normalize_embeddings))

        run_batches(work, encoding.seqlens(), encoder, self.num_threads, batch_tokens, bool(show_progress_bar))
        return embeddings[0] if isinstance(texts, str) else embeddings

    def encode_query(self, texts: str | Iterable[Text], **options: Any) -> Float32:
        """Call `encode` with the folder's prompt for queries, if it has one."""
        return self._encode_as(("query",), texts, options)

    def encode_document(self, texts: str | Iterable[Text], **options: Any) -> Float32:
        """Call `encode` with the folder's prompt for documents, if it has one."""
        return self._encode_as(DOCUMENT_PROMPTS, texts, options)

    @overload
    def encode_tokens(  # type: ignore[overload-overlap]  # a str is an Iterable[str] too
        self, texts: str, *, level: TokenLevel = ..., word_pooling: WordPooling = ..., layer: int | Sequence[int] = ...,
        max_length: int | None = ..., truncation: Truncation = ..., batch_tokens: int | None = ...,
    ) -> "TokenEmbeddings": ...  # fmt: skip
    @overload
    def encode_tokens(
        self, texts: Iterable[str], *, level: TokenLevel = ..., word_pooling: WordPooling = ..., layer: int | Sequence[int] = ...,
        max_length: int | None = ..., truncation: Truncation = ..., batch_tokens: int | None = ...,
    ) -> "list[TokenEmbeddings]": ...  # fmt: skip

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
    ) -> "TokenEmbeddings | list[TokenEmbeddings]":
        """Return a vector for each token of each text.

        A str gives TokenEmbeddings. Several texts give a list of them.

        Args:
            texts, layer, max_length, truncation, batch_tokens: as in `encode`.
            level: "piece": every piece of the vocabulary, [CLS] and [SEP] included.
                "word": what stands between whitespace, as the text spells it. A word without pieces
                (cut off, or only control characters) has a vector of zeros. A
                form feed ends a word in `str.split`, but not here: BERT deletes it.
                "spark": the tokens of Spark NLP with the vectors of its BertEmbeddings. The text is
                one sentence, and `max_length` is 128 by default. `minibert.tokenizer.spark` says
                how these tokens differ from words.
            word_pooling: the vector of a word is its "first" piece, or the "mean" of its pieces.
                Spark NLP always takes the first.

        Raises:
            As `encode`.
        """
        check_choice("level", level, LEVELS)
        check_choice("word_pooling", word_pooling, ("first", "mean"))
        layers = check_layers(layer, self.config.num_hidden_layers)
        default = min(self.max_length, SPARK_LENGTH) if level == "spark" else self.max_length
        limit = check_length(max_length, default, self.config)
        encoding, embeddings = self._read(check_texts(texts), level, word_pooling, limit)
        report_truncation(encoding.num_truncated, limit, truncation)
        results: list[TokenEmbeddings] = [None] * len(encoding)  # type: ignore[list-item]

        def work(indices: list[int]) -> None:
            batch = encoding.take(indices)
            hidden = mean_hidden_states(self._encoder, batch, layers)
            check_finite(hidden, self._settings.weights_files)
            for index, states in zip(indices, np.split(hidden, batch.cu_seqlens[1:-1]), strict=True):
                results[index] = embeddings(index, states)

        run_batches(work, encoding.seqlens(), self._encoder, self.num_threads, batch_tokens)
        return results[0] if isinstance(texts, str) else results

    @explain("a model's call", habits.FORWARD)
    def __call__(
        self,
        input_ids: "npt.ArrayLike",
        attention_mask: "npt.ArrayLike | None" = None,
        token_type_ids: "npt.ArrayLike | None" = None,
        output_hidden_states: bool = False,
        output_attentions: bool = False,
    ) -> "BertOutput":
        """Return the hidden states of a rectangle of ids, as BertModel of transformers does.

        Args:
            input_ids: (num_sequences, seq_len).
            attention_mask: the same shape, 1 for tokens and 0 for padding, which may stand
                anywhere. None is all ones. Positions are column numbers, so padding on the left
                moves a text, as it does in transformers.
            token_type_ids: the same shape. None is zeros.
            output_hidden_states: also return those after the embeddings and after each layer.
            output_attentions: also return the attention probabilities of each layer.

        Raises:
            ValueError: shapes differ; ids, types or length are out of range; a mask has other
                values than 0 and 1 or a row without 1; or the weights are not finite numbers.
        """
        ids, mask, types = check_rectangle(input_ids, attention_mask, token_type_ids, self.config)
        batch = pack_padded(ids, mask, types)
        attentions: list[list[Float32]] | None = [] if output_attentions else None
        num_layers = self.config.num_hidden_layers
        wanted = range(num_layers + 1) if output_hidden_states else [num_layers]
        with limited(self._encoder, self.num_threads, []), forks_wait(), np.errstate(all="ignore"):  # the result is checked
            from .outputs import BertOutput

            states = forward(self._encoder, batch, wanted, attentions)
            check_finite(states[-1], self._settings.weights_files)
            last_hidden_state = unpack(states[-1], mask)
            pooled = self._encoder.pooler(np.ascontiguousarray(last_hidden_state[:, 0])) if self._encoder.has_pooler else None
            if pooled is not None:
                check_finite(pooled, self._settings.weights_files)
        return BertOutput(
            last_hidden_state,
            pooled,
            tuple(unpack(hidden, mask) for hidden in states) if output_hidden_states else None,
            None if attentions is None else tuple(unpack_attentions(each, mask) for each in attentions),
        )

    def predict(self, texts: str | Iterable[str], output_level: Literal["token", "sentence"] = "token") -> list[dict[str, Any]]:
        """Return rows for `pandas.DataFrame`, one per word or one per text ("sentence").

        Keys are `token` or `sentence`, `origin_index` (the number of the text) and `embeddings`: a
        vector as `encode_tokens(level="word")` or `encode` gives it.
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

    def _encode_as(self, names: Sequence[str], texts: str | Iterable[Text], options: dict[str, Any]) -> Float32:
        if options.get("prompt") is None and options.get("prompt_name") is None:
            options = options | {"prompt_name": next((name for name in names if name in self.prompts), None)}
        return self.encode(texts, **options)

    def _read(self, texts: list[str], level: TokenLevel, word_pooling: WordPooling, limit: int) -> "Reading":
        with forks_wait():  # a fork during an import would leave the module half imported in the child
            from .levels import read_pieces, read_spark, read_words

        if level == "piece":
            return read_pieces(texts, self.tokenizer, limit)
        if level == "word":
            return read_words(texts, self.tokenizer, limit, word_pooling)
        return read_spark(texts, self._google_tokenizer, limit)
