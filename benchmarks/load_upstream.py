"""The server that is measured against: one fixed answer below ``/<milliseconds>``, in a process of its own."""

from __future__ import annotations

import asyncio
import sys
from typing import cast

import uvloop

BODY = (
    b'{"coord":{"lon":13.41,"lat":52.52},"weather":[{"id":500,"main":"Rain","description":"light rain","icon":"10d"}],'
    b'"base":"stations","main":{"temp":12.34,"feels_like":11.8,"temp_min":11.1,"temp_max":13.3,"pressure":1015,'
    b'"humidity":82,"sea_level":1015,"grnd_level":1010},"visibility":10000,"wind":{"speed":4.6,"deg":240,"gust":8.2},'
    b'"rain":{"1h":0.26},"clouds":{"all":75},"dt":1760000000,"sys":{"type":2,"id":2011538,"country":"DE",'
    b'"sunrise":1759986000,"sunset":1760026000},"timezone":7200,"id":2950159,"name":"Berlin","cod":200}'
)
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(BODY), BODY)


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
            self.transport.write(ANSWER)
        elif latency < 1000:
            asyncio.get_running_loop().call_later(latency / 1000, self.transport.write, ANSWER)


async def main() -> None:
    """Serve until the parent closes standard input; the first line printed is the port."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Answers, "127.0.0.1", 0, backlog=2048)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    uvloop.run(main())
