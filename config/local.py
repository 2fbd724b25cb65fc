"""`python -m config.local`: the secrets and the safe values of a copy that runs on its owner's machine.

They go to DATA_DIR/local.env, which `env.py` falls back on; what is there already stays.
"""

import contextlib
import os
import secrets
from pathlib import Path

from cryptography.fernet import Fernet


def write_local_settings(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        path.touch(mode=0o600, exist_ok=False)
        path.write_text(
            f"SECRET_KEY={secrets.token_urlsafe(50)}\n"
            f"ENCRYPTION_KEYS={Fernet.generate_key().decode()}\n"
            "ALLOWED_HOSTS=localhost,127.0.0.1,[::1]\n"
            "ALLOWED_PRIVATE_NETWORKS=127.0.0.0/8,::1/128\n"
        )


if __name__ == "__main__":
    write_local_settings(Path(os.environ.get("DATA_DIR") or ".data").expanduser() / "local.env")
