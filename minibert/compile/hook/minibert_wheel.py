"""The build backend of this project: setuptools, and files that are made for a wheel.

Every wheel gets the tables of the bundled tokenizer. Without MINIBERT_COMPILE, the wheel is pure
Python. With it, `python -m pip wheel .` builds the libraries of all tiers of an architecture into
the wheel. Such a wheel is for Linux, and needs no Numba.

MINIBERT_COMPILE is 1 for the architecture of this machine, or the name of one.
"""

import base64
import hashlib
import os
import platform
import stat
import sys
import tempfile
import time
import tomllib
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from setuptools import build_meta
from setuptools.build_meta import (  # noqa: F401  # hooks of the backend that stay as they are
    build_editable,
    build_sdist,
    get_requires_for_build_editable,
    get_requires_for_build_sdist,
    prepare_metadata_for_build_editable,
)

Settings = Mapping[str, str | list[str] | None] | None

SWITCH = "MINIBERT_COMPILE"
ARCHITECTURES = ("x86_64", "aarch64")
ROOT = Path(__file__).resolve().parents[3]
LIBRARIES = "minibert/libraries"
MODEL = ROOT / "weights" / "minibert-L8-H128"  # the bundled model
BUNDLED = "minibert/bundled"  # its folder in a wheel
# One file for every CPython 3, and for both libraries of C: of these systems and later ones
SYSTEMS = ("manylinux_2_17", "manylinux2014", "musllinux_1_1")
FIRST_TIME = 315532800  # 1980-01-01, where the times of zip files begin


def get_requires_for_build_wheel(config_settings: Settings = None) -> list[str]:
    """What must be installed to build the wheel."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    tools: list[str] = project["optional-dependencies"]["compile"] if architecture() else []
    numpy = [requirement for requirement in project["dependencies"] if requirement.startswith("numpy")]
    return [*build_meta.get_requires_for_build_wheel(config_settings), *numpy, *tools]


def prepare_metadata_for_build_wheel(metadata_directory: str, config_settings: Settings = None) -> str:
    """Write the metadata that the wheel will have. Returns the name of their folder."""
    name: str = build_meta.prepare_metadata_for_build_wheel(metadata_directory, config_settings)
    if found := architecture():
        for path in (Path(metadata_directory, name, "METADATA"), Path(metadata_directory, name, "WHEEL")):
            if path.exists():
                path.write_bytes(edited(path.name, path.read_bytes(), found))
    return name


def build_wheel(wheel_directory: str, config_settings: Settings = None, metadata_directory: str | None = None) -> str:
    """Build the wheel. Returns its name."""
    found = architecture()
    with tempfile.TemporaryDirectory() as folder:
        pure = Path(folder, build_meta.build_wheel(folder, config_settings))
        return with_files(pure, Path(wheel_directory), found, made_files(found))


def architecture() -> str | None:
    """The architecture that MINIBERT_COMPILE asks for. Raises ValueError if it has no libraries."""
    wanted = os.environ.get(SWITCH, "")
    if wanted in ("", "0"):
        return None
    found = platform.machine() if wanted == "1" and sys.platform == "linux" else wanted
    if found not in ARCHITECTURES:
        raise ValueError(f"{SWITCH}: expected {' or '.join(ARCHITECTURES)}, or 1 on a machine of these with Linux, found {wanted}")
    return found


def made_files(architecture: str | None) -> dict[str, bytes]:
    """The files that are made for a wheel, by their places in it."""
    sys.path.insert(0, str(ROOT))
    try:
        libraries = {} if architecture is None else build_libraries(architecture)
        return build_tables() | {f"{LIBRARIES}/{file}": content for file, content in libraries.items()}
    finally:
        sys.path.remove(str(ROOT))


def build_libraries(architecture: str) -> dict[str, bytes]:
    """The libraries of all tiers of an architecture, by the names of their files."""
    from minibert.compile.build import build
    from minibert.compile.targets import tiers_of

    return {f"{library.tier}.so": library.content for library in build(tiers_of(architecture))}


def build_tables() -> dict[str, bytes]:
    """The tables of the bundled tokenizer."""
    from minibert.tokenizer.compiled import TABLES_FILE
    from minibert.tokenizer.table_writer import tables_of

    content = tables_of(MODEL, False)
    return {} if content is None else {f"{BUNDLED}/{TABLES_FILE}": content}


def with_files(pure: Path, folder: Path, architecture: str | None, made: dict[str, bytes]) -> str:
    """Write a wheel with some more files, made from the pure one, into a folder. Returns its name.

    With an architecture, these are libraries too, and the wheel is for that architecture.
    """
    name, version, _ = pure.name.split("-", 2)
    tag = ".".join(f"{system}_{architecture}" for system in SYSTEMS) if architecture else "any"
    target = folder / f"{name}-{version}-py3-none-{tag}.whl"
    info = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(pure) as archive:
        files = {file: archive.read(file) for file in archive.namelist() if file != f"{info}/RECORD"}
    for file in ("METADATA", "WHEEL") if architecture else ():
        files[f"{info}/{file}"] = edited(file, files[f"{info}/{file}"], str(architecture))
    files |= made
    in_order = sorted(files, key=lambda file: (file.startswith(info), file))  # the metadata last, as the format recommends
    record = "".join(f"{line}\n" for line in (*(recorded(file, files[file]) for file in in_order), f"{info}/RECORD,,"))
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in in_order:
            archive.writestr(entry(file), files[file])
        archive.writestr(entry(f"{info}/RECORD"), record)
    return target.name


def edited(file: str, content: bytes, architecture: str) -> bytes:
    """The content of METADATA or WHEEL, for a wheel with libraries.

    Only the head is changed: behind it, METADATA has the front page of the project.
    """
    head, separator, rest = content.decode().partition("\n\n")
    edit = {"METADATA": _edited_requirements, "WHEEL": _edited_tags}[file]
    return "".join([*(f"{line}\n" for line in edit(head.splitlines(), architecture)), separator[1:], rest]).encode()


def _edited_requirements(head: list[str], _: str) -> Iterator[str]:
    """Numba is needed by an extra only."""
    for line in head:
        if not line.startswith("Requires-Dist: numba") or "extra ==" in line:
            yield line


def _edited_tags(head: list[str], architecture: str) -> Iterator[str]:
    for line in head:
        if line.startswith("Root-Is-Purelib:"):
            yield "Root-Is-Purelib: false"
        elif line.startswith("Tag:"):
            yield from (f"Tag: py3-none-{system}_{architecture}" for system in SYSTEMS)
        else:
            yield line


def recorded(file: str, content: bytes) -> str:
    """The line of RECORD about a file."""
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).decode().rstrip("=")
    return f"{file},sha256={digest},{len(content)}"


def entry(file: str) -> zipfile.ZipInfo:
    """The entry of a file, the same whenever and by whoever it is built."""
    seconds = max(int(os.environ.get("SOURCE_DATE_EPOCH", FIRST_TIME)), FIRST_TIME)
    info = zipfile.ZipInfo(file, time.gmtime(seconds)[:6])
    info.compress_type = zipfile.ZIP_DEFLATED
    info.create_system = 3  # Unix, which has modes
    info.external_attr = (stat.S_IFREG | 0o644) << 16
    return info
