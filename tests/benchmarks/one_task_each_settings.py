"""The real settings with a task cluster as django-q2 has it by default: as many workers as cores, results kept."""

from config.settings import *  # noqa: F403
from config.settings import INSTALLED_APPS

# First, so that `qcluster` is its own command and not ours, which sends.
INSTALLED_APPS = ["django_q", *(app for app in INSTALLED_APPS if app != "django_q")]
Q_CLUSTER = {
    "name": "stagehook",  # the queue that the benchmark puts its tasks into
    "orm": "default",
    "timeout": 60,
    "retry": 120,  # the default of 60 has to be above the time limit
}
