"""With and without a person in front of the notebook."""

from lhas_utils.core import settings
from lhas_utils.reader import live


def test_nobody_is_live_here_and_sliders_draw_once():
    seen = []
    live.sliders(lambda **values: seen.append(values), a=(0, 1, 0.5), b=(0, 2, 1.0))
    assert seen == [{"a": 0.5, "b": 1.0}] and not settings.is_live() and settings.show_progress()


class Kernel:
    _allow_stdin = True


def test_a_front_end_gets_widgets_and_a_bar(monkeypatch):
    monkeypatch.setattr(settings, "_kernel", Kernel)
    assert settings.is_live() and settings.show_progress()
    monkeypatch.setattr(Kernel, "_allow_stdin", False)
    assert not settings.is_live() and not settings.show_progress()


def test_a_variable_silences_the_bar(monkeypatch):
    monkeypatch.setenv("LHAS_PROGRESS", "0")
    assert not settings.show_progress()
