"""Who can log in to the demo."""

from dataclasses import dataclass

from crm.models import User


@dataclass(frozen=True)
class Login:
    """One account of the demo, with the password that `make run` shows."""

    name: str
    email: str
    password: str
    role: User.Role


LOGINS = [
    Login("Ana Ribeiro", "ana@example.com", "stagehook", User.Role.ADMIN),
    Login("Marcos Teixeira", "marcos@example.com", "stagehook", User.Role.MANAGER),
    Login("Bruna Carvalho", "bruna@example.com", "stagehook", User.Role.REP),
    Login("Diego Santana", "diego@example.com", "stagehook", User.Role.REP),
    Login("Letícia Moreira", "leticia@example.com", "stagehook", User.Role.REP),
]


def demo_is_loaded() -> bool:
    return User.objects.filter(email=LOGINS[0].email).exists()
