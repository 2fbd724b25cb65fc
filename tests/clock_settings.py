"""The settings of worker processes whose time of day is that of a test's clock."""

import os
from pathlib import Path

from config.settings import *  # noqa: F403
from tests.clock import follow

follow(Path(os.environ["CLOCK"]))
