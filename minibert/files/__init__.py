"""Files from outside: opening, reading, recognising and writing them."""

import os

StrPath = str | os.PathLike[str]  # a model is loaded with strings, because pathlib takes 4 ms to import
HUB_PREFIX = "models--"  # of a model's folder in the cache of the Hugging Face hub
