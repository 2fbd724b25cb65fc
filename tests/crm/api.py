"""A client that speaks JSON with a token."""

from typing import Any

from django.test import Client

from crm.models import User
from crm.tokens import create_token


class ApiClient:
    """`client.post("deals/", title=…)` sends JSON to /api/v1/deals/ and returns the response."""

    def __init__(self, owner: User, *scopes: str) -> None:
        self.owner = owner
        wanted = scopes or (("read", "write", "admin") if owner.is_admin else ("read", "write"))
        self.token, text = create_token(owner=owner, name="a token", scopes=wanted)
        self.http = Client(headers={"Authorization": f"Bearer {text}"})

    def get(self, path: str, **query: Any) -> Any:
        return self.http.get(f"/api/v1/{path}", query)

    def post(self, path: str, *, idempotency_key: str = "", **body: Any) -> Any:
        headers = {"Idempotency-Key": idempotency_key} if idempotency_key else {}
        return self.http.post(f"/api/v1/{path}", body, content_type="application/json", headers=headers)

    def patch(self, path: str, **body: Any) -> Any:
        return self.http.patch(f"/api/v1/{path}", body, content_type="application/json")

    def delete(self, path: str) -> Any:
        return self.http.delete(f"/api/v1/{path}")


def errors(response: Any) -> list[tuple[str, str | None]]:
    """Code and field of each error of a refusal."""
    return [(error["code"], error["attr"]) for error in response.json()["errors"]]
