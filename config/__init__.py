"""The house: settings, addresses, processes, and the commands that name all apps."""

VERSION = "0.1.0"
