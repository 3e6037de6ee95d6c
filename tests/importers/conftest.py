"""Fixtures: a small model, and its vector."""

from pathlib import Path

import numpy as np
import pytest

from tests.support.checkpoint_sources import SMALL, vector
from tests.support.models import write_model


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return write_model(tmp_path / "source", SMALL)


@pytest.fixture
def expected(source: Path) -> np.ndarray:
    return vector(source)
