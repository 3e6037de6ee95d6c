"""Virtual environments to measure in: a wheel of this checkout, and packages in these versions.

The wheels are built with the setuptools of this environment. pip takes the packages from the
package index, in the versions of this environment.
"""

import os
import shutil
import subprocess
import sys
import venv
from importlib.metadata import version
from pathlib import Path

from benchmarks.checkouts import HERE

CONTENT = ("minibert", "weights", "pyproject.toml", "README.md", "LICENSE")
SLOW_START = ("MINIBERT_", "NUMBA_", "OMP_", "OPENBLAS_", "PYTHON")  # variables that change what is measured


def build_wheel(work: Path, with_libraries: bool = False) -> Path:
    """The wheel of this checkout, or the one for this platform with libraries in it.

    A copy is built, since setuptools writes beside the sources.
    """
    copy, built = work / "source", work / ("wheel with libraries" if with_libraries else "wheel")
    shutil.rmtree(copy, ignore_errors=True)
    copy.mkdir(parents=True)
    for name in CONTENT:
        if (HERE / name).is_dir():
            shutil.copytree(HERE / name, copy / name, ignore=shutil.ignore_patterns("__pycache__", "work", "libraries"))
        else:
            shutil.copy(HERE / name, copy)
    variables = clean_environment() | ({"MINIBERT_COMPILE": "1"} if with_libraries else {})
    pip(Path(sys.executable), "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", built, copy, environment=variables)
    (wheel,) = built.glob("*.whl")
    return wheel


def build_environment(folder: Path, packages: tuple[str, ...], wheel: Path | None) -> Path:
    """The Python of a new environment with these packages, and with the wheel if there is one."""
    venv.create(folder, symlinks=True)
    python = python_of(folder)
    pip(python, "install", *(f"{name}=={version(name)}" for name in packages))
    if wheel:
        pip(python, "install", "--no-deps", wheel)
    return python


def python_of(folder: Path) -> Path:
    """The Python of an environment."""
    return folder / "bin" / "python"


def pip(python: Path, *arguments: str | Path, environment: dict[str, str] | None = None) -> None:
    """Run the pip of this environment for another one."""
    command = [sys.executable, "-m", "pip", "--python", python, "--quiet", "--disable-pip-version-check", *arguments]
    subprocess.run(command, check=True, env=environment)


def clean_environment() -> dict[str, str]:
    """The environment of this process, without the variables that change what is measured."""
    return {name: value for name, value in os.environ.items() if not name.startswith(SLOW_START)}


def size_mb(folder: Path) -> float:
    """The size of all files that were installed into an environment."""
    (packages,) = (folder / "lib").glob("python*/site-packages")
    return sum(file.stat().st_size for file in packages.rglob("*") if file.is_file()) / 1e6
