"""``meteorograph init``: ask for provider, key and place, and write ``.env``."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import Final

import click

from ..errors import ConfigurationError, FetchError, PayloadError
from .places import choose_option, choose_place, place_text

_PLAIN: Final = re.compile(r"[A-Za-z0-9_.,:/+-]*")


@click.command()
@click.option("--provider", help="Where the weather comes from, such as openweathermap or open-meteo.")
@click.option("--place", help="Name of the place to collect, such as Athens.")
@click.option("--lat", type=click.FloatRange(-90, 90), help="Latitude [degree north], instead of a search for the name.")
@click.option("--lon", type=click.FloatRange(-180, 180), help="Longitude [degree east].")
@choose_option
def init(provider: str | None, place: str | None, lat: float | None, lon: float | None, choose: int | None) -> None:
    """Ask for provider, key and place, and write them into .env in this folder.

    What an option gives is not asked. Without a terminal the key comes from its variable, such as OWM_API_KEY.
    """
    from ..config.sources import ENV_FILE
    from ..providers.registry import PROVIDERS

    path = Path(ENV_FILE)
    if path.exists():
        raise ConfigurationError(f"{path} exists: change it with an editor; docs/settings.md lists what it may have")
    if (lat is None) != (lon is None):
        raise click.UsageError("give both --lat and --lon, or none of them")
    name = provider or _ask("Provider", "--provider", default="openweathermap", choices=list(PROVIDERS))
    if name not in PROVIDERS:
        raise click.UsageError(f"--provider {name}: use one of {', '.join(PROVIDERS)}")
    values = {} if name == "openweathermap" else {"METEOROGRAPH_PROVIDERS": name}
    if setting := PROVIDERS[name].key_setting:
        values[setting] = os.environ.get(setting) or _ask_key(PROVIDERS[name].title, setting)
    place = place or _ask("Place", "--place")
    values |= _values_of_place(place, lat, lon, choose)
    _write(path, values)
    click.echo(f"wrote {path}: {name}, {place}")
    click.echo(f"next: {'meteorograph check-keys, then ' if setting else ''}meteorograph serve")


def _ask(question: str, option: str, default: str | None = None, choices: list[str] | None = None) -> str:
    if not sys.stdin.isatty():
        raise click.UsageError(f"there is no terminal to ask: give {option}")
    answer: str = click.prompt(question, default=default, type=click.Choice(choices) if choices else str)
    return answer.strip()


def _ask_key(title: str, setting: str) -> str:
    if not sys.stdin.isatty():
        raise click.UsageError(f"there is no terminal to ask: set {setting}")
    key: str = click.prompt(f"Key of {title} (not shown)", hide_input=True)
    return key.strip()


def _values_of_place(name: str, lat: float | None, lon: float | None, choose: int | None) -> dict[str, str]:
    """The settings of the default place; asked for its coordinates where the geocoder cannot be reached."""
    from ..config.loading import get_settings

    if lat is None or lon is None:
        try:
            found = choose_place(get_settings(), name, choose)
        except (FetchError, PayloadError) as error:
            if not sys.stdin.isatty():
                raise
            click.echo(f"the place cannot be looked up: {error}")
            lat = click.prompt("Latitude [degree north]", type=click.FloatRange(-90, 90))
            lon = click.prompt("Longitude [degree east]", type=click.FloatRange(-180, 180))
        else:
            click.echo(f"found {place_text(found)}")
            lat, lon = found.coordinates.latitude, found.coordinates.longitude
    return {
        "METEOROGRAPH_DEFAULT_LOCATION": name,
        "METEOROGRAPH_DEFAULT_LATITUDE": repr(lat),
        "METEOROGRAPH_DEFAULT_LONGITUDE": repr(lon),
    }


def _write(path: Path, values: dict[str, str]) -> None:
    """Write the file for its owner alone; it is complete or not there."""
    text = "".join(f"{name}={_quoted(value)}\n" for name, value in values.items())
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.link(part, path)  # never over a file that came meanwhile
    except FileExistsError:
        raise ConfigurationError(f"{path} exists") from None
    finally:
        part.unlink(missing_ok=True)


def _quoted(value: str) -> str:
    """A value as ``.env`` has it."""
    if _PLAIN.fullmatch(value):
        return value
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
