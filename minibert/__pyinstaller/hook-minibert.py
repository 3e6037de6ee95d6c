"""For PyInstaller: the model in the box, and the modules that are imported by name."""

from minibert.folders.settings import box_folder

datas = [(str(box_folder()), "minibert/box")]
hiddenimports = ["minibert.tokenizer.tables_google", "minibert.tokenizer.tables_hf"]
