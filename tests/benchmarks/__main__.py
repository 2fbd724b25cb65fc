"""`make bench`: every benchmark, each printing its table; `make bench ARGS="-k growth"`: those of that name."""

import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.exit(pytest.main(["--quiet", "--override-ini=python_files=bench_*.py", str(HERE), *sys.argv[1:]]))
