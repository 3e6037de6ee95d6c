"""Write tests/golden/tensorflow with TensorFlow and the encoders of its model garden.

TF Hub's BERTs were made with these encoders.

    pip install tensorflow-cpu==2.21.0
    pip install --no-deps tf-keras==2.21.0 tf-models-official==2.20.0 gin-config pyyaml
    pip install --no-deps tensorflow-hub tf-slim tensorflow-model-optimization pandas attrs scipy
    pip install --no-deps python-dateutil pytz tensorflow-datasets sentencepiece dm-tree psutil
    python -m tests.make.tensorflow_files
"""

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

FOLDER = Path(__file__).parents[1] / "golden" / "tensorflow"
LAYERS, HIDDEN, HEADS, INTERMEDIATE, VOCABULARY, POSITIONS = 1, 8, 2, 16, 30, 12


def tf1_shapes() -> dict[str, tuple[int, ...]]:
    """Names and shapes of modeling.py and run_pretraining.py in google-research/bert."""
    square, vector, wide = (HIDDEN, HIDDEN), (HIDDEN,), (INTERMEDIATE,)
    shapes: dict[str, tuple[int, ...]] = {
        "bert/embeddings/word_embeddings": (VOCABULARY, HIDDEN),
        "bert/embeddings/position_embeddings": (POSITIONS, HIDDEN),
        "bert/embeddings/token_type_embeddings": (2, HIDDEN),
        "bert/embeddings/LayerNorm/gamma": vector,
        "bert/embeddings/LayerNorm/beta": vector,
    }
    for layer in (f"bert/encoder/layer_{index}" for index in range(LAYERS)):
        for part in ("attention/self/query", "attention/self/key", "attention/self/value", "attention/output/dense"):
            shapes |= {f"{layer}/{part}/kernel": square, f"{layer}/{part}/bias": vector}
        shapes |= {f"{layer}/intermediate/dense/kernel": (HIDDEN, INTERMEDIATE), f"{layer}/intermediate/dense/bias": wide}
        shapes |= {f"{layer}/output/dense/kernel": (INTERMEDIATE, HIDDEN), f"{layer}/output/dense/bias": vector}
        for part in ("attention/output/LayerNorm", "output/LayerNorm"):
            shapes |= {f"{layer}/{part}/gamma": vector, f"{layer}/{part}/beta": vector}
    return shapes | {"bert/pooler/dense/kernel": square, "bert/pooler/dense/bias": vector}


def tf1_arrays() -> dict[str, np.ndarray[Any, Any]]:
    random = np.random.default_rng(0)
    return {name: random.normal(0, 0.5, shape).astype(np.float32) for name, shape in tf1_shapes().items()}


def tf2_name(name: str) -> str:
    """The name of a variable of google-research/bert in the model garden's BertEncoder."""
    for old, new in {
        "bert/embeddings/word_embeddings": "word_embeddings/embeddings",
        "bert/embeddings/position_embeddings": "position_embedding/embeddings",
        "bert/embeddings/token_type_embeddings": "type_embeddings/embeddings",
        "bert/embeddings/LayerNorm": "embeddings/layer_norm",
        "bert/pooler/dense": "pooler_transform",
        "bert/encoder/layer_": "transformer/layer_",
        "attention/self/": "self_attention/",
        "attention/output/dense": "self_attention/attention_output",
        "attention/output/LayerNorm": "self_attention_layer_norm",
        "intermediate/dense": "intermediate",
        "output/dense": "output",
        "output/LayerNorm": "output_layer_norm",
    }.items():
        name = name.replace(old, new)
    return name


def write_tf1(arrays: dict[str, np.ndarray[Any, Any]]) -> None:
    """Write a checkpoint of pretraining: heads, a step, and the moments of the optimizer."""
    import tensorflow.compat.v1 as tf

    heads = {
        "cls/predictions/output_bias": (VOCABULARY,),
        "cls/predictions/transform/dense/kernel": (HIDDEN, HIDDEN),
        "cls/seq_relationship/output_weights": (2, HIDDEN),
        "bert/pooler/dense/kernel/adam_m": (HIDDEN, HIDDEN),
        "bert/pooler/dense/kernel/adam_v": (HIDDEN, HIDDEN),
    }
    with tf.Graph().as_default(), tf.Session() as session:
        for name, array in (arrays | {name: np.zeros(shape, np.float32) for name, shape in heads.items()}).items():
            tf.get_variable(name, initializer=array)
        tf.train.get_or_create_global_step()
        session.run(tf.global_variables_initializer())
        tf.train.Saver().save(session, str(FOLDER / "bert_model.ckpt"), write_meta_graph=False, write_state=False)


def write_tf2(arrays: dict[str, np.ndarray[Any, Any]]) -> None:
    """Write a checkpoint of BertEncoderV2 with an optimizer, and a SavedModel of BertEncoder.

    Of the SavedModel, which is like TF Hub's, only the variables are kept.
    """
    import tensorflow as tf
    from official.nlp.modeling.networks import bert_encoder

    sizes: dict[str, Any] = {
        "vocab_size": VOCABULARY, "hidden_size": HIDDEN, "num_layers": LAYERS, "num_attention_heads": HEADS,
        "max_sequence_length": POSITIONS, "inner_dim": INTERMEDIATE, "type_vocab_size": 2,
    }  # fmt: skip
    inputs = {name: tf.ones((1, 4), tf.int32) for name in ("input_word_ids", "input_mask", "input_type_ids")}
    by_name = {tf2_name(name): array for name, array in arrays.items()}
    for kind in (bert_encoder.BertEncoderV2, bert_encoder.BertEncoder):
        encoder = kind(**sizes)
        encoder(inputs)
        for variable in encoder.variables:
            name = variable.name.removesuffix(":0").removeprefix("bert_encoder_v2/")
            variable.assign(by_name[name].reshape(variable.shape))
        with tempfile.TemporaryDirectory() as work:
            if kind is bert_encoder.BertEncoderV2:
                optimizer = tf.compat.v1.train.AdamOptimizer(0.0)
                slots = [variable for variable in encoder.variables if "pooler_transform/bias" in variable.name]
                optimizer.apply_gradients([(tf.ones_like(variable), variable) for variable in slots])
                tf.train.Checkpoint(model=encoder, optimizer=optimizer).save(f"{work}/ckpt")
                source = Path(work)
            else:
                encoder.do_lower_case = tf.Variable(True, trainable=False)  # so does official/nlp/tools/export_tfhub_lib.py
                encoder.save(f"{work}/saved", include_optimizer=False, save_format="tf")
                source = Path(work, "saved", "variables")
            target = FOLDER / ("checkpoint" if kind is bert_encoder.BertEncoderV2 else "saved_model/variables")
            target.mkdir(parents=True)
            for path in [*source.glob("*.index"), *source.glob("*.data-*")]:
                shutil.copy(path, target)


def write_kinds() -> None:
    """Write every dtype, a scalar and an empty tensor; two shards; a partitioned variable."""
    import tensorflow as tf

    def save(prefix: str, tensors: dict[str, Any], slices: str = "") -> str:
        path = str(FOLDER / prefix)
        tf.raw_ops.SaveV2(prefix=path, tensor_names=list(tensors), shape_and_slices=[slices] * len(tensors), tensors=list(tensors.values()))
        return path

    numbers = tf.constant([[0, 1, 2], [3, 4, 5]])
    kinds = ["float16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "bool", "bfloat16"]
    tensors = {kind: tf.cast(numbers, kind) for kind in kinds}
    save("kinds", tensors | {"a": tf.constant(["text", "x" * 200]), "scalar": tf.constant(1.5), "empty": tf.zeros((0, 3))})
    shards = [save(f"shard{index}", {f"{index}": tf.range(index, index + 3.0)}) for index in range(2)]
    tf.raw_ops.MergeV2Checkpoints(checkpoint_prefixes=shards, destination_prefix=str(FOLDER / "shards"), delete_old_dirs=False)
    save("sliced", {"x": tf.zeros((2, 3))}, "4 3 0,2:-")


def main() -> None:
    os.environ |= {"TF_USE_LEGACY_KERAS": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}
    import tensorflow as tf

    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    arrays = tf1_arrays()
    np.savez_compressed(FOLDER / "expected.npz", **arrays)  # type: ignore[arg-type]
    write_tf1(arrays)
    write_tf2(arrays)
    write_kinds()
    for path in sorted(FOLDER.rglob("*.index")):
        reader = tf.train.load_checkpoint(str(path.with_suffix("")))
        print(path.relative_to(FOLDER), len(reader.get_variable_to_shape_map()), "tensors")
    for path in sorted(path for path in FOLDER.rglob("*") if path.is_file()):
        print(f"{path.stat().st_size:8} {path.relative_to(FOLDER)}")


if __name__ == "__main__":
    main()
