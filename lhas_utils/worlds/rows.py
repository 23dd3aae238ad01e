"""One row of the reader's data, in any usual shape, as a prompt and a response.

Read as they are: Alpaca (instruction, input, output), Dolly (instruction, context, response), Orca (system_prompt,
question, response), prompt and completion, question and answer, problem and solution, and conversations (`messages`
with role and content, `conversations` with from and value, or a plain list of texts that take turns).
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass

from .turns import as_context, as_response, as_turns, rendered, unpacked

SYSTEM = ("system", "system_prompt", "system_message", "history")  # stands before the prompt
PROMPT = ("prompt", "instruction", "question", "problem", "query", "input", "inputs")  # first found first taken
CONTEXT = (  # stands after it
    *("input", "inputs", "context", "passage", "document", "article", "paragraph", "background"),
    *("choices", "options"),
)
RESPONSE = (
    "response",
    "output",
    "completion",
    "solution",
    "generated_solution",
    "answer",
    "target",
    "targets",
    "answers",
)
PACKED = ("prompt", "completion", "chosen", "answer", "answers", "choices", "options")  # may be lists written as text
TURNS = ("messages", "conversations", "conversation", "dialogue", "dialog", "chat")
SKILL = ("skill", "category")
NUMBERS = {"quality": (-math.inf, math.inf), "difficulty": (0, 1)}  # optional fields and their ranges
WAYS_OUT = {  # of preference data: where the prompt stands
    True: "RESPONSE=chosen trains on the chosen ones",
    False: r"""jq -c '(.chosen | split("\n\nAssistant:")) as $p | {prompt: ($p[:-1] | join("\n\nAssistant:")), """
    "response: $p[-1]}' FILE > NAME.jsonl keeps the chosen ones",
}


class Unusable(Exception):
    """A row that is left out and counted; the text is the reason."""


@dataclass(frozen=True)
class Columns:
    """Columns that the reader names, empty for the usual names; `A+B` puts two columns into one prompt.

    Args:
        skill: a column, or the one skill of all rows where no column has this name.
    """

    prompt: str = ""
    response: str = ""
    skill: str = ""


def read_row(place: str, values: object, columns: Columns = Columns()) -> tuple[dict, set[str]]:
    """Return a row and the columns it was made from.

    Args:
        place: file and line, for messages.
        values: the row as it stands in the file.
        columns: columns that the reader names.

    Returns: `prompt`, `response`, `skill` and `task` (None where the row has none), `quality`, `difficulty` and
        `turns`: what stands before the response as JSON, `[{"role": ..., "content": ...}, ...]`, and empty where
        that is one user turn, the prompt.

    Raises:
        ValueError: not an object, or no column for the prompt or the response, or a value of another type.
        Unusable: blank text, half a character, or a conversation without question or answer.
    """
    if not isinstance(values, Mapping):
        raise ValueError(f"{place}: expected a JSON object; got {type(values).__name__}")
    row = {str(name).strip().lower(): value for name, value in values.items()}
    row |= {name: unpacked(row[name]) for name in (*TURNS, *PACKED) if name in row}
    turns, response, used = _parts(place, row, columns)
    if not any(turn["role"] != "system" for turn in turns):
        raise Unusable("no user turn before the last assistant turn" if not used & {*PROMPT} else "the prompt is blank")
    if not response.strip():
        raise Unusable("the response is blank")
    prompt = rendered(turns)
    try:
        (prompt + response).encode()
    except UnicodeEncodeError:
        raise Unusable("half a character (an unpaired surrogate) in the text") from None
    out = {"prompt": prompt, "response": response, "turns": ""}
    if len(turns) > 1:
        out["turns"] = json.dumps(turns, ensure_ascii=False)
    names = _named(place, row, columns.skill, SKILL) if columns.skill.lower() in row else SKILL
    out["skill"] = columns.skill if columns.skill and names is SKILL else _label(place, "skill", row, names, used)
    out["task"] = _label(place, "task", row, ("task",), used)
    return out | {name: _number(place, name, row, used) for name in NUMBERS}, used


def _parts(place: str, row: dict, columns: Columns) -> tuple[list[dict], str, set[str]]:
    """Return the turns before the response, the response, and the columns that these came from."""
    prompts = _named(place, row, columns.prompt, PROMPT)
    answers = _named(place, row, columns.response, RESPONSE)
    whole = () if prompts and answers else _named(place, row, "", TURNS)
    if not prompts and answers and isinstance(row[answers[0]], list):
        whole = answers  # `chosen` may hold the whole conversation
    system = _present(row, SYSTEM)
    before = [turn for name in system for turn in as_turns(place, name, row[name], "system")]
    if whole:
        talk = row[whole[0]] or []
        if not isinstance(talk, (list, tuple)):
            raise ValueError(f"{place}: expected {whole[0]!r} to be a list of turns; got {str(talk)[:60]!r}")
        turns = as_turns(place, whole[0], talk)
        last = max((i for i, turn in enumerate(turns) if turn["role"] == "assistant"), default=None)
        if last is None:
            raise Unusable("no assistant turn")
        return before + turns[:last], turns[last]["content"], {whole[0], *system}
    if {"chosen", "rejected"} <= {*row} and not (prompts and answers):
        way = WAYS_OUT[bool(prompts) or isinstance(row["chosen"], list)]
        raise ValueError(f"{place}: expected one response a row; got preference data (chosen, rejected): {way}")
    for name, found, usual in (("prompt", prompts, PROMPT), ("response", answers, RESPONSE)):
        if not found:
            got = ", ".join(map(repr, row)) or "an empty object"
            raise ValueError(
                f"{place}: expected a {name!r} (or {', '.join(usual[1:5])}, or messages); got only {got}; "
                f"{name.upper()}=COLUMN names another"
            )
    context = {c: as_context(place, c, row[c]) for c in _present(row, CONTEXT) if c not in (*prompts, *answers)}
    turns = [turn for name in prompts for turn in as_turns(place, name, row[name], "user")]
    extra = [text for text in context.values() if text]
    if all(turn["role"] == "user" for turn in turns):
        parts = [part for part in (*(turn["content"] for turn in turns), *extra) if part.strip()]
        turns = [{"role": "user", "content": "\n\n".join(parts)}] if parts else []
    elif extra:
        turns[-1] = turns[-1] | {"content": "\n\n".join([turns[-1]["content"], *extra])}
    said = as_response(place, answers[0], row[answers[0]])
    return before + turns, said, {*prompts, answers[0], *filter(context.get, context), *system}


def _present(row: dict, names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name for name in names if row.get(name) not in (None, "", []))


def _named(place: str, row: dict, name: str, usual: tuple[str, ...]) -> tuple[str, ...]:
    """Return the columns that `name` names, else the first usual one: with a value if there is one, else there."""
    if not name:
        return (_present(row, usual) or tuple(n for n in usual if n in row))[:1]
    wanted = (name.lower(),) if name.lower() in row else tuple(part.strip().lower() for part in name.split("+"))
    if missing := [part for part in wanted if part not in row]:
        raise ValueError(f"{place}: expected a column {missing[0]!r}, as named; got {', '.join(map(repr, row))}")
    return wanted


def _label(place: str, name: str, row: dict, names: tuple[str, ...], used: set[str]) -> str | None:
    """Return a skill or a task: without outer blanks and capitals; of a list the first; None where there is none."""
    column = next(iter(_present(row, names)), None)
    if column is None:
        return None
    used.add(column)
    value = row[column]
    value = value[0] if isinstance(value, (list, tuple)) else value
    if isinstance(value, Mapping):
        raise ValueError(f"{place}: expected {column!r} to be text or a number; got {str(value)[:60]!r}")
    text = "" if value is None else " ".join(str(value).split())
    return (text.lower() if name == "skill" else text) or None


def _number(place: str, name: str, row: dict, used: set[str]) -> float | None:
    value, (low, high) = row.get(name), NUMBERS[name]
    if value in (None, ""):
        return None
    used.add(name)
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number) or not low <= number <= high:
        raise ValueError(f"{place}: expected {name!r} to be a number in [{low}, {high}]; got {value!r}")
    return number
