"""What there is to learn: generated worlds with exact solvers, and the reader's own text."""

from ..core import Registry
from .depth import DepthWorld, trimmed
from .gym import GymCorpus, GymWorld
from .gym_levels import EASY, GymLevels
from .items import FAMILIES, LEVELS, SOURCES
from .op import OpWorld
from .reading import length_of
from .skill import DOMAINS, ORDERS, SEQUENCES, SKILLS, WorldSpec, skill_world, stage_weights
from .symbols import solve
from .text import TextWorld, describe_corpus, register, registered
from .types import Corpus, LevelWorld, Stage, StageWorld, World

LEVEL_WORLDS: dict[str, LevelWorld] = Registry(  # skills of the difficulty study
    sort=DepthWorld("sort"), cumsum=DepthWorld("cumsum"), op=OpWorld()
)
