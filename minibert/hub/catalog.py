"""The models that have names: what they are called, where they were published, and what was published of their vectors.

Google's 24 miniatures (Turc et al. 2019, "Well-Read Students Learn Better") stand here twice each, since they were published twice. Spark
NLP's `small_bert_*` and `sent_small_bert_*`, and NLU's aliases for them, are one set of weights that computes GELU's tanh form, as it was
trained. The repositories `google/bert_uncased_*` on Hugging Face hold the same weights, and transformers runs them with the erf form: up to
4.7e-4 of difference in each activation.

Sources: the model cards of Spark NLP 2.6.0; the metadata and notebooks of JohnSnowLabs/spark-nlp-models and JohnSnowLabs/nlu; the model
pages of google/bert_uncased_L-*.
"""

import errno
import os
import re
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from ..files.fields import shown_name
from ..folders.hub_cache import cached, snapshot
from ..folders.settings import BOX, box_folder

HUB = "https://huggingface.co"
SPARK_MODELS = "https://s3.amazonaws.com/auxdata.johnsnowlabs.com/public/models"
LAYERS, SIZES = (2, 4, 6, 8, 10, 12), (128, 256, 512, 768)
VOCABULARY = "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3"  # SHA-256 of the vocab.txt of all miniatures
REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}", re.ASCII)  # the hub allows 96 characters
PLAIN_NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,95}", re.ASCII)  # of the few old repositories that have no owner
ADDRESS = r"(?:https?://[^/]+/|hf://)(?:models/)?([^/]+/[^/?#@]+)"  # of a repository, or of something in it
# The number in the name of each of Spark NLP's files, the token model's and the sentence model's; by hidden size, for 2 to 12 layers
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
class Check:
    """The first numbers of a vector that somebody printed."""

    text: str
    token: str | None  # whose vector; None for that of the text
    values: tuple[float, ...]
    source: str


@dataclass(frozen=True)
class Model:
    """A model with names.

    Attributes:
        names: what it is found by, the first of them the one of its folder.
        repository: where its files are on the Hugging Face hub; None for the model in the box.
        hidden_act: which GELU it is run with; None for what its config.json says.
        spark: Spark NLP's files of the token model and of the sentence model, if it has them.
        checks: what was published of its vectors.
    """

    names: tuple[str, ...]
    num_layers: int
    hidden_size: int
    repository: str | None = None
    hidden_act: str | None = None
    spark: tuple[str, ...] = ()
    checks: tuple[Check, ...] = ()
    licence: str = "Apache-2.0"

    @property
    def name(self) -> str:
        return self.names[0]

    @property
    def num_parameters(self) -> int:
        """Of the encoder, without the pooler; for 30,522 pieces, 512 positions and 2 types."""
        hidden = self.hidden_size
        layer = 4 * (hidden * hidden + hidden) + 2 * 4 * hidden * hidden + 5 * hidden + 4 * hidden
        return (30522 + 512 + 2 + 2) * hidden + self.num_layers * layer

    @property
    def path(self) -> Path:
        """The folder where it is, or will be once it is fetched."""
        return home() / "models" / folder_name(self.name) if self.repository else box_folder()


CARD = "model card"
NLU_262, NLU_263, API = "NLU's notebooks that encode all pieces", "NLU's notebook of November 2020", "API documentation of Spark NLP 3"
HE = "He was suprised by the diversity of NLU"  # spelt as published
CHECKS: dict[tuple[int, int], tuple[Check, ...]] = {
    (6, 768): (
        Check("I love NLP", "I", (-0.2927809953689575, -0.1677704006433487), CARD),
        Check("I love NLP", "love", (-0.23247751593589783, 0.2524709105491638), CARD),
        Check("I love NLP", "NLP", (0.03696206957101822, -0.11152120679616928), CARD),
    ),
    (8, 128): (
        Check("I hate cancer", None, (1.3234734535217285, -0.39469125866889954), CARD),
        Check("Antibiotics aren't painkiller", None, (1.8613495826721191, -0.7580474019050598), CARD),
    ),
    (4, 256): (
        Check("I love NLP", "I", (-0.406830757856369, 1.3900043964385986), CARD),
        Check("I love NLP", "love", (0.17971229553222656, 0.8448253870010376), CARD),
        Check("I love NLP", "NLP", (0.30530980229377747, 0.3500273525714874), CARD),
    ),
    (2, 512): (
        Check("I hate cancer", None, (0.015892572700977325, 0.21051561832427979), CARD),
        Check("Antibiotics aren't painkiller", None, (-0.2904765009880066, 0.21515187621116638), CARD),
    ),
    (2, 128): (
        Check(HE, "He", (-2.1787030696868896, 0.7735092639923096), NLU_262),
        Check(HE, "was", (-0.9244781136512756, 0.8572152256965637), NLU_262),
        Check(HE, "suprised", (-0.6023581624031067, -0.03248432278633118), NLU_262),
        Check(HE, "by", (-1.1537775993347168, 1.181339144706726), NLU_262),
        Check(HE, "the", (-1.0956398248672485, 1.2275679111480713), NLU_262),
        Check(HE, "diversity", (-1.4506101608276367, 0.07174962759017944), NLU_262),
        Check(HE, "of", (-0.7573122978210449, 0.5711507201194763), NLU_262),
        Check(HE, "NLU", (-1.3957836627960205, -0.3987855911254883), NLU_262),
        Check(HE, None, (-1.0726687908172607, 0.4481312036514282), NLU_262),
        Check("NC and NH.", "NC", (-1.4623265266418457, 1.3096604347229004), NLU_262),
        Check("NC and NH.", "and", (-1.0246961116790771, 0.7884305715560913), NLU_262),
        Check("NC and NH.", "NH", (-1.454894781112671, 0.6408094167709351), NLU_262),
        Check("NC and NH.", ".", (-0.4392947256565094, 0.8077086210250854), NLU_262),
        Check("NC and NH.", None, (-1.0595320463180542, 0.9238302707672119), NLU_262),
        Check(HE, "He", (-2.0262551307678223, 1.006833791732788), NLU_263),
        Check(HE, "NLU", (-1.0217595100402832, 0.39564353227615356), NLU_263),
        Check(HE, None, (-0.9174880981445312, 0.8030664920806885), NLU_263),
        Check("NC and NH.", "NC", (-1.3535488843917847, 1.2997395992279053), NLU_263),
        Check("NC and NH.", "NH", (-1.658284068107605, 0.7519569993019104), NLU_263),
        Check("NC and NH.", None, (-1.182037591934204, 1.0712522268295288), NLU_263),
        Check("This is a sentence.", "This", (-2.3498, 0.4805, -0.3239, -1.6129), API),
        Check("This is a sentence.", "is", (-2.1357, 0.3298, -0.6032, -1.6792), API),
        Check("This is a sentence.", "a", (-1.8245, -0.2709, -1.0594, -0.9818), API),
        Check("This is a sentence.", "sentence", (-1.1648, -0.4725, -0.5938, -1.5781), API),
        Check("This is a sentence.", ".", (-0.9125, 0.4564, -0.3975, -1.8161), API),
        Check("John loves apples.", None, (-0.8951074481010437, 0.13753940165042877, 0.3108254075050354), API),
        Check("Mary loves oranges.", None, (-0.6180210709571838, -0.12179657071828842, -0.191165953874588), API),
        Check("John loves Mary.", None, (-0.822715163230896, 0.7568016648292542, -0.1165061742067337), API),
    ),
}


def _miniatures(num_layers: int, hidden_size: int) -> tuple[Model, Model]:
    """The weights as Spark NLP runs them, and as transformers does."""
    short, numbers = f"L{num_layers}_{hidden_size}", SPARK_NUMBERS[hidden_size]
    repository = f"google/bert_uncased_L-{num_layers}_H-{hidden_size}_A-{hidden_size // 64}"
    names = (f"small_bert_{short}", f"sent_small_bert_{short}")
    aliases = (f"en.embed.bert.small_{short}", f"en.embed_sentence.small_bert_{short}")
    first = 2 * LAYERS.index(num_layers)
    spark = tuple(
        f"{SPARK_MODELS}/{name}_en_2.6.0_2.4_{number}.zip" for name, number in zip(names, numbers[first : first + 2], strict=True)
    )
    checks = CHECKS.get((num_layers, hidden_size), ())
    return (
        Model((*names, *aliases), num_layers, hidden_size, repository, "gelu_new", spark, checks),
        Model((repository,), num_layers, hidden_size, repository, checks=checks),
    )


MODELS: tuple[Model, ...] = (
    Model((BOX,), 8, 128),
    *(model for pair in (_miniatures(*each) for each in product(LAYERS, SIZES)) for model in pair),
)


def find(name: str) -> Model | None:
    """The model of that name or alias."""
    return next((model for model in MODELS if name in model.names), None)


def home() -> Path:
    """Where fetched models are kept: `MINIBERT_HOME`, else `minibert` among the user's data. Raises FileNotFoundError without a home."""
    if chosen := os.environ.get("MINIBERT_HOME"):
        return Path(os.path.expanduser(chosen)).absolute()
    data = Path(os.environ.get("XDG_DATA_HOME") or os.path.expanduser("~/.local/share"))
    if not data.is_absolute():
        raise FileNotFoundError(f"{data}: expected a home folder, found none; set MINIBERT_HOME to a folder that you may write to")
    return data / "minibert"


def folder_name(name: str) -> str:
    """`OWNER/REPO` as one name, as the hub's own cache spells it."""
    return name.replace("/", "--")


def resolve(path: str | Path | None) -> Path:
    """The folder of a model by its path, its name, or its repository; None for the model in the box.

    What `fetch` has brought comes before the cache of the hub. Names that stand for another GELU than their repository's are not taken from
    that cache. Raises FileNotFoundError that says how to get it.
    """
    if path is None:
        return box_folder()
    folder, name = Path(path), str(path)
    if exists(folder):
        return snapshot(folder)
    model = find(name)
    if model is None and not REPOSITORY.fullmatch(name):
        if PLAIN_NAME.fullmatch(name) and (found := cached(name)) is not None:
            return found
        raise FileNotFoundError(f"{shown_name(name[:200])}: no such folder, and no model of that name; {advice(name)}")
    fetched = model.path if model else home() / "models" / folder_name(name)
    if fetched.exists():
        return fetched
    found = cached(name if model is None else str(model.repository))
    if found is not None and (model is None or model.hidden_act is None):
        return found
    also = f", or `minibert convert {found} NEW --hidden-act {model.hidden_act}` from the hub's cache" if model and found else ""
    raise FileNotFoundError(
        f"{path}: no such folder, and no such model has been fetched or is in the hub's cache; `minibert fetch {name}` gets one{also}"
    )


def advice(name: str) -> str:
    """What to give instead of a name that is none."""
    if (address := re.match(ADDRESS, name)) and REPOSITORY.fullmatch(address[1]):
        return f"give the repository without its address, {address[1]}"
    meant = name.strip().rstrip("/")
    if meant != name and meant and (REPOSITORY.fullmatch(meant) or exists(Path(meant))):
        return f"give the name without the {'/' if name.startswith(meant + '/') else 'blanks'} around it, {meant}"
    if name.startswith("~") and exists(Path(os.path.expanduser(name))):
        return f"`~` means nothing here; give {os.path.expanduser(name)}"
    models = "`minibert models` lists those that have one"
    if PLAIN_NAME.fullmatch(name):
        return f"{models}, and a repository of the hub is OWNER/REPO, such as sentence-transformers/{name}"
    return models


def exists(folder: Path) -> bool:
    """Whether it is there; a name that no file system takes stands for nothing. Raises OSError if that cannot be seen."""
    try:
        return folder.exists()
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            return False
        raise
