"""The catalogue, the models and the digits of the wheel are read from disk."""

from PyInstaller.utils.hooks import collect_data_files

datas = collect_data_files("zoo")
