"""Settings come from the environment, and production refuses what is missing or unsafe, all at once."""

import os
import subprocess
import sys
from ast import literal_eval
from ipaddress import ip_network
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from django.core.exceptions import ImproperlyConfigured
from django.db import connection

from automations.drain import _listening
from config.env import Env, read_variables
from config.local import write_local_settings
from tests.processes import PROJECT

PRODUCTION = {
    "DEBUG": "false",
    "SECRET_KEY": "x8Jd0qvLk3mZ7sTgB1nRc5yWf9hPa2uE4iQo6jXb",
    "ENCRYPTION_KEYS": f"{Fernet.generate_key().decode()},{Fernet.generate_key().decode()}",
    "ALLOWED_HOSTS": "crm.example.com",
    "PUBLIC_URL": "https://crm.example.com",
    "DATABASE_URL": "postgresql://stagehook@db.example.com/stagehook",
}


def setting(name: str, variables: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Prints one setting in a process of its own that has these variables and no others of ours."""
    program = f"from django.conf import settings; print(settings.{name})"
    environment = {"PATH": os.environ["PATH"], "DJANGO_SETTINGS_MODULE": "config.settings", **variables}
    command = [sys.executable, "-c", program]
    return subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, text=True, check=False)


def test_flags_numbers_lists_and_networks_are_read() -> None:
    env = Env({"A": "True", "B": "off", "N": "8001", "L": " one, two ,,", "NETS": "127.0.0.0/8,::1/128"})

    assert (env.flag("A"), env.flag("B", default=True), env.flag("C", default=True)) == (True, False, True)
    assert (env.integer("N", default=1), env.integer("M", default=1)) == (8001, 1)
    assert env.items("L") == ["one", "two"]
    assert env.networks("NETS") == [ip_network("127.0.0.0/8"), ip_network("::1/128")]
    env.refuse_problems()


def test_every_bad_value_is_named_in_one_error() -> None:
    env = Env(
        {
            "DEBUG": "perhaps",
            "PORT": "eighty",
            "NETS": "10.0.0.1/8",
            "LOG_LEVEL": "LOUD",
            "MAIL": "pigeon://x",
        }
    )

    env.flag("DEBUG")
    env.integer("PORT", default=8000)
    env.networks("NETS")
    env.choice("LOG_LEVEL", ["INFO"], default="INFO")
    env.mail("MAIL")

    with pytest.raises(ImproperlyConfigured) as refusal:
        env.refuse_problems()
    assert all(name in str(refusal.value) for name in ("DEBUG", "PORT", "NETS", "LOG_LEVEL", "MAIL"))


def test_a_mail_url_gives_server_encryption_and_sender() -> None:
    mail = Env({"EMAIL_URL": "smtp+tls://ana%40x:p%2Fw@mail.example.com?from=crm@example.com"}).mail(
        "EMAIL_URL"
    )

    assert (mail.host, mail.port, mail.user, mail.password) == ("mail.example.com", 587, "ana@x", "p/w")
    assert (mail.use_tls, mail.use_ssl, mail.sender) == (True, False, "crm@example.com")


def test_local_settings_are_written_once_and_for_their_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "data" / "local.env"

    write_local_settings(path)
    first = path.read_text()
    write_local_settings(path)

    assert path.read_text() == first
    assert path.stat().st_mode & 0o777 == 0o600


def test_local_settings_fill_in_what_is_not_given_except_in_production(tmp_path: Path) -> None:
    write_local_settings(tmp_path / "local.env")

    local = read_variables({"ALLOWED_HOSTS": "mine"}, directory=tmp_path)
    production = read_variables({"DEBUG": "false"}, directory=tmp_path)

    assert local["ALLOWED_HOSTS"] == "mine"
    assert local["ALLOWED_PRIVATE_NETWORKS"] == "127.0.0.0/8,::1/128"
    assert len(local["SECRET_KEY"]) > 50
    assert production == {"DEBUG": "false"}


def test_production_starts_with_what_it_needs() -> None:
    assert setting("SESSION_COOKIE_SECURE", PRODUCTION).stdout == "True\n"


def test_production_refuses_to_start_naming_all_that_is_missing() -> None:
    result = setting("DEBUG", {"DEBUG": "false"})

    assert result.returncode == 1
    assert all(
        f"{name} is missing" in result.stderr for name in ("SECRET_KEY", "ENCRYPTION_KEYS", "ALLOWED_HOSTS")
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SECRET_KEY", "short"),
        ("SECRET_KEY", "a" * 60),
        ("SECRET_KEY", "django-insecure-x8Jd0qvLk3mZ7sTgB1nRc5yWf9hPa2uE4iQo6jXb"),
        ("SECRET_KEY", "development-only-" * 4),
        ("ENCRYPTION_KEYS", "not-a-key"),
        ("ENCRYPTION_KEYS", PRODUCTION["ENCRYPTION_KEYS"] + ",not-a-key"),
        ("ENCRYPTION_KEYS", "ZGV2ZWxvcG1lbnQtb25seS1kZXZlbG9wbWVudC1vbmw="),
        ("ALLOWED_HOSTS", "crm.example.com,*"),
        ("DATABASE_URL", "sqlite:///db"),
        ("TIME_ZONE", "Mars/Olympus"),
        ("ALLOWED_PRIVATE_NETWORKS", "10.0.0.0/33"),
        ("OUTGOING_PROXY", "proxy.example"),
        ("OUTGOING_PROXY", "socks5://proxy.example:1080"),
        ("ALLOW_HTTP", "perhaps"),
    ],
)
def test_production_refuses_an_unsafe_value(name: str, value: str) -> None:
    result = setting("DEBUG", {**PRODUCTION, name: value})

    assert result.returncode == 1
    assert f"\n- {name}" in result.stderr
    assert result.stderr.count("\n- ") == 1


def test_a_database_that_says_nothing_is_given_up_and_an_address_may_say_otherwise() -> None:
    given = {
        **PRODUCTION,
        "DATABASE_URL": "postgresql://db.example.com/stagehook?connect_timeout=3&sslmode=require",
    }
    options = literal_eval(setting("DATABASES['default']['OPTIONS']", given).stdout)
    assert options == {
        "connect_timeout": 3,
        "keepalives_idle": 30,
        "keepalives_interval": 10,
        "keepalives_count": 3,
        "tcp_user_timeout": 30_000,
        "sslmode": "require",
    }


def test_a_pool_of_connections_has_the_same_patience() -> None:
    options = literal_eval(
        setting("DATABASES['default']['OPTIONS']", {**PRODUCTION, "DATABASE_POOL": "8"}).stdout
    )
    assert (options["connect_timeout"], options["tcp_user_timeout"]) == (10, 30_000)
    assert options["pool"] == {"min_size": 1, "max_size": 8, "timeout": 30}


@pytest.mark.django_db
def test_pages_and_the_drain_connect_with_that_patience() -> None:
    """As the database's own library understood it, for a connection of Django's and for the drain's own."""
    connection.ensure_connection()
    with _listening() as listener:
        for each in (connection.connection, listener):
            understood = each.info.get_parameters()
            assert (understood["connect_timeout"], understood["tcp_user_timeout"]) == ("10", "30000")
            assert (understood["keepalives_idle"], understood["keepalives_count"]) == ("30", "3")
