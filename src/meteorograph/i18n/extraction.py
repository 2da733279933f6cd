"""Bring the catalogues up to date with the source: ``python -m meteorograph.i18n.extraction`` (``make messages``).

What is new has no translation yet, what is gone is left out, and nothing is guessed: a test finds the texts without translation.
"""

from __future__ import annotations

import sys
from io import BytesIO
from pathlib import Path
from typing import Final

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po, write_po

from .catalogues import FOLDER, catalogue_path
from .language import CODES

_SOURCE: Final = Path(__file__).parent.parent
_METHODS: Final = [("i18n/**", "ignore"), ("**.py", "python"), ("web/templates/**", "jinja2"), ("web/static/**.js", "javascript")]

#: Function → its arguments that are texts; ``c`` marks the context.
KEYWORDS: Final[dict[str, tuple[int | tuple[int, str], ...] | None]] = {
    "Phrase": None,
    "phrase_in": ((1, "c"), 2),
    "phrase_n": (1, 2),
    "_": None,
    "_n": (1, 2),
    "_c": ((1, "c"), 2),
    "say": None,
    "say_n": (1, 2),
    "sayN": (1, 2),
    "sayIn": ((1, "c"), 2),
}


def extract() -> Catalog:
    """All texts of the source, each with the files that have it."""
    catalogue = Catalog(project="Meteorograph", fuzzy=False)
    found = extract_from_dir(
        _SOURCE,
        [(pattern, "jinja2.ext:babel_extract" if method == "jinja2" else method) for pattern, method in _METHODS],
        options_map={"web/static/**.js": {"parse_template_string": "true"}},
        keywords=KEYWORDS,
        comment_tags=("i18n:",),
        strip_comment_tags=True,
    )
    for file, _, message, comments, context in found:
        entry = catalogue.add(
            message, None, [(f"meteorograph/{Path(file).as_posix()}", 0)], auto_comments=comments, context=context
        )
        entry.flags.clear()  # placeholders are braces, not percent signs
    return catalogue


def updated(code: str, template: Catalog) -> Catalog:
    """The catalogue of a language with exactly the texts of the source, and the translations that it has for them."""
    path = catalogue_path(code)
    before = Catalog(locale=code)
    if path.is_file():
        with path.open("rb") as file:
            before = read_po(file, locale=code, charset="utf-8")
    after = Catalog(locale=code, project="Meteorograph", fuzzy=False)
    for message in template:
        if not message.id:
            continue
        key = message.id if isinstance(message.id, str) else message.id[0]
        known = before.get(key, message.context)
        is_same = known is not None and isinstance(known.id, str) == isinstance(message.id, str)
        string = (
            known.string if known is not None and is_same else "" if isinstance(message.id, str) else [""] * after.num_plurals
        )
        entry = after.add(message.id, string, message.locations, auto_comments=message.auto_comments, context=message.context)
        entry.flags.clear()
    return after


#: What stays of the head of a catalogue: nothing that changes by itself.
_HEAD: Final = ("Language:", "Plural-Forms:", "MIME-Version:", "Content-Type:", "Content-Transfer-Encoding:")


def as_text(catalogue: Catalog) -> str:
    """A catalogue as the text of its file, in the order of its texts."""
    file = BytesIO()
    write_po(file, catalogue, width=0, sort_output=True, include_lineno=False, ignore_obsolete=True)
    head, _, rest = file.getvalue().decode().partition("\n\n")
    kept = [line for line in head.split("\n") if line in ('msgid ""', 'msgstr ""') or line.lstrip('"').startswith(_HEAD)]
    return "\n".join(kept) + "\n\n" + rest.rstrip("\n") + "\n"


def main() -> None:
    """Update all catalogues."""
    template = extract()
    for code in CODES:
        if code == "en":
            continue
        catalogue, path = updated(code, template), catalogue_path(code)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(as_text(catalogue), encoding="utf-8")
        missing = sum(1 for message in catalogue if message.id and not all(_strings(message.string)))
        sys.stdout.write(f"{path.relative_to(FOLDER)}: {len(catalogue)} texts, {missing} without translation\n")


def _strings(string: object) -> tuple[str, ...]:
    return (string,) if isinstance(string, str) else tuple(string)  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
