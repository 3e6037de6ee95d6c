"""The place of the hook that PyInstaller reads for this package (entry point `pyinstaller40`)."""

import os


def hook_dirs() -> list[str]:
    """The folder of the hook, which is this one."""
    return [os.path.dirname(__file__)]
