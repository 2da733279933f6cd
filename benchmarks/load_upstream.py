"""The server that is measured against: one answer below ``/<milliseconds>``, observed now, in a process of its own.

An answer of another day would not do: each of its values would be flagged as old.
"""

from __future__ import annotations

import asyncio
import sys
import time
from typing import cast

import uvloop

BODY = (
    b'{"coord":{"lon":13.41,"lat":52.52},"weather":[{"id":500,"main":"Rain","description":"light rain","icon":"10d"}],'
    b'"base":"stations","main":{"temp":12.34,"feels_like":11.8,"temp_min":11.1,"temp_max":13.3,"pressure":1015,'
    b'"humidity":82,"sea_level":1015,"grnd_level":1010},"visibility":10000,"wind":{"speed":4.6,"deg":240,"gust":8.2},'
    b'"rain":{"1h":0.26},"clouds":{"all":75},"dt":%010d,"sys":{"type":2,"id":2011538,"country":"DE",'
    b'"sunrise":1759986000,"sunset":1760026000},"timezone":7200,"id":2950159,"name":"Berlin","cod":200}'
)
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"


class Answer:
    """The bytes of the answer, made anew each second."""

    def __init__(self) -> None:
        self._second = 0
        self._bytes = b""

    def bytes(self) -> bytes:
        """The answer of this second."""
        now = int(time.time())
        if now != self._second:
            body = BODY % now
            self._second, self._bytes = now, ANSWER % (len(body), body)
        return self._bytes


THE_ANSWER = Answer()


class Answers(asyncio.Protocol):
    """One connection; a latency of a second or more means never."""

    open_connections = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is none by inheritance
        Answers.open_connections += 1

    def connection_lost(self, exc: Exception | None) -> None:
        Answers.open_connections -= 1

    def data_received(self, data: bytes) -> None:
        if data.startswith(b"GET /open"):
            count = str(Answers.open_connections - 1).encode()
            self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(count), count))
            return
        latency = int(data[5:].split(b"?", 1)[0].split(b"/", 1)[0])
        if latency == 0:
            self.transport.write(THE_ANSWER.bytes())
        elif latency < 1000:
            asyncio.get_running_loop().call_later(latency / 1000, self.transport.write, THE_ANSWER.bytes())


async def main() -> None:
    """Serve until the parent closes standard input; the first line printed is the port."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Answers, "127.0.0.1", 0, backlog=2048)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    uvloop.run(main())
