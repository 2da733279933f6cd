"""Names that look the same are the same."""

from __future__ import annotations

import pytest

from meteorograph.model.names import is_plain, normalise_name


@pytest.mark.parametrize("text", ["Zu\u0308rich", "\ufeffZürich", "Zü\u200brich", "Zü\u00adrich", "\u200eZürich\u202c"])
def test_one_name(text: str) -> None:
    assert normalise_name(text) == "Z\u00fcrich"
    assert normalise_name(normalise_name(text)) == normalise_name(text)


@pytest.mark.parametrize("text", ["\u0645\u06cc\u200c\u062e", "👩\u200d🚀", "zurich", "İstanbul", "ﬁ"])
def test_other_names_stay(text: str) -> None:
    assert normalise_name(text) == text


@pytest.mark.parametrize("text", ["a b", "a\u00a0b", "Zürich"])
def test_plain_texts(text: str) -> None:
    assert is_plain(text)


@pytest.mark.parametrize("text", ["a\tb", "a\nb", "a\u2028b", "\ud800"])
def test_control_characters(text: str) -> None:
    assert not is_plain(text)
