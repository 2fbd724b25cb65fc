"""Companies as people name them."""

from crm.models import Company


def company_named(name: str) -> Company:
    """The company of that name, whatever its case; made where there is none."""
    name = name.strip()
    return Company.objects.filter(name__iexact=name).first() or Company.objects.create(name=name)
