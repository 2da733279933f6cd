"""What the providers of imported rows are called, and the terms of known sources."""

from __future__ import annotations

from typing import Final

#: The provider of an imported row is this and the name of its source.
IMPORT_PREFIX: Final = "import:"

#: What the name of a source looks like: with the prefix it must fit into the column of the provider.
IMPORT_NAME: Final = "[a-z0-9][a-z0-9_.-]{0,39}"

#: Start of the name of a source → attribution and licence of its data.
#: Source: https://github.com/meteostat/meteostat-js#data-license
IMPORT_TERMS: Final = {
    "meteostat": ("Source: Meteostat", "CC BY-NC 4.0; the terms in force are at https://dev.meteostat.net/license"),
}
