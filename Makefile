# Everything stays inside the checkout: .venv, .cache and runs/.

PYTHON ?= python3
BIN := .venv/bin
# What the installed environment depends on; a change reinstalls.
STAMP := .venv/installed
# Environment: no byte code beside sources of other users, quiet TensorFlow, no colour codes in logs.
export TF_CPP_MIN_LOG_LEVEL ?= 3
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PRE_COMMIT_HOME := $(CURDIR)/.cache/pre-commit

# make run
DATA ?=
INIT ?=
BOARD ?=
EMULATOR ?=
RUN_NAME ?=
CONFIG ?= examples/$(if $(DATA),pictures,person).toml
quote = '$(subst ','\'',$(1))'
RUN_OPTIONS = $(if $(DATA),--data $(call quote,$(DATA))) $(if $(INIT),--init $(call quote,$(INIT))) \
	$(if $(BOARD),--set deploy.board=$(call quote,$(BOARD))) \
	$(if $(EMULATOR),--set deploy.emulator=$(call quote,$(EMULATOR))) \
	$(if $(RUN_NAME),--set run.name=$(call quote,$(RUN_NAME)))

# make flash
PORT ?=
MODEL ?= runs/$(or $(RUN_NAME),$(if $(DATA),pictures,person))
FLASH_OPTIONS = $(if $(BOARD),--board $(call quote,$(BOARD))) $(if $(PORT),--port $(call quote,$(PORT)))

# make test
PYTEST_ARGS ?=
# make hil
FLASH ?=
FLASH_FIRST = $(BIN)/espalier flash $(if $(filter echo,$(FLASH)),--echo,$(call quote,$(FLASH))) $(FLASH_OPTIONS)
# make bench
BENCH_JSON ?= .cache/bench.json
FULL ?=
# make fuzz
FUZZ_COUNT ?=
FUZZ_SECONDS ?=
FUZZ_SEED ?=
FUZZ_MODEL ?=

C_SOURCES = find firmware boards -name .pio -prune -o -type f \( -name '*.c' -o -name '*.cc' -o -name '*.h' \) -print0

.DEFAULT_GOAL := help
.PHONY: help setup doctor run flash test test-fast test-renode hil check format docs bench fuzz pin costs zoo clean
.NOTPARALLEL:

help:  ## list the targets
	@echo "Espalier: Keras models to bit-exact int8 firmware"
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1\t\2/p' Makefile | while IFS='	' read -r t d; do \
		printf '  make %-11s %s\n' "$$t" "$$d"; done

setup: $(STAMP)  ## create .venv with pinned packages (PYTHON=python3.12 picks the interpreter)

# An interrupted installation has no stamp, so the next make repairs it.
$(STAMP): pyproject.toml constraints.txt tools/setup.sh
	@sh tools/setup.sh $(call quote,$(PYTHON))

run: $(STAMP)  ## train, prune, quantize, build, measure (DATA=<class folders> INIT=<.keras> BOARD= EMULATOR= RUN_NAME=)
	@$(BIN)/espalier run $(call quote,$(CONFIG)) $(RUN_OPTIONS)

flash: $(STAMP)  ## build for a board that is plugged in and write it there (BOARD=nano33 PORT= MODEL=<.tflite or run>)
	@$(BIN)/espalier flash $(call quote,$(MODEL)) $(FLASH_OPTIONS)

doctor: $(STAMP)  ## what is missing on this computer, and how to mend it
	@$(BIN)/espalier doctor

test: $(STAMP)  ## every test that needs no board, on each emulator and compiler found
	$(BIN)/python -m pytest -m "not hardware" $(PYTEST_ARGS)

test-fast: $(STAMP)  ## the tests that need neither emulator nor minutes
	$(BIN)/python -m pytest -m "not hardware and not emulator and not slow" $(PYTEST_ARGS)

test-renode: $(STAMP)  ## Renode's tests and the Robot file: on Renode where it is, else on a stand-in
	$(BIN)/python -m pytest -m renode -rs $(PYTEST_ARGS)

hil: $(STAMP)  ## device tests and faults on a board that is plugged in (BOARD=nano33 PORT= FLASH=echo or a model: first)
	@test -n $(call quote,$(BOARD)) || { echo "hil: expected BOARD=<name of a board that is plugged in>, for" \
		"example make hil BOARD=nano33. Its port: PORT=, or bench.toml (docs/hil.md)."; exit 2; }
	@mkdir -p .cache
	@$(if $(FLASH),$(FLASH_FIRST),true)
	$(BIN)/python -m pytest tests/device -m hardware --device $(call quote,$(BOARD)) \
		$(if $(PORT),--port $(call quote,$(PORT))) -rs --junitxml $(call quote,.cache/hil-$(BOARD).xml) $(PYTEST_ARGS)

check: $(STAMP)  ## ruff, formats, mypy, layering, text files
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(C_SOURCES) | xargs -0 $(BIN)/clang-format --dry-run -Werror
	$(BIN)/python tools/check_text.py
	$(BIN)/pre-commit validate-config
	$(BIN)/python -m pytest -q tests/test_layering.py

format: $(STAMP)  ## bring Python and C sources into form
	$(BIN)/ruff check --fix-only
	$(BIN)/ruff format
	$(C_SOURCES) | xargs -0 $(BIN)/clang-format -i

docs: $(STAMP)  ## build the documentation as a site, .cache/site/index.html
	@$(BIN)/mkdocs build --quiet
	@echo ".cache/site/index.html"

costs: $(STAMP)  ## fit what kernels cost (espalier profile); after a change of kernels, with pin
	@PYTHONPATH=. $(BIN)/python tools/fit_costs.py

zoo: $(STAMP)  ## measure the cards of espalier zoo anew
	@PYTHONPATH=. $(BIN)/python tools/measure_zoo.py

bench: $(STAMP)  ## speed, RAM and flash of the reference models beside TFLM's (FULL=1: on every emulator and compiler)
	@PYTHONPATH=. $(BIN)/python tools/bench.py --json $(call quote,$(BENCH_JSON)) $(if $(FULL),--full)

fuzz: $(STAMP)  ## random models against the reference kernels (FUZZ_COUNT= FUZZ_SECONDS= FUZZ_SEED= FUZZ_MODEL=)
	@PYTHONPATH=. $(BIN)/python tools/fuzz.py $(if $(FUZZ_COUNT),--count $(FUZZ_COUNT)) \
		$(if $(FUZZ_SECONDS),--seconds $(FUZZ_SECONDS)) $(if $(FUZZ_SEED),--seed $(FUZZ_SEED)) \
		$(if $(FUZZ_MODEL),--model $(call quote,$(FUZZ_MODEL)))

pin: $(STAMP)  ## pin the figures that tests hold the engine to
	@PYTHONPATH=. $(BIN)/python tools/pin.py

clean:  ## remove caches and build outputs; .venv and runs/ stay
	rm -rf .cache .pytest_cache build dist
	find . -path ./.venv -prune -o -name __pycache__ -type d -print0 | xargs -0 rm -rf
	rm -rf firmware/.pio
