"""Whether PEM text is what a TLS connection can use: a bundle of authorities, or a certificate with its key."""

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from django.utils.translation import gettext as _

MAX_PEM_LENGTH = 256 * 1024


def check_bundle(pem: str) -> None:
    """Raise ValueError, with a text for the person, unless `pem` holds certificates and nothing private."""
    _certificates(pem)
    if "PRIVATE KEY" in pem:
        raise ValueError(_("Certificate authorities come without their keys."))


def check_identity(pem: str) -> None:
    """Raise ValueError, with a text for the person, unless `pem` holds a certificate and its key."""
    certificate = _certificates(pem)[0]
    try:
        key = load_pem_private_key(pem.encode(), password=None)
    except TypeError as error:
        raise ValueError(_("The key is locked with a password; give it without one.")) from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ValueError(_("The certificate's private key is missing or cannot be read.")) from error
    if key.public_key() != certificate.public_key():
        raise ValueError(_("The private key does not belong to the first certificate."))


def _certificates(pem: str) -> list[x509.Certificate]:
    if len(pem) > MAX_PEM_LENGTH:
        raise ValueError(_("These certificates are longer than 256 KiB."))
    try:
        return x509.load_pem_x509_certificates(pem.encode())
    except ValueError as error:
        raise ValueError(_("These are no certificates in PEM form.")) from error
