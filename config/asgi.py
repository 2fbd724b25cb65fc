"""The web process: `uvicorn config.asgi:application`."""

import os

from django.core.asgi import get_asgi_application

from webhooks.limits import LimitBodies

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
# Requests run in threads here, each with a connection of its own: they share a pool. It is asked for in this
# one place because a pool does not survive the forks of the worker.
os.environ.setdefault("DATABASE_POOL", "10")

application = LimitBodies(get_asgi_application())
