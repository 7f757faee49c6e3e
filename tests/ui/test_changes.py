"""Only what changed is sent again."""

from __future__ import annotations

from ui.changes import changed


def test_everything_is_new_at_first() -> None:
    fresh, sent = changed({}, {"title": "a", "log": "b"})
    assert fresh == {"title": "a", "log": "b"}
    assert set(sent) == {"title", "log"}


def test_an_unchanged_page_sends_nothing() -> None:
    _, sent = changed({}, {"title": "a", "rows": [(1, 0.5, "forget")]})
    assert changed(sent, {"title": "a", "rows": [(1, 0.5, "forget")]}) == ({}, sent)


def test_one_changed_section_is_sent_alone() -> None:
    _, sent = changed({}, {"title": "a", "log": "b"})
    fresh, _ = changed(sent, {"title": "a", "log": "b\nc"})
    assert fresh == {"log": "b\nc"}


def test_sections_that_are_not_compared_stay_remembered() -> None:
    _, sent = changed({}, {"table": "a"})
    _, sent = changed(sent, {"queue": "b"})
    assert changed(sent, {"table": "a"})[0] == {}
