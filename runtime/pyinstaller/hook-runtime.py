"""The engines are found from disk, and import their libraries by name: no import statement names either."""

from importlib.util import find_spec

from PyInstaller.utils.hooks import collect_data_files, collect_submodules

from runtime.engines import engine_module, engine_names

libraries = [name for engine in engine_names() for name in engine_module(engine).LIBRARIES]
hiddenimports = [
    *collect_submodules("runtime", filter=lambda name: not name.startswith("runtime.pyinstaller")),
    *(name for name in libraries if find_spec(name.partition(".")[0])),
]
datas = collect_data_files("runtime")
