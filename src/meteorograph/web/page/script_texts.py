"""The texts of scripts in the language of the page. English ones are in the scripts themselves."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from jinja2.utils import htmlsafe_json_dumps
from markupsafe import Markup

from ...i18n import Language


def script_texts(language: Language, names: Sequence[str]) -> Markup:
    """An element with the texts of scripts, which ``static/texts.js`` reads; nothing in English."""
    texts = {text: said for name in names for text, said in language.scripts.get(name, {}).items()}
    if not texts:
        return Markup()
    return Markup('<script type="application/json" class="texts">{}</script>').format(htmlsafe_json_dumps(texts, dumps=_dump))


def _dump(texts: Any, **_: Any) -> str:
    return json.dumps(texts, ensure_ascii=False)
