"""Write tests/golden/spark with Spark, which Spark NLP uses for writing, and with TensorFlow."""

# pip install tensorflow-cpu==2.21.0 pyspark==3.5.5  # and a Java of 8, 11 or 17
# python -m tests.make.spark_files

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from tests.make.tensorflow_files import tf1_arrays

FOLDER = Path(__file__).parents[1] / "golden" / "spark"
PREFIX = "module/"  # of variables in graphs that loaded a module of TF Hub
TOKENS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "!", ",", ".", "the", "##s", "##ing", "é", "中", "😀", "##😀", "ß", "ﬁ", "a", "b"]
VOCABULARY = TOKENS + [f"##{letter}" for letter in "abcdefghijk"]
METADATA = (
    '{"class":"com.johnsnowlabs.nlp.embeddings.BertSentenceEmbeddings","timestamp":1598350334113,"sparkVersion":"2.4.4",'
    '"uid":"BERT_SENTENCE_EMBEDDINGS_59e1b8e3d4c5","paramMap":{"dimension":8,"caseSensitive":false,"batchSize":32,"maxSentenceLength":128,'
    '"storageRef":"sent_small_bert_L1_8"},"defaultParamMap":{"dimension":768,"caseSensitive":false,"lazyAnnotator":false}}'
)


def write_variables(folder: Path) -> None:
    """Write saved_model.pb, a bare GraphDef, and variables.*.

    They are written by the operations of a Saver, as TensorflowWrapper.scala runs them.
    """
    import tensorflow.compat.v1 as tf

    with tf.Graph().as_default() as graph, tf.Session() as session:
        for name, array in tf1_arrays().items():
            tf.get_variable(PREFIX + name, array.shape, tf.float32)
        saver = tf.train.Saver()
        session.run([variable.assign(tf1_arrays()[variable.op.name.removeprefix(PREFIX)]) for variable in tf.global_variables()])
        assert saver.saver_def.filename_tensor_name == "save/Const:0"
        session.run("save/control_dependency", {"save/Const:0": str(folder / "variables")})
        (folder / "saved_model.pb").write_bytes(graph.as_graph_def().SerializeToString())


def write_zip(jvm: Any, folder: Path, target: Path) -> None:
    """Write a zip as Java does: deflated, with sizes in the directory and behind the data only."""
    output = jvm.java.util.zip.ZipOutputStream(jvm.java.io.FileOutputStream(str(target)))
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        entry = jvm.java.util.zip.ZipEntry(path.relative_to(folder).as_posix())
        entry.setTime(1598350334113)
        output.putNextEntry(entry)
        output.write(path.read_bytes())
    output.closeEntry()
    output.close()


def write_vocabulary(context: Any, folder: Path) -> None:
    """Write the vocabulary as MapFeature.serializeObject does.

    It calls `sparkContext.parallelize(value.toSeq).saveAsObjectFile(path)` on (String, Int).
    """
    jvm = context._jvm
    pairs = jvm.java.util.ArrayList()
    for index in np.random.default_rng(0).permutation(len(VOCABULARY)).tolist():  # the order of a hash map
        pairs.add(jvm.scala.Tuple2(VOCABULARY[index], index))
    sequence = jvm.scala.collection.JavaConverters.asScalaBuffer(pairs).toSeq()
    tag = getattr(getattr(jvm.scala.reflect, "ClassTag$"), "MODULE$").apply(jvm.java.lang.Class.forName("scala.Tuple2"))
    context._jsc.sc().parallelize(sequence, 2, tag).saveAsObjectFile(str(folder))


def main() -> None:
    os.environ |= {"TF_CPP_MIN_LOG_LEVEL": "3"}
    from pyspark import SparkConf, SparkContext

    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    settings = [("spark.ui.enabled", "false"), ("spark.driver.bindAddress", "127.0.0.1"), ("spark.driver.host", "127.0.0.1")]
    context = SparkContext("local[1]", conf=SparkConf().setAll(settings))
    with tempfile.TemporaryDirectory() as work:
        model, variables = Path(work, "model"), Path(work, "variables")
        variables.mkdir()
        context.parallelize([METADATA], 1).saveAsTextFile(str(model / "metadata"))
        write_vocabulary(context, model / "fields" / "vocabulary")
        write_variables(variables)
        write_zip(context._jvm, variables, model / "bert_sentence_tensorflow")
        write_zip(context._jvm, model, FOLDER / "sent_small_bert_L1_8.zip")
        shutil.copy(model / "fields" / "vocabulary" / "part-00000", FOLDER)  # for fuzz_formats.py
    context.stop()
    for path in sorted(FOLDER.iterdir()):
        print(f"{path.stat().st_size:8} {path.name}")


if __name__ == "__main__":
    main()
