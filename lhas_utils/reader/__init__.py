"""People: how a notebook starts, the conformance kit, the race, exercises, the README's parts and the site."""

from . import exercises, live
from .again import run_again
from .conformance import check_selector
from .own_text import own_specs, run_text
from .practice import context, explain
from .race import Race, compare
from .start import Setup, start
