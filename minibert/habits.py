"""What callers of transformers, sentence-transformers and tokenizers write, and what to write here.

Each table has names of arguments or attributes that exist there and not here, with an advice.
`explain` makes a function refuse such an argument with its advice. `explain_attributes` does the
same for the attributes of a class.
"""

from collections.abc import Callable, Mapping
from functools import wraps
from typing import NoReturn, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")
Habits = Mapping[str, str]

CPU = "leave it out: minibert computes on the CPU; load(num_threads=...) sets the number of threads"
THREADS = "leave it out: load(num_threads=...) sets the number of threads of every call"
IN_FILES = "leave it out: the files of the folder contain this setting"
NO_HUB = "leave it out: `load` reads local folders only; `minibert fetch OWNER/REPO` downloads a model"
NO_CODE = "leave it out: minibert never runs code from a model folder"
NO_TORCH = "leave it out: minibert has no torch modules"
NUMPY = "leave it out: results are NumPy arrays already"
TENSOR = "leave it out: results are NumPy arrays; torch.from_numpy(...) makes a tensor of one"
PRECISION = "write precision='int8' for eight-bit integers; vectors are always float32"
NO_PADDING = "leave it out: minibert does not pad; encode_batch puts many texts on one axis"
FIRST = "give it as the first argument, without a name"
IDS = "write tokenizer(text, text_pair) for one text or pair, or tokenizer.encode_batch(texts) for many; both have input_ids"
SPECIAL_TOKENS = "leave it out: a call always adds [CLS] and [SEP]; write tokenizer.tokenize(text) for pieces without them"
VOCABULARY = "write tokenizer.vocab, which maps tokens to ids"
FIXED = "load another folder: a loaded tokenizer cannot be changed"

HUB = dict.fromkeys(
    ("cache_dir", "cache_folder", "revision", "code_revision", "local_files_only", "token", "use_auth_token", "force_download",
     "proxies", "subfolder", "resume_download"), NO_HUB,
)  # fmt: skip
NAMES = dict.fromkeys(("model_name_or_path", "pretrained_model_name_or_path", "model_name", "model", "model_path", "model_id"), FIRST)
LOAD = HUB | NAMES | {
    "device": CPU,
    "device_map": CPU,
    "providers": CPU,
    "trust_remote_code": NO_CODE,
    "use_safetensors": "leave it out: weights are always read from model.safetensors",
    "threads": "write num_threads=...",
    "n_threads": "write num_threads=...",
    **dict.fromkeys(("dtype", "torch_dtype", "quantization_config", "load_in_8bit", "load_in_4bit"), PRECISION),
    **dict.fromkeys(("model_kwargs", "config_kwargs", "processor_kwargs", "tokenizer_kwargs", "modules", "config", "model_args",
                     "config_args", "tokenizer_args", "do_lower_case"), IN_FILES),
    **dict.fromkeys(("attn_implementation", "low_cpu_mem_usage", "output_loading_info", "add_pooling_layer"), NO_TORCH),
    **dict.fromkeys(("output_hidden_states", "output_attentions"), "give it to the call: model(input_ids, output_hidden_states=True)"),
    **dict.fromkeys(("pooling", "normalize_embeddings", "truncate_dim", "prompt", "prompt_name", "max_length", "batch_tokens"),
                    "give it to `encode`"),
    "pooling_mode": "give it to `encode`, as pooling=...",
    "prompts": "give one of them to `encode`, as prompt=...",
    "default_prompt_name": "give it to `encode`, as prompt_name=...",
    "max_seq_length": "give it to `encode`, as max_length=...",
    "similarity_fn_name": "leave it out and write a @ b.T for vectors of normalize_embeddings=True",
    "model_card_data": "leave it out: minibert writes nothing into a model folder",
    "use_fast": "leave it out: the compiled tokenizer and its fallback give the same ids",
    "compat": "write tokenizer_compat=...",
}  # fmt: skip
LOAD_TOKENIZER = {name: advice for name, advice in LOAD.items() if name != "compat"} | {
    "tokenizer_compat": "write compat=...",
    **dict.fromkeys(
        ("padding_side", "pad_token", "truncation_side"), "leave it out: minibert does not pad, and it cuts texts at their end"
    ),
    **dict.fromkeys(("max_length", "model_max_length"), "give it to the call: tokenizer(text, max_length=...)"),
    **dict.fromkeys(("backend", "num_threads", "precision", "mmap"), "leave it out: it is an argument of minibert.load"),
}
RESULTS = {
    "convert_to_numpy": NUMPY,
    "convert_to_tensor": TENSOR,
    "return_tensors": TENSOR,
    "return_numpy": NUMPY,
    "device": CPU,
    "pool": THREADS,
    "chunk_size": THREADS,
    "num_workers": THREADS,
    "parallel": THREADS,
    "num_proc": THREADS,
    "num_threads": "give it to `load`",
    "batch_size": "write batch_tokens=..., the number of tokens that a thread computes at a time; it does not change results",
    "max_seq_length": "write max_length=...",
    "padding": NO_PADDING,
    "task": "write prompt_name=..., or encode_query and encode_document",
    "instruction": "write prompt=...",
    "processing_kwargs": "write max_length=... and truncation=...",
    "add_special_tokens": "leave it out: [CLS] and [SEP] are always added",
    **dict.fromkeys(("sentences", "sentence", "inputs", "input", "text", "documents", "queries", "query"), FIRST),
}
ENCODE = RESULTS | {
    "output_value": "leave it out, or write encode_tokens(texts) for a vector of each token",
    "precision": "leave it out: vectors are float32; load(precision='int8') makes the model faster",
    "normalize": "write normalize_embeddings=True",
    "pooling_mode": "write pooling=...",
    "layers": "write layer=...",
    "dimensions": "write truncate_dim=...",
    "show_progress": "write show_progress_bar=True",
    "level": "write encode_tokens(texts, level=...)",
    "text_pair": "write encode([(text, text_pair)])",
    "split_special_tokens": "leave it out: in `encode`, [SEP] in a text is a separator; model.tokenizer(...) has this argument",
}
ENCODE_TOKENS = RESULTS | {
    "output_value": "leave it out: encode_tokens gives a vector of each token",
    "pooling": "leave it out: each token has its own vector; word_pooling=... is for level='word'",
    "layers": "write layer=...",
    **dict.fromkeys(("prompt", "prompt_name"), "leave it out and put the prompt before the text"),
    **dict.fromkeys(
        ("normalize_embeddings", "truncate_dim", "show_progress_bar", "precision"), "leave it out: it is an argument of `encode`"
    ),
}
TOKENIZER = {
    "padding": NO_PADDING,
    "padding_side": NO_PADDING,
    "pad_to_multiple_of": NO_PADDING,
    "pad_to_max_length": NO_PADDING,
    "return_tensors": "leave it out and write np.array([encoding.input_ids]); encode_batch gives arrays for many texts",
    "add_special_tokens": SPECIAL_TOKENS,
    "return_offsets_mapping": "leave it out: every encoding has encoding.offsets",
    "return_token_type_ids": "leave it out: every encoding has encoding.token_type_ids",
    "return_attention_mask": "leave it out: without padding, the mask would be 1 everywhere",
    "return_special_tokens_mask": "leave it out: encoding.word_ids is None for [CLS] and [SEP]",
    "return_length": "leave it out and write len(encoding)",
    "return_dict": "leave it out: an Encoding has attributes, such as encoding.input_ids",
    "verbose": "leave it out: a tokenizer prints nothing",
    "is_pretokenized": "write is_split_into_words=True",
    "truncation_strategy": "write truncation='longest_first', 'only_first' or 'only_second'",
    "text_target": "leave it out: BERT has no target text",
    "text_pair_target": "leave it out: BERT has no target text",
    "pair": "write text_pair=...",
    "input": FIRST,
    "sequence": FIRST,
}
ENCODE_BATCH = TOKENIZER | {
    "return_tensors": "leave it out: the ids of all texts are one array, input_ids, and those of text i are batch[i]",
    "return_offsets_mapping": "write return_offsets=True",
    "return_token_type_ids": "leave it out: batch.token_type_ids is set if there are pairs",
    "return_special_tokens_mask": "write return_offsets=True: word_ids is -1 for [CLS] and [SEP]",
    "return_length": "leave it out and write np.diff(batch.cu_seqlens)",
    "truncation": "leave it out: max_length=... cuts texts, and cuts pairs as 'longest_first'",
    "text_pair": "give pairs: encode_batch([(text, text_pair), ...])",
    **dict.fromkeys(("stride", "return_overflowing_tokens", "is_split_into_words", "is_pretokenized"),
                    "leave it out, or write tokenizer(text, ...) for one text at a time"),
    **dict.fromkeys(("text", "batch_text_or_text_pairs"), FIRST),
    "batch_size": "leave it out: a call takes all texts",
    "num_threads": "leave it out: a call uses one thread; several threads may share a tokenizer",
}  # fmt: skip
TOKENIZE = {
    "add_special_tokens": "leave it out, or write tokenizer(text).tokens for pieces with [CLS] and [SEP]",
    "pair": "write tokenizer(text, text_pair).tokens",
    "max_length": "write tokenizer(text, max_length=...).tokens",
    "truncation": "write tokenizer(text, max_length=...).tokens",
    "is_split_into_words": "write tokenizer(words, is_split_into_words=True).tokens",
}
DECODE = {
    "clean_up_tokenization_spaces": IN_FILES,
    "token_ids": FIRST,
    "sequences": "write [tokenizer.decode(ids) for ids in sequences]",
    "sequence": FIRST,
}
FORWARD = {
    "return_dict": "leave it out: a BertOutput has attributes, such as last_hidden_state",
    "position_ids": "leave it out: the position of a token is its column; attention_mask hides columns without a token",
    **dict.fromkeys(("inputs_embeds", "encoder_hidden_states", "encoder_attention_mask", "past_key_values", "use_cache", "cache",
                     "cache_position", "labels", "head_mask"),
                    "leave it out: minibert computes the encoder of BERT from ids, and nothing else"),
}  # fmt: skip

MODEL = {
    "max_seq_length": "write model.max_length to read it, and encode(max_length=...) to change it for a call",
    "get_max_seq_length": "write model.max_length",
    "get_sentence_embedding_dimension": "write model.embedding_dimension",
    "get_embedding_dimension": "write model.embedding_dimension",
    "similarity": "write a @ b.T for vectors of normalize_embeddings=True",
    "similarity_pairwise": "write (a * b).sum(axis=1) for vectors of normalize_embeddings=True",
    "similarity_fn_name": "write a @ b.T for vectors of normalize_embeddings=True",
    "tokenize": "write model.tokenizer.encode_batch(texts)",
    "preprocess": "write model.tokenizer.encode_batch(texts)",
    "processor": "write model.tokenizer",
    "forward": "write model(input_ids, attention_mask)",
    "embeddings": "write model.encode(texts)",
    **dict.fromkeys(("embed", "embed_documents", "passage_embed"), "write model.encode_document(texts)"),
    **dict.fromkeys(("embed_query", "query_embed"), "write model.encode_query(text)"),
    **dict.fromkeys(("encode_multi_process", "start_multi_process_pool", "stop_multi_process_pool"),
                    "write model.encode(texts); load(num_threads=...) sets the number of threads"),
    **dict.fromkeys(("to", "cuda", "cpu", "device", "mps", "xpu"), CPU),
    **dict.fromkeys(("eval", "train", "requires_grad_", "no_grad", "compile"),
                    "leave it out: a loaded model is ready to use, and minibert does not train"),
    **dict.fromkeys(("half", "bfloat16", "float", "double", "dtype"), "write minibert.load(path, precision='int8') for a faster model"),
    **dict.fromkeys(("fit", "old_fit", "evaluate", "parameters", "state_dict", "named_parameters", "load_state_dict", "backward"),
                    "use sentence-transformers for this: minibert does not train"),
    **dict.fromkeys(("save", "save_pretrained", "save_to_hub", "push_to_hub"),
                    "copy the folder: a loaded model cannot be changed; `minibert quantize` writes its int8 form"),
    **dict.fromkeys(("from_pretrained", "load"), "write minibert.load(path)"),
    **dict.fromkeys(("truncate_embeddings", "truncate_sentence_embeddings"), "write encode(texts, truncate_dim=...)"),
    "set_pooling_include_prompt": "write \"include_prompt\" into the config.json of the folder's Pooling",
    "get_word_embedding_dimension": "write model.config.hidden_size",
    "transformers_model": "write model(input_ids, attention_mask)",
    "predict_tokens": "write model.encode_tokens(texts)",
}  # fmt: skip
TOKENIZER_ATTRIBUTES = {
    **dict.fromkeys(("encode", "encode_plus", "_encode_plus"), IDS),
    **dict.fromkeys(("batch_encode_plus", "encode_batch_fast", "batch_encode"), "write tokenizer.encode_batch(texts)"),
    **dict.fromkeys(("batch_decode", "decode_batch"), "write [tokenizer.decode(ids) for ids in batch]"),
    **dict.fromkeys(("get_vocab", "convert_tokens_to_ids", "token_to_id"), VOCABULARY),
    **dict.fromkeys(("convert_ids_to_tokens", "id_to_token"), "write tokenizer(text).tokens, or invert tokenizer.vocab"),
    "convert_tokens_to_string": "write tokenizer.decode(ids)",
    **dict.fromkeys(("vocab_size", "get_vocab_size"), "write len(tokenizer.vocab)"),
    **{name: f"write tokenizer.settings.{name}" for name in ("cls_token", "sep_token", "unk_token", "added_tokens", "lowercase")},
    "cls_token_id": "write tokenizer.special_tokens.cls_id",
    "sep_token_id": "write tokenizer.special_tokens.sep_id",
    "unk_token_id": "write tokenizer.unk_id",
    "pad_token": "write tokenizer.vocab['[PAD]'] for the id of padding",
    "pad_token_id": "write tokenizer.vocab['[PAD]']",
    "mask_token": "write tokenizer.vocab['[MASK]'] for its id",
    "mask_token_id": "write tokenizer.vocab['[MASK]']",
    **dict.fromkeys(("all_special_tokens", "all_special_ids", "special_tokens_map", "added_tokens_encoder", "added_tokens_decoder",
                     "get_added_vocab"), "write tokenizer.settings.added_tokens"),
    **dict.fromkeys(("model_max_length", "max_len_single_sentence"),
                    "write model.max_length for the model, or tokenizer.settings.model_max_length"),
    **dict.fromkeys(("pad", "padding_side", "enable_padding", "no_padding", "padding"), NO_PADDING),
    **dict.fromkeys(("enable_truncation", "no_truncation", "truncation_side", "truncation"), "write tokenizer(text, max_length=...)"),
    **dict.fromkeys(("from_pretrained", "from_file", "from_str"), "write minibert.load(path).tokenizer, or WordPieceTokenizer.from_folder"),
    **dict.fromkeys(("add_tokens", "add_special_tokens", "train", "train_from_iterator", "train_new_from_iterator"), FIXED),
    **dict.fromkeys(("save", "save_pretrained", "save_vocabulary", "push_to_hub"), "copy the folder: a loaded tokenizer cannot be changed"),
    "build_inputs_with_special_tokens": SPECIAL_TOKENS,
    "is_fast": "write tokenizer.backend, which tells how a batch is encoded",
}  # fmt: skip
ENCODING_ATTRIBUTES = {
    "ids": "write encoding.input_ids",
    "type_ids": "write encoding.token_type_ids",
    "attention_mask": "leave it out: without padding, the mask would be 1 everywhere",
    "offset_mapping": "write encoding.offsets",
    "special_tokens_mask": "write [word is None for word in encoding.word_ids]",
    "words": "write encoding.word_ids",
    **dict.fromkeys(("keys", "items", "data", "to"), "write encoding.input_ids and encoding.token_type_ids"),
}
PACKED_ATTRIBUTES = ENCODING_ATTRIBUTES | {
    "ids": "write batch.input_ids, or batch[i] for text i",
    "type_ids": "write batch.token_type_ids",
    "offset_mapping": "write batch.offsets, with return_offsets=True",
    "special_tokens_mask": "write batch.word_ids < 0, with return_offsets=True",
    "words": "write batch.word_ids, with return_offsets=True",
    "tokens": "write tokenizer(text).tokens for one text at a time",
    **dict.fromkeys(("keys", "items", "data", "to"), "write batch.input_ids, or batch[i] for text i"),
}


def explain(name: str, habits: Habits) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """A decorator that refuses the arguments of a table with their advice.

    Python refuses other wrong arguments.

    Args:
        name: what errors call the function.
        habits: argument -> advice.
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        @wraps(function)
        def call(*arguments: P.args, **options: P.kwargs) -> R:
            if options and not habits.keys().isdisjoint(options):
                habit = next(each for each in options if each in habits)
                raise TypeError(f"{name} has no argument {habit}: {habits[habit]}")
            return function(*arguments, **options)

        return call

    return decorate


class Advice:
    """An attribute that does not exist.

    Reading it, of an object or of the class, raises its advice.
    """

    def __init__(self, name: str, advice: str) -> None:
        self.name, self.advice = name, advice

    def __get__(self, instance: object, owner: type) -> NoReturn:
        raise AttributeError(f"{owner.__name__} has no attribute {self.name!r}: {self.advice}")


def explain_attributes(habits: Habits) -> Callable[[type[R]], type[R]]:
    """A class decorator that refuses the attributes of a table with their advice.

    `dir` of an object does not list them. `__getattr__` would do the same, but it would make the
    existing attributes slower.

    Args:
        habits: attribute -> advice.
    """

    def decorate(explained: type[R]) -> type[R]:
        for name, advice in habits.items():
            setattr(explained, name, Advice(name, advice))
        explained.__dir__ = lambda self: sorted({*object.__dir__(self)} - habits.keys())  # type: ignore[method-assign]
        return explained

    return decorate
