"""Fixtures: model folders that a test may change."""

import shutil
from pathlib import Path

import pytest

from tests.support.models import write_model
from tests.support.small_folders import SMALL


@pytest.fixture
def folder(tmp_path: Path, tiny_folder: Path) -> Path:
    return Path(shutil.copytree(tiny_folder, tmp_path / "model"))


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return write_model(tmp_path / "source", SMALL)
