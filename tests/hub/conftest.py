"""Fixtures: a hub with faults, and a model that it publishes."""

import json
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from minibert.hub import http
from tests.support.hub_server import REPOSITORY, Handler, Hub
from tests.support.models import make_config, write_model


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with two repositories of the hub."""
    root = tmp_path_factory.mktemp("hub")
    for name in (REPOSITORY, "google/bert_uncased_L-2_H-128_A-2"):
        write_model(root / name, make_config(2, 128, 2, max_position_embeddings=32))
    return root


@pytest.fixture
def hub(published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    monkeypatch.setenv("MINIBERT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(http, "BLOCK", 4096)
    monkeypatch.setattr(http.time, "sleep", lambda _: None)
    server = Hub(published)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def answer(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Return a function that replaces the next answers for one file."""

    def replace(file: str, odd: Callable[[Handler, bytes], None], times: int = 1_000_000) -> None:
        regular, left = Handler.answer, [times]

        def either(self: Handler, name: str, data: bytes, digest: str) -> None:
            if name == file and left[0]:
                left[0] -= 1
                odd(self, data)
            else:
                regular(self, name, data, digest)

        monkeypatch.setattr(Handler, "answer", either)

    return replace


@pytest.fixture
def pooled(hub: Hub, tmp_path: Path) -> Callable[[str], Path]:
    """Return a function that publishes the model with a pooling in a folder of some name."""

    def publish(path: str) -> Path:
        shutil.copytree(hub.root, tmp_path / "published")
        hub.root = tmp_path / "published"
        folder = hub.root / REPOSITORY
        modules = [
            {"path": each, "type": f"sentence_transformers.models.{name}"} for name, each in (("Transformer", ""), ("Pooling", path))
        ]
        (folder / "modules.json").write_text(json.dumps(modules))
        (folder / path).mkdir()
        (folder / path / "config.json").write_text('{"pooling_mode_max_tokens": true}')
        return folder

    return publish
