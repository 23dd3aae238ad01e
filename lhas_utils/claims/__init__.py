"""From numbers to verdicts: the contract, its checks, the judge, and the one place where a claim becomes text."""

from . import comparison, difficulty_checks, ledger, lhas_checks, optimum_checks, quoted, ranking, render, theory_checks
from .contract import CHECKS, check, contract, get
from .effects import Effect, contrast, effects
from .judge import COLUMNS, PARTS, VERDICTS, combine, judge, publish, published_verdicts, rejudge, verdicts, weakest
from .ledger import check_claim
from .render import Record, markdown_row, record, records, text
