"""Registration of jobs: both forms, and errors that name the field, the value and what is allowed."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from meteorograph import job
from meteorograph.config.loading import load_settings
from meteorograph.errors import ConfigurationError
from meteorograph.jobs.modules import import_job_modules
from meteorograph.jobs.registry import JOBS

MIDNIGHT = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _no_jobs() -> Iterator[None]:
    JOBS.clear()
    yield
    JOBS.clear()


def _work() -> None:
    """A job."""


def test_a_decorator_and_a_call_register_the_function_and_give_it_back() -> None:
    @job("nightly", "30 0 * * * Europe/London", grace="2h", retries=2, timeout=timedelta(minutes=5), idempotent=True)
    def nightly() -> int:
        return 7

    assert nightly() == 7
    assert job("hourly", "1h", _work, timeout=90) is _work
    assert list(JOBS) == ["nightly", "hourly"]
    made = JOBS["nightly"]
    assert (made.grace, made.retries, made.timeout, made.is_idempotent) == (timedelta(hours=2), 2, timedelta(minutes=5), True)
    assert (JOBS["hourly"].grace, JOBS["hourly"].timeout) == (None, timedelta(seconds=90))
    assert made.when.next_after(MIDNIGHT) == MIDNIGHT + timedelta(minutes=30)


@pytest.mark.parametrize(
    ("schedule", "grace", "minutes"), [("15m", None, 15), ("1h", None, 60), ("0 0 * * *", None, 60), ("15m", "3h", 180)]
)
def test_the_grace_is_the_time_to_the_next_slot_but_at_most_an_hour(schedule: str, grace: str | None, minutes: int) -> None:
    job("work", schedule, _work, grace=grace)
    assert JOBS["work"].ends_at(MIDNIGHT) == MIDNIGHT + timedelta(minutes=minutes)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"name": "two words"}, "job: name='two words': must be 1 to 64 letters"),
        ({"name": 5}, "job: name=5"),
        ({"schedule": "often"}, "job: schedule='often': must be an interval from 1m to 24h"),
        ({"schedule": "0 6 * * * Mars/Base"}, "job: schedule='0 6 * * \\* Mars/Base'"),
        ({"schedule": 60}, "job: schedule=60"),
        ({"function": 5}, "job: function=5: must be a function"),
        ({"function": lambda _day: None}, "must be callable without arguments"),
        ({"grace": "soon"}, "job: grace='soon': must be a positive time"),
        ({"grace": 0}, "job: grace=0: must be a positive time"),
        ({"timeout": -1}, "job: timeout=-1"),
        ({"timeout": float("nan")}, "job: timeout=nan"),
        ({"timeout": True}, "job: timeout=True"),
        ({"retries": -1}, "job: retries=-1: must be a whole number from 0 to 100"),
        ({"retries": 1.5}, "job: retries=1.5"),
    ],
)
def test_a_bad_argument_is_refused(arguments: dict[str, Any], text: str) -> None:
    given: dict[str, Any] = {"name": "work", "schedule": "1h", "function": _work} | arguments
    with pytest.raises(ConfigurationError, match=text.replace("'0 6 * *", "'0 6 \\* \\*").replace(" * ", " . ")):
        job(given.pop("name"), given.pop("schedule"), given.pop("function"), **given)
    assert JOBS == {}


def test_a_coroutine_function_is_refused() -> None:
    async def work() -> None:
        """Would never be awaited."""

    with pytest.raises(ConfigurationError, match="no coroutine function"):
        job("work", "1h", work)


def test_the_same_function_may_be_registered_again_but_a_name_belongs_to_one() -> None:
    def factory(schedule: str) -> None:
        job("work", schedule, functools.partial(print, "worked"))

        @job("other", schedule)
        def other() -> None:
            """A function of its own at each call."""

    factory("1h")
    factory("15m")
    assert [(name, made.schedule) for name, made in JOBS.items()] == [("work", "15m"), ("other", "15m")]
    with pytest.raises(ConfigurationError, match=r"job: name='other': is the name of another job already \(.*factory"):
        job("other", "1h", _work)


def test_modules_of_the_setting_are_imported_from_the_current_folder(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.path", list(__import__("sys").path))
    (tmp_path / "jobs_of_this_test.py").write_text("from meteorograph import job\njob('here', '1h', print)\n")
    (tmp_path / "broken_jobs_of_this_test.py").write_text("from meteorograph import job\njob('here', 'never', print)\n")
    import_job_modules(load_settings(jobs=["jobs_of_this_test"]))
    assert list(JOBS) == ["here"]
    with pytest.raises(ConfigurationError, match="METEOROGRAPH_JOBS=broken_jobs_of_this_test: job: schedule='never'"):
        import_job_modules(load_settings(jobs=["broken_jobs_of_this_test"]))
    with pytest.raises(ConfigurationError, match="METEOROGRAPH_JOBS=nowhere_at_all: ModuleNotFoundError"):
        import_job_modules(load_settings(jobs=["nowhere_at_all"]))
