"""A real PgBouncer in transaction mode, with a pool of two, in front of the PostgreSQL of the tests."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from psycopg.conninfo import conninfo_to_dict

from support import absent, wait_until

_CONFIG = """
[databases]
* = host={host} port={port} user={user}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {listen}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 2
max_client_conn = 500
server_idle_timeout = 5
server_login_retry = 0
query_wait_timeout = 15
logfile = {folder}/pgbouncer.log
pidfile = {folder}/pgbouncer.pid
"""


@contextmanager
def pgbouncer(server: str) -> Iterator[str]:
    """PgBouncer in front of a server; gives the start of the URL, to which the name of a database is added."""
    program = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")
    if program is None:
        absent("PgBouncer")
    parts = conninfo_to_dict(server)
    folder = Path(tempfile.mkdtemp(prefix="meteorograph-pgbouncer-"))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    user = parts.get("user", "postgres")
    config = _CONFIG.format(host=parts["host"], port=parts.get("port", 5432), user=user, listen=port, folder=folder)
    (folder / "pgbouncer.ini").write_text(config)
    command = [program, "-q", str(folder / "pgbouncer.ini")]
    if os.geteuid() == 0:  # it refuses to run as root; only the owner of the server may enter the folder of its socket
        owner = pwd.getpwuid(Path(str(parts["host"])).stat().st_uid)
        for path in (folder, folder / "pgbouncer.ini"):
            os.chown(path, owner.pw_uid, owner.pw_gid)
        command[1:1] = ["-u", owner.pw_name]
    with (folder / "output.txt").open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output)
    try:
        url = f"postgresql://{user}@127.0.0.1:{port}"

        def answers() -> bool:
            assert process.poll() is None, (folder / "output.txt").read_text() + (folder / "pgbouncer.log").read_text()
            try:
                psycopg.connect(f"{url}/postgres", connect_timeout=5).close()
            except psycopg.OperationalError:
                return False
            return True

        wait_until(answers, 60, "an answer through PgBouncer")
        yield url
    finally:
        process.terminate()
        process.wait(30)
        shutil.rmtree(folder, ignore_errors=True)
