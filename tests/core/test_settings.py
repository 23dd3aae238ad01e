"""The environment is asked in one place. Who looks at a notebook: `tests/reader/test_live.py`."""

from lhas_utils.core import settings


def test_the_scheduler_is_an_address_or_nothing(monkeypatch):
    monkeypatch.delenv("SCHEDULER", raising=False)
    assert settings.scheduler() is None
    monkeypatch.setenv("SCHEDULER", "")
    assert settings.scheduler() is None
    monkeypatch.setenv("SCHEDULER", "tcp://here:8786")
    assert settings.scheduler() == "tcp://here:8786"
