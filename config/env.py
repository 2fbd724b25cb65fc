"""Reads the settings' values from the environment, typed, and keeps what is wrong with them.

Problems are collected, not raised one by one, because who sets up a server wants the whole list at once.
"""

import ipaddress
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

from cryptography.fernet import Fernet
from django.core.exceptions import ImproperlyConfigured

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_TRUE = {"1", "true", "yes", "on"}
_FALSE = {"0", "false", "no", "off", ""}

_MAIL_BACKENDS = {
    "console": "django.core.mail.backends.console.EmailBackend",
    "smtp": "django.core.mail.backends.smtp.EmailBackend",
    "smtp+tls": "django.core.mail.backends.smtp.EmailBackend",
    "smtps": "django.core.mail.backends.smtp.EmailBackend",
}
_MAIL_PORTS = {"smtp+tls": 587, "smtps": 465}


@dataclass(frozen=True)
class Mail:
    backend: str
    host: str
    port: int
    user: str
    password: str
    use_tls: bool
    use_ssl: bool
    sender: str


class Env:
    """Typed readings of a mapping of variables; `refuse_problems` raises for all bad ones together."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._variables = variables
        self._problems: list[str] = []

    def text(self, name: str, *, default: str = "") -> str:
        return self._variables.get(name, "").strip() or default

    def flag(self, name: str, *, default: bool = False) -> bool:
        value = self._variables.get(name, "").strip().lower()
        if name not in self._variables or value in _TRUE | _FALSE:
            return value in _TRUE if name in self._variables else default
        self.problem(f"{name} must be true or false, not {value!r}")
        return default

    def integer(self, name: str, *, default: int) -> int:
        value = self.text(name, default=str(default))
        if value.isascii() and value.isdigit():
            return int(value)
        self.problem(f"{name} must be a whole number, not {value!r}")
        return default

    def items(self, name: str, *, default: str = "") -> list[str]:
        """The parts of a comma-separated variable, without blanks."""
        return [part.strip() for part in self.text(name, default=default).split(",") if part.strip()]

    def networks(self, name: str, *, default: str = "") -> list[Network]:
        networks: list[Network] = []
        for part in self.items(name, default=default):
            try:
                networks.append(ipaddress.ip_network(part))
            except ValueError as error:
                self.problem(f"{name}: {error}")
        return networks

    def proxy(self, name: str) -> str:
        """`http://user:password@host:port` or the same with https; "" where there is none."""
        value = self.text(name)
        try:
            url = urlsplit(value)
            whole = url.scheme in {"http", "https"} and url.hostname and url.port and url.path in {"", "/"}
        except ValueError:  # a port that is none
            whole = False
        if value and not whole:
            self.problem(f"{name} must be http://user:password@host:port")
        return value

    def choice(self, name: str, choices: Collection[str], *, default: str) -> str:
        value = self.text(name, default=default)
        if value not in choices:
            self.problem(f"{name} cannot be {value!r}")
        return value

    def mail(self, name: str) -> Mail:
        """What `smtp://user:password@host:port?from=…` says; `smtp+tls` and `smtps` encrypt."""
        url = urlsplit(self.text(name, default="console:"))
        if url.scheme not in _MAIL_BACKENDS:
            self.problem(f"{name} must begin with one of: {', '.join(_MAIL_BACKENDS)}")
        return Mail(
            backend=_MAIL_BACKENDS.get(url.scheme, ""),
            host=url.hostname or "localhost",
            port=url.port or _MAIL_PORTS.get(url.scheme, 25),
            user=unquote(url.username or ""),
            password=unquote(url.password or ""),
            use_tls=url.scheme == "smtp+tls",
            use_ssl=url.scheme == "smtps",
            sender=dict(parse_qsl(url.query)).get("from", "Stagehook <stagehook@localhost>"),
        )

    def problem(self, sentence: str) -> None:
        self._problems.append(sentence)

    def refuse_problems(self) -> None:
        """Raises `ImproperlyConfigured` naming every problem found so far."""
        if self._problems:
            raise ImproperlyConfigured("Stagehook cannot start:\n- " + "\n- ".join(self._problems))


def read_variables(environ: Mapping[str, str], *, directory: Path) -> Mapping[str, str]:
    """The environment, over what `make run` keeps in `directory`/local.env.

    An explicit DEBUG=false says "production", where nothing but the environment may count.
    """
    if "DEBUG" in environ and not Env(environ).flag("DEBUG"):
        return environ
    return {**read_file(directory / "local.env"), **environ}


def read_file(path: Path) -> dict[str, str]:
    """The NAME=value lines of a file; nothing when there is no such file."""
    if not path.is_file():
        return {}
    lines = (line.strip() for line in path.read_text().splitlines())
    pairs = (line.partition("=") for line in lines if line and not line.startswith("#"))
    return {name.strip(): value.strip() for name, _, value in pairs}


def is_fernet_key(text: str) -> bool:
    try:
        Fernet(text)
    except ValueError:
        return False
    return True


def is_unsafe_secret(text: str) -> bool:
    """Whether a secret key is short, monotonous, or one of the placeholders that Django writes."""
    return len(text) < 32 or len(set(text)) < 5 or text.startswith("django-insecure-")
