"""A figure on disk: PDF, PNG and a sidecar with the plotted numbers, caption, alt text, claims and digest."""

import json
import textwrap
from collections.abc import Sequence
from io import BytesIO
from typing import Protocol

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from ..core import digest, paths, write
from .style import COLUMN, PAGE


class Origin(Protocol):
    """Where a figure comes from; what `lu.start` returns is one."""

    notebook: str
    profile: str


def save_figure(
    fig: Figure, name: str, setup: Origin, *, data: pd.DataFrame, caption: str, alt: str, claims: Sequence[str] = ()
) -> None:
    """Write `name`.pdf, .png and .json into the folder of the profile's figures, and print the caption.

    The digest is of the plotted numbers and the texts; there is no date in any of the three, so equal figures
    are equal files.

    Args:
        data: the plotted numbers, or those they come from; floats are kept to six decimals.
        caption: the finding, with its number.
        alt: one sentence on what is drawn, for who does not see the figure; the caption goes with it.
        claims: ids of the claims that the figure bears on.

    Raises:
        ValueError: for a width that is neither a column's nor a page's.
    """
    if fig.get_figwidth() not in (COLUMN, PAGE):
        raise ValueError(f"{name}: expected a width of {COLUMN:g} or {PAGE:g} in; got {fig.get_figwidth():g} in")
    columns = {c: [_plain(v) for v in data[c]] for c in data.columns}
    origin = {"figure": name, "notebook": setup.notebook, "profile": setup.profile}
    sidecar = origin | {"caption": caption, "alt": f"{alt} {caption}", "claims": list(claims), "data": columns}
    sidecar["digest"] = digest(sidecar)
    note = f"{caption} [digest {sidecar['digest']}]"
    metadata = {
        "pdf": {"Title": name, "Subject": note, "CreationDate": None},
        "png": {"Title": name, "Description": note, "Software": None},
    }
    folder = paths.figures(setup.profile)
    for kind, texts in metadata.items():
        image = BytesIO()
        fig.savefig(image, format=kind, metadata=texts)
        write(folder / f"{name}.{kind}", image.getvalue())
    write(folder / f"{name}.json", json.dumps(sidecar, indent=1) + "\n")
    print(textwrap.fill(f"{name}: {caption}", 100, subsequent_indent="    ", break_on_hyphens=False))


def _plain(value):
    if isinstance(value, (float, np.floating)):
        return None if np.isnan(value) else round(float(value), 6)
    return int(value) if isinstance(value, (bool, np.bool_, np.integer)) else value
