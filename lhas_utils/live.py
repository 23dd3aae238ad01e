"""A person at the keyboard or not: progress bars and sliders are only for the former."""


def is_live() -> bool:
    """Tell whether a front end that could answer a question (JupyterLab, VS Code) sent this cell.

    papermill, nbclient and nbval execute cells with `allow_stdin` off; front ends turn it on.
    """
    return bool(getattr(_kernel(), "_allow_stdin", False))


def headless() -> bool:
    """Tell whether this is a notebook's kernel with nobody in front of it: show no progress bar."""
    return _kernel() is not None and not is_live()


def _kernel():
    try:
        from IPython import get_ipython
    except ImportError:  # a worker without the notebook part
        return None
    return getattr(get_ipython(), "kernel", None)


def sliders(draw, **ranges):
    """Call `draw` with the given values; in a live front end, again whenever a slider moves.

    Args:
        draw: function of the keyword arguments in `ranges`.
        ranges: name = (low, high, value). Headless, `draw(name=value, ...)` runs once.
    """
    values = {name: value for name, (_, _, value) in ranges.items()}
    if not is_live():
        draw(**values)
        return
    from ipywidgets import FloatSlider, interact

    def slider(name, low, high, value):
        look = {"style": {"description_width": "9em"}, "layout": {"width": "26em"}, "continuous_update": False}
        return FloatSlider(value, min=low, max=high, step=(high - low) / 20, description=name.replace("_", " "), **look)

    interact(draw, **{name: slider(name, *limits) for name, limits in ranges.items()})
