"""The rivals: onnxruntime, torch and sentence-transformers, in every promising configuration.

A rival is a function from a list of texts to their mean vectors, tokenization included. For each
rival and each kind of text the benchmarks take the fastest configuration. torch exports the graphs,
onnxruntime's optimizer fuses them, and its dynamic int8 quantises them (weights per channel).
"""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import tokenizers
import torch
import transformers
from onnxruntime.quantization import QuantType, quantize_dynamic
from onnxruntime.transformers import optimizer
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Pooling, Transformer

Encode = Callable[[list[str]], np.ndarray]
Run = Callable[[dict[str, np.ndarray]], np.ndarray]
Systems = dict[str, dict[str, Encode]]  # a system and its configurations
Graphs = dict[str, dict[str, Path]]  # a precision and its graphs
NAMES = ["input_ids", "attention_mask", "token_type_ids"]
BATCH_SIZES = (4, 8, 16, 32, 64)
FASTEMBED_BATCH = 32
MAX_LENGTH = 512


def onnx_table(folder: Path, graphs: Graphs, num_threads: int) -> Systems:
    """onnxruntime, on texts that it may sort by length."""
    return {f"onnxruntime {precision}": dict(onnx_rivals(folder, paths, num_threads)) for precision, paths in graphs.items()}


def table(folder: Path, graphs: Graphs, num_threads: int) -> Systems:
    """All rivals, on the same texts."""
    return onnx_table(folder, graphs, num_threads) | {
        "torch": dict(torch_rivals(folder, num_threads)),
        "sentence-transformers": {"as it is, batches of 32": sentence_transformers_rival(folder)},
    }


def in_order_table(folder: Path, graphs: Graphs, num_threads: int) -> Systems:
    """Texts in the given order, as fastembed takes them."""
    return {f"onnxruntime {precision}": dict(fastembed_rivals(folder, paths, num_threads)) for precision, paths in graphs.items()}


def single_table(folder: Path, graphs: Graphs, num_threads: int) -> Systems:
    """A call for each text, where one thread may be faster than several."""
    as_it_is = sentence_transformers_rival(folder)
    systems = {f"onnxruntime {precision}": dict(_onnx_alone(folder, paths, num_threads)) for precision, paths in graphs.items()}
    return systems | {
        "torch": {dtype: one_by_one(Alone(folder, run)) for dtype, run in torch_runs(folder, num_threads)},
        "sentence-transformers": {"as it is": one_by_one(lambda text: as_it_is([text])[0])},
    }


def _onnx_alone(folder: Path, graphs: dict[str, Path], num_threads: int) -> Iterator[tuple[str, Encode]]:
    for threads in sorted({1, num_threads}):
        for name, graph in graphs.items():
            yield f"{name}, {threads} thread{'s' * (threads > 1)}", one_by_one(Alone(folder, onnx_session(graph, threads)))


def one_by_one(encode: Callable[[str], np.ndarray]) -> Encode:
    """Texts in, vectors out, with a call for each text."""
    return lambda texts: np.stack([encode(text) for text in texts])


class Alone:
    """One text in, its mean vector out. It pads nothing, so it does less than `Padded`."""

    def __init__(self, folder: Path, run: Run) -> None:
        self._tokenizer = tokenizers.BertWordPieceTokenizer(str(folder / "vocab.txt"))
        self._tokenizer.enable_truncation(MAX_LENGTH)
        self._run = run

    def __call__(self, text: str) -> np.ndarray:
        ids = np.array([self._tokenizer.encode(text).ids])
        hidden = self._run({"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)})
        return hidden[0].mean(axis=0)


class Padded:
    """Texts in, mean vectors out, in rectangles of padded ids.

    Every rival does this around its forward pass.
    """

    def __init__(self, folder: Path, run: Run, batch_size: int, in_order: bool = False) -> None:
        self._tokenizer = tokenizers.BertWordPieceTokenizer(str(folder / "vocab.txt"))
        self._tokenizer.enable_truncation(MAX_LENGTH)
        self._run, self.batch_size, self._in_order = run, batch_size, in_order

    def __call__(self, texts: list[str]) -> np.ndarray:
        ids = [encoding.ids for encoding in self._tokenizer.encode_batch(texts)]
        order = range(len(ids)) if self._in_order else sorted(range(len(ids)), key=lambda index: -len(ids[index]))
        vectors: list[np.ndarray] = [np.empty(0)] * len(ids)
        for start in range(0, len(order), self.batch_size):
            batch = order[start : start + self.batch_size]
            longest = max(len(ids[index]) for index in batch)
            padded, mask = np.zeros((len(batch), longest), np.int64), np.zeros((len(batch), longest), np.int64)
            for row, index in enumerate(batch):
                padded[row, : len(ids[index])], mask[row, : len(ids[index])] = ids[index], 1
            hidden = self._run({"input_ids": padded, "attention_mask": mask, "token_type_ids": np.zeros_like(padded)})
            # A weighted sum as a product, several times as fast as multiply and sum:
            # (batch, 1, length) @ (batch, length, hidden)
            means = np.matmul((mask / mask.sum(axis=1, keepdims=True)).astype(np.float32)[:, None], hidden)[:, 0]
            for row, index in enumerate(batch):
                vectors[index] = means[row]
        return np.stack(vectors)


class Exported(torch.nn.Module):
    """BertModel of transformers with the inputs and the output of a graph for embeddings."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.bert = transformers.BertModel.from_pretrained(folder, attn_implementation="eager").eval()

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor, token_type_ids: torch.Tensor) -> torch.Tensor:
        return self.bert(input_ids, attention_mask, token_type_ids).last_hidden_state


def make_graphs(folder: Path, work: Path, num_heads: int, hidden_size: int) -> Graphs:
    """{precision: {name: file}} in float32 and dynamic int8.

    One graph is as exported, the other has all of onnxruntime's fusions for BERT.
    """
    plain, fused = work / "plain.onnx", work / "fused.onnx"
    ids = torch.randint(5, 1000, (2, 9))
    torch.onnx.export(
        Exported(folder),
        (ids, torch.ones_like(ids), torch.zeros_like(ids)),
        plain,
        input_names=NAMES,
        output_names=["hidden"],
        dynamic_axes={name: {0: "batch", 1: "length"} for name in [*NAMES, "hidden"]},
        opset_version=17,
        dynamo=False,
    )
    model = optimizer.optimize_model(str(plain), model_type="bert", num_heads=num_heads, hidden_size=hidden_size, opt_level=1)
    statistics = model.get_fused_operator_statistics()
    if not statistics["Attention"]:
        raise SystemExit(f"onnxruntime did not fuse attention: {statistics}")
    model.save_model_to_file(str(fused))
    graphs = {"float32": {"plain": plain, "fused": fused}, "int8": {}}
    for name, path in graphs["float32"].items():
        graphs["int8"][name] = work / f"{name}.int8.onnx"
        # onnxruntime cannot infer the types behind fused operators.
        default = {"DefaultTensorType": onnx.TensorProto.FLOAT}
        quantize_dynamic(path, graphs["int8"][name], per_channel=True, weight_type=QuantType.QInt8, extra_options=default)
    return graphs


def onnx_session(graph: Path, num_threads: int) -> Run:
    """The forward pass of one graph."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = num_threads
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])
    return lambda inputs: session.run(None, inputs)[0]


def onnx_rivals(
    folder: Path, graphs: dict[str, Path], num_threads: int, batch_sizes: Iterable[int] = BATCH_SIZES
) -> Iterator[tuple[str, Encode]]:
    """Sorted by length, in batches of several sizes."""
    for name, graph in graphs.items():
        run = onnx_session(graph, num_threads)
        for batch_size in batch_sizes:
            yield f"{name}, batches of {batch_size}", Padded(folder, run, batch_size)


def fastembed_rivals(folder: Path, graphs: dict[str, Path], num_threads: int) -> Iterator[tuple[str, Encode]]:
    """As fastembed does it: batches in the order of the texts."""
    for name, graph in graphs.items():
        yield f"{name}, in order", Padded(folder, onnx_session(graph, num_threads), FASTEMBED_BATCH, in_order=True)


def torch_rivals(folder: Path, num_threads: int) -> Iterator[tuple[str, Encode]]:
    """Sorted by length, in batches of several sizes."""
    for dtype, run in torch_runs(folder, num_threads):
        for batch_size in (8, 32):
            yield f"{dtype}, batches of {batch_size}", Padded(folder, run, batch_size)


def torch_runs(folder: Path, num_threads: int) -> Iterator[tuple[str, Run]]:
    """The forward pass in float32 and in bfloat16."""
    torch.set_num_threads(num_threads)

    def forward(model: torch.nn.Module) -> Run:
        def run(inputs: dict[str, np.ndarray]) -> np.ndarray:
            with torch.inference_mode():
                return model(**{name: torch.from_numpy(array) for name, array in inputs.items()}).last_hidden_state.float().numpy()

        return run

    for dtype in (torch.float32, torch.bfloat16):
        model = transformers.BertModel.from_pretrained(folder, dtype=dtype).eval()
        yield str(dtype).removeprefix("torch."), forward(model)


def sentence_transformers_rival(folder: Path) -> Encode:
    """sentence-transformers with its own tokenization, sorting and batches.

    It gives mean vectors of whole texts, whatever the folder says.
    """
    transformer = Transformer(str(folder), max_seq_length=MAX_LENGTH, model_kwargs={"dtype": torch.float32})
    model = SentenceTransformer(modules=[transformer, Pooling(transformer.get_embedding_dimension(), "mean")], device="cpu")
    return lambda texts: model.encode(texts, show_progress_bar=False)
