"""Labels beside points in place of a legend."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.transforms import Bbox, BboxBase


def _common(a: BboxBase, b: BboxBase) -> float:
    """Return the area that two boxes share, in square pixels."""
    both = Bbox.intersection(a, b)
    return 0.0 if both is None else both.width * both.height


def _joined(ax: Axes, places: dict[str, tuple[float, float]]) -> dict[str, tuple[float, float]]:
    """Return the places with the names of points that coincide put into one label."""
    groups: list[list[str]] = []
    dots = dict(zip(places, ax.transData.transform(list(places.values()))))
    for name, dot in dots.items():
        near = (group for group in groups if np.hypot(*(dots[group[0]] - dot)) < 1)
        group = next(near, None)
        if group is None:
            groups.append([name])
        else:
            group.append(name)
    lines = [[", ".join(g[i : i + 2]) for i in range(0, len(g), 2)] for g in groups]
    return {",\n".join(said): places[g[0]] for said, g in zip(lines, groups)}


def name_points(ax: Axes, places: dict[str, tuple[float, float]]) -> None:
    """Write labels beside their points, each where it covers least, stays inside and is nearest to its own point.

    Points less than a pixel apart share one label, two names a line.

    Args:
        places: label -> (x, y) in data units; the points are drawn already.
    """
    ax.figure.draw_without_rendering()
    places = _joined(ax, places)
    dots = ax.transData.transform(list(places.values()))
    taken = [Bbox.from_bounds(x - 7, y - 7, 14, 14) for x, y in dots]
    whiskers = (bar for drawn in ax.containers for bar in drawn.lines[2])
    ends = (ax.transData.transform(segment) for bar in whiskers for segment in bar.get_segments())
    taken += [Bbox(segment).padded(2) for segment in ends]
    around = [(r * np.cos(a), r * np.sin(a)) for r in (6, 10, 15, 22, 30) for a in np.arange(12) * np.pi / 6]
    for i, (name, at) in enumerate(places.items()):
        label = ax.annotate(name, at, (0, 0), textcoords="offset points", fontsize=8)
        label.set_in_layout(False)

        def put(place, label=label):
            dx, dy = place
            label.set_position(place)
            label.set_ha("left" if dx > 1 else "right" if dx < -1 else "center")
            label.set_va("bottom" if dy > 4 else "top" if dy < -4 else "center")
            return label.get_window_extent()

        def cost(place, put=put, i=i):
            box = put(place)
            covered = sum(_common(box, other) for other in taken)
            outside = box.width * box.height - _common(box, ax.bbox)
            gaps = np.hypot(*(np.clip(dots, box.min, box.max) - dots).T)  # from each point to the label
            return 3 * covered + 2 * outside + 60 * (gaps < gaps[i]).sum() + 0.2 * np.hypot(*place)

        taken.append(put(min(around, key=cost)).padded(1))
