# Everything the companion can do, from a fresh clone:  make          (this list)
#                                                       make all      (every notebook, figure, claim)
# Needs: Python >= 3.11, GNU make >= 4.3, git, bash. Nothing is written outside this folder.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.ONESHELL:
.DELETE_ON_ERROR:
.SUFFIXES:
.DEFAULT_GOAL := help

# ---- what can be set on the command line -------------------------------------------------------
PROFILE ?= fast
JOBS    ?= 2
VENV    ?= .venv
DATA    ?=
MODEL   ?=
ID      ?=
ONLINE  ?=
UPGRADE ?=
LAB_ARGS ?=
PYTEST_ARGS ?=

# ---- refuse nonsense before any work -----------------------------------------------------------
ifeq ($(filter smoke fast full,$(PROFILE)),)
$(error unknown PROFILE "$(PROFILE)": expected smoke, fast or full)
endif
ifneq ($(filter real,$(MAKECMDGOALS)),)
ifeq ($(strip $(DATA)),)
$(error make real needs DATA: a folder of *.jsonl files or a hub name, as in  make real DATA=path/to/folder [MODEL=hub-id-or-path])
endif
endif
ifneq ($(filter claim,$(MAKECMDGOALS)),)
ifeq ($(strip $(ID)),)
$(error make claim needs ID: a claim of claims.yml, as in  make claim ID=C03)
endif
endif
ifneq ($(filter refresh,$(MAKECMDGOALS)),)
ifneq ($(PROFILE),fast)
$(error make refresh stores the outputs of PROFILE=fast, not "$(PROFILE)")
endif
endif

# ---- what there is -----------------------------------------------------------------------------
NAMES   := $(basename $(notdir $(sort $(wildcard notebooks/[0-9][0-9]_*.ipynb))))
NUMBERS := $(foreach n,$(NAMES),$(firstword $(subst _, ,$(n))))
SOURCES := $(sort $(wildcard lhas_utils/*.py lhas_utils/*/*.py)) $(wildcard claims.yml)
OUT     := build/$(PROFILE)
FIGURES := $(if $(filter full,$(PROFILE)),figures,$(OUT)/figures)
BUILT   := $(NAMES:%=$(OUT)/%.ipynb)
LAST    := $(filter $(OUT)/09_%,$(BUILT))
DIGITS  := 0% 1% 2% 3% 4% 5% 6% 7% 8% 9%
UNKNOWN := $(filter-out $(NUMBERS),$(filter $(DIGITS),$(MAKECMDGOALS)))
ifneq ($(UNKNOWN),)
$(error no notebook $(UNKNOWN): there are $(NUMBERS))
endif

# ---- which Python ------------------------------------------------------------------------------
# 1. an active conda environment made from environment.yml (by name, or by what it holds);
# 2. otherwise $(VENV), made here from requirements.lock. PYTHON=... on the command line chooses 2.
ENV_NAME := $(shell sed -n 's/^name: *//p' environment.yml)
MODULES  := datasets hypothesis ipywidgets joblib jupyterlab latex2mathml matplotlib nbstripout nbval numpy pandas \
            papermill peft pytest scipy seaborn statsmodels torch transformers
ifneq ($(CONDA_PREFIX),)
ifneq ($(origin PYTHON),command line)
ifeq ($(notdir $(CONDA_DEFAULT_ENV)),$(ENV_NAME))
CONDA := yes
else
CONDA := $(shell "$(CONDA_PREFIX)/bin/python" -c "import sys; from importlib.util import find_spec; \
	sys.exit(any(find_spec(m) is None for m in '$(MODULES)'.split()))" 2>/dev/null && echo yes)
endif
endif
endif
ifeq ($(CONDA),yes)
PY  := $(CONDA_PREFIX)/bin/python
ENV := build/.conda$(subst /,-,$(subst $(empty) ,-,$(CONDA_PREFIX)))
else
PY  := $(VENV)/bin/python
ENV := $(VENV)/.ready
# a venv whose interpreter was removed or upgraded away is not ready
$(shell [ ! -e "$(ENV)" ] || "$(PY)" -c '' 2>/dev/null || rm -f "$(ENV)")
endif

# ---- how programs run --------------------------------------------------------------------------
# One thread per process (we run several processes), no network, no screen, no writing to the home
# folder; settings that a user's shell may hold and that would change results or imports are dropped.
SCRATCH := $(CURDIR)/build/home
export OMP_NUM_THREADS := 1
export OPENBLAS_NUM_THREADS := 1
export MKL_NUM_THREADS := 1
export TOKENIZERS_PARALLELISM := false
export PYTHONHASHSEED := 0
export MPLCONFIGDIR := $(SCRATCH)/matplotlib
export IPYTHONDIR := $(SCRATCH)/ipython
export JUPYTER_CONFIG_DIR := $(SCRATCH)/jupyter/config
export JUPYTER_DATA_DIR := $(SCRATCH)/jupyter/data
export JUPYTER_RUNTIME_DIR := $(SCRATCH)/jupyter/runtime
export JUPYTER_PLATFORM_DIRS := 1
export JUPYTER_PREFER_ENV_PATH := 1
export HYPOTHESIS_STORAGE_DIRECTORY := $(SCRATCH)/hypothesis
export PYTHONPATH := $(CURDIR)
# MPLBACKEND too: with `agg` in the environment, plt.show() would show nothing in a notebook.
unexport MPLBACKEND JUPYTER_PATH PYTHONHOME PYTHONSTARTUP PYTHONWARNINGS PYTHONDONTWRITEBYTECODE LHAS_PROFILE PYTEST_ADDOPTS
ifneq ($(shell [ -n "$${HOME:-}" ] && [ -w "$$HOME" ] && echo ok),ok)
export HOME := $(SCRATCH)
endif

# `make real` may name a model or data set of the hub: then the network and the reader's own hub cache.
absolute = $(shell p='$(1)'; [ ! -e "$$p" ] || { cd "$$(dirname -- "$$p")" && echo "$$PWD/$$(basename -- "$$p")"; })
LOCAL_DATA  := $(call absolute,$(DATA))
LOCAL_MODEL := $(call absolute,$(MODEL))
ifneq ($(filter real,$(MAKECMDGOALS)),)
ifeq ($(LOCAL_DATA),)
ifneq ($(or $(filter /% ./% ../% ~% %/ %.jsonl %.json %.csv,$(DATA)),$(findstring //,$(DATA))),)
$(error make real: DATA="$(DATA)" does not exist: expected a folder of *.jsonl files, one such file, or a hub name like owner/name)
endif
ONLINE := $(or $(ONLINE),yes)
endif
ifneq ($(MODEL),)
ifeq ($(LOCAL_MODEL),)
ONLINE := $(or $(ONLINE),yes)
endif
endif
endif
ifeq ($(ONLINE),)
export HF_HUB_OFFLINE := 1
export HF_DATASETS_OFFLINE := 1
export HF_HOME ?= $(SCRATCH)/huggingface
else
unexport HF_HUB_OFFLINE HF_DATASETS_OFFLINE TRANSFORMERS_OFFLINE
endif

# JOBS=n also holds the runs to n processes; left alone, they take every core that this process may use.
ifneq ($(origin JOBS),file)
export LOKY_MAX_CPU_COUNT := $(JOBS)
endif

MAKEFLAGS += --no-print-directory
ifeq ($(MAKELEVEL),0)
MAKEFLAGS += -j$(JOBS)
endif
LHAS  := MPLBACKEND=agg "$(PY)" -m lhas_utils
START := $(shell date +%s)
minutes = $$(( ($(1)) / 60 )).$$(( ($(1)) % 60 / 6 )) min

.PHONY: help env lock all test check lint figures claims claim verify readme refresh html lab bench real clean distclean $(NUMBERS)

##@ Start here
help: ## this list
	@awk 'BEGIN { FS = ":.*## "; printf "\nusage: make TARGET [PROFILE=smoke|fast|full]     now: PROFILE=$(PROFILE)\n" } \
	  /^##@ / { printf "\n%s\n", substr($$0, 5) } \
	  /^[a-z]+:.*## / { printf "  %-10s %s\n", $$1, $$2 } \
	  /^## / { t = $$0; sub(/^## /, "", t); split(t, a, " *: "); printf "  %-10s %s\n", a[1], substr(t, length(a[1]) + 3) }' $(firstword $(MAKEFILE_LIST))
	printf '\nNotebooks: %s\n\n' '$(or $(NUMBERS),none yet)'

env: $(ENV) ## make the environment (.venv from requirements.lock; an active conda environment "lhas" is used instead)
	@echo "environment ready: $(PY) ($$("$(PY)" --version))"

all: $(OUT)/.summary ## execute every notebook, then show figures and claims (a second call does nothing)
	@echo "Up to date: all $(words $(NAMES)) notebooks, profile $(PROFILE). Executed notebooks: $(OUT)/  figures: $(FIGURES)/"

## NN: one notebook by its number, as in  make 03
define number_rule
$(firstword $(subst _, ,$(1))): $(OUT)/$(1).ipynb
	@echo "Up to date: $(OUT)/$(1).ipynb, profile $(PROFILE)."
endef
$(foreach n,$(NAMES),$(eval $(call number_rule,$(n))))

lab: $(ENV) ## open JupyterLab in notebooks/ (ONLINE=1 allows the network; LAB_ARGS=... is passed on)
	@mkdir -p "$(SCRATCH)"
	exec "$(PY)" -m jupyterlab --ServerApp.root_dir="$(CURDIR)" --ServerApp.preferred_dir="$(CURDIR)/notebooks" \
	  --LabApp.default_url=/lab/tree/notebooks/00_start_here.ipynb \
	  --LabApp.news_url=None --LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate $(LAB_ARGS)

##@ Results
figures: $(BUILT) ## every figure, with where it lies
	@echo "Figures ($(PROFILE)):"
	find $(FIGURES) -maxdepth 1 -name '*.pdf' 2>/dev/null | sort | sed 's/^/  /'

claims: $(BUILT) ## the claims table: what held up, claim by claim
	@$(LHAS) claims --profile $(PROFILE)

claim: $(ENV) ## one claim, with just the runs it needs:  make claim ID=C03
	@$(LHAS) claim "$(ID)" --profile $(PROFILE)

verify: $(BUILT) ## compare this machine's run with the published one, metric by metric
	@$(LHAS) verify --profile $(PROFILE)

html: $(BUILT) ## a static site of the executed notebooks in build/html
	@$(LHAS) html --profile $(PROFILE)

real: $(ENV) ## the protocol on real text:  make real DATA=folder-or-hub-name [MODEL=hub-id-or-path]
	@mkdir -p build/real "$(SCRATCH)"
	data='$(or $(LOCAL_DATA),$(DATA))'
	model='$(or $(LOCAL_MODEL),$(MODEL))'
	$(LHAS) real --data "$$data" $${model:+--model "$$model"} --profile $(PROFILE)
	[ -e notebooks/07_real_llm.ipynb ] || exit 0
	echo "07_real_llm on $$data ..."
	$(call execute,07_real_llm,build/real,-p PROFILE $(PROFILE) -p DATA "$$data" $${model:+-p MODEL "$$model"})
	echo "07_real_llm done in $(call minutes,SECONDS): build/real/"

##@ Tests
test: $(ENV) build/smoke/.runs ## everything: lint, stored notebooks against nbval, unit and contract tests (<= 8 min)
	@mkdir -p build/logs
	workers=$$($(find_workers))
	rc=0
	$(MAKE) lint || rc=$$?
	LHAS_PROFILE=smoke "$(PY)" -m pytest --nbval --nbval-current-env --nbval-cell-timeout 300 \
	  --nbval-sanitize-with tests/sanitize.cfg -p no:python $$workers \
	  -o cache_dir=build/pytest-nbval $(PYTEST_ARGS) notebooks 2>&1 | tee build/logs/nbval.log || rc=$$?
	"$(PY)" -m pytest $$workers $(PYTEST_ARGS) tests 2>&1 | tee build/logs/tests.log || rc=$$?
	for part in nbval tests; do
	  printf '%-6s %s\n' "$$part" "$$(grep -E ' in [0-9.]+s' build/logs/$$part.log | tail -n 1)"
	done
	exit $$rc

check: $(ENV) lint ## the quick part: lint and the tests that neither train nor open a browser (< 3 min)
	@"$(PY)" -m pytest $$($(find_workers)) -m "not slow and not browser" $(PYTEST_ARGS) tests

lint: $(ENV) ## ruff
	@if "$(PY)" -m ruff --version > /dev/null 2>&1; then
	  "$(PY)" -m ruff check --quiet $(wildcard lhas_utils tests notebooks)
	else
	  echo "lint skipped: ruff is not in this environment"
	fi

bench: $(ENV) ## speed comparisons of tests/benchmarks (peers: pip install '.[bench]')
	@"$(PY)" -m pytest -o python_files='bench_*.py' -o python_functions='bench_*' -q -s $(PYTEST_ARGS) tests/benchmarks

##@ For maintainers
refresh: $(BUILT) ## store the outputs of PROFILE=fast in notebooks/ (the only way outputs enter git)
	@for name in $(NAMES); do
	  new=$(OUT)/$$name.stored.tmp old=notebooks/$$name.ipynb
	  "$(PY)" -m nbconvert --to notebook --stdout --log-level ERROR --CoalesceStreamsPreprocessor.enabled=True $(OUT)/$$name.ipynb \
	    | "$(PY)" -m nbstripout --keep-output --keep-count --keep-id --extra-keys "$(STRIP)" -t > $$new
	  if cmp -s $$new $$old; then
	    rm $$new
	  else
	    touch -r $$old $$new   # new outputs are no reason to run the notebook again
	    mv $$new $$old
	    echo "refreshed $$old"
	  fi
	done
	$(LHAS) readme

readme: $(ENV) ## write the claims table into README.md
	@$(LHAS) readme

lock: ## resolve pyproject.toml into requirements.lock (UPGRADE=1: newest allowed versions)
	@rm -rf build/lock
	mkdir -p build/lock
	python=$$($(find_python))
	"$$python" -m venv build/lock/venv
	build/lock/venv/bin/python - > build/lock/direct.txt <<-'END'
	import tomllib
	project = tomllib.loads(open("pyproject.toml").read())["project"]
	print(*project["dependencies"], *project["optional-dependencies"]["dev"], sep="\n")
	END
	touch requirements.lock
	cp requirements.lock build/lock/old.txt
	build/lock/venv/bin/python -m pip install --disable-pip-version-check --no-compile \
	  $(if $(UPGRADE),,-c build/lock/old.txt) -r build/lock/direct.txt
	build/lock/venv/bin/python -m pip check
	{ sed -n '/^# ---/q; /^#/p' build/lock/old.txt
	  echo "# --- written by make lock"
	  build/lock/venv/bin/python -m pip freeze --all | sed -E 's/\+[A-Za-z0-9.]+$$//' \
	    | grep -viE '^(pip|wheel|triton|nvidia-.*|cuda-.*)==' | LC_ALL=C sort -f
	} > build/lock/new.txt
	! grep -vE '^(#|[A-Za-z0-9._-]+==[0-9][0-9A-Za-z.!]*$$)' build/lock/new.txt || { echo "make lock: the lines above are not plain pins" >&2; exit 1; }
	cmp -s build/lock/new.txt requirements.lock && echo "requirements.lock is unchanged" || { cp build/lock/new.txt requirements.lock; echo "requirements.lock written"; }
	rm -rf build/lock

clean: ## remove build/: executed notebooks, run cache, site, logs (hours of PROFILE=full runs included)
	@rm -rf build

distclean: clean ## clean, and remove .venv too
	@rm -rf "$(VENV)"

# ---- environment -------------------------------------------------------------------------------
# Prints a usable interpreter: PYTHON if it was given, else the first of the usual names that is new enough.
find_python = for p in $(or $(PYTHON),python3 python3.13 python3.12 python3.11 python3.14 python); do \
	"$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo "$$p"; exit; }; done; \
	echo "Python 3.11 or newer is needed; $(or $(PYTHON),python3) is $$($(or $(PYTHON),python3) --version 2>&1 || true). Install one, or name it: make PYTHON=/path/to/python3.11" >&2; exit 1

# pytest-xdist is of the `dev` extra: in the lock, perhaps not in a conda environment
find_workers = "$(PY)" -c "import xdist" 2> /dev/null && echo "-n $(JOBS) --dist loadscope" || true

# .ready is a copy of the lock that was installed: written last, so a half-made venv is never taken as ready,
# and a lock that was only touched (git checkout) costs nothing.
# Two pip calls: the first installs what the lock lists without resolving it again (twice as fast); the second, plain one
# lets pip see what this platform needs beyond the lock (the CUDA runtime of a Linux GPU build of torch, appnope on macOS).
$(VENV)/.ready: requirements.lock
	@if cmp -s requirements.lock $@ && [ -x "$(PY)" ]; then touch $@; exit 0; fi
	python=$$($(find_python))
	echo "Making $(VENV) with $$("$$python" --version) from requirements.lock (about 2 minutes on a fast connection, 2 GB of disk) ..."
	rm -rf "$(VENV)"
	"$$python" -m venv "$(VENV)" || { echo "could not make a virtual environment (on Debian and Ubuntu: apt install python3-venv)" >&2; rm -rf "$(VENV)"; exit 1; }
	quiet=-q; [ ! -t 1 ] || quiet=
	pip() { "$(PY)" -m pip --disable-pip-version-check --no-input "$$@"; }
	pip install $$quiet --no-compile --no-deps -r requirements.lock
	pip install $$quiet --no-compile -r requirements.lock
	pip check
	# the package is this folder: also for a JupyterLab started by hand
	echo "$(CURDIR)" > "$$("$(PY)" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/lhas-companion.pth"
	mkdir -p "$(MPLCONFIGDIR)"
	"$(PY)" -c "import importlib; [importlib.import_module(m) for m in '$(filter-out nbval,$(MODULES)) matplotlib.pyplot scipy.stats'.split()]"
	cp requirements.lock $@
	echo "$(VENV) is ready after $(call minutes,SECONDS)"

# A conda environment is respected as it is; what differs from the pins is said, not changed.
# (.ONESHELL strips the indentation of every line: no Python blocks in recipes.)
build/.conda%: environment.yml pyproject.toml
	@mkdir -p build
	"$(PY)" - <<-'END'
	import sys, tomllib
	from importlib.metadata import distributions
	pins = dict(line.split("==") for line in tomllib.loads(open("pyproject.toml").read())["project"]["dependencies"])
	found = {d.name.lower(): d.version.split("+")[0] for d in distributions()}
	missing = [name for name in pins if name not in found]
	print(*[f"note: {n} {found[n]} is active, {pin} is pinned\n" for n, pin in pins.items() if found.get(n, pin) != pin], sep="", end="")
	sys.exit(f"the active conda environment lacks {', '.join(missing)}: conda env update -f environment.yml" if missing else 0)
	END
	echo "using the active conda environment: $(CONDA_PREFIX)"
	touch "$@"

# ---- notebooks ---------------------------------------------------------------------------------
STRIP := metadata.papermill metadata.widgets metadata.language_info.version cell.metadata.papermill cell.metadata.execution

# execute NAME into FOLDER with papermill PARAMETERS. The file appears under its own name only when every cell ran.
# A parameter that the notebook does not know is papermill's warning and our error.
define execute
	log=$(2)/$(1).log part=$(2)/$(1).partial.ipynb rc=0
	"$(PY)" -m papermill notebooks/$(1).ipynb "$$part" -k python3 --cwd notebooks --no-progress-bar \
	  --execution-timeout 1800 --start-timeout 120 $(3) > "$$log" 2>&1 &
	child=$$!
	trap 'kill $$child 2> /dev/null; exit 130' INT TERM HUP
	wait $$child || rc=$$?
	trap - INT TERM HUP
	if [ $$rc -eq 0 ] && grep -q 'Passed unknown parameter' "$$log"; then
	  grep 'Passed unknown parameter' "$$log" >&2
	  rc=2
	fi
	if [ $$rc -ne 0 ]; then
	  { tail -n 30 "$$log"; echo; echo "FAILED: notebooks/$(1).ipynb (exit $$rc). All of it: $$log, the notebook as far as it ran: $$part"; } >&2
	  [ $$rc -ne 138 ] || echo "The kernel died, usually for want of memory: try JOBS=1, or close other programs." >&2
	  exit $$rc
	fi
	mv "$$part" "$(2)/$(1).ipynb"
endef

# PROFILE=fast is the notebooks' own default: nothing is injected, so that `refresh` stores the cells as written.
$(OUT)/%.ipynb: notebooks/%.ipynb $(SOURCES) | $(ENV)
	@mkdir -p $(OUT) "$(SCRATCH)"
	i=0; for n in $(NAMES); do i=$$((i + 1)); [ $$n != $* ] || break; done
	name="[$$i/$(words $(NAMES))] $*"
	echo "$$name ..."
	if [ ! -e $(OUT)/.runs ] || [ -n "$$(find $< $(SOURCES) -newer $(OUT)/.runs -print -quit)" ]; then
	  number=$*; $(LHAS) run $${number%%_*} --profile $(PROFILE)
	fi
	$(call execute,$*,$(OUT),$(if $(filter-out fast,$(PROFILE)),-p PROFILE $(PROFILE)))
	echo "$$name done in $(call minutes,SECONDS)"

# The ledger is read last: it depends on every other notebook.
$(LAST): $(filter-out $(LAST),$(BUILT))

# For many notebooks at once, the runs of all of them come first, in one pool with one progress bar.
ifneq ($(filter all figures claims verify refresh html,$(MAKECMDGOALS)),)
$(BUILT): | $(OUT)/.runs
endif
build/%/.runs: $(NAMES:%=notebooks/%.ipynb) $(SOURCES) | $(ENV)
	@mkdir -p build/$* "$(SCRATCH)"
	echo "Runs for $(words $(NAMES)) notebooks, profile $* (finished ones come from the cache) ..."
	$(LHAS) run --profile $*
	[ $* != full ] || $(LHAS) publish --profile full
	touch $@

$(OUT)/.summary: $(BUILT)
	@$(if $(BUILT),,echo "no notebooks found in notebooks/" >&2; exit 1)
	echo
	$(LHAS) claims --profile $(PROFILE)
	echo
	echo "Figures: $$(find $(FIGURES) -maxdepth 1 -name '*.pdf' 2>/dev/null | wc -l) in $(FIGURES)/   took $(call minutes,$$(( $$(date +%s) - $(START) )))"
	touch $@
