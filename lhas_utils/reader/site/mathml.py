"""Markdown to HTML whose formulas are MathML, which browsers draw themselves."""

import re
from html import escape
from pathlib import PurePosixPath

from latex2mathml.converter import convert
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath


def mathml(tex: str, display: str = "inline") -> str:
    """Return TeX as MathML; what the converter cannot read stays visible as TeX."""
    try:
        drawn = convert(re.sub(r"\\arg(?![a-zA-Z])", r"\\operatorname{arg}", tex.strip()), display=display)
    except Exception:  # the converter's errors share no class of their own
        drawn = ""
    read = drawn and "\\" not in drawn  # it leaves a command that it does not know in the text
    return drawn if read else f"<code>{escape(tex)}</code>"


class Renderer(IPythonRenderer):
    """nbconvert's renderer with MathML, tables and code that scroll, and links that lead to pages.

    Args:
        pages: stems of the notebooks that have a page; a link to another notebook becomes plain text.
    """

    def __init__(self, pages: frozenset[str] = frozenset()):
        super().__init__(escape=False)
        self.pages = pages

    def inline_math(self, body: str) -> str:
        """Return an inline formula."""
        return mathml(body)

    def block_math(self, body: str) -> str:
        """Return a formula on its own line."""
        return mathml(body, "block")

    multiline_math = block_math

    def latex_environment(self, name: str, body: str) -> str:
        """Return a LaTeX environment, such as `align`, on its own line."""
        return mathml(rf"\begin{{{name}}}{body}\end{{{name}}}", "block")

    def heading(self, text: str, level: int, **attrs) -> str:
        """Return a heading whose id is its text with hyphens, as Jupyter's links expect."""
        anchor = re.sub(r"<[^>]*>", "", text).strip().replace(" ", "-").replace('"', "")
        return f'<h{level} id="{anchor}">{text}</h{level}>\n'

    def link(self, text: str, url: str, title: str | None = None) -> str:
        """Return a link; one to a notebook leads to its page."""
        target, _, anchor = url.partition("#")
        path = PurePosixPath(target)
        if path.suffix != ".ipynb" or target.startswith(("http:", "https:")):
            return super().link(text, url, title)
        if path.stem not in self.pages:
            return text
        return super().link(text, f"{path.stem}.html" + (f"#{anchor}" if anchor else ""), title)

    def table(self, text: str) -> str:
        """Return a table that scrolls within the page's width."""
        return f'<div class="wide"><table>\n{text}</table></div>\n'

    def block_code(self, code: str, info: str | None = None) -> str:
        """Return a block of code that the keyboard can reach and scroll."""
        return super().block_code(code, info).replace("<pre>", '<pre tabindex="0">')


def markdown(source: str, pages: frozenset[str] = frozenset()) -> str:
    """Return Markdown as HTML; `pages` are the notebooks that links may lead to."""
    return MarkdownWithMath(renderer=Renderer(pages)).render(source)


def inline(source: object) -> str:
    """Return one line of Markdown (code, emphasis, formulas) as HTML without a paragraph around it.

    >>> inline("*now* < `later`")
    '<em>now</em> &lt; <code>later</code>'
    """
    return re.sub(r"^<p>|</p>\s*$", "", markdown(escape(str(source), quote=False)).strip())
