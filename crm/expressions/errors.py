"""What can be wrong with an expression."""


class ExpressionError(ValueError):
    """An expression that cannot be read, or that fails on a document.

    `position` is the offset of the character at fault, None where it is not known: of what fails on a document.
    """

    def __init__(self, message: str, position: int | None = None) -> None:
        self.message, self.position = message, position
        super().__init__(message)
