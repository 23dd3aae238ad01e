"""What a run is: specifications, digests of specs and code, random streams, files and settings."""

from . import paths, settings
from .digests import Registry, code, digest
from .files import load, store, write
from .seeds import stream
from .specs import (
    CURRICULA,
    PROFILES,
    VIEWS,
    WHOLE,
    Checkpoint,
    ModelSpec,
    TrainSpec,
    choose,
    columns,
    from_dict,
    instance,
    number,
)
