"""A full disk, said in one line. Belongs here: turning the system's error into ours."""

from __future__ import annotations

import errno
from collections.abc import Generator
from contextlib import contextmanager

from vixen_pipeline.errors import Unavailable

_FULL = (errno.ENOSPC, errno.EDQUOT)


@contextmanager
def room_on_disk() -> Generator[None]:
    """Raises Unavailable instead of the system's error when there is no room left to write."""
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise Unavailable(
            f"the disk is full ({error.filename or 'temporary files'}).",
            next_step="Make room, then run it again: what is done is kept.",
        ) from error
