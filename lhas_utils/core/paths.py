"""Where things are, as absolute paths, so that every working directory gives the same result."""

from pathlib import Path

from .specs import WHOLE

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build"
CACHE = BUILD / "cache"
MODELS = BUILD / "models"
CORPORA = BUILD / "corpora"
NOTEBOOKS = ROOT / "notebooks"
PUBLISHED = ROOT / "figures"


def figures(profile: str) -> Path:
    """Return the folder of one profile's figures: those of the whole study are the published run in `figures/`."""
    return PUBLISHED if profile in WHOLE else BUILD / profile / "figures"


def data(profile: str) -> Path:
    """Return the folder of one profile's source data (`data/` beside its figures)."""
    return figures(profile) / "data"


def claims(profile: str) -> Path:
    """Return the folder of one profile's claim records, one JSON file per claim."""
    return BUILD / profile / "claims"
