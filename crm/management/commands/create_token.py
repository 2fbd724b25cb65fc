"""`manage.py create_token EMAIL`: the first token of an installation, and those of programs beside it."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from crm.models import ApiToken, User
from crm.refusals import InvalidFields
from crm.tokens import allowed_scopes, create_token


class Command(BaseCommand):
    help = "Make an API token for a user and print it. It cannot be shown again."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("email", help="whose token it will be")
        parser.add_argument("--name", default="create_token", help="what the token is for")
        parser.add_argument(
            "--scope",
            dest="scopes",
            action="append",
            choices=ApiToken.Scope.values,
            help="may be given several times; without it, all that the user's role allows",
        )

    def handle(self, *_args: Any, email: str, name: str, scopes: list[str] | None, **_options: Any) -> str:
        owner = User.objects.filter(email__iexact=email, is_active=True).first()
        if owner is None:
            raise CommandError(f"There is no active user with the e-mail {email}.")
        try:
            _token, text = create_token(owner=owner, name=name, scopes=scopes or allowed_scopes(owner))
        except InvalidFields as error:
            raise CommandError(str(error)) from error
        return text
