"""`make bench`: every benchmark, each printing its table; `make bench ARGS="-k growth"`: those of that name."""

import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
# Without pytest's own logging, which keeps every record: the log is written as in production.
OPTIONS = ["--quiet", "-p", "no:logging", "--override-ini=python_files=bench_*.py"]
sys.exit(pytest.main([*OPTIONS, str(HERE), *sys.argv[1:]]))
