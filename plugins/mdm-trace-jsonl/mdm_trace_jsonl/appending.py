"""A private file that is only ever added to."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from mdm_core.rundir import open_private


class AppendFile:
    """A file with a buffer before it, which never claims more than the disk has taken.

    Args:
        path: The file; it is made if there is none, and only its owner may read it.

    Raises:
        OSError: It cannot be written, is a symbolic link, or is no regular file.

    Attributes:
        path: The file.
        waiting: What is to be written next.
        size: Bytes in the file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.waiting = bytearray()
        self._broken = False
        self._clean = False
        self._entry_is_durable = False
        self.fd = open_private(path, os.O_RDWR | os.O_APPEND)
        status = os.fstat(self.fd)
        if not stat.S_ISREG(status.st_mode):
            os.close(self.fd)
            raise OSError(0, "it is no regular file")
        self.size = status.st_size

    def write_out(self) -> None:
        """Hand what waits to the operating system; what it does not take goes on waiting.

        Raises:
            OSError: It could not be written.
        """
        waiting = self.waiting
        if self._broken:
            raise OSError(errno.EIO, "it failed before and must be opened anew", str(self.path))
        try:
            while waiting:
                self._clean = False
                written = os.write(self.fd, waiting)
                self.size += written
                del waiting[:written]
        except OSError as error:
            raise self._named(error) from error
        except BaseException:
            # Broken off from outside: nobody knows how much of it is in the file.
            self._broken = True
            raise

    def sync(self) -> None:
        """Wait until everything written is on the disk.

        After a failure there is no second try: the operating system has forgotten what it could not write.

        Raises:
            OSError: It could not be written.
        """
        if self._clean:
            return
        try:
            os.fdatasync(self.fd)
            if not self._entry_is_durable:
                # A file that is on the disk is lost all the same if its name is not.
                sync_directory(self.path.parent)
        except OSError as error:
            self._broken = True
            raise self._named(error) from error
        except BaseException:
            self._broken = True
            raise
        self._clean = self._entry_is_durable = True

    def cut(self, size: int) -> None:
        """Keep only the beginning.

        Args:
            size: Bytes to keep.
        """
        os.ftruncate(self.fd, size)
        self.size = size
        self._clean = False

    def give_up(self) -> None:
        """Take nothing more: what comes next could not follow what is there."""
        self._broken = True

    def close(self) -> None:
        """Close without writing out; nothing happens the second time."""
        if self.fd >= 0:
            fd, self.fd = self.fd, -1
            self._broken = True
            os.close(fd)

    def _named(self, error: OSError) -> OSError:
        return OSError(error.errno, error.strerror, str(self.path))


def sync_directory(path: Path) -> None:
    """Wait until the names in a directory are on the disk.

    Args:
        path: The directory.
    """
    directory = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
