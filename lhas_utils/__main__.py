"""The commands behind the Makefile: `python -m lhas_utils --help`."""

import argparse
import sys

from . import claims, experiments, report, sweep
from .config import PROFILES


def run(notebooks: list[str], profile: str):
    """Fill the run cache with everything these notebooks read (all of them by default)."""
    names = list(dict.fromkeys(e for n in notebooks or experiments.NOTEBOOKS for e in experiments.NOTEBOOKS.get(n, ())))
    specs = list(dict.fromkeys(s for name in names for s in experiments.EXPERIMENTS[name](profile)))
    todo = len(sweep.missing(specs))
    print(f"runs: {len(specs)} at profile {profile}, {len(specs) - todo} in the cache, {todo} to compute", flush=True)
    sweep.fill(specs)


def show(profile: str):
    """Print the published verdicts."""
    table = claims.published()
    for claim, entry in claims.contract().items():
        verdict = table["verdict"].get(claim, "not published yet")
        print(f"{claim:5} {verdict:14} {entry['statement']}")


def one(claim: str, profile: str):
    """Compute exactly what one claim needs and print its effect and verdict."""
    from .setup import Setup

    claims.check_claim(claim, Setup("claim", profile))


def main(argv=None):
    parser = argparse.ArgumentParser(prog="python -m lhas_utils", description=__doc__)
    parser.add_argument("--profile", choices=PROFILES, default="fast")
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("run", help=run.__doc__).add_argument("notebooks", nargs="*")
    verbs.add_parser("claims", help=show.__doc__)
    verbs.add_parser("claim", help=one.__doc__).add_argument("id")
    verbs.add_parser("publish", help=claims.publish.__doc__.splitlines()[0])
    verbs.add_parser("verify", help=report.show_verify.__doc__)
    verbs.add_parser("readme", help=report.write_readme.__doc__)
    for verb in verbs.choices.values():
        verb.add_argument("--profile", choices=PROFILES, default=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    try:
        if args.verb == "run":
            run(args.notebooks, args.profile)
        elif args.verb == "claims":
            show(args.profile)
        elif args.verb == "claim":
            one(args.id, args.profile)
        elif args.verb == "verify":
            report.show_verify(args.profile)
        elif args.verb == "readme":
            report.write_readme()
        elif args.verb == "publish":
            print(claims.publish(args.profile).drop(columns="note").to_string(index=False))
    except ValueError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
