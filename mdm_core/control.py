"""The operator's commands to a run that is going on: stop, release.

A run listens on a socket in its directory, in a thread of its own. So a command is heard while the run computes,
waits for its source, or hangs in a broker, and listening costs a decision nothing. Who commands is told by the kernel.
"""

from __future__ import annotations

import os
import pwd
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal

import msgspec

from mdm_core.errors import MdmError, UsageError
from mdm_core.journal import Command, Journal
from mdm_core.rundir import is_running, now_text
from mdm_core.values import Commanded
from mdm_core.wording import one_line

SOCKET_FILE = "control"
LONGEST_REASON = 500
_LONGEST = 4096
_PATIENCE_S = 5.0
_PATIENCE_WITH_ONE_S = 1.0  # so that several who say nothing do not keep out one who waits
_NAP_S = 0.05
_CREDENTIALS = struct.Struct("3i")  # pid, uid, gid: what SO_PEERCRED gives


class ControlFailed(MdmError):
    """A command did not reach the run."""

    exit_code = 1


class Request(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an operator asks for.

    Attributes:
        name: The command.
        reason: Why, for people.
    """

    name: Literal["stop", "release"]
    reason: str = ""


class Reply(msgspec.Struct, frozen=True):
    """What a run answers.

    Attributes:
        problem: Why the command could not be taken, or an empty text: it is on the disk and in force.
    """

    problem: str = ""


class Heard(msgspec.Struct, frozen=True):
    """A command that was taken.

    Attributes:
        name: ``stop`` or ``release``.
        reason: Why.
        user: Who gave it, as the kernel says.
        at: When, as ISO 8601 text.
    """

    name: str
    reason: str
    user: str
    at: str


class Control:
    """Hears the commands of a run's operator.

    Args:
        run_dir: Directory of the run.
        journal: Where commands are written, before anything else.
        now_ms: Time of the pipeline's clock, or None.
        wake: Called when nothing may be carried out any more, from the thread that listens.

    Attributes:
        stopped: Whether nothing may be carried out; in force from the moment that a command is on the disk.
        heard: Commands that the run has not told of yet.
    """

    def __init__(
        self, run_dir: Path, journal: Journal, now_ms: Callable[[], int | None], wake: Callable[[], object]
    ) -> None:
        self._run_dir = run_dir
        self._journal = journal
        self._now_ms = now_ms
        self._wake = wake
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._thread: threading.Thread | None = None
        self._closing = False
        self.stopped = False
        self.heard: list[Heard] = []

    def open(self) -> None:
        """Begin to listen.

        Raises:
            UsageError: The run could not be stopped, and so must not begin.
        """
        try:
            with _address(self._run_dir) as address:
                with suppress(FileNotFoundError):
                    os.unlink(address)
                self._listener.bind(address)
                os.chmod(address, 0o600)
            self._listener.listen()
        except OSError as error:
            raise UsageError(
                f"{self._run_dir}: cannot hold the socket by which `mdm stop` reaches the run: {error.strerror}; "
                f"choose another --runs-dir"
            ) from error
        self._thread = threading.Thread(target=self._listen, name="mdm-control", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Listen no more."""
        if self._thread is None:
            self._listener.close()
            return
        self._closing = True
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes the thread, which close alone would not
        self._thread.join(_PATIENCE_S)
        self._listener.close()
        with suppress(OSError):  # a disk that fails must not keep the run from telling how it ended
            (self._run_dir / SOCKET_FILE).unlink()

    def _listen(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                if self._closing:
                    return
                time.sleep(_NAP_S)  # such as too many open files, which may pass
                continue
            with connection, suppress(OSError):
                connection.sendall(msgspec.json.encode(self._answer(connection)))

    def _answer(self, connection: socket.socket) -> Reply:
        try:
            request = msgspec.json.decode(_all_of(connection, _PATIENCE_WITH_ONE_S), type=Request)
            self._take(request, _user(connection))
        except Exception as error:  # whatever it is, the next command has to be heard
            return Reply(one_line(error))
        return Reply()

    def _take(self, request: Request, user: str) -> None:
        at, name, reason = now_text(), request.name, request.reason[:LONGEST_REASON]
        if name == "stop":
            self.stopped = True  # before it is on the disk, for nothing may happen while it is written
            self._wake()
        self._journal.add_input(
            Command,
            name,
            user,
            at,
            fact=lambda seq: Commanded(seq, name, reason, user, self._now_ms()),
            durable=True,
        )
        if name == "release":
            self.stopped = False
        self.heard.append(Heard(name, reason, user, at))


def send(run_dir: Path, request: Request) -> None:
    """Give a command to a run.

    Args:
        run_dir: Directory of the run.
        request: The command.

    Raises:
        UsageError: The run is not going on.
        ControlFailed: The command did not reach it, or could not be written down.
    """
    if not is_running(run_dir):
        raise UsageError(f"run {run_dir.name!r} is not going on: nothing acts, and there is nothing to {request.name}")
    try:
        with _address(run_dir) as address, socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(_PATIENCE_S)
            connection.connect(address)
            connection.sendall(msgspec.json.encode(Request(request.name, _encodable(request.reason))))
            connection.shutdown(socket.SHUT_WR)
            reply = msgspec.json.decode(_all_of(connection, _PATIENCE_S), type=Reply)
    except (OSError, UnicodeDecodeError, msgspec.DecodeError) as error:
        raise ControlFailed(
            f"run {run_dir.name!r} does not answer ({type(error).__name__}): it begins, ends or hangs; try again, and "
            f"if that does not help, end its process"
        ) from None
    if reply.problem:
        raise ControlFailed(f"run {run_dir.name!r} did not take the command: {reply.problem}")


@contextmanager
def _address(run_dir: Path) -> Iterator[str]:
    """The address of the socket, by way of its directory: the address of a socket may have 107 bytes only."""
    fd = os.open(run_dir, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{fd}/{SOCKET_FILE}"
    finally:
        os.close(fd)


def _all_of(connection: socket.socket, seconds: float) -> bytes:
    """Everything that the other side says, for which it has this long, however slowly it talks."""
    deadline = time.monotonic() + seconds
    data = b""
    while len(data) <= _LONGEST:
        connection.settimeout(max(0.001, deadline - time.monotonic()))
        if not (more := connection.recv(_LONGEST)):
            break
        data += more
    return data


def _encodable(text: str) -> str:
    """A text as it can be sent: an argument of the command line may hold bytes that are no text."""
    return text.encode(errors="replace").decode()


def _user(connection: socket.socket) -> str:
    _, uid, _ = _CREDENTIALS.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
