"""For PyInstaller: the bundled model, modules that a function imports, and libraries of the loops.

A library runs only with the sources that it was made from, so a frozen program gets these too. The
same holds for the tables of the tokenizer.
"""

import os

from minibert.folders.bundled import bundled_folder
from minibert.runtime.library import FOLDER, PACKAGE, SOURCES
from minibert.tokenizer.table_file import MODULES

datas = [(bundled_folder(), "minibert/bundled")]
hiddenimports = ["minibert.tokenizer.tables_google", "minibert.tokenizer.tables_hf"]
has_libraries = os.path.isdir(FOLDER)
if has_libraries:
    datas.append((FOLDER, "minibert/libraries"))
for name in (*MODULES, *(SOURCES if has_libraries else ())):
    path = os.path.join(PACKAGE, name)
    is_folder = os.path.isdir(path)
    datas.append((os.path.join(path, "*.py") if is_folder else path, f"minibert/{name if is_folder else os.path.dirname(name)}"))
