"""``/api/tasks``, background tasks on the page ``/jobs``, and their number in ``/metrics``."""

from __future__ import annotations

import json
import threading
from datetime import timedelta

import pytest
from flask.testing import FlaskClient

from meteorograph import create_app, get_db_session
from meteorograph.background import tasks
from meteorograph.background.hold import Hold
from meteorograph.config.loading import load_settings
from meteorograph.model.clock import DrivenClock
from meteorograph.storage.models import BackgroundTask
from meteorograph.storage.process import process_name
from meteorograph.web.page.filters import DASH
from pages import Page, page
from support import NOON

pytestmark = pytest.mark.usefixtures("database", "driven")

ONE_DATABASE = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
HOUR = timedelta(hours=1)
DAY = {"start": (NOON - 24 * HOUR).isoformat(), "end": NOON.isoformat()}


@pytest.fixture
def client() -> FlaskClient:
    return create_app(load_settings(scheduler_enabled=False)).test_client()


def _add(kind: str = "reparse", host: str | None = None, **arguments: object) -> int:
    with get_db_session() as session:
        return tasks.add_task(session, kind, arguments or DAY, host=host)


def _take() -> tasks.TaskClaim:
    claim = tasks.take_task()
    assert claim is not None
    return claim


def _rows(shown: Page) -> dict[str, list[str]]:
    """The rows of the table of tasks by the number of the task."""
    found = [[" ".join(cell.split()) for cell in row] for row in shown.rows]
    return {row[0].split()[0]: row for row in found if len(row) == 6 and row[0][:1].isdigit()}


def test_tasks_are_listed_newest_first_and_by_page(client: FlaskClient) -> None:
    for _ in range(5):
        _add()
    with get_db_session() as session:
        tasks.cancel(session, 2)
    numbers, cursor = [], ""
    while True:
        listed = client.get(f"/api/tasks?limit=2{cursor}").get_json()
        numbers.append([task["id"] for task in listed["data"]])
        if listed["next"] is None:
            break
        cursor = f"&cursor={listed['next']}"
    assert numbers == [[5, 4], [3, 2], [1]]
    [cancelled] = client.get("/api/tasks?state=cancelled").get_json()["data"]
    assert (cancelled["id"], cancelled["kind"], cancelled["arguments"]) == (2, "reparse", DAY)
    assert (cancelled["ended_at"], cancelled["unit"]) == (NOON.isoformat(), "hours of the journal")
    for query in ("state=over", "limit=0", "cursor=x", "kind=export"):
        assert client.get(f"/api/tasks?{query}").status_code == 400, query


def test_a_running_task_is_cancelled_and_its_process_stops(client: FlaskClient) -> None:
    _add()
    with Hold(_take(), threading.Event()) as hold:
        response = client.post("/api/tasks/1/cancel")
        assert (response.status_code, response.get_json()["task"]["state"]) == (200, "cancelled")
        hold.advance(None, {})
        assert hold.is_lost
    again = client.post("/api/tasks/1/cancel")
    assert (again.status_code, again.get_json()["detail"]) == (409, "The background task 1 has ended already: it is cancelled.")
    assert client.post("/api/tasks/2/cancel").status_code == 404
    assert client.post(f"/api/tasks/{2**70}/cancel").status_code == 404
    assert client.get("/api/tasks/1/cancel").status_code == 405


@ONE_DATABASE
def test_cancelling_needs_a_token_of_the_scope_admin(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    _add()
    monkeypatch.setenv("METEOROGRAPH_API_TOKENS", "sixteen-letters-and-more")
    guarded = create_app(load_settings(scheduler_enabled=False)).test_client()
    assert guarded.post("/api/tasks/1/cancel").status_code == 401
    assert guarded.post("/api/tasks/1/cancel", headers={"Origin": "https://evil.example"}).status_code == 403
    shown = page(guarded, "/jobs")
    assert "Changes need a token" in shown.text
    allowed = {"Authorization": "Bearer sixteen-letters-and-more"}
    assert guarded.post("/api/tasks/1/cancel", headers=allowed).status_code == 200


def test_the_page_says_what_a_task_does_and_how_far_it_is(client: FlaskClient, driven: DrivenClock) -> None:
    _add("backfill", location="Athens", start=None, end=NOON.isoformat(), again=True)
    claim = _take()
    tasks.renew(claim, 1200, 3600)
    tasks.record_position(claim, None, {"missing_before": 3600, "filled": 1200, "missing": 2400})
    _add("export", host="db1", locations=[], tags=["north"], output="/srv/rows.csv", start=None, end=None, format="csv")
    driven.advance(3 * HOUR)
    rows = _rows(page(client, "/jobs?zone=America/New_York"))
    assert rows["1"][0] == "1 Fill missed slots Athens until 2026-03-01 07:00 EST also those that no history has"
    assert rows["1"][1:5] == [
        f"runs in process {process_name()}",
        "1,200 of 3,600 slots 1,200 slots filled 2,400 slots are still missed",
        "2026-03-01 07:00 3 h ago",
        DASH,
    ]
    assert rows["2"][:3] == ["2 Export tag north rows.csv", "waits only on db1", DASH]
    in_german = _rows(page(client, "/jobs?lang=de"))
    assert in_german["1"][2].startswith("1.200 von 3.600 Terminen")


def test_the_page_says_why_a_task_failed_or_waits(client: FlaskClient) -> None:
    for _ in range(2):
        _add()
    first, second = _take(), _take()
    tasks.finish(first, "No such file or directory: rows.csv")
    tasks.give_back(second, "no calls are left now for the other slots", NOON + HOUR)
    shown = page(client, "/jobs")
    rows = _rows(shown)
    assert rows["1"][1] == "failed No such file or directory: rows.csv"
    assert rows["1"][0] == "1 Read the journal again 2026-02-28 12:00 to 2026-03-01 12:00 UTC"
    assert rows["1"][4] == "2026-03-01 12:00"
    assert rows["2"][1] == "waits goes on 13:00 UTC no calls are left now for the other slots"
    assert [one["data-cancel"] for one in shown.all("button") if "data-cancel" in one] == ["2"], "one that ended has no button"
    assert shown.runs() == []
    assert 'meteorograph_background_tasks{state="failed"} 1.0' in client.get("/metrics").text
    assert 'meteorograph_background_tasks{state="running"} 0.0' in client.get("/metrics").text


@ONE_DATABASE
def test_older_tasks_are_on_further_pages(client: FlaskClient) -> None:
    with get_db_session() as session:
        session.add_all(
            BackgroundTask(kind="reparse", arguments=json.dumps(DAY), state="pending", created_at=NOON) for _ in range(30)
        )
    first = page(client, "/jobs?zone=UTC")
    assert list(_rows(first)) == [str(number) for number in range(30, 5, -1)]
    [older] = [one["href"] for one in first.all("a") if "tasks=" in one.get("href", "")]
    assert list(_rows(page(client, older.partition("#")[0]))) == ["5", "4", "3", "2", "1"]
    assert client.get("/jobs?tasks=x").status_code == 400


@ONE_DATABASE
def test_an_empty_list_says_how_a_task_is_added(client: FlaskClient) -> None:
    shown = page(client, "/jobs")
    assert "No background task. <code>meteorograph backfill</code>" in shown.text
    assert "<code>--background</code>" in shown.text
