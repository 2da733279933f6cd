"""Names of processes: no two have the same one."""

from __future__ import annotations

import os
import subprocess
import sys

from meteorograph.storage.process import process_name


def test_processes_with_one_host_name_and_one_id_have_names_of_their_own() -> None:
    """As in two containers: the name is that of a process with another id, whose host and id are then made equal."""
    program = (
        "import os, socket; os.getpid = lambda: 1; socket.gethostname = lambda: 'web'; "
        "from meteorograph.storage.process import process_name; print(process_name())"
    )
    names = {subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout for _ in range(2)}
    assert len(names) == 2
    assert all(name.startswith("web-") and name.endswith(":1\n") for name in names)


def test_a_process_keeps_its_name_and_its_child_has_another_one() -> None:
    before = process_name()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, process_name().encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as answer:
        name = answer.read()
    os.waitpid(child, 0)
    assert process_name() == before
    assert name.rpartition(":")[0] != before.rpartition(":")[0], (
        "a child in a new process namespace may have the id of its parent"
    )
