"""``meteorograph backup`` and ``restore``: copies of the database with its journal, verified, and back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ..model.words import counted
from .options import json_option
from .output import complain, print_json

_folder_argument = click.argument("folder", metavar="DIR", type=click.Path(file_okay=False, path_type=Path))


@click.command()
@_folder_argument
@click.option("--keep", type=click.IntRange(1), help="Keep this many, and delete older ones once the new one is verified.")
@click.option("--verify", "is_check", is_flag=True, help="Read the backups that are there again, and make none.")
@json_option
def backup(folder: Path, keep: int | None, is_check: bool, as_json: bool) -> None:
    """Copy the database, its journal and the fallback database into a new folder below DIR, also while the service works."""
    from ..backups.create import create_backup
    from ..config.loading import get_settings
    from ..model import clock

    if is_check:
        return _verify(folder, as_json=as_json)
    made = create_backup(get_settings(), folder, clock.now(), keep=keep)
    if as_json:
        return print_json(_object(made))
    click.echo(f"{made.folder}: {counted(sum(made.manifest.rows.values()), 'row')}, verified")


def _verify(folder: Path, *, as_json: bool) -> None:
    from ..backups.folder import list_backups, verify
    from ..errors import BackupError

    good, has_failed = [], False
    paths = list_backups(folder)
    for path in paths:
        try:
            good.append(verify(path))
        except BackupError as error:
            has_failed = True
            complain(str(error))
    if as_json:
        print_json([_object(one) for one in good])
    else:
        for one in good:
            click.echo(f"{one.folder}: {counted(sum(one.manifest.rows.values()), 'row')}, intact")
    if not paths:
        complain(f"there is no backup in {folder}")
    if has_failed or not paths:
        raise SystemExit(1)


@click.command()
@_folder_argument
@click.option("--replace", is_flag=True, help="Put the database that is there aside, under another name.")
@json_option
def restore(folder: Path, replace: bool, as_json: bool) -> None:
    """Restore a backup, or the newest one in DIR; then store what the journal has since, and audit the ledger."""
    from ..backups.restore import restore_backup
    from ..config.loading import get_settings
    from ..model import clock

    done = restore_backup(get_settings(), folder, clock.now(), replace=replace)
    missing = sum(finding.missing for finding in done.findings)
    if as_json:
        aside = done.set_aside and str(done.set_aside)
        return print_json({**_object(done.backup), "set_aside": aside, "replayed": done.replayed, "missed": missing})
    click.echo(f"restored {done.backup.folder}: {counted(sum(done.backup.manifest.rows.values()), 'row')}")
    if done.set_aside is not None:
        click.echo(f"the database that was there is {done.set_aside} now")
    slots = f"{counted(missing, 'slot')} since then {'is' if missing == 1 else 'are'} recorded as missed"
    click.echo(f"{counted(done.replayed, 'row')} from the journal, {slots}")


def _object(made: Any) -> dict[str, Any]:
    manifest = made.manifest
    return {
        "folder": str(made.folder),
        "made_at": manifest.made_at.isoformat(),
        "version": manifest.version,
        "schema": manifest.schema,
        "rows": manifest.rows,
    }
