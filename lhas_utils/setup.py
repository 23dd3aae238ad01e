"""How a notebook begins: profile checked, style set, one thread, quiet libraries."""

import os
from dataclasses import dataclass

import torch

from . import plots
from .config import PROFILES, choose


@dataclass(frozen=True)
class Setup:
    """What a notebook runs as: its name, which is also the figure family's, and the profile."""

    notebook: str
    profile: str


def start(notebook: str, profile: str) -> Setup:
    """Prepare a notebook and return its `Setup`; an unknown profile is an error.

    The environment variable LHAS_PROFILE, set by the notebook tests, goes before the argument.
    """
    profile = choose("PROFILE", os.environ.get("LHAS_PROFILE", profile), PROFILES)
    torch.set_num_threads(1)
    plots.style()
    return Setup(notebook, profile)
