"""Arguments of other libraries are refused with the right way to write it, as are wrong texts."""

import inspect
from collections import UserDict
from typing import Any

import numpy as np
import pytest

import minibert
from minibert import WordPieceTokenizer, habits
from minibert.loading import load_tokenizer
from minibert.tokenizer import Encoding, PackedEncoding

FUNCTIONS: dict[str, tuple[Any, dict[str, str]]] = {
    "load": (minibert.load, habits.LOAD),
    "load_tokenizer": (load_tokenizer, habits.LOAD_TOKENIZER),
    "encode": (minibert.MiniBert.encode, habits.ENCODE),
    "encode_tokens": (minibert.MiniBert.encode_tokens, habits.ENCODE_TOKENS),
    "a model's call": (minibert.MiniBert.__call__, habits.FORWARD),
    "a tokenizer's call": (WordPieceTokenizer.__call__, habits.TOKENIZER),
    "encode_batch": (WordPieceTokenizer.encode_batch, habits.ENCODE_BATCH),
    "tokenize": (WordPieceTokenizer.tokenize, habits.TOKENIZE),
    "decode": (WordPieceTokenizer.decode, habits.DECODE),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_habit_is_no_argument_and_is_refused_with_advice(name: str) -> None:
    function, table = FUNCTIONS[name]
    assert not table.keys() & inspect.signature(function).parameters.keys()
    for habit, advice in table.items():
        with pytest.raises(TypeError) as error:
            function(**{habit: None})
        assert str(error.value) == f"{name} has no argument {habit}: {advice}"
        assert len(str(error.value)) < 200
    with pytest.raises(TypeError, match="unexpected keyword argument 'nonsense'"):
        function("a", nonsense=1)


CLASSES: dict[type, dict[str, str]] = {
    minibert.MiniBert: habits.MODEL,
    WordPieceTokenizer: habits.TOKENIZER_ATTRIBUTES,
    Encoding: habits.ENCODING_ATTRIBUTES,
    PackedEncoding: habits.PACKED_ATTRIBUTES,
}


@pytest.mark.parametrize("kind", CLASSES)
def test_attributes_of_others_are_refused_with_advice(kind: type, tiny: minibert.MiniBert) -> None:
    tokenizer = tiny.tokenizer
    objects = {each.__class__: each for each in (tiny, tokenizer, tokenizer("a"), tokenizer.encode_batch(["a"]))}
    for name, advice in CLASSES[kind].items():
        for owner in (objects[kind], kind):
            assert not hasattr(owner, name)
            with pytest.raises(AttributeError) as error:
                getattr(owner, name)
            assert str(error.value) == f"{kind.__name__} has no attribute {name!r}: {advice}"
        assert name not in dir(objects[kind])
    with pytest.raises(AttributeError, match="nonsense"):
        getattr(objects[kind], "nonsense")  # noqa: B009


def test_the_advice_is_true(tiny: minibert.MiniBert) -> None:
    """The attributes and calls that the tables recommend exist."""
    tokenizer = tiny.tokenizer
    assert tiny.embedding_dimension == tiny.encode("a").shape[0]
    assert (tokenizer.special_tokens.cls_id, tokenizer.special_tokens.sep_id, tokenizer.unk_id) == (101, 102, 100)
    assert (tokenizer.vocab["[PAD]"], tokenizer.vocab["[MASK]"], len(tokenizer.vocab)) == (0, 103, 30522)
    assert tokenizer.tokenize("hello world") == tokenizer("hello world").tokens[1:-1]
    batch = tokenizer.encode_batch(["a", ("b", "c d")], return_offsets=True)
    assert np.diff(batch.cu_seqlens).tolist() == [3, 6]
    assert [tokenizer.decode(batch[index]) for index in range(2)] == ["a", "b c d"]
    assert "input_ids" in dir(tokenizer("a"))
    with pytest.raises(TypeError, match=r"write encoding\.input_ids"):
        tokenizer("a")["input_ids"]  # type: ignore[index]
    for index in ("input_ids", slice(0, 1), 1.0):
        with pytest.raises(TypeError, match=r"expected the number of a text, found .*; write batch\.input_ids"):
            batch[index]  # type: ignore[index]


@pytest.mark.parametrize("call", ["encode_query", "encode_document"])
def test_queries_and_documents_refuse_the_habits_of_encode(call: str, tiny: minibert.MiniBert) -> None:
    with pytest.raises(TypeError, match="encode has no argument batch_size: write batch_tokens"):
        getattr(tiny, call)(["a"], batch_size=32)


TEXTS_OF_OTHERS: dict[str, tuple[Any, str]] = {
    "list": (["a b", "c"], "found list: .*; encode_batch takes several texts"),
    "tuple": (("a b", "c"), "found tuple: .*; encode_batch takes several texts"),
    "array": (np.array(["a b", "c"]), "found ndarray: .*; encode_batch takes several texts"),
    "bytes": (b"a b", r"found bytes: .*; decode it, as in text\.decode\('utf-8'\)"),
    "dict": ({"text": "a"}, "found dict: .*; its keys or columns are not texts"),
    "None": (None, "found NoneType: None"),
}


@pytest.mark.parametrize("name", TEXTS_OF_OTHERS)
def test_a_tokenizer_names_the_call_for_other_things(name: str, tiny: minibert.MiniBert) -> None:
    value, message = TEXTS_OF_OTHERS[name]
    for call in (tiny.tokenizer, tiny.tokenizer.tokenize):
        with pytest.raises(TypeError, match=rf"expected a text \(str\), {message}"):
            call(value)
    if value is not None:
        with pytest.raises(TypeError, match=rf"expected a text \(str\), {message}"):
            tiny.tokenizer("a", value)


@pytest.mark.parametrize("value", [b"bytes", bytearray(b"b"), {"a": "b"}, UserDict(a="b"), None, 3, np.array("a")])
def test_encode_batch_takes_texts_only(value: Any, tiny: minibert.MiniBert) -> None:
    with pytest.raises(TypeError, match="texts: expected a str or several, found"):
        tiny.tokenizer.encode_batch(value)


def test_a_flag_in_place_of_a_strategy_is_refused_with_the_strategies(tiny: minibert.MiniBert) -> None:
    with pytest.raises(ValueError, match="'longest_first' or 'only_first' or 'only_second', found True"):
        tiny.tokenizer("a b", truncation=True, max_length=8)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="'warn' or 'error' or 'silent', found True"):
        tiny.encode("a b", truncation=True)  # type: ignore[arg-type]


@pytest.mark.parametrize("value", ["a text", ["a text"], np.array(["a text"])])
def test_a_model_takes_no_texts(value: Any, tiny: minibert.MiniBert) -> None:
    with pytest.raises(TypeError, match=r"input_ids: expected whole numbers .*; `encode` takes texts"):
        tiny(value)


def test_a_model_takes_arrays_and_no_encodings(tiny: minibert.MiniBert) -> None:
    content = {"input_ids": [[101]]}
    for value in (content, UserDict(content), tiny.tokenizer("a"), tiny.tokenizer.encode_batch(["a"])):
        with pytest.raises(TypeError, match=r"input_ids: expected whole numbers .*; give its input_ids, attention_mask and token_type_ids"):
            tiny(value)  # type: ignore[arg-type]


@pytest.mark.parametrize("value", ["l2", "False", 1, 0.0, [True]])
def test_flags_are_bools(value: Any, tiny: minibert.MiniBert) -> None:
    with pytest.raises(TypeError, match="normalize_embeddings: expected True, False or None, found"):
        tiny.encode("a", normalize_embeddings=value)
    np.testing.assert_array_equal(tiny.encode("a", normalize_embeddings=np.bool_(True)), tiny.encode("a", normalize_embeddings=True))


@pytest.mark.parametrize("value", ["a b", b"a b", {"a": "b"}, None, 3])
def test_words_are_a_list(value: Any, tiny: minibert.MiniBert) -> None:
    with pytest.raises(TypeError, match=r"expected a list of words \(is_split_into_words=True\), found"):
        tiny.tokenizer(value, is_split_into_words=True)


class Tensor:
    """Like a tensor of torch: its elements are tensors, and `tolist` gives numbers."""

    def __init__(self, content: Any) -> None:
        self.content = content

    def tolist(self) -> Any:
        return self.content

    def __iter__(self) -> Any:
        return (Tensor(each) for each in self.content)


IDS: dict[str, Any] = {
    "list": [101, 7592, 102],
    "tuple": (101, 7592, 102),
    "range": range(7592, 7593),
    "generator": (id for id in (101, 7592)),
    "NumPy's numbers": list(np.array([101, 7592], np.uint16)),
    "one": 7592,
    "one of NumPy's": np.int64(7592),
    "array without dimensions": np.array(7592),
    "tensor": Tensor([101, 7592, 102]),
    "tensor without dimensions": Tensor(7592),
    **{dtype: np.array([101, 7592, 102], dtype) for dtype in ("int16", "int32", "int64", "uint16", "uint64", ">i4")},
    "every second": np.array([101, 0, 7592, 0, 102])[::2],
}


@pytest.mark.parametrize("name", IDS)
def test_ids_of_every_kind(name: str, tiny: minibert.MiniBert) -> None:
    assert tiny.tokenizer.decode(IDS[name]) == "hello"


NO_IDS: dict[str, tuple[Any, str]] = {
    "two texts": ([[101, 102], [101]], "decode one text at a time"),
    "two rows": (np.array([[101, 102]]), "decode one text at a time"),
    "tensor of two dimensions": (Tensor([[101]]), "decode one text at a time"),
    "arrays": ([np.array([101, 102])], "decode one text at a time"),
    "text": ("101", "expected ids, found str: '101'"),
    "bytes": (b"101", "expected ids, found bytes"),
    "texts": (["101"], "expected whole numbers, found str: '101'"),
    "floats": ([101.0], "expected whole numbers, found float: 101"),
    "array of floats": (np.array([101.0]), "expected whole numbers, found float"),
    "bools": ([True, False], "expected whole numbers, found bool: True"),
    "array of bools": (np.array([True]), "expected whole numbers, found bool"),
    "NumPy's bool": ([np.bool_(True)], "expected whole numbers, found bool"),
    "None": (None, "expected whole numbers, found NoneType"),
    "dict": ({"input_ids": [101]}, "found dict; give its input_ids"),
    "a dict of others": (UserDict(input_ids=[101]), "found UserDict; give its input_ids"),
}


@pytest.mark.parametrize("name", NO_IDS)
def test_anything_but_ids_is_refused(name: str, tiny: minibert.MiniBert) -> None:
    ids, message = NO_IDS[name]
    with pytest.raises(TypeError, match=message):
        tiny.tokenizer.decode(ids)


def test_encodings_are_not_ids(tiny: minibert.MiniBert) -> None:
    for encoding in (tiny.tokenizer("a"), tiny.tokenizer.encode_batch(["a"])):
        with pytest.raises(TypeError, match="give its input_ids"):
            tiny.tokenizer.decode(encoding)
