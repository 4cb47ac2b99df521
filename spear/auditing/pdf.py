"""The page of an audit as a PDF file, for those who file it."""

from typing import TYPE_CHECKING

from spear.errors import SpearError

if TYPE_CHECKING:
    from types import ModuleType


class NoPDF(SpearError):
    """WeasyPrint, which makes a PDF of a page, cannot be loaded."""


def renderer() -> "ModuleType":
    """Return WeasyPrint.

    Raises:
        NoPDF: it is not installed, or Pango, the library of the system that it needs, is not.
    """
    try:
        import weasyprint  # which takes a second, and few want
    except (ImportError, OSError) as error:  # OSError: a library of the system
        raise NoPDF(
            "A PDF needs WeasyPrint: pip install 'spear-suite[pdf]', and the system's Pango "
            "library (apt install libpango-1.0-0 libpangoft2-1.0-0); --html needs neither "
            f"({error})."
        ) from error
    return weasyprint


def pdf_of(page: str) -> bytes:
    """Return a page of HTML that needs no other file as a PDF.

    Raises:
        NoPDF: see `renderer`.
    """
    written: bytes = renderer().HTML(string=page).write_pdf()
    return written
