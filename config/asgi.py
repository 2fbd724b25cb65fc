"""The web process: `uvicorn config.asgi:application`."""

import os
import signal
from multiprocessing import parent_process

from django.core.asgi import get_asgi_application

from config.lifetime import die_with_parent
from webhooks.limits import LimitBodies

if parent_process() is not None:
    # One of several: uvicorn's own process starts what has died anew, and none may hold the port without it.
    die_with_parent(signal.SIGTERM)()

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
# Requests run in threads here, each with a connection of its own: they share a pool. It is asked for in this
# one place because a pool does not survive the forks of the worker.
os.environ.setdefault("DATABASE_POOL", "15")

django = get_asgi_application()

from config.uploads import LimitUploads  # noqa: E402  # only now: they need the apps
from webhooks.door import Door  # noqa: E402

application = LimitBodies(LimitUploads(Door(django)))
