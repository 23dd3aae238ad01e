"""The static site of the executed notebooks: plain offline HTML, made by nbconvert with our own template."""

from . import data
from .mathml import mathml
from .pages import build, show
