"""The payload journal: what is kept comes back as it was, whatever befalls the file or the disk."""

from __future__ import annotations

import asyncio
import os
import struct
import subprocess
import sys
import zlib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import zstandard

from meteorograph.journal import writer
from meteorograph.journal.entry import Entry, make_entry
from meteorograph.journal.frames import MAGIC, iterate_frames
from meteorograph.journal.reader import read_file, read_slots
from meteorograph.journal.retention import delete_old_files
from meteorograph.journal.round_writer import RoundWriter
from meteorograph.journal.writer import Journal, open_journal
from meteorograph.model.values import Coordinates, DueLocation, Payload, Request
from support import KEY

HOUR = timedelta(hours=1)
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
PLACE = DueLocation(7, "Cork", Coordinates(51.9, -8.5))


def kept(number: int, at: datetime = NOON, body: bytes | None = None) -> Entry:
    """An entry like others."""
    request = Request("openweathermap", "http://127.0.0.1/weather", {"lat": str(number)}, {"appid": KEY})
    told = body if body is not None else b'{"main":{"temp":%d,"pressure":1013},"name":"Cork"}' % number
    return make_entry(Payload(request, 200, told, at, None), "current", at, [PLACE])


def written(folder: Path, many: int = 3) -> Path:
    """The file of so many entries."""
    one = Journal(folder)
    for number in range(many):
        assert one.append(kept(number))
    one.close()
    (path,) = folder.iterdir()
    return path


@pytest.fixture(autouse=True)
def _no_journal_left_open() -> None:
    writer.close_journals()


def test_what_is_kept_comes_back_as_it_was(tmp_path: Path) -> None:
    path = written(tmp_path)
    assert list(read_file(path)) == [kept(number) for number in range(3)]
    back = next(read_file(path))
    assert (back.points, back.location_ids, back.payload().body) == ([(51.9, -8.5)], [7], kept(0).body)
    assert back.payload().request.secrets == {}
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_file_that_is_cut_at_any_byte_keeps_every_whole_entry(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = written(tmp_path)
    data, all_ = path.read_bytes(), list(read_file(path))
    seen = []
    for length in range(len(data)):
        path.write_bytes(data[:length])
        caplog.clear()
        found = list(read_file(path))
        assert found == all_[: len(found)]
        seen.append(len(found))
        before = path.stat().st_size
        delete_old_files(tmp_path, NOON + 3 * HOUR, 30)
        assert list(read_file(path)) == found
        assert ("torn" in caplog.text) == (path.stat().st_size < before)
    assert seen == sorted(seen)
    assert set(seen) == {0, 1, 2}


def test_no_flipped_byte_gives_a_wrong_entry(tmp_path: Path) -> None:
    path = written(tmp_path)
    data, all_ = path.read_bytes(), list(read_file(path))
    for place in range(len(data)):
        path.write_bytes(data[:place] + bytes([data[place] ^ 0x55]) + data[place + 1 :])
        found = list(read_file(path))
        assert [entry for entry in all_ if entry in found] == found
        assert len(found) >= len(all_) - 1, "a damaged frame costs itself alone"


def test_an_empty_or_foreign_file_is_no_journal(tmp_path: Path) -> None:
    for name, data in (("20260301T12Z-1-aa.journal", b""), ("20260301T12Z-2-bb.journal", b"other"), ("notes.journal", MAGIC)):
        (tmp_path / name).write_bytes(data)
    assert list(read_slots(tmp_path, NOON, NOON + HOUR)) == []
    assert list(read_slots(tmp_path / "nowhere", NOON, NOON + HOUR)) == []


def test_each_hour_has_a_file_and_slots_are_found_in_all_of_them(tmp_path: Path) -> None:
    one = Journal(tmp_path)
    for number in range(3):
        one.append(kept(number, NOON + number * HOUR))
    one.close()
    assert [path.name[:12] for path in sorted(tmp_path.iterdir())] == ["20260301T12Z", "20260301T13Z", "20260301T14Z"]
    assert [found.due_at for found in read_slots(tmp_path, NOON + HOUR, NOON + 3 * HOUR)] == [NOON + HOUR, NOON + 2 * HOUR]


def test_files_are_dropped_after_the_days_they_are_kept_for(tmp_path: Path) -> None:
    one = Journal(tmp_path)
    for days in range(4):
        one.append(kept(days, NOON + timedelta(days=days)))
    one.close()
    other = tmp_path / "standin-1.db"
    other.touch()
    delete_old_files(tmp_path, NOON + timedelta(days=4), 2)
    assert [path.name[:8] for path in sorted(tmp_path.glob("*.journal"))] == ["20260303", "20260304"]
    assert other.exists()


def test_no_key_is_kept_not_even_one_that_the_body_repeats(tmp_path: Path) -> None:
    one = Journal(tmp_path)
    one.append(kept(0, body=b'{"next":"http://127.0.0.1/?appid=%s&page=2"}' % KEY.encode()))
    one.close()
    (path,) = tmp_path.iterdir()
    (back,) = read_file(path)
    assert KEY not in repr(back)
    assert back.body == b'{"next":"http://127.0.0.1/?appid=[redacted]&page=2"}'


def test_where_nothing_can_be_written_collection_goes_on_and_the_log_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "journal"
    folder.touch()
    one = Journal(folder)
    assert [one.append(kept(number)) for number in range(3)] == [False] * 3
    assert one.lost == 3
    assert caplog.text.count("collecting without it") == 1
    folder.unlink()
    one._failed_at = float("-inf")  # a second later
    assert one.append(kept(3))
    one.close()
    (path,) = folder.iterdir()
    assert list(read_file(path)) == [kept(3)]


#: A disk that takes some more kilobytes: at the limit a write is cut short, and the next one fails.
FULL = """
import resource, signal, sys
from pathlib import Path
from meteorograph.journal.round_writer import RoundWriter
from meteorograph.journal.writer import Journal
from unit.journal.test_journal import kept
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))
one = Journal(Path(sys.argv[1]))
kepts = []
for number in range(200):
    kepts.append(one.append(kept(number)))
    one._failed_at = float("-inf")
print(sum(kepts), one.lost)
"""


def _run(script: str, *words: str) -> str:
    path = os.pathsep.join(sys.path)
    done = subprocess.run(
        [sys.executable, "-c", script, *words],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return done.stdout


def test_a_disk_that_is_full_tears_no_entry_that_was_kept(tmp_path: Path) -> None:
    stored, lost = map(int, _run(FULL, str(tmp_path)).split()[-2:])
    assert lost
    assert stored + lost == 200
    found = [one.params["lat"] for path in sorted(tmp_path.iterdir()) for one in read_file(path)]
    assert len(found) == len(set(found)) == stored


def test_a_forked_child_writes_a_file_of_its_own(tmp_path: Path) -> None:
    assert open_journal(tmp_path).append(kept(0))
    child = os.fork()
    if not child:
        code = 0 if open_journal(tmp_path).append(kept(1)) else 1
        os._exit(code)
    assert os.waitpid(child, 0)[1] == 0
    assert open_journal(tmp_path).append(kept(2))
    writer.close_journals()
    found = sorted([one.params["lat"] for one in read_file(path)] for path in tmp_path.iterdir())
    assert found == [["0", "2"], ["1"]]


def test_a_frame_that_grows_beyond_any_answer_is_passed_over(tmp_path: Path) -> None:
    path = written(tmp_path)
    sound = len(list(read_file(path)))
    bomb = zstandard.ZstdCompressor().compress(b"0" * 5_000_000)
    path.write_bytes(path.read_bytes() + struct.pack("<II", len(bomb), zlib.crc32(bomb)) + bomb)
    assert len(list(read_file(path))) == sound
    assert [len(frame) for _, frame in iterate_frames(path.read_bytes()) if len(frame) > 4_000_000] == []


def entries_in(folder: Path) -> list[Entry]:
    """All entries of the only file."""
    (path,) = folder.iterdir()
    return list(read_file(path))


def frames_in(folder: Path) -> int:
    """How many frames the only file has."""
    (path,) = folder.iterdir()
    return len(list(iterate_frames(path.read_bytes())))


def test_the_answers_of_one_round_are_one_frame_and_written_before_anybody_goes_on(tmp_path: Path) -> None:
    async def append(rounds: RoundWriter, number: int) -> bool:
        await rounds.append(kept(number))
        return kept(number) in entries_in(tmp_path)

    async def append_all() -> None:
        rounds = RoundWriter(Journal(tmp_path))
        assert all(await asyncio.gather(*(append(rounds, number) for number in range(5))))
        assert entries_in(tmp_path) == [kept(number) for number in range(5)]
        assert frames_in(tmp_path) == 2  # the dictionary, and the other four
        assert await append(rounds, 5)

    asyncio.run(append_all())


def test_the_answer_of_a_task_that_is_cancelled_is_written(tmp_path: Path) -> None:
    async def cancel_one() -> None:
        rounds = RoundWriter(Journal(tmp_path))
        tasks = [asyncio.create_task(rounds.append(kept(number))) for number in range(2)]
        await asyncio.sleep(0)
        tasks[0].cancel()
        cancelled, _ = await asyncio.gather(*tasks, return_exceptions=True)
        assert isinstance(cancelled, asyncio.CancelledError)

    asyncio.run(cancel_one())
    assert entries_in(tmp_path) == [kept(0), kept(1)]


def test_large_answers_are_not_put_into_one_frame(tmp_path: Path) -> None:
    large = [kept(number, body=os.urandom(900_000)) for number in range(3)]
    small = [kept(number) for number in range(3, 203)]
    journal = Journal(tmp_path)
    assert journal.append(kept(0), *large, *small)
    journal.close()
    assert entries_in(tmp_path) == [kept(0), *large, *small]
    assert frames_in(tmp_path) == 1 + 3 + 3  # the third large one has small ones with it
