"""What surrounds a program: environment variables, read here and nowhere else, and who is looking at a notebook.

Nothing here goes before an explicit argument.
"""

import os
import sys

from .specs import number

RANKS = 1024


def scheduler() -> str | None:
    """Return SCHEDULER, the address of a Dask cluster that takes the runs, or None for this machine."""
    return os.environ.get("SCHEDULER") or None


def device() -> str:
    """Return DEVICE, where the real model computes, `cpu` or `cuda`; empty where nobody says."""
    return os.environ.get("DEVICE", "")


def dtype() -> str:
    """Return DTYPE, what the real model computes in, `float32` or `bfloat16`; empty where nobody says."""
    return os.environ.get("DTYPE", "")


def lora_rank() -> int | None:
    """Return LORA_RANK, the rank of the adapters on a real model, or None where nobody says."""
    given = os.environ.get("LORA_RANK", "")
    if not given:
        return None
    rank = int(given) if given.isdecimal() else given
    number("LORA_RANK", rank, 1, RANKS, integer=True)
    return rank


def _kernel():
    ipython = sys.modules.get("IPython")  # not there in a worker without the notebook part
    return getattr(ipython and ipython.get_ipython(), "kernel", None)


def is_live() -> bool:
    """Tell whether a front end that could answer a question (JupyterLab, VS Code) sent this cell.

    papermill, nbclient and nbval execute cells with `allow_stdin` off; front ends turn it on.
    """
    return bool(getattr(_kernel(), "_allow_stdin", False))


def show_progress() -> bool:
    """Tell whether progress bars are wanted: not in a notebook that nobody looks at, nor where LHAS_PROGRESS is 0."""
    headless = _kernel() is not None and not is_live()
    return not headless and os.environ.get("LHAS_PROGRESS") != "0"
