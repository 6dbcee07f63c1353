"""Where a failure leads back to: the page of ours that the form was sent from, and nowhere else."""

from __future__ import annotations

import pytest

from lcall_web.common.failures import sent_from


@pytest.mark.parametrize(
    ("referer", "page"),
    [
        ("http://center:8000/customers/7", "/customers/7"),
        ("http://center:8000/calls/?from=2026-01-01&number=138#x", "/calls/?from=2026-01-01&number=138"),
        ("", ""),
        ("http://evil.example/customers/7", ""),
        ("http://center:8000//evil.example/", ""),
        ("http://center:8000", ""),
        ("/customers/7", ""),
        ("javascript:alert(1)", ""),
        ("http://[", ""),
    ],
)
def test_the_page_that_a_form_was_sent_from(referer: str, page: str) -> None:
    assert sent_from(referer, "center:8000") == page
