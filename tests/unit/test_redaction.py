"""No secret reaches anything that is written, whichever way it goes."""

from __future__ import annotations

import asyncio
import base64
import gc
import io
import json
import logging
import logging.handlers
import queue
import subprocess
import sys
import threading
import time
import timeit
import traceback
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest
import structlog

from meteorograph import logs, redaction
from meteorograph.config.settings import Settings
from meteorograph.redaction import MARK, clean, redact
from support import KEY

#: Made before redaction is installed, as other libraries' loggers are.
_EARLY = logging.getLogger("early.package")

_URL = f"https://api.openweathermap.org/data/2.5/weather?lat=1&lon=2&appid={KEY}"


class Everything(logging.Formatter):
    """A formatter that goes its own way: it shows all that a record holds, and formats what was raised by itself."""

    def format(self, record: logging.LogRecord) -> str:
        shown = [super().format(record), repr(record.args), repr(record.msg), repr(record.__dict__), record.getMessage()]
        if record.exc_info:
            shown.append("".join(traceback.format_exception(*record.exc_info)))
        return "\n".join(shown)


class Shown:
    """An object whose texts hold the key."""

    def __str__(self) -> str:
        return f"shown {KEY}"

    __repr__ = __str__


class OnlyRepr:
    """An object that is shy in str."""

    def __str__(self) -> str:
        return "nothing to see"

    def __repr__(self) -> str:
        return KEY


class Broken:
    """An object that cannot be shown."""

    def __str__(self) -> str:
        raise RuntimeError(f"no text, but {KEY}")

    __repr__ = __str__


@dataclass
class Call:
    """A value with the key in a field."""

    url: str


@pytest.fixture(autouse=True)
def _put_back(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    factory = logging.getLogRecordFactory()
    root = logging.getLogger()
    level, before = root.level, list(root.handlers)
    monkeypatch.setattr(redaction, "_SECRETS", redaction.SecretRegistry())
    for module, name in ((sys, "excepthook"), (sys, "unraisablehook"), (threading, "excepthook")):
        monkeypatch.setattr(module, name, getattr(module, name))
    yield
    logging.setLogRecordFactory(factory)
    logging.captureWarnings(False)
    root.setLevel(level)
    for handler in [handler for handler in root.handlers if handler not in before]:
        root.removeHandler(handler)


@pytest.fixture
def written() -> io.StringIO:
    """What a handler with a formatter of its own writes; it was there before redaction was installed."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(Everything())
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    redaction.hide(KEY)
    redaction.install()
    return stream


def _handler() -> logging.Handler:
    return next(handler for handler in logging.getLogger().handlers if isinstance(handler.formatter, Everything))


def _raise_chain() -> None:
    try:
        try:
            raise OSError(f"first {KEY}")
        except OSError as error:
            raise ValueError(f"second {KEY}") from error
    except ValueError:
        wrong = KeyError(f"third {KEY}")
        wrong.add_note(f"note {KEY}")
        raise ExceptionGroup(f"group {KEY}", [wrong, ExceptionGroup("inner", [ValueError(f"fourth {KEY}")])])  # noqa: B904


def _log_exception() -> None:
    try:
        _raise_chain()
    except ExceptionGroup:
        _EARLY.exception("failed")


def _log_exception_as_message() -> None:
    try:
        _raise_chain()
    except ExceptionGroup as error:
        _EARLY.error(error)  # as careless code does


WAYS: dict[str, Callable[[], None]] = {
    "message": lambda: _EARLY.info(_URL),
    "argument": lambda: _EARLY.info("call %s", KEY),
    "split over message and argument": lambda: _EARLY.info(f"{KEY[:8]}%s", KEY[8:]),
    "dict argument": lambda: _EARLY.info("call %(url)s", {"url": _URL}),
    "object argument": lambda: _EARLY.info("call %s %r", Shown(), OnlyRepr()),
    "bytes argument": lambda: _EARLY.info("call %s", b"GET /?appid=" + KEY.encode()),
    "object as message": lambda: _EARLY.info(Shown()),
    "mapping as message": lambda: _EARLY.info({"url": _URL}),
    "wrong number of arguments": lambda: _EARLY.info("call %s %s", KEY),
    "extra": lambda: _EARLY.info("x", extra={"url": _URL}),
    "nested extra": lambda: _EARLY.info("x", extra={"a": [{"b": ({KEY}, (KEY,), frozenset({KEY}))}]}),
    "key in extra": lambda: _EARLY.info("x", extra={"a": {KEY: 1}}),
    "deep extra": lambda: _EARLY.info("x", extra={"a": [[[[[[[[[[KEY]]]]]]]]]]}),
    "object in extra": lambda: _EARLY.info("x", extra={"a": Shown(), "b": OnlyRepr(), "c": Call(_URL)}),
    "bytes in extra": lambda: _EARLY.info("x", extra={"a": KEY.encode(), "b": bytearray(KEY.encode())}),
    "exception": _log_exception,
    "exception as message": _log_exception_as_message,
    "exception object": lambda: _EARLY.error("x", exc_info=ValueError(KEY)),
    "stack": lambda: _EARLY.info("0f1e2d3c4b5a69788796a5b4c3d2e1f0", stack_info=True),
    "adapter": lambda: logging.LoggerAdapter(_EARLY, {"url": _URL}).info("x %s", KEY),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_key_reaches_no_handler(way: str, written: io.StringIO) -> None:
    WAYS[way]()
    assert MARK in written.getvalue()
    assert KEY not in written.getvalue()
    assert KEY[8:] not in written.getvalue()


@pytest.mark.parametrize("way", sorted(set(WAYS) - {"wrong number of arguments"}))
def test_each_of_these_ways_shows_the_key_without_redaction(
    way: str, written: io.StringIO, capsys: pytest.CaptureFixture[str]
) -> None:
    logging.setLogRecordFactory(logging.LogRecord)
    WAYS[way]()
    assert KEY in written.getvalue() + capsys.readouterr().err


def test_a_whole_chain_is_kept_but_for_the_key(written: io.StringIO) -> None:
    _log_exception()
    for part in ("first", "second", "third", "fourth", "note", "group", "inner"):
        assert f"{part} {MARK}" in written.getvalue() or part == "inner"
    assert "Traceback (most recent call last)" in written.getvalue()


def test_a_logger_that_does_not_propagate() -> None:
    redaction.hide(KEY)
    redaction.install()
    stream = io.StringIO()
    logger = logging.getLogger("alone")
    logger.propagate = False
    logger.handlers = [logging.StreamHandler(stream)]
    try:
        logger.warning(_URL)
    finally:
        logger.propagate, logger.handlers = True, []
    assert stream.getvalue() == f"https://api.openweathermap.org/data/2.5/weather?lat=1&lon=2&appid={MARK}\n"


def test_queues_and_buffers(written: io.StringIO) -> None:
    waiting: queue.SimpleQueue[Any] = queue.SimpleQueue()
    target = _handler()
    logger = logging.getLogger("queued")
    logger.propagate = False
    listener = logging.handlers.QueueListener(waiting, target)
    logger.handlers = [
        logging.handlers.QueueHandler(waiting),
        logging.handlers.MemoryHandler(10, target=target, flushLevel=logging.CRITICAL),
    ]
    listener.start()
    try:
        logger.setLevel(logging.INFO)
        logger.error("x %s", KEY, exc_info=ValueError(KEY), extra={"url": _URL})
        logger.handlers[1].flush()
    finally:
        listener.stop()
        for handler in logger.handlers:
            handler.close()
        logger.propagate, logger.handlers = True, []
    assert written.getvalue().count("ValueError: [redacted]") >= 2
    assert KEY not in written.getvalue()


def test_our_own_loggers(written: io.StringIO) -> None:
    log = logs.get_logger("tests.redaction.ours")
    try:
        raise ValueError(KEY)
    except ValueError:
        event = f"failed {KEY}"
        log.exception(event, url=_URL, nested={"a": [Call(_URL)]}, body=b"appid=" + KEY.encode())
    log.bind(bound=KEY).info("bound")
    log.info("formatted %s", KEY)
    assert written.getvalue().count(MARK) > 6
    assert KEY not in written.getvalue()


def test_what_is_added_after_a_record_was_made(capsys: pytest.CaptureFixture[str]) -> None:
    redaction.hide(KEY)
    logs.setup_logging(Settings(log_format="json"))
    with structlog.contextvars.bound_contextvars(request_id=KEY):
        _EARLY.warning("a line of another library")
    _EARLY.handle(logging.LogRecord("made.elsewhere", logging.WARNING, "f.py", 1, "call %s", (KEY,), None))
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [lines[0]["request_id"], lines[1]["event"]] == [MARK, f"call {MARK}"]


def test_captured_warnings(written: io.StringIO) -> None:
    logging.captureWarnings(True)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn(f"old {KEY}", stacklevel=1)
    assert f"old {MARK}" in written.getvalue()
    assert KEY not in written.getvalue()


def test_what_asyncio_logs(written: io.StringIO) -> None:
    async def fail() -> None:
        raise ValueError(KEY)

    async def forget() -> None:
        task = asyncio.ensure_future(fail())
        await asyncio.wait([task])
        del task
        gc.collect()
        asyncio.get_running_loop().call_exception_handler({"message": f"handler {KEY}", "exception": ValueError(KEY)})

    asyncio.run(forget())
    assert "Task exception was never retrieved" in written.getvalue()
    assert f"handler {MARK}" in written.getvalue()
    assert KEY not in written.getvalue()


_UNCAUGHT = """
import threading
from meteorograph import redaction

redaction.hide({key!r})
redaction.install()

class Bad:
    def __del__(self):
        raise ValueError("in del " + {key!r})

def fail(where):
    raise ValueError(where + {key!r})

bad = Bad()
del bad
thread = threading.Thread(target=fail, args=("in thread ",), name={key!r})
thread.start()
thread.join()
{last}
"""


@pytest.mark.parametrize(
    ("last", "code", "said"),
    [
        ('fail("in main ")', 1, f"ValueError: in main {MARK}"),
        ("raise KeyboardInterrupt", 130, f"ValueError: in thread {MARK}"),
    ],
)
def test_what_nobody_caught(last: str, code: int, said: str) -> None:
    script = _UNCAUGHT.format(key=KEY, last=last)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == code
    assert said in done.stderr
    assert f"Exception in thread {MARK}" in done.stderr
    assert f"ValueError: in del {MARK}" in done.stderr
    assert KEY not in done.stdout + done.stderr


def test_hooks_of_others_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def theirs(*_: object) -> None:
        """Another's hook."""

    monkeypatch.setattr(sys, "excepthook", theirs)
    monkeypatch.setattr(sys, "unraisablehook", theirs)
    monkeypatch.setattr(threading, "excepthook", theirs)
    redaction.install()
    assert {sys.excepthook, sys.unraisablehook, threading.excepthook} == {theirs}


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("GET http://api.openweathermap.org/data/2.5/weather?appid=abc12&lat=1", f"appid={MARK}&lat=1"),
        ("https://api.weatherstack.com/current?access_key=abc12&query=1,2", f"access_key={MARK}&query=1,2"),
        ("https://x/?next=https%3A%2F%2Fy%2F%3Fq%3D1%26appid%3Dabc12", f"appid%3D{MARK}"),
        ("OWM_API_KEY=abc12 python", f"OWM_API_KEY={MARK} python"),
        ("METEOROGRAPH_API_TOKENS=abc12,def34 x", f"METEOROGRAPH_API_TOKENS={MARK} x"),
        ("params {'appid': 'abc12', 'lat': 1}", f"'appid': '{MARK}', 'lat': 1"),
        ('{"access_key":"abc12","query":"1"}', f'"access_key":"{MARK}","query":"1"'),
        (r"'{\"access_key\": \"abc12\"}'", MARK),
        ("Client(password='abc12')", f"password='{MARK}'"),
        ("Authorization: Bearer abcdefgh", f"Authorization: Bearer {MARK}"),
        ("{'Authorization': 'Bearer abcdefgh'}", f"'Bearer {MARK}'"),
        ("('authorization', 'Basic YWJjMTI6eHl6')", f"'Basic {MARK}'"),
        ("sent Bearer eyJhbGciOi.abc12.x_y-z", f"Bearer {MARK}"),
        ("postgresql://user:abc12@host:5432/name", f"postgresql://user:{MARK}@host:5432/name"),
        ("postgresql+psycopg://:abc12@host/name", f"postgresql+psycopg://:{MARK}@host/name"),
        ("postgresql://user:ab/c1@2@host/name", f"postgresql://user:{MARK}@host/name"),
        ("http://127.0.0.1:8000/?x=1 https://u:abc12@host/", f"https://u:{MARK}@host/"),
    ],
)
def test_the_shape_of_a_secret_that_nobody_registered(text: str, cleaned: str) -> None:
    assert cleaned in redact(text)
    for secret in ("abc12", "def34", "abcdefgh", "ab/c1", "YWJj"):
        assert secret not in redact(text)
    assert redact(redact(text)) == redact(text)


@pytest.mark.parametrize(
    "text",
    [
        "weatherstack: 101: invalid_access_key: You have not supplied a valid API Access Key.",
        "basic weather for 3 locations, bearer of news",
        "send one of METEOROGRAPH_API_TOKENS as 'Authorization: Bearer TOKEN'.",
        "http://127.0.0.1:8000/data?x=someone@example.org",
        "https://api.openweathermap.org/data/2.5/weather?lat=51.5&lon=-0.13",
        "sqlite:///data/meteorograph.db",
        "2026-03-01T12:00:00+00:00 key: set",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    redaction.hide(KEY)
    assert redact(text) == text


@pytest.mark.parametrize(
    ("secret", "written_as"),
    [
        ("p@ss/w ord!", "p%40ss%2Fw%20ord%21"),
        ("p@ss/w ord!", "p%40ss%2fw+ord!"),
        ("p@ss/w ord!", "p%2540ss%252Fw%2520ord%2521"),
        ("p@ss/w ord!", "p@ss/w ord!"),
        ("pa\\ss'w\"d", repr("pa\\ss'w\"d")),
        ("pa\\ss'w\"d", json.dumps("pa\\ss'w\"d")),
        ("pässwörd", "p%C3%A4ssw%c3%b6rd"),
        ("pässwörd", json.dumps("pässwörd")),
        ("pässwörd", ascii("pässwörd")),
        ("pässwörd", repr("pässwörd".encode())),
        ("a.c*e+g", "a.c*e+g"),
        ("abc123", "%61%62%63%31%32%33"),
        ("abc123", "ab%63123"),
        ("abc123", "%2561bc123"),
        ("0f1e2d3c4b5a6978", base64.b64encode(b"0f1e2d3c4b5a6978").decode().rstrip("=")[:-1]),
        ("0f1e2d3c4b5a6978", "0F1E2D3C4B5A6978"),
        ("0F1E2D3C4B5A6978", "0f1e2d3c4b5a6978"),
        ("0f1e2d3c4b5a6978", b"0f1e2d3c4b5a6978".hex()),
    ],
)
def test_a_secret_however_it_is_written(secret: str, written_as: str) -> None:
    redaction.hide(secret)
    assert redact(f"x {written_as} y").replace("'", "").replace('"', "").removeprefix("x b").removeprefix("x ") == f"{MARK} y"


@pytest.mark.parametrize("before", ["", "u", "us", "user:", "anyone:"])
@pytest.mark.parametrize("after", ["", "x", "xy", "\n"])
@pytest.mark.parametrize("secret", ["0f1e2d3c4b5a6978", "p@ss/w ord!~~~~", "\xff\xfe\xfd\xfc\xfb\xfa" * 3])
def test_a_secret_in_base64(before: str, after: str, secret: str) -> None:
    redaction.hide(secret)
    text = f"{before}{secret}{after}"
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        shown = redact(f"header: {encode(text.encode()).decode()}")
        assert MARK in shown
        encoded = shown.removeprefix("header: ").partition(MARK)
        assert len(encoded[0]) <= len(before) * 4 / 3 + 3
        assert len(encoded[2]) <= len(after) * 4 / 3 + 4


def test_the_longest_of_secrets_that_begin_alike_goes_whole() -> None:
    redaction.hide("secret-1", "secret-1-and-more")
    assert redact("secret-1-and-more") == MARK


def test_a_short_secret_hides_no_words_but_goes_from_addresses() -> None:
    redaction.hide("a", "rain", "")
    assert redact("rain at a place") == "rain at a place"
    assert redact("https://x/?appid=rain&a=1") == f"https://x/?appid={MARK}&a=1"


def test_fields_with_the_name_of_a_secret(written: io.StringIO) -> None:
    _EARLY.info("x", extra={"appid": "abc12", "request": {"access_key": "def34", "owm_api_key": b"ghi56", "keys": "shown"}})
    assert "shown" in written.getvalue()
    for secret in ("abc12", "def34", "ghi56"):
        assert secret not in written.getvalue()


class BrokenMapping(dict[str, Any]):
    """A mapping that does not let itself be read."""

    def items(self) -> Any:
        raise RuntimeError(KEY)


@pytest.mark.parametrize(
    "value", [Broken(), [Broken()], {"a": Broken()}, BrokenMapping(a=KEY)], ids=lambda value: str(type(value))
)
def test_what_cannot_be_shown_loses_no_line(value: object, written: io.StringIO) -> None:
    _handler().setFormatter(logging.Formatter("%(message)s"))
    _EARLY.info("as argument %s", value)
    _EARLY.info(value)
    _EARLY.info("as field", extra={"value": value})
    assert "as argument" in written.getvalue()
    assert "as field" in written.getvalue()
    assert len(written.getvalue().splitlines()) == 3
    assert KEY not in written.getvalue()


def test_a_structure_that_holds_itself(written: io.StringIO) -> None:
    loop: dict[str, Any] = {"key": KEY}
    loop["itself"] = loop
    _EARLY.info("x", extra={"loop": loop})
    assert KEY not in written.getvalue()


def test_plain_values_keep_their_type() -> None:
    point = Call("https://host/")
    value = {"a": [1, 2.5, None, True], ("b", 1): (point, {"c"}, frozenset({"d"}))}
    assert clean(value) == value
    assert clean(value)["b", 1][0] is point


@pytest.mark.parametrize(
    "piece", ["x", "://", "://a:", "a:b@", "appid", "bearer ", "basic x", "authorization ", 'token" ', "%25", "\\", "@"]
)
def test_no_line_is_so_odd_that_it_takes_long(piece: str) -> None:
    redaction.hide(KEY, "p@ss/w ord!")
    sizes = [20_000, 160_000]
    lines = ["@ " + piece * (size // len(piece)) for size in sizes]
    short, long = (min(timeit.repeat(partial(redact, line), number=1, repeat=3, timer=time.thread_time)) for line in lines)
    assert long < 30 * short + 0.05  # eight times as long a line; a search that goes back over it takes 64 times as long


def test_a_log_call_stays_quick(written: io.StringIO) -> None:
    logger = logging.getLogger("quick")
    logger.propagate, logger.handlers = False, [logging.NullHandler()]
    try:
        line = "run ended at https://api.openweathermap.org/data/2.5/weather with %d rows"
        logger.info(line, 12)
        redacted = min(timeit.repeat(lambda: logger.info(line, 12), number=500, repeat=5, timer=time.thread_time))
        logging.setLogRecordFactory(logging.LogRecord)
        plain = min(timeit.repeat(lambda: logger.info(line, 12), number=500, repeat=5, timer=time.thread_time))
    finally:
        logger.propagate, logger.handlers = True, []
    assert redacted < 25 * plain
