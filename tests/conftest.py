"""What every test has in common: nobody's own settings, no network, one cache of compiled code."""

from __future__ import annotations

import ipaddress
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).parents[1]
KEPT = ("NOROSHI_DATA", "NOROSHI_REQUIRE", "NOROSHI_FUZZ", "NOROSHI_BOUNDSCHECK", "NOROSHI_SOAK_MINUTES")
"""What is meant for the tests; every other NOROSHI_* is of whoever runs them."""

settings.register_profile(
    "noroshi",
    deadline=None,  # a shared machine stalls now and then, which is no fault of the code
    max_examples=60,
    derandomize=bool(os.environ.get("CI") or os.environ.get("NOROSHI_REQUIRE")),
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],  # of the machine, as above
)
settings.load_profile("noroshi")


def _forget() -> None:
    for name in [n for n in os.environ if n.startswith("NOROSHI_") and n not in KEPT]:
        del os.environ[name]


def _neutral() -> None:
    """Settings of the person or service that runs the tests do not reach them, nor the processes they start."""
    _forget()
    for name in ("FORCE_COLOR", "CLICOLOR_FORCE", "NO_COLOR", "TTY_COMPATIBLE", "COLUMNS", "LINES", "LANGUAGE",
                 "MPLBACKEND", "MPLCONFIGDIR", "MATPLOTLIBRC", "SOURCE_DATE_EPOCH"):  # fmt: skip
        os.environ.pop(name, None)
    for name in [n for n in os.environ if n.startswith("XDG_")]:
        del os.environ[name]
    # A home that is kept from run to run holds what numba and matplotlib made: 10 s of compiling saved.
    home = ROOT / ".cache" / "home"
    home.mkdir(parents=True, exist_ok=True)
    # A time zone that is not UTC: what leans on the local one by mistake is seen.
    os.environ |= {"HOME": str(home), "LC_ALL": "C.UTF-8", "LANG": "C.UTF-8", "TZ": "Asia/Tokyo"}
    time.tzset()


_neutral()  # before any test module is imported: the numba cache is chosen on import


HEAVY_S = 3600
"""A heavy test that takes longer hangs."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Heavy tests may take as long as all of them together may."""
    for item in items:
        if item.get_closest_marker("heavy"):
            item.add_marker(pytest.mark.timeout(HEAVY_S))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """The command line names its lake in the environment, for code compiled later: not for the next test."""
    _forget()


def pytest_sessionstart(session: pytest.Session) -> None:
    """Compile the kernels once, before workers start that would each compile them at the same time."""
    if hasattr(session.config, "workerinput") or not session.config.getoption("numprocesses", None):
        return
    # Should this fail, a test says so better.
    subprocess.run([sys.executable, "-m", "tests.support.warm"], cwd=ROOT, check=False)


def _loopback(address: Any) -> bool:
    """True for what does not leave the machine: Unix sockets, 127.0.0.0/8, ::1."""
    if not isinstance(address, tuple):
        return True
    host = str(address[0])
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return host in ("", "localhost")


@pytest.fixture(autouse=True, scope="session")
def _no_network() -> Any:
    """Tests of this process reach no other machine; a name is not even looked up."""
    with pytest.MonkeyPatch.context() as patch:

        def guard(owner: Any, name: str, at: int) -> None:
            real = getattr(owner, name)

            def guarded(*args: Any, **more: Any) -> Any:
                target = args[at]
                if not _loopback(target if isinstance(target, tuple) or owner is not socket else (target,)):
                    raise AssertionError(f"tests run with no network: {name} to {target!r}")
                return real(*args, **more)

            patch.setattr(owner, name, guarded)

        for name in ("connect", "connect_ex"):
            guard(socket.socket, name, 1)
        guard(socket.socket, "sendto", -1)
        for name in ("getaddrinfo", "gethostbyname"):
            guard(socket, name, 0)
        yield
