"""Make files that earlier versions left readable for everybody readable for their owner alone."""

from __future__ import annotations

import stat
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from ..config.settings import Settings
from ..journal.files import journal_files
from ..log_output import get_logger
from ..storage.engine import database_url

log = get_logger(__name__)

#: Read, write and enter, for everybody else.
_OTHERS = stat.S_IROTH | stat.S_IWOTH | stat.S_IXOTH


def make_files_private(settings: Settings) -> None:
    """Take the rights of other users from the files of the service, and from folders that hold nothing else.

    Only files that everybody may read or write are changed: rights of a group alone were given on purpose. No file is opened,
    because closing a file of SQLite would release this process's locks on it.
    """
    files = {path.absolute() for path in service_files(settings)}
    changed = [path for path in sorted(files) if _tighten(path)]
    ours = set(files)
    for folder in sorted({path.parent for path in files}, key=lambda path: -len(path.parts)):  # one may hold another one
        if _holds_only(folder, ours):
            ours.add(folder)
            changed += [folder] if _tighten(folder) else []
    if changed:
        log.warning("files that other users could read are for their owner alone now", files=len(changed), first=str(changed[0]))


def service_files(settings: Settings) -> Iterator[Path]:
    """The files that the service writes, where they exist."""
    url = database_url()
    if url.get_backend_name() == "sqlite" and url.database:
        yield from _with_suffixes(Path(url.database), ("", "-wal", "-shm", "-journal"))
    yield from journal_files(settings.journal_dir)
    yield from settings.journal_dir.glob("standin-*.db*")
    if settings.log_file:
        numbers = (f".{number}" for number in range(1, settings.log_file_count + 1))
        yield from _with_suffixes(settings.log_file, ("", *numbers))


def _with_suffixes(path: Path, suffixes: Iterable[str]) -> Iterator[Path]:
    return (found for suffix in suffixes if (found := path.with_name(path.name + suffix)).is_file())


def _holds_only(folder: Path, paths: set[Path]) -> bool:
    with suppress(OSError):
        return all(path in paths for path in folder.iterdir())
    return False


def _tighten(path: Path) -> bool:
    """Whether the rights of others were taken away; not if another user owns the path, or it is gone."""
    with suppress(OSError):
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & _OTHERS:
            path.chmod(mode & stat.S_IRWXU)
            return True
    return False
