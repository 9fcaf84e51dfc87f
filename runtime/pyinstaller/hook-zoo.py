"""The catalogue and the models of the wheel are read from disk."""

from PyInstaller.utils.hooks import collect_data_files

datas = collect_data_files("zoo", subdir="catalogue") + collect_data_files("zoo", subdir="models")
