"""Sliders, for a person at the keyboard only."""

from collections.abc import Callable

from ipywidgets import FloatSlider, interact

from ..core.settings import is_live


def sliders(draw: Callable, **ranges: tuple[float, float, float]) -> None:
    """Call `draw` with the given values; in a live front end, again whenever a slider moves.

    Args:
        draw: function of the keyword arguments in `ranges`.
        ranges: name = (low, high, value). Headless, `draw(name=value, ...)` runs once.
    """
    if not is_live():
        draw(**{name: value for name, (_, _, value) in ranges.items()})
        return

    def slider(name, low, high, value):
        look = {"style": {"description_width": "9em"}, "layout": {"width": "26em"}, "continuous_update": False}
        return FloatSlider(value, min=low, max=high, step=(high - low) / 20, description=name.replace("_", " "), **look)

    interact(draw, **{name: slider(name, *limits) for name, limits in ranges.items()})
