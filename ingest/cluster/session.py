"""The connection to Ray for as long as a run: the cluster that RAY_ADDRESS names, or a fresh one on this machine."""

from __future__ import annotations

import logging
import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from ingest.errors import ConfigError
from ingest.settings import keep_ray_quiet, ray_address
from retrievers import plugins
from retrievers.errors import EngineUnavailable

_PURPOSE = "the executor `ray`"
_KNOCK_SECONDS = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """What a cluster has at the moment."""

    cpus: float
    gpus: int


@contextmanager
def connected() -> Iterator[Resources]:
    """Within it, Ray Data can be used. A connection that was there before is used, and stays.

    Raises:
        ConfigError: Ray is not installed, or the cluster runs another version of it or of Python.
        EngineUnavailable: the cluster that is named does not answer.
    """
    keep_ray_quiet()
    with _signals_kept():
        for module in ("ray", "pyarrow"):
            plugins.require(module, extra="ray", purpose=_PURPOSE)
        import ray
        import ray.data

        is_ours = not ray.is_initialized()
        if is_ours:
            _connect()
    _hush()
    try:
        found = ray.cluster_resources()
        yield Resources(cpus=found.get("CPU", 0.0), gpus=int(found.get("GPU", 0)))
    finally:
        if is_ours:
            with _signals_kept():
                ray.shutdown()


def _connect() -> None:
    """The address that other programs have noted on this machine is not used: what is noted may be long gone."""
    import ray

    address = ray_address()
    if address:
        _knock(address)
    try:
        with _muted():
            ray.init(
                address=address or "local",
                log_to_driver=False,
                logging_level=logging.CRITICAL,
                include_dashboard=None if address else False,
            )
    except (ConnectionError, RuntimeError) as error:
        raise ConfigError(
            f"the Ray cluster at {address or 'this machine'} cannot be used: {' '.join(str(error).split())[:300]}",
            hint="all machines need the same versions of Python and Ray",
        ) from None


def _knock(address: str) -> None:
    """Ray itself would wait for minutes, and not be interrupted.

    Raises:
        EngineUnavailable: nobody answers.
    """
    host, _, port = address.rpartition(":")
    if not port.isdecimal() or "://" in address:
        raise ConfigError(
            f"RAY_ADDRESS={address} is no address of a cluster", hint="give HOST:PORT of its head, e.g. head:6379"
        )
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_KNOCK_SECONDS).close()
    except OSError:
        raise EngineUnavailable(
            f"no Ray cluster answers at {address}",
            hint="start one with `ray start --head`, or unset RAY_ADDRESS to use the processors of this machine",
        ) from None


def _hush() -> None:
    """What goes wrong is told by the run; progress is shown by it, too."""
    import ray.data

    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    for name in ("ray", "ray.data"):
        logging.getLogger(name).setLevel(logging.CRITICAL)


@contextmanager
def _muted() -> Iterator[None]:
    """Native code of Ray writes a line to stderr that says at which level it will write there."""
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


@contextmanager
def _signals_kept() -> Iterator[None]:
    """Ray sets a handler of its own for SIGTERM, on which a run could not wind up."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
