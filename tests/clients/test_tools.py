"""Tools that people run on many processes, unmodified, by ``python -m procession run -m``."""

from __future__ import annotations

import importlib.metadata
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from tests.programs import Outcome, run_program

MODULE = '''\
import os


def function(a,b):
    """Add."""
    return a+b
'''

CHECKS = {
    # tool: arguments, exit code, what it says
    "black": (["-m", "black", "--workers", "2", "--check", "package"], 1, "12 files would be"),
    "isort": (["-m", "isort", "-j", "2", "--check", "package"], 0, ""),
    "flake8": (["-m", "flake8", "-j", "2", "package"], 1, "module7.py:4:15: E231"),
    "pylint": (
        ["-m", "pylint", "-j", "2", "--disable=all", "--enable=unused-import", "package"],
        4,
        "module7.py:1:0: W0611",
    ),
    "unittest-parallel": (
        ["-m", "unittest_parallel", "-j", "2", "-s", "checks", "--coverage"],
        0,
        "Ran 6 tests",
    ),
    "compileall": (["-m", "compileall", "-j", "2", "-f", "package"], 0, "module7.py"),
}


def required(*packages: str) -> None:
    """Skip the test when one of the packages is not installed."""
    for package in packages:
        try:
            importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            pytest.skip(f"needs {package}, not installed here")


def run(folder: Path, *arguments: str) -> Outcome:
    """Run ``python -m procession run`` with these arguments."""
    return run_program(
        ["-m", "procession", "run", *arguments],
        cwd=folder,
        check=False,
        env={"HOME": str(folder), "XDG_CACHE_HOME": str(folder)},
    )


@pytest.mark.parametrize("tool", CHECKS)
def test_a_tool_works_in_several_processes(tool: str, tmp_path: Path) -> None:
    """It says of every file what it says elsewhere, and exits as it should."""
    if tool != "compileall":
        required(tool)
    arguments, exit_code, text = CHECKS[tool]
    (tmp_path / "package").mkdir()
    (tmp_path / "checks").mkdir()
    for number in range(12):
        (tmp_path / "package" / f"module{number}.py").write_text(MODULE)
    for number in range(3):
        (tmp_path / "checks" / f"test_{number}.py").write_text(
            f"import unittest\n\nclass Test{number}(unittest.TestCase):\n"
            "    def test_a(self):\n        pass\n    def test_b(self):\n        pass\n"
        )

    outcome = run(tmp_path, *arguments)

    assert exit_code == outcome.returncode, outcome
    assert text in outcome.stdout + outcome.stderr, outcome


SETTINGS = """\
SECRET_KEY = "x"
INSTALLED_APPS = ["django.contrib.contenttypes", "django.contrib.auth", "app"]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
USE_TZ = True
"""

TESTS = """\
from django.contrib.auth.models import User
from django.test import TestCase

class First(TestCase):
    def test_one(self):
        User.objects.create(username="a")
        self.assertEqual(User.objects.count(), 1)

class Second(TestCase):
    def test_one(self):
        self.assertEqual(User.objects.count(), 0)

class Third(TestCase):
    def test_one(self):
        self.assertEqual(User.objects.count(), 0)
"""

MANAGE = """\
import multiprocessing
import os
import sys

os.environ["DJANGO_SETTINGS_MODULE"] = "settings"

if __name__ == "__main__":
    multiprocessing.set_start_method(sys.argv.pop())
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)
"""


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_django_tests_in_parallel(method: str, tmp_path: Path) -> None:
    """Each worker has a database of its own, which an initializer connects."""
    required("Django")
    (tmp_path / "settings.py").write_text(SETTINGS)
    (tmp_path / "manage.py").write_text(MANAGE)
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "__init__.py").write_text("")
    (tmp_path / "app" / "tests.py").write_text(TESTS)

    outcome = run(tmp_path, "manage.py", "test", "app", "--parallel", "2", method)

    assert outcome.returncode == 0, outcome
    assert "Found 3 test(s)" in outcome.stdout + outcome.stderr


APPLICATION = """\
import os

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": message["type"] + ".complete"})
            if message["type"] == "lifespan.shutdown":
                return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": str(os.getpid()).encode()})
"""


def test_uvicorn_serves_from_workers(tmp_path: Path) -> None:
    """Its workers are spawned, inherit the socket, answer, and end with it."""
    required("uvicorn")
    (tmp_path / "application.py").write_text(APPLICATION)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = ["-m", "procession", "run", "-m", "uvicorn", "application:app", "--workers", "2"]
    server = subprocess.Popen(
        [sys.executable, *command, "--port", str(port)], cwd=tmp_path, stderr=subprocess.DEVNULL
    )
    try:
        pid = answer(port, patience=60)
        os.kill(server.pid, signal.SIGINT)
        assert server.wait(60) == 0
    finally:
        server.kill()
        server.wait()
    assert pid != server.pid


PREFORKED = """\
import multiprocessing
import os

def app(environ, start_response):
    with multiprocessing.Pool(1) as pool:
        assert pool.apply(os.getppid) == os.getpid() or multiprocessing.get_start_method() != "fork"
        assert pool.map(abs, range(-3, 0)) == [3, 2, 1]
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(os.getpid()).encode()]
"""


@pytest.mark.parametrize("loaded", [[], ["--preload"]])
def test_gunicorn_forks_workers_with_pools(tmp_path: Path, loaded: list[str]) -> None:
    """Processes that it forks by itself have pools, whether it loads the program or they do."""
    required("gunicorn")
    (tmp_path / "preforked.py").write_text(PREFORKED)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = ["-m", "procession", "run", "-m", "gunicorn", "--workers", "2", *loaded]
    server = subprocess.Popen(
        [sys.executable, *command, "--bind", f"127.0.0.1:{port}", "preforked:app"],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        pids = {answer(port, patience=60) for _ in range(4)}
        server.terminate()
        said = server.communicate(timeout=60)[1]
    finally:
        server.kill()
        server.wait()
    assert server.returncode == 0, said
    assert server.pid not in pids
    assert "Traceback" not in said, said


CHECKED_BY_PYTEST = """\
from concurrent.futures import ProcessPoolExecutor

import pytest

import procession as multiprocessing

def put(queue):
    queue.put(multiprocessing.current_process().name)

@pytest.fixture(params=["fork", "spawn", "forkserver"])
def context(request):
    return multiprocessing.get_context(request.param)

@pytest.mark.parametrize("number", range(2))
def test_pool(context, number):
    with context.Pool(2) as pool:
        assert pool.map(abs, range(-number, 0)) == list(range(number, 0, -1))
        assert pool.map(lambda x: x + number, [1]) == [1 + number]

def test_process(context, capfd):
    queue = context.Queue()
    for target, argument in ((put, queue), (print, "hello")):
        process = context.Process(target=target, args=(argument,), name="child")
        process.start()
        process.join()
    assert queue.get() == "child"
    assert capfd.readouterr().out == "hello\\n"

def test_executor(context):
    with ProcessPoolExecutor(2, mp_context=context) as executor:
        assert list(executor.map(abs, [-1, 2])) == [1, 2]
"""


def test_pytest_xdist_runs_tests_that_start_processes(tmp_path: Path) -> None:
    """Its workers are no children of ours, so tests import procession; their main is its own."""
    required("pytest-xdist")
    (tmp_path / "test_checked.py").write_text(CHECKED_BY_PYTEST)

    outcome = run_program(
        ["-m", "pytest", "-n", "2", "-p", "no:cacheprovider", "."], cwd=tmp_path, check=True
    )

    assert "12 passed" in outcome.stdout, outcome


def answer(port: int, patience: float) -> int:
    """Return the pid that answers, as soon as one does."""
    deadline = time.monotonic() + patience
    while True:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5) as reply:
                return int(reply.read())
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


WATCHING = """\
import multiprocessing
import os
import pathlib
import signal
import sys
import threading
import time

from watchfiles import run_process

def target(runs):
    with open(runs, "a") as file:
        print(os.getpid(), file=file)
    time.sleep(60)

def lines(path):
    return len(path.read_text().splitlines()) if path.exists() else 0

def change(watched, runs):
    number = 0
    while lines(runs) < 2:
        if lines(runs) == 1:
            (watched / f"file{number}.py").write_text("")
            number += 1
        time.sleep(0.2)
    os.kill(os.getpid(), signal.SIGINT)

if __name__ == "__main__":
    watched, runs = pathlib.Path("watched"), pathlib.Path("runs.txt").resolve()
    watched.mkdir()
    threading.Thread(target=change, args=(watched, runs), daemon=True).start()
    run_process(watched, target=target, args=(runs,), debounce=50)
    print("passed")
"""


def test_watchfiles_restarts_its_process(tmp_path: Path) -> None:
    """When a file changes, and ends it at Ctrl-C."""
    required("watchfiles")
    (tmp_path / "watching.py").write_text(WATCHING)

    outcome = run(tmp_path, "watching.py")

    assert outcome.stdout.endswith("passed\n"), outcome
    assert re.fullmatch(r"(\d+\n){2,}", (tmp_path / "runs.txt").read_text())
