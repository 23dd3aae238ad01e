"""How a notebook begins: profile checked, style set, one thread, libraries quiet."""

from dataclasses import dataclass

import torch

from .. import figures
from ..core import VIEWS, choose
from ..learning import quiet


@dataclass(frozen=True)
class Setup:
    """What a notebook runs as: its name, which is also the figure family's, and the profile."""

    notebook: str
    profile: str


def start(notebook: str, profile: str) -> Setup:
    """Prepare a notebook and return its `Setup`.

    Args:
        notebook: its name, as in `03_rank_reversal`.
        profile: `smoke`, `fast` or `full`, or `published` for the rows in `figures/data`.

    Raises:
        ValueError: an unknown profile.
    """
    choose("PROFILE", profile, VIEWS)
    torch.set_num_threads(1)
    quiet()
    figures.style()
    return Setup(notebook, profile)
