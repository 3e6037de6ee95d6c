"""The cache of the hub, where and as huggingface_hub has it."""

import itertools
import json
import subprocess
import sys
from pathlib import Path

import pytest

from minibert.folders.hub_cache import cache_folder, cached
from tests.support.hub_cache import write_hub_cache

VALUES = {"HF_HUB_CACHE": "$HOME/new", "HUGGINGFACE_HUB_CACHE": "/old", "HF_HOME": "~/hf", "XDG_CACHE_HOME": "/xdg"}
THEIRS = """
import importlib, itertools, json, os, sys
from huggingface_hub import constants
found = []
for chosen in json.loads(sys.argv[1]):
    for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HOME", "XDG_CACHE_HOME"):
        os.environ.pop(name, None)
    os.environ.update(chosen)
    found.append(importlib.reload(constants).HF_HUB_CACHE)
print(json.dumps(found))
"""


def test_it_is_looked_for_where_huggingface_hub_has_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    choices = [
        {name: VALUES[name] for name in names} for number in range(len(VALUES) + 1) for names in itertools.combinations(VALUES, number)
    ]
    result = subprocess.run([sys.executable, "-c", THEIRS, json.dumps(choices)], capture_output=True, text=True, check=True)
    for chosen, theirs in zip(choices, json.loads(result.stdout), strict=True):
        for name in VALUES:
            monkeypatch.delenv(name, raising=False)
            if name in chosen:
                monkeypatch.setenv(name, chosen[name])
        assert str(cache_folder()) == theirs, chosen
    assert len(choices) == 16


def test_the_snapshot_is_that_of_huggingface_hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, tiny_folder: Path) -> None:
    from huggingface_hub import snapshot_download

    write_hub_cache(tmp_path, "owner/tiny", tiny_folder)
    write_hub_cache(tmp_path, "owner/tiny", tiny_folder, "f" * 40)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    assert str(cached("owner/tiny")) == snapshot_download("owner/tiny", cache_dir=tmp_path, local_files_only=True)
