"""For PyInstaller: the files of the bundled model, and the modules that are imported by name."""

from minibert.folders.bundled import bundled_folder

datas = [(str(bundled_folder()), "minibert/bundled")]
hiddenimports = ["minibert.tokenizer.tables_google", "minibert.tokenizer.tables_hf"]
