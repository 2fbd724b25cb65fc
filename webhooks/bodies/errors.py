"""What is raised for bytes that cannot be read."""


class Malformed(ValueError):
    """The bytes are not what they are declared to be, or more than we read. The message is fit for the sender."""
