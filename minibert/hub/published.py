"""Check values: numbers of the models' vectors that were printed somewhere, each with its source.

Sources: the model cards of Spark NLP 2.6.0; the notebooks of JohnSnowLabs/nlu; the API
documentation of Spark NLP 3.
"""

from dataclasses import dataclass

from .catalog import Model


@dataclass(frozen=True)
class Check:
    """The first numbers of a vector that was printed somewhere.

    Attributes:
        token: the token that the vector belongs to; None for the vector of the whole text.
        source: where the numbers were printed.
    """

    text: str
    token: str | None
    values: tuple[float, ...]
    source: str


CARD = "model card"
NLU_262, NLU_263, API = "NLU's notebooks that encode all pieces", "NLU's notebook of November 2020", "API documentation of Spark NLP 3"
HE = "He was suprised by the diversity of NLU"  # the published spelling
# (number of layers, hidden size) -> its check values
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


def checks_of_model(model: Model | None) -> tuple[Check, ...]:
    """Return the check values of a model; none for the bundled model, which has its own weights."""
    return CHECKS.get((model.num_layers, model.hidden_size), ()) if model and model.repository else ()
