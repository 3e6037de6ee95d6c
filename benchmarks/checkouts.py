"""Run a program with the minibert of a checkout, in a fresh process."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent.parent
CHECK = """
import sys
from pathlib import Path
import minibert
found, expected = Path(minibert.__file__).resolve().parent.parent, Path(sys.argv.pop()).resolve()
if found != expected:
    raise SystemExit(f"expected minibert of {expected}, found that of {found}")
"""


def run(checkout: Path, source: str, *arguments: str | Path, environment: dict[str, str] | None = None) -> Any:
    """Run the program, and return what it prints, read as JSON.

    It imports the minibert of this checkout, and has its arguments in `sys.argv`.
    """
    command = [sys.executable, "-c", CHECK + source, *map(str, arguments), str(checkout.resolve())]
    variables = os.environ | {"PYTHONPATH": str(checkout.resolve())} | (environment or {})
    result = subprocess.run(command, capture_output=True, text=True, cwd=checkout, env=variables, check=False)
    if result.returncode:
        raise SystemExit(f"{checkout}: the program failed:\n{result.stderr}")
    return json.loads(result.stdout)


def check_checkout(path: Path) -> Path:
    """The path, if it is a checkout of this repository in any of its layouts."""
    if not (path / "minibert" / "__init__.py").is_file():
        raise SystemExit(f"{path}: expected a checkout, with minibert/__init__.py in it")
    return path
