"""The page of an audit as a PDF."""

import sys
from types import SimpleNamespace

import pytest
import torch

import spear
from spear.auditing import pdf
from spear.experiments.cli import audit as command


@pytest.fixture
def found():
    network = torch.nn.Sequential(torch.nn.Linear(12, 30), torch.nn.ReLU(), torch.nn.Linear(30, 4))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        loss = torch.nn.functional.cross_entropy(network(torch.randn(3, 12)), torch.arange(3))
    gradients = dict(
        zip((n for n, _ in network.named_parameters()),
            torch.autograd.grad(loss, list(network.parameters())), strict=True)
    )  # fmt: skip
    return spear.audit(network, gradients, input_shape=(12,))


def test_a_page_becomes_a_pdf(found):
    pytest.importorskip("weasyprint", exc_type=(ImportError, OSError))
    written = found.to_pdf()
    assert written.startswith(b"%PDF-")
    assert written.rstrip().endswith(b"%%EOF")


def test_the_pdf_is_made_of_the_page(found, monkeypatch):
    class HTML:
        def __init__(self, string):
            self.page = string

        def write_pdf(self):
            return b"%PDF-" + self.page.encode()

    monkeypatch.setitem(sys.modules, "weasyprint", SimpleNamespace(HTML=HTML))
    columns = [f"column {i}" for i in range(12)]
    assert found.to_pdf(columns) == b"%PDF-" + found.to_html(columns).encode()


def test_a_missing_library_is_told_before_the_audit(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "weasyprint", None)
    arguments = ["--model", "no:model", "--update", "no.pt", "--pdf", str(tmp_path / "a.pdf")]
    with pytest.raises(pdf.NoPDF, match=r"pip install 'spear-suite\[pdf\]'.*--html needs neither"):
        command.main(arguments)
    assert not list(tmp_path.iterdir())
