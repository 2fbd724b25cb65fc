"""What every test may rely on: no network but this machine's own."""

pytest_plugins = ["tests.receivers"]
