"""The commands behind the Makefile: `python -m lhas_utils --help`."""

import argparse
import sys

from . import claims, experiments, paths, report, sweep
from .config import PROFILES


def run(notebooks: list[str], profile: str):
    """Fill the run cache with everything these notebooks read (all of them by default)."""
    names = list(dict.fromkeys(e for n in notebooks or experiments.NOTEBOOKS for e in experiments.NOTEBOOKS.get(n, ())))
    specs = list(dict.fromkeys(s for name in names for s in experiments.EXPERIMENTS[name](profile)))
    todo = len(sweep.missing(specs))
    print(f"runs: {len(specs)} at profile {profile}, {len(specs) - todo} in the cache, {todo} to compute", flush=True)
    sweep.fill(specs)
    if not notebooks or "07" in notebooks:
        real("", "", profile)


def real(data: str, model: str, profile: str):
    """Run the protocol on real text: a folder or hub name, and optionally a pretrained model."""
    from . import real

    real.main(data, model, profile)


def show(profile: str):
    """Print the published verdicts."""
    table = claims.published()
    for claim, entry in claims.contract().items():
        verdict = table["verdict"].get(claim, "not published yet")
        print(f"{claim:5} {verdict:18} {entry['statement']}")


def publish(profile: str):
    """Write the raw rows of every experiment and judge every claim."""
    table = report.publish(profile)
    print(f"published: {len(table)} verdicts and the rows behind them, in {paths.data(profile)}")


def one(claim: str, profile: str):
    """Compute exactly what one claim needs and print its effect and verdict."""
    from .setup import Setup

    claims.check_claim(claim, Setup("claim", profile))


def html(profile: str):
    """Build the static site of the executed notebooks in build/html."""
    from . import site

    site.show(profile)


def main(argv=None):
    """Parse the command line and run one verb; bad input ends in one line, not in a traceback."""
    verbs = {
        "run": (run, ("notebooks",)),
        "real": (real, ("data", "model")),
        "claims": (show, ()),
        "claim": (one, ("claim",)),
        "publish": (publish, ()),
        "verify": (report.show_verify, ()),
        "readme": (lambda profile: report.write_readme(), ()),
        "html": (html, ()),
    }
    parser = argparse.ArgumentParser(prog="python -m lhas_utils", description=__doc__)
    commands = parser.add_subparsers(dest="verb", required=True)
    for name, (function, _) in verbs.items():
        command = commands.add_parser(name, help=(function.__doc__ or name).splitlines()[0])
        command.add_argument("--profile", choices=PROFILES, default="fast")
    commands.choices["run"].add_argument("notebooks", nargs="*", metavar="NN")
    commands.choices["claim"].add_argument("claim", metavar="ID")
    commands.choices["real"].add_argument("--data", required=True)
    commands.choices["real"].add_argument("--model", default="")
    args = parser.parse_args(argv)
    function, names = verbs[args.verb]
    try:
        function(*(getattr(args, n) for n in names), args.profile)
    except ValueError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
