"""The real settings with one view."""

from config.settings import *  # noqa: F403

ROOT_URLCONF = "tests.benchmarks.bare_view"
