"""One StateStore for a whole process, and for what it forks."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

from statestore.protocol import TaskScope
from statestore.sdk import StateStore
from tests.server import ROOT, Server


def test_twenty_threads_share_a_store(store: StateStore, scope: TaskScope) -> None:
    """Also where all of them write first to the same new task instance."""
    barrier = Barrier(20)

    def work(number: int) -> None:
        task_store = store.task(scope.dag_id, scope.run_id, scope.task_id).task_store
        barrier.wait(30)
        for step in range(5):
            task_store.set(f"thread {number:02}", [number, step])
            assert task_store.get(f"thread {number:02}") == [number, step]

    with ThreadPoolExecutor(20) as threads:
        list(threads.map(work, range(20)))
    task_store = store.task(scope.dag_id, scope.run_id, scope.task_id).task_store
    assert [entry.value for entry in task_store.items()] == [[number, 4] for number in range(20)]


FORK = """
import os, sys
from statestore.sdk import StateStore
store = StateStore()
task_store = store.task("forks", sys.argv[1], "task").task_store
task_store.set("parent", 0)
children = []
for number in range(4):
    child = os.fork()
    if child == 0:
        for step in range(20):
            task_store.set(f"child {number}", step)
            assert task_store.get(f"child {number}") == step
        os._exit(0)
    children.append(child)
for step in range(20):
    task_store.set("parent", step)
    assert task_store.get("parent") == step
assert [os.waitpid(child, 0)[1] for child in children] == [0, 0, 0, 0]
assert [entry.value for entry in task_store.items()] == [19] * 5
store.close()
"""


def test_a_store_works_on_both_sides_of_a_fork(server: Server, scope: TaskScope) -> None:
    environment = {**os.environ, "STATESTORE_URL": server.url, "STATESTORE_TOKEN": server.token}
    command = [sys.executable, "-W", "error", "-c", FORK, scope.run_id]
    ended = subprocess.run(
        command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )
    assert (ended.returncode, ended.stderr) == (0, "")
