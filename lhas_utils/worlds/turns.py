"""What a cell of the reader's data holds, as text or as turns of a conversation."""

import ast
import json
from collections.abc import Mapping

ROLES = {"human": "user", "prompter": "user", "gpt": "assistant", "chatgpt": "assistant", "model": "assistant"} | {
    "bot": "assistant"
}


def unpacked(value: object) -> object:
    """Return a list or an object that a cell holds as text, written by JSON or by Python; anything else as it is."""
    text = value.strip() if isinstance(value, str) else ""
    if text[:1] + text[-1:] not in ("[]", "{}"):
        return value
    for read in (json.loads, ast.literal_eval):
        try:
            found = read(text)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
        inside = found if isinstance(found, list) else [found]
        shaped = isinstance(found, dict) and "text" in found
        return found if shaped or any(isinstance(item, dict) and len(item) > 1 for item in inside) else value
    return value


def as_turns(place: str, name: str, value: object, role: str = "") -> list[dict]:
    """Return a column's value as turns; text is one turn of `role`, a list of texts takes turns, user first."""
    if not isinstance(value, (list, tuple)):
        text = as_text(place, name, value)
        return [{"role": role, "content": text}] if text.strip() else []
    flat = [v for item in value for v in (item if isinstance(item, (list, tuple)) else [item])]
    if all(isinstance(v, str) for v in flat):
        return [{"role": ("user", "assistant")[i % 2], "content": v} for i, v in enumerate(flat)]
    out = []
    for item in flat:
        keys = item if isinstance(item, Mapping) else {}
        who = next((k for k in ("role", "from", "speaker") if k in keys), None)
        said = next((k for k in ("content", "value", "text") if k in keys), None)
        if who is None or said is None:
            raise ValueError(f"{place}: expected {name!r} to hold turns with role and content; got {str(item)[:60]}")
        speaker = str(item[who]).strip().lower()
        if text := as_text(place, name, item[said]).strip():
            out.append({"role": ROLES.get(speaker, speaker), "content": text})
    return out


def as_response(place: str, name: str, value: object) -> str:
    """Return the response: text, the last assistant turn, or the first of several right answers (SQuAD's `answers`)."""
    if isinstance(value, Mapping) and isinstance(value.get("text"), (list, tuple)):
        value = value["text"]
    if isinstance(value, (list, tuple)) and all(isinstance(v, (str, int, float)) for v in value):
        return next((text for v in value if (text := as_text(place, name, v)).strip()), "")
    turns = as_turns(place, name, value, "assistant")
    return next((turn["content"] for turn in reversed(turns) if turn["role"] == "assistant"), "")


def as_text(place: str, name: str, value: object) -> str:
    """Return text; numbers and truths are written out, the texts of a list stand under each other."""
    if value is None:
        return ""
    if isinstance(value, (int, float)):
        return str(value)
    if isinstance(value, Mapping) and isinstance(value.get("text"), str):
        return value["text"]
    if isinstance(value, (list, tuple)):
        return "\n".join(as_text(place, name, item) for item in value)
    if not isinstance(value, str):
        raise ValueError(f"{place}: expected {name!r} to be text; got {str(value)[:60]!r}")
    return value


def as_context(place: str, name: str, value: object) -> str:
    """Return a passage or choices as text, one a line; empty where they are of another shape, and then not used."""
    if isinstance(value, Mapping):
        labels, texts = value.get("label"), value.get("text")
        pairs = zip(labels, texts) if isinstance(labels, list) and isinstance(texts, list) else value.items()
        return "\n".join(f"{k}. {v}" for k, v in pairs if isinstance(v, str))
    try:
        return as_text(place, name, value)
    except ValueError:
        return ""


def rendered(turns: list[dict]) -> str:
    """Return turns as one text: a lone question as it is, several turns with their speakers' names."""
    alone = sum(turn["role"] != "system" for turn in turns) == 1
    plain = [t["content"] if alone or t["role"] == "system" else f"{t['role'].title()}: {t['content']}" for t in turns]
    return "\n\n".join(plain)
