"""Many runs: the grids, the cache, the pool of workers, and the published rows."""

from .cache import chosen, code_of, fill, key, missing, path, results
from .difficulty_grids import DFT_LR, LR
from .experiments import EXPERIMENTS, LLM, NOTEBOOKS, PUBLISHED, experiment, picks, specs
from .grids import DEVELOPMENT, SMOKE, TABLE1, table1
from .lhas_grids import ABLATIONS, ARMS, CELLS, PROXIES, ROUNDS, SURVIVORS, WEIGHTS, as_text, design, weights
from .llm_grids import PARTS, llm_line, llm_specs, run_llm
from .provenance import WHY_OTHERS, confirm, provenance, publish_rows
from .published import from_csv, is_published, published, to_csv
from .text_grids import base_line, measured, text_specs, trials
from .text_lengths import cut, cut_line, lengths, limit_for
from .unfinished import kept
