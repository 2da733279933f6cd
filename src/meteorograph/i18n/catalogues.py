"""The catalogues of ``locale/``, compiled in memory when a language is used first: no compiled file can be missing or stale."""

from __future__ import annotations

import gettext
import re
from collections.abc import Mapping
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Final, NamedTuple

#: Folder of the catalogues.
FOLDER: Final = Path(__file__).parent.parent / "locale"

_SCRIPT: Final = re.compile(r"web/static/([\w.]+\.js)$")


class Catalogue(NamedTuple):
    """The texts of a language."""

    translations: gettext.NullTranslations
    #: File name of a script → its texts: each English text with its translation, or with one for each plural form.
    scripts: Mapping[str, Mapping[str, str | list[str]]]


def catalogue_path(code: str) -> Path:
    """The catalogue of a language."""
    return FOLDER / code / "LC_MESSAGES" / "meteorograph.po"


@cache
def load_catalogue(code: str) -> Catalogue:
    """The catalogue of a language. That of English is empty: its texts are the keys."""
    path = catalogue_path(code)
    if not path.is_file():
        return Catalogue(gettext.NullTranslations(), {})
    from babel.messages.mofile import write_mo
    from babel.messages.pofile import read_po

    with path.open("rb") as file:
        catalogue = read_po(file, locale=code, charset="utf-8")
    compiled = BytesIO()
    write_mo(compiled, catalogue)
    compiled.seek(0)
    scripts: dict[str, dict[str, str | list[str]]] = {}
    for message in catalogue:
        for place, _ in message.locations if message.id else ():
            if match := _SCRIPT.search(place):
                key = message.id if isinstance(message.id, str) else message.id[0]
                key = f"{message.context}\x04{key}" if message.context else key
                said = message.string if isinstance(message.string, str) else list(message.string or ())
                scripts.setdefault(match[1], {})[key] = said
    return Catalogue(gettext.GNUTranslations(compiled), scripts)
