"""Who acts. Belongs here: the name that is kept beside a person's decision. Does not: permissions.

A container that runs as a number without an entry in its password file has no login name; a
decision made there is kept under the number.
"""

from __future__ import annotations

import getpass
import os


def login_name() -> str:
    """The login of whoever runs this process, or `uid <number>`."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"
