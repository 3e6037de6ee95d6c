"""For PyInstaller: the files of the bundled model, and modules that a function imports."""

from minibert.folders.bundled import bundled_folder

datas = [(str(bundled_folder()), "minibert/bundled")]
hiddenimports = ["minibert.tokenizer.tables_google", "minibert.tokenizer.tables_hf"]
