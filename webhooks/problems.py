"""What is wrong with a request, as senders and people are told it, and the document that cannot be applied."""

Problem = dict[str, str]


class InvalidDocument(ValueError):
    """The document cannot be applied. `problems` is a list of {"code", "path", "message"}."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = problems
        super().__init__("; ".join(f"{problem['path']}: {problem['message']}" for problem in problems))


def problem(code: str, path: str, message: str) -> Problem:
    return {"code": code, "path": path, "message": str(message)}
