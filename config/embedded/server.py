"""Where the embedded server lives, and how processes share it."""

import hashlib
from pathlib import Path

# A Unix socket's path may have 103 bytes on the strictest system (macOS); PostgreSQL adds its file name.
_LONGEST_SOCKET_DIRECTORY = 103 - len("/.s.PGSQL.5432")


def socket_directory(data: Path) -> Path:
    """The directory of the server's Unix socket: its data directory, or a short stand-in for a long path."""
    if len(bytes(data)) <= _LONGEST_SOCKET_DIRECTORY:
        return data
    return Path("/tmp", "stagehook-" + hashlib.sha256(bytes(data)).hexdigest()[:16])
