# `make` lists what there is, `make all` makes every notebook, figure and claim; nothing is written outside this folder.
# Needs: Python >= 3.11.5, GNU make >= 4.3, git, bash.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.ONESHELL:
.DELETE_ON_ERROR:
.SUFFIXES:
.DEFAULT_GOAL := help

# ---- what can be set: make TARGET NAME=value ---------------------------------------------------
PROFILE ?= fast
JOBS    ?= 2
VENV    ?= .venv
LIMIT   := $(filter-out file,$(origin JOBS))
# Values are data: taken as written, and read by recipes from the environment ("$$ID"), so that neither make
# nor a shell ever takes a part of one for code.
INPUTS  := PROFILE JOBS VENV PYTHON DATA SKILL PROMPT RESPONSE LENGTH MODEL DEVICE DTYPE LORA_RANK FILE ID METRIC ONLINE UPGRADE LAB_ARGS PYTEST_ARGS
$(foreach name,$(INPUTS),$(eval override export $(name) := $$(value $(name))))

# ---- refuse nonsense before any work -----------------------------------------------------------
goal    = $(filter $1,$(MAKECMDGOALS))
one_of  = $(if $(filter-out 1,$(words $($1)))$(filter-out $2,$($1)),$(error unknown $1 "$($1)": expected $3))
needs   = $(if $(call goal,$1),$(if $(strip $($2)),,$(error make $1 needs $2: $3)))
$(call one_of,PROFILE,smoke fast full published,smoke or fast or full or published)
$(call one_of,JOBS,$(shell echo {1..256}),a whole number from 1 to 256)
$(foreach name,PROFILE JOBS,$(eval override $(name) := $$(strip $$($(name)))))
$(call needs,real,DATA,as in  make real DATA=path/to/folder-or-hub-name [MODEL=hub-id-or-path])
$(call needs,claim,ID,a claim of claims.yml as in  make claim ID=C03)$(call needs,race,FILE,as in  make race FILE=build/races/NAME/race.py)
$(if $(and $(call goal,refresh),$(filter-out fast,$(PROFILE))),$(error make refresh stores the outputs of PROFILE=fast))

# ---- what there is -----------------------------------------------------------------------------
NAMES   := $(basename $(notdir $(sort $(wildcard notebooks/[0-9][0-9]_*.ipynb))))
$(if $(filter published,$(PROFILE)),$(eval NAMES := $(filter 01% 02% 03% 04% 05% 06% 09%,$(NAMES))))   # they read rows
number   = $(firstword $(subst _, ,$1))
NUMBERS := $(foreach name,$(NAMES),$(call number,$(name)))
SOURCES := $(sort $(shell find lhas_utils -name '*.py')) $(wildcard claims.yml)
OUT     := build/$(PROFILE)
FIGURES := $(if $(filter full published,$(PROFILE)),figures,$(OUT)/figures)
BUILT   := $(NAMES:%=$(OUT)/%.ipynb)
LAST    := $(filter $(OUT)/09_%,$(BUILT))
MANY    := $(call goal,all figures claims verify refresh html)
UNKNOWN := $(filter-out $(NUMBERS),$(call goal,0% 1% 2% 3% 4% 5% 6% 7% 8% 9%))
$(if $(UNKNOWN),$(error no notebook $(UNKNOWN): there are $(NUMBERS)))

# ---- which Python ------------------------------------------------------------------------------
# An active conda environment made from environment.yml (by its name, or by what it holds) if PYTHON is not given;
# otherwise VENV, made here from requirements.lock.
CONDA   := $(if $(PYTHON),,$(value CONDA_PREFIX))
COMPLETE = $(shell "$$CONDA_PREFIX/bin/python" .ci/environment.py complete 2> /dev/null && echo yes)
export CONDA := $(if $(CONDA),$(if $(or $(filter lhas,$(notdir $(value CONDA_DEFAULT_ENV))),$(COMPLETE)),$(CONDA)))
export PY := $(or $(CONDA),$(VENV))/bin/python

# ---- how programs run --------------------------------------------------------------------------
# One thread a process, no network, no screen, nothing written to the home folder; what a user's shell may hold is dropped.
# Memory stays with a process (large pages, none given back): a tensor of 100 MB otherwise costs its page faults each time.
SCRATCH := $(CURDIR)/build/home
$(foreach name,OMP OPENBLAS MKL,$(eval export $(name)_NUM_THREADS := 1))
$(foreach name,CONFIG DATA RUNTIME,$(eval export JUPYTER_$(name)_DIR := $$(SCRATCH)/jupyter/$(name)))
export TOKENIZERS_PARALLELISM := false
export PYTHONHASHSEED := 0
export GLIBC_TUNABLES ?= glibc.malloc.hugetlb=1:glibc.malloc.mmap_max=0:glibc.malloc.trim_threshold=17179869184
export PYTHONPATH := $(CURDIR)
export MPLCONFIGDIR := $(SCRATCH)/matplotlib
export IPYTHONDIR := $(SCRATCH)/ipython
export JUPYTER_PLATFORM_DIRS := 1
export JUPYTER_PREFER_ENV_PATH := 1
export HYPOTHESIS_STORAGE_DIRECTORY := $(SCRATCH)/hypothesis
export HOME := $(if $(shell [ -w "$${HOME:-}" ] && echo ok),$(value HOME),$(SCRATCH))
# MPLBACKEND too: with `agg` in the environment, plt.show() would show nothing in a notebook.
unexport MPLBACKEND JUPYTER_PATH PYTHONHOME PYTHONSTARTUP PYTHONWARNINGS PYTHONDONTWRITEBYTECODE PYTEST_ADDOPTS
unexport HF_HUB_OFFLINE HF_DATASETS_OFFLINE TRANSFORMERS_OFFLINE
ifeq ($(ONLINE),)
$(foreach name,HUB DATASETS,$(eval export HF_$(name)_OFFLINE := 1))
export HF_HOME ?= $(SCRATCH)/huggingface
endif
# JOBS=n also holds the runs to n processes; left alone, they take every core that this process may use.
$(if $(LIMIT),$(eval export LOKY_MAX_CPU_COUNT := $(JOBS)))
MAKEFLAGS += --no-print-directory $(if $(filter 0,$(MAKELEVEL)),-j$(JOBS))
START   := $(shell date +%s)
LHAS    := env MPLBACKEND=agg "$$PY" -m lhas_utils
EXECUTE := "$$PY" -P lhas_utils/reader/execute.py
# pytest itself splits PYTEST_ARGS, as a shell would; xdist is in the lock, perhaps not in a conda environment
PYTEST  := PYTEST_ADDOPTS="$$PYTEST_ARGS" "$$PY" -m pytest
WORKERS := $$("$$PY" -c "import xdist" 2> /dev/null && echo "-n $$JOBS --dist loadscope" || true)
LINT    := if "$$PY" -c "import ruff" 2> /dev/null; then "$$PY" -m ruff check --quiet .ci $(wildcard lhas_utils notebooks tests) && \
	"$$PY" -m ruff format --check .ci $(wildcard lhas_utils tests); else echo "lint skipped: ruff is not in this environment"; fi

.PHONY: help env environment lock all test check lint figures claims claim judge verify readme refresh html lab bench mutants race real llm clean distclean $(NUMBERS)

##@ Start here
help: ## this list
	@awk 'BEGIN { FS = ":.*## "; printf "\nusage: make TARGET [PROFILE=smoke|fast|full|published]     now: PROFILE=$(PROFILE)\n" } \
	  /^##@ / { printf "\n%s\n", substr($$0, 5) } \
	  /^[a-z]+:.*## / { printf "  %-10s %s\n", $$1, $$2 } \
	  /^## / { t = $$0; sub(/^## /, "", t); split(t, a, " *: "); printf "  %-10s %s\n", a[1], substr(t, length(a[1]) + 3) }' Makefile
	printf '\nNotebooks: %s\n\n' '$(or $(NUMBERS),none yet)'
environment:   # looked at by every target (milliseconds), made only where it is missing or of another lock
	@exec bash .ci/environment ready
env: environment ## make the environment (.venv from requirements.lock; an active conda environment "lhas" is used instead)
	@version=$$("$$PY" --version) && echo "environment ready: $$PY ($$version)"
all: $(OUT)/.summary ## execute every notebook, then show figures and claims (a second call does nothing)
	@echo "Up to date: all $(words $(NAMES)) notebooks, profile $(PROFILE). Executed notebooks: $(OUT)/  figures: $(FIGURES)/"
## NN: one notebook by its number, as in  make 03
$(foreach name,$(NAMES),$(eval $(call number,$(name)): $(OUT)/$(name).ipynb))
$(NUMBERS):
	@echo "Up to date: $<, profile $(PROFILE)."
lab: environment ## open JupyterLab in notebooks/ (ONLINE=1 allows the network; LAB_ARGS=... is passed on, split at spaces)
	@mkdir -p "$$JUPYTER_CONFIG_DIR/labconfig"   # the first start asks no question about news
	echo '{"@jupyterlab/apputils-extension:notification": {"fetchNews": "false"}}' > "$$JUPYTER_CONFIG_DIR/labconfig/default_setting_overrides.json"
	set -f; exec "$$PY" -m jupyterlab --ServerApp.root_dir="$$PWD" --ServerApp.preferred_dir="$$PWD/notebooks" \
	  --LabApp.default_url=/lab/tree/notebooks/00_start_here.ipynb \
	  --LabApp.news_url=None --LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate $$LAB_ARGS

##@ Results
figures: $(BUILT) ## every figure, with where it lies
	@echo "Figures ($(PROFILE)):"
	find $(FIGURES) -maxdepth 1 -name '*.pdf' 2> /dev/null | sort | sed 's/^/  /'
claims: $(BUILT) ## the claims table: what held up, claim by claim
claim: environment ## one claim, with just the runs it needs:  make claim ID=C03
race: environment ## a saved race, or a selector in a file, once more:  make race FILE=build/races/NAME/race.py
judge: environment ## every verdict again from the published rows, compared with claims.csv (METRIC=exact, nll or accuracy decides)
verify: $(BUILT) ## compare this machine's run with the published one, metric by metric
html: $(BUILT) ## a static site of the executed notebooks in build/html
claims verify html judge readme claim race:
	@exec $(LHAS) $@ --profile $(PROFILE) $(if $(filter judge,$@),--metric="$$METRIC") $(if $(filter claim,$@),-- "$$ID") $(if $(filter race,$@),-- "$$FILE")
llm: environment ## a real model: packages and weights of Gemma 3 270M (sizes and terms first), runs, notebook 07 (<= 20 min)
	@"$$PY" .ci/environment.py llm
	mkdir -p build/home && $(LHAS) llm --profile $(PROFILE) --model="$$MODEL"
	exec $(EXECUTE) notebooks/07_real_llm.ipynb build/llm PROFILE=$(PROFILE) MODEL="$${MODEL:-gemma-3-270m}"
real: environment ## the protocol on real text:  make real DATA=folder-or-hub-name [MODEL=hub-id-or-path] [SKILL= PROMPT= RESPONSE=column] [LENGTH=tokens]
	@for name in DATA MODEL; do   # what is no file here is a name of the hub: the network, and the reader's own hub cache
	  value=$${!name}
	  if [ -e "$$value" ]; then [[ $$value == /* ]] || printf -v $$name %s "$$PWD/$$value"
	  elif [[ $$value =~ ^[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9._-]+)?(:[A-Za-z0-9._-]+)?$$ && ! $$value =~ \.(jsonl?|ndjson|[ct]sv|parquet|gz)$$ ]]; then
	    unset HF_HUB_OFFLINE HF_DATASETS_OFFLINE TRANSFORMERS_OFFLINE
	    [ "$${HF_HOME-}" != "$$PWD/build/home/huggingface" ] || unset HF_HOME
	  elif [ -n "$$value" ]; then
	    echo "make real: $$name=\"$$value\" does not exist: expected a folder, a file or a hub name like owner/name" >&2; exit 2
	  fi
	done
	mark='?'   # columns and the limit go with the data, as in  folder?skill=topic&prompt=query&length=256
	for name in SKILL PROMPT RESPONSE LENGTH; do [ -z "$${!name}" ] || { DATA+="$$mark$${name,,}=$${!name}"; mark='&'; }; done
	mkdir -p build/home && $(LHAS) real --profile $(PROFILE) --data="$$DATA" --model="$$MODEL"
	[ ! -e notebooks/07_real_llm.ipynb ] || exec $(EXECUTE) notebooks/07_real_llm.ipynb build/real PROFILE=$(PROFILE) DATA="$$DATA" MODEL="$$MODEL"

##@ Tests
test: environment build/smoke/.runs ## everything: lint, stored notebooks against nbval, unit and contract tests (12 min)
	@mkdir -p build/logs
	rc=0
	{ $(LINT); } || rc=$$?
	$(LHAS) copies --profile smoke || rc=$$?
	$(PYTEST) --nbval --nbval-current-env --nbval-cell-timeout 300 --nbval-sanitize-with tests/sanitize.cfg -p no:python \
	  $(WORKERS) -o cache_dir=build/pytest-nbval build/nbval 2>&1 | tee build/logs/nbval.log || rc=$$?
	$(PYTEST) $(WORKERS) tests 2>&1 | tee build/logs/tests.log || rc=$$?
	for part in nbval tests; do printf '%-6s %s\n' $$part "$$(grep -E ' in [0-9.]+s' build/logs/$$part.log | tail -n 1)"; done
	exit $$rc
check: lint ## the quick part: lint and the tests that neither train nor open a browser (< 3 min)
	@$(PYTEST) $(WORKERS) -m "not slow and not browser" tests
lint: environment ## ruff: rules and layout
	@$(LINT)
mutants: environment ## plant every fault of tests/mutants, one at a time, in a copy; a test must see it (25 min)
	@exec "$$PY" tests/mutants/run_mutants.py -j "$$JOBS"
bench: environment ## speed comparisons of tests/benchmarks (peers: pip install '.[bench]')
	@$(PYTEST) -W ignore -o python_files='bench_*.py' -o python_functions='bench_*' -q -s tests/benchmarks

##@ For maintainers
refresh: $(BUILT) ## store the outputs of PROFILE=fast in notebooks/ (the only way outputs enter git)
	@$(LHAS) refresh && $(LHAS) readme
readme: environment ## write the generated parts of README.md, ARTEFACT.md and figures/README.md
lock: ## resolve pyproject.toml into requirements.lock (UPGRADE=1: newest allowed versions)
	@exec bash .ci/environment lock
clean: ## remove build/: executed notebooks, run cache, site, logs (hours of PROFILE=full runs included)
	@rm -rf build
distclean: ## clean, and remove .venv too
	@bash .ci/environment clear && rm -rf build

# ---- notebooks ---------------------------------------------------------------------------------
# PROFILE=fast is the notebooks' own default: no cell is added, so that `refresh` stores the cells as written.
# For many notebooks at once, the runs of all of them come first, in one pool with one progress bar.
$(OUT)/%.ipynb: notebooks/%.ipynb $(SOURCES) | environment
	@mkdir -p build/home
	$(if $(MANY)$(filter published,$(PROFILE)),,$(LHAS) run $(call number,$*) --profile $(PROFILE))
	exec $(EXECUTE) $< $(OUT) $(filter-out PROFILE=fast,PROFILE=$(PROFILE))
$(BUILT): | $(if $(MANY),$(OUT)/.runs)
$(LAST): $(filter-out $(LAST),$(BUILT))   # the ledger is read last

build/%/.runs: $(NAMES:%=notebooks/%.ipynb) $(SOURCES) | environment
	@mkdir -p $(@D) build/home
	echo "Runs for $(words $(NAMES)) notebooks, profile $* (finished ones come from the cache) ..."
	[ $* = published ] || $(LHAS) run --profile $*
	[ $* != full ] || $(LHAS) publish --profile full
	touch $@

$(OUT)/.summary: $(BUILT)
	@$(if $(BUILT),,echo "no notebooks found in notebooks/" >&2; exit 1)
	echo && $(LHAS) claims --profile $(PROFILE) && echo
	seconds=$$(( $$(date +%s) - $(START) ))
	echo "Figures: $$(find $(FIGURES) -maxdepth 1 -name '*.pdf' 2> /dev/null | wc -l) in $(FIGURES)/   took $$((seconds / 60)).$$((seconds % 60 / 6)) min"
	touch $@
