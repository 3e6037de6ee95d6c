"""The models that have names: their aliases, where they are published, and where they are kept.

Google's 24 miniatures (Turc et al. 2019, "Well-Read Students Learn Better") stand here twice each,
because they were published twice. Spark NLP's `small_bert_*` and `sent_small_bert_*`, and NLU's
aliases for them, are one set of weights. They compute the tanh form of GELU, as they were trained.
The repositories `google/bert_uncased_*` on Hugging Face hold the same weights, but transformers
runs them with the erf form. Each activation differs by up to 4.7e-4 between the two forms.

Sources: the model cards of Spark NLP 2.6.0; the metadata and notebooks of
JohnSnowLabs/spark-nlp-models and JohnSnowLabs/nlu; the model pages of google/bert_uncased_L-*.
"""

import os
from dataclasses import dataclass
from functools import cache
from itertools import product
from pathlib import Path

from ..folders.bundled import BUNDLED, bundled_folder

HUB = "https://huggingface.co"
SPARK_MODELS = "https://s3.amazonaws.com/auxdata.johnsnowlabs.com/public/models"
LAYERS, SIZES = (2, 4, 6, 8, 10, 12), (128, 256, 512, 768)
VOCABULARY = "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3"  # SHA-256 of the vocab.txt of all miniatures
# Hidden size -> the number in the name of each file of Spark NLP. For 2 to 12 layers, first the
# token model's number, then the sentence model's.
SPARK_NUMBERS = {
    128: (1598344320681, 1598350305687, 1598344330158, 1598350314094, 1598344340449, 1598350323564,
          1598344352001, 1598350334113, 1598344364541, 1598350346103, 1598344378220, 1598350359233),
    256: (1598344391697, 1598350372298, 1598344409205, 1598350389644, 1598344429629, 1598350409969,
          1598344454830, 1598350433990, 1598344485022, 1598350461634, 1598344517363, 1598350492180),
    512: (1598344551843, 1598350526043, 1598344591466, 1598350568942, 1598344643979, 1598350624049,
          1598344705269, 1598350686215, 1598344780916, 1598350765497, 1598344865471, 1598350859875),
    768: (1598344957042, 1598350960245, 1598345024690, 1598351030380, 1598345125237, 1598351137007,
          1598345245072, 1598351300711, 1598345383155, 1598351479319, 1598345548247, 1598351662548),
}  # fmt: skip


@dataclass(frozen=True)
class Model:
    """A model with names.

    Attributes:
        names: the names that find it. The first one is also the name of its folder.
        repository: where its files are on the Hugging Face hub; None for the bundled model.
        hidden_act: the form of GELU that it is run with; None for the form in its config.json.
        spark: addresses of Spark NLP's files, of the token model and of the sentence model.
    """

    names: tuple[str, ...]
    num_layers: int
    hidden_size: int
    repository: str | None = None
    hidden_act: str | None = None
    spark: tuple[str, ...] = ()
    licence: str = "Apache-2.0"

    @property
    def name(self) -> str:
        return self.names[0]

    @property
    def num_parameters(self) -> int:
        """Parameters without the pooler, for 30,522 tokens, 512 positions and 2 types."""
        hidden = self.hidden_size
        layer = 4 * (hidden * hidden + hidden) + 2 * 4 * hidden * hidden + 5 * hidden + 4 * hidden
        return (30522 + 512 + 2 + 2) * hidden + self.num_layers * layer

    @property
    def path(self) -> Path:
        """Its folder, which exists once the model is fetched."""
        return home() / "models" / folder_name(self.name) if self.repository else Path(bundled_folder())

    def is_here(self) -> bool:
        """Return whether its folder exists, as far as this user can see."""
        try:
            return self.path.exists()
        except OSError:  # the bundled model or the home folder is missing, or may not be read
            return False


@cache
def models() -> tuple[Model, ...]:
    """Return all models with names: the bundled model, then the miniatures."""
    return Model((BUNDLED,), 8, 128), *(model for each in product(LAYERS, SIZES) for model in _miniatures(*each))


def _miniatures(num_layers: int, hidden_size: int) -> tuple[Model, Model]:
    """Return one set of weights twice: as Spark NLP runs it, and as transformers runs it."""
    short, numbers = f"L{num_layers}_{hidden_size}", SPARK_NUMBERS[hidden_size]
    repository = f"google/bert_uncased_L-{num_layers}_H-{hidden_size}_A-{hidden_size // 64}"
    names = (f"small_bert_{short}", f"sent_small_bert_{short}")
    aliases = (f"en.embed.bert.small_{short}", f"en.embed_sentence.small_bert_{short}")
    first = 2 * LAYERS.index(num_layers)
    spark = tuple(
        f"{SPARK_MODELS}/{name}_en_2.6.0_2.4_{number}.zip" for name, number in zip(names, numbers[first : first + 2], strict=True)
    )
    return (
        Model((*names, *aliases), num_layers, hidden_size, repository, "gelu_new", spark),
        Model((repository,), num_layers, hidden_size, repository),
    )


def find(name: str) -> Model | None:
    """Return the model with this name or alias."""
    return next((model for model in models() if name in model.names), None)


def home() -> Path:
    """Return the folder of fetched models.

    That is `MINIBERT_HOME`, or else `minibert` in the user's data folder.
    Raises FileNotFoundError if the user has no home folder.
    """
    if chosen := os.environ.get("MINIBERT_HOME"):
        return Path(os.path.expanduser(chosen)).absolute()
    data = Path(os.environ.get("XDG_DATA_HOME") or os.path.expanduser("~/.local/share"))
    if not data.is_absolute():
        raise FileNotFoundError(f"{data}: expected a home folder, found none; set MINIBERT_HOME to a folder that you may write to")
    return data / "minibert"


def folder_name(name: str) -> str:
    """Return `OWNER/REPO` as one name, in the spelling of the hub's own cache."""
    return name.replace("/", "--")
