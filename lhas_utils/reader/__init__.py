"""People: how a notebook starts, the conformance kit, the race, exercises, the README's parts and the site."""

from . import exercises, live
from .conformance import check_selector
from .practice import context, explain
from .race import compare
from .start import Setup, start
