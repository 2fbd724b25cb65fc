"""What every test may ask for."""

pytest_plugins = ["tests.receivers", "tests.mailbox", "tests.workers"]
