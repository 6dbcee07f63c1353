"""A wrap-up code is told by its name and by those that it stands below, in either language."""

from __future__ import annotations

from lcall_web.common.codes import drawn

ROWS = [
    {"id": "c", "depth": 0, "name": "投诉", "name_en": "Complaint"},
    {"id": "c.late", "depth": 1, "name": "送货太晚", "name_en": ""},
    {"id": "c.late.rain", "depth": 2, "name": "下雨", "name_en": "Rain"},
    {"id": "c.rude", "depth": 1, "name": "态度", "name_en": "Manners"},
    {"id": "q", "depth": 0, "name": "咨询", "name_en": "Question"},
]


def test_a_code_stands_below_others() -> None:
    assert {code.id: code.path for code in drawn(ROWS, "zh")} == {
        **{"c": "投诉", "c.late": "投诉 / 送货太晚", "c.late.rain": "投诉 / 送货太晚 / 下雨", "c.rude": "投诉 / 态度"},
        "q": "咨询",
    }


def test_in_english_what_has_no_english_name_keeps_its_own() -> None:
    found = {code.id: code.path for code in drawn(ROWS, "en")}
    assert (found["c.late.rain"], found["c.rude"]) == ("Complaint / 送货太晚 / Rain", "Complaint / Manners")
