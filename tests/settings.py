"""The settings of the tests: the real ones, in an environment that is the same on every machine."""

import os
from pathlib import Path

_OURS = [
    "DATABASE_POOL",
    "EMAIL_URL",
    "HOST",
    "LANGUAGE_CODE",
    "LOG_LEVEL",
    "MAX_RECORDING_MB",
    "METRICS_ALLOWED_NETWORKS",
    "PORT",
    "REDIS_URL",
    "RENEWAL_NOTICE_DAYS",
    "SILENT_MODE",
    "TIME_ZONE",
]

for _name in _OURS:
    os.environ.pop(_name, None)
os.environ.update(
    ALLOWED_HOSTS="testserver,localhost,127.0.0.1",
    ANSWER_WITHIN_MS="60000",  # no test may depend on how fast a machine is
    ALLOWED_PRIVATE_NETWORKS="127.0.0.0/8,::1/128",
    DATA_DIR=str(Path(os.environ.get("DATA_DIR") or ".data").resolve() / "tests"),
    DATABASE_URL=os.environ.get("TEST_DATABASE_URL", ""),
    DEBUG="false",
    ENCRYPTION_KEYS="YS1rZXktZm9yLXRlc3RzLXRoYXQtcHJvdGVjdHMtMDA=",  # the same in every process of a test
    PUBLIC_URL="http://testserver",
    SECRET_KEY="a-secret-key-for-tests-which-protects-nothing",
)

from config.settings import *  # noqa: E402, F403  # only now: they read the environment
from config.settings import DATABASES, STORAGES  # noqa: E402

DATABASES["default"]["SERVER_SETTINGS"] = {
    "fsync": "off",
    "full_page_writes": "off",
}  # embedded: speed, not safety
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # the safe ones are slow on purpose
STORAGES["staticfiles"] = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
