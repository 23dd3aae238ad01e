"""From numbers to verdicts: the contract, its checks, the judge, and the one place where a claim becomes text."""

from . import (
    comparison,
    difficulty_checks,
    gate_checks,
    ledger,
    lhas_checks,
    llm_checks,
    optimum_checks,
    quoted,
    ranking,
    render,
    theory_checks,
)
from .contract import CHECKS, SCORES, TALLIES, check, contract, enough_seeds, get, shown_in
from .effects import Effect, contrast, effects, missing
from .judge import COLUMNS, PARTS, VERDICTS, Part, combine, firmness, judge, judged, verdicts, weakest
from .ledger import check_claim
from .publish import by_metric, publish, published_parts, published_verdicts, rejudge, tallies, tally
from .render import Record, markdown_row, record, records, text
