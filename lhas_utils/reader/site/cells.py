"""What a notebook says about itself: its title, its question, the claims it checks, what its pictures show."""

import re
import struct
from binascii import a2b_base64

from nbformat import NotebookNode


def title(nb: NotebookNode) -> str:
    """Return the notebook's first heading."""
    return nb.cells[0].source.splitlines()[0].lstrip("# ").strip()


def question(nb: NotebookNode) -> str:
    """Return the question that the notebook's first cell asks, or an empty text."""
    found = re.search(r"\*\*Question\.\*\* (.+)", nb.cells[0].source)
    return found[1].strip() if found else ""


def size(png: bytes) -> tuple[int, int]:
    """Return width and height of a PNG in pixels, from its header."""
    return struct.unpack(">II", png[16:24])


def claims(nb: NotebookNode) -> dict[str, int]:
    """Return claim id -> index of the first cell that checks it, by what the cell printed."""
    out: dict[str, int] = {}
    for i, cell in enumerate(nb.cells):
        if "check_claim" in cell.source:
            text = "".join(o.get("text", "") for o in cell.get("outputs", ()))
            for claim in re.findall(r"^([A-Z]{1,2}\d{2}[a-z]?)\b", text, re.M):
                out.setdefault(claim, i)
    return out


def describe(nb: NotebookNode, resources: dict) -> tuple[NotebookNode, dict]:
    """Give every picture its size and alt text and every cell the claims it checks; a preprocessor of nbconvert.

    Args:
        nb: changed in place: `cell.metadata.claims`, and alt, width and height of each `image/png`.
        resources: `resources["figures"]` holds the sidecars of the figures, by name.
    """
    heading = title(nb)
    for cell in nb.cells:
        cell.metadata["claims"] = []
        if cell.cell_type == "markdown":
            heading = ([heading] + re.findall(r"^#+ (.+)", cell.source, re.M))[-1].strip()
        names = iter(re.findall(r"save_figure\(\s*\w+,\s*[\"'](\w+)", cell.source))
        for output in cell.get("outputs", ()):
            if "image/png" in output.get("data", ()):
                width, height = size(a2b_base64(output.data["image/png"]))
                sidecar = resources["figures"].get(next(names, None), {})
                alt = sidecar.get(
                    "alt", f"Figure of the section “{heading}”; the text beside it says what to look for."
                )
                output.metadata["image/png"] = {"alt": alt, "width": width, "height": height}
    for claim, i in claims(nb).items():
        nb.cells[i].metadata["claims"].append(claim)
    return nb, resources
