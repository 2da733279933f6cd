"""Remove what a killed process has left, and files whose rows are all in the table again."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import delete, exists, or_, select, update

from ..storage.archive.files import archive_path
from ..storage.engine import get_db_session
from ..storage.models import ArchiveFile, SealedRange

#: How long a file without sealed rows is kept, since a reader may have begun before the last of them went back.
KEPT_EMPTY: Final = timedelta(days=1)


def tidy_files(now: datetime) -> None:
    """Delete files without sealed rows; the caller holds the lease. Files that the database does not know are kept."""
    has_ranges = exists().where(SealedRange.file_id == ArchiveFile.id)
    with get_db_session() as session:
        emptied = update(ArchiveFile).where(ArchiveFile.sealed_at.is_not(None), ArchiveFile.emptied_at.is_(None), ~has_ranges)
        session.execute(emptied.values(emptied_at=now), execution_options={"synchronize_session": False})
        is_over = or_(ArchiveFile.sealed_at.is_(None), ArchiveFile.emptied_at < now - KEPT_EMPTY)
        names = session.scalars(select(ArchiveFile.name).where(is_over, ~has_ranges)).all()
        session.execute(delete(ArchiveFile).where(ArchiveFile.name.in_(names)), execution_options={"synchronize_session": False})
    for name in names:
        path = archive_path(name)
        for left in (path, path.with_name(f".{path.name}.part")):
            left.unlink(missing_ok=True)
