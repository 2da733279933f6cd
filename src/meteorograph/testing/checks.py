"""One check of the suite: a name and what to run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

#: A key that a URL has to encode.
ODD_KEY: Final = "k&y=0f1e/2d3c+4b5a 6978%"


@dataclass(frozen=True)
class Check:
    """A check that raises ``AssertionError`` where the provider does not keep the contract."""

    name: str
    run: Callable[[], None]

    def __call__(self) -> None:
        self.run()

    def __str__(self) -> str:
        return self.name


def check(function: Callable[..., None], *args: Any, of: object = None) -> Check:
    """The check that calls ``function`` with these arguments, named after it and, where given, after its case."""
    name = function.__name__.strip("_").replace("_", " ")
    return Check(f"{name}: {of}" if of is not None else name, partial(function, *args))


def path_name(path: tuple[str | int, ...]) -> str:
    """A path inside a JSON value as one word."""
    return ".".join(map(str, path))
