"""The commands behind the Makefile: `python -m lhas_utils --help`."""

import argparse
import signal
import sys

from . import claims
from .core import VIEWS
from .learning import GEMMA, quiet
from .reader import Setup, readme, run_again, run_text, site, stored
from .runs import LLM, NOTEBOOKS, confirm, fill, missing, publish_rows, run_llm, specs


def run(notebooks: list[str], profile: str) -> None:
    """Fill the run cache with everything these notebooks read (all of them by default)."""
    if profile == "full":
        claims.enough_seeds()
    names = dict.fromkeys(name for n in notebooks or NOTEBOOKS for name in NOTEBOOKS.get(n, ()) if name not in LLM)
    grid = list(dict.fromkeys(spec for name in names for spec in specs(name, profile)))
    todo = len(missing(grid))
    print(f"runs: {len(grid)} at profile {profile}, {len(grid) - todo} in the cache, {todo} to compute", flush=True)
    fill(grid)
    if not notebooks or "07" in notebooks:
        run_text("", "", profile)
        run_llm("", profile)


def real(data: str, model: str, profile: str) -> None:
    """Run the protocol on real text: a folder or hub name, and optionally a pretrained model."""
    run_text(data, model, profile)


def llm(model: str, profile: str) -> None:
    """Run both papers' questions on a real model; at `full`, the packaged one, its rows and verdicts are published."""
    run_llm(model or GEMMA, profile)
    if profile == "full" and model in ("", GEMMA):
        publish(list(LLM), profile)


def publish(experiments: list[str], profile: str) -> None:
    """Write the rows of experiments (all by default), computed where they lack; judge claims from what is published."""
    if profile != "full":
        raise ValueError(f"publish: expected profile full; got {profile}")
    publish_rows(experiments)
    claims.publish()


def again(experiments: list[str], profile: str) -> None:
    """Compute one run of each kind of code again and hold it against published rows that older code computed."""
    confirm(experiments or None)


def claim(claim: str, profile: str) -> None:
    """Compute exactly what one claim needs; print effect, verdict, the paper's number and what would change it."""
    claims.ledger.show_claim(claim, Setup("claim", profile))


def main(argv: list[str] | None = None) -> None:
    """Parse the command line and run one verb; bad input ends in one line, not in a traceback."""
    verbs = {  # verb -> (function, what it takes)
        "run": (run, ("notebooks", "profile")),
        "real": (real, ("data", "model", "profile")),
        "race": (run_again, ("file",)),
        "llm": (llm, ("model", "profile")),
        "claims": (claims.ledger.show_lines, ()),
        "claim": (claim, ("claim", "profile")),
        "publish": (publish, ("experiments", "profile")),
        "confirm": (again, ("experiments", "profile")),
        "judge": (claims.rejudge, ("metric",)),
        "verify": (claims.comparison.show_verify, ("profile",)),
        "redraw": (claims.comparison.redraw, ()),
        "readme": (readme.write_readme, ()),
        "refresh": (stored.refresh, ()),
        "copies": (stored.copies, ("profile",)),
        "html": (site.show, ("profile",)),
    }
    parser = argparse.ArgumentParser(prog="python -m lhas_utils", description=__doc__)
    commands = parser.add_subparsers(dest="verb", required=True)
    for name, (function, _) in verbs.items():
        command = commands.add_parser(name, help=(function.__doc__ or name).splitlines()[0])
        command.add_argument("--profile", choices=VIEWS, default="fast")
    commands.choices["run"].add_argument("notebooks", nargs="*", metavar="NN")
    for verb in ("publish", "confirm"):
        commands.choices[verb].add_argument("experiments", nargs="*", metavar="EXPERIMENT")
    commands.choices["judge"].add_argument(
        "--metric", default="", help="the score that decides: exact, nll or accuracy"
    )
    commands.choices["claim"].add_argument("claim", metavar="ID")
    commands.choices["real"].add_argument("--data", required=True)
    for verb in ("real", "llm"):
        commands.choices[verb].add_argument("--model", default="")
    commands.choices["race"].add_argument("file", metavar="FILE")
    args = parser.parse_args(argv)
    function, names = verbs[args.verb]
    quiet()
    try:
        sys.exit(function(*(getattr(args, n) for n in names)))
    except (ValueError, OSError) as error:  # of the second kind: a full or a read-only disk
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit("stopped; runs that were finished are kept, the same command goes on from there")


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # everything is loaded: `main` answers Ctrl-C from here on
    main()
