# make demo  sets up, then the whole main job on embedded data: train, export, parity, predict
# make test  sets up, then every test
# make fast  what to run before a commit: the files of tests/fast.txt, in a minute and a half
# make nightly  every test, and those that train for minutes
# make demo-app  builds the web app for phones and its wheel
# make npm   builds the npm package that runs bundles in pages and in Node, in dist/
# make docs  builds the documentation as a site in build/site
# make zoo   makes the packaged models again, bit for bit the same on processors of one kind
# make test-arm64  every recipe's golden pack on emulated 64-bit ARM
# make bench-peers  ours against Optimum and Ultralytics, in an environment of their own

PYTHON ?= python3.11
VENV ?= .venv
PEERS ?= .venv-peers
BIN := $(VENV)/bin

# where it is set, as in many images of Python, every process compiles thousands of PyTorch's modules again: 7 s in place
# of 3 for an import, 32 s in place of 15 for the first export
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo demo-app npm docs zoo test nightly test-arm64 check bench bench-peers fast clean
.DEFAULT_GOAL := demo

# The stamp follows what decides the environment, so that set-up happens once. uv unpacks PyTorch's gigabytes in a
# fifth of pip's time; pip takes over where uv can't reach the index, for pip's own settings may.
$(VENV)/.ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt uv
	VIRTUAL_ENV=$(VENV) $(BIN)/uv pip install -c constraints.txt -e '.[dev]' \
		|| $(BIN)/python -m pip install --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

demo: $(VENV)/.ready
	$(BIN)/zoo train cnn --out demo/run --overwrite
	$(BIN)/zoo export demo/run --format onnx --format tflite --out demo/cnn-digits --overwrite
	$(BIN)/zoo verify demo/cnn-digits
	$(BIN)/zoo predict demo/cnn-digits docs/seven.png --engine onnxruntime
	$(BIN)/zoo predict demo/cnn-digits docs/seven.png --engine litert

demo-app: $(VENV)/.ready
	$(BIN)/python mobile_demo/build_app.py
	$(BIN)/python -m build --wheel --outdir dist mobile_demo

npm: $(VENV)/.ready
	$(BIN)/python -m mobile_demo.build_package dist

# several processes of one thread each: a third of the time a test waits for a process, a page or a timer
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest --dist loadscope --no-loadscope-reorder --durations=20

test: $(VENV)/.ready
	$(PYTEST) -n 3 -m 'not nightly'

nightly: $(VENV)/.ready
	EDGEZOO_NIGHTLY=1 $(PYTEST) -n 2

docs: $(VENV)/.ready
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet

zoo: $(VENV)/.ready
	OMP_NUM_THREADS=1 $(BIN)/python -m zoo.catalogue.build

fast: $(VENV)/.ready
	$(PYTEST) -n 2 -m 'not slow and not nightly' @tests/fast.txt

check: $(VENV)/.ready
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python docs/site/words.py

# needs debootstrap and qemu-user-static; the first run builds the machine in build/arm64
test-arm64: $(VENV)/.ready
	$(BIN)/python -m tests.arm64

bench: $(VENV)/.ready
	$(BIN)/python -m benchmarks

# Optimum wants older releases of what the other extras install, so the two can't share an environment
$(PEERS)/.ready: pyproject.toml benchmarks/peers.txt
	$(PYTHON) -m venv $(PEERS)
	$(PEERS)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt uv
	VIRTUAL_ENV=$(PEERS) $(PEERS)/bin/uv pip install -r benchmarks/peers.txt -e . \
		|| $(PEERS)/bin/python -m pip install --disable-pip-version-check -r benchmarks/peers.txt -e .
	@touch $@

bench-peers: $(PEERS)/.ready
	$(PEERS)/bin/python -m benchmarks.peers

clean:
	rm -rf $(VENV) $(PEERS) demo build dist mobile_demo/dist mobile_demo/node_modules
