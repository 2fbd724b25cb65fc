"""Reading pages in tests."""

import re

from django.test import Client

from crm.models import User


def browser_of(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def texts(html: str, css_class: str) -> list[str]:
    """The texts of the elements of a class, without their tags, from top to bottom."""
    found = re.findall(rf'<(\w+) class="{css_class}"[^>]*>(.*?)</\1>', html, re.DOTALL)
    return [" ".join(re.sub(r"<[^>]+>", " ", inside).split()) for _tag, inside in found]
