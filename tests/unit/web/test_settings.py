"""The table of fields, and what becomes of what is typed into it."""

from __future__ import annotations

import ast
import io
import typing
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from typing import Any

import pytest
import xlsxwriter
from hypothesis import given
from hypothesis import strategies as st

from lcall_web.common.i18n import translated
from lcall_web.settings import agents_sheet, refusals, rules, sheets
from lcall_web.settings.kinds import ELSEWHERE, KINDS
from lcall_web.settings.logo import picture
from lcall_web.settings.members import with_queue
from lq.acd import strategies
from lq.config import demo, documents, validation
from lq.config.documents import DOCUMENTS
from lq.config.validation import validate
from lq.trunks.phones import MODELS

GIVEN = {"agents": {"pin"}, "phones": {"password"}}  # what the api takes instead of a hash
LQ = Path(validation.__file__).parent


def paths(cls: Any, before: str = "") -> Iterator[tuple[str, Any]]:
    """Every field of a document with its default, those of the documents in it too."""
    hints = typing.get_type_hints(cls)
    for one in fields(cls):
        if is_dataclass(hints[one.name]):
            yield from paths(hints[one.name], f"{before}{one.name}.")
        else:
            default = one.default_factory() if one.default_factory is not MISSING else one.default
            yield before + one.name, default


# -- the table -------------------------------------------------------------------------------------------------------


def test_every_kind_of_document_has_its_page_or_is_deliberately_elsewhere() -> None:
    assert set(KINDS) | set(ELSEWHERE) == set(DOCUMENTS) and not set(KINDS) & set(ELSEWHERE)


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_every_field_of_a_document_has_its_place_or_is_deliberately_hidden(kind: Any) -> None:
    known = dict(paths(DOCUMENTS[kind.name]))
    shown = [field.name for field in kind.fields]
    assert len(set(shown)) == len(shown), "a field stands twice"
    for path in known:
        places = [name for name in shown if name == path or name.startswith(f"{path}.")]
        assert places or path in kind.hidden or path == "id", f"{kind.name}.{path} has no place"
    for name in shown:
        assert any(name == path or name.startswith(f"{path}.") for path in {*known, *GIVEN.get(kind.name, ())}), name
    assert set(kind.hidden) <= set(known) and set(kind.columns) <= set(shown)


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_a_new_form_begins_with_the_defaults_of_the_document(kind: Any) -> None:
    known = dict(paths(DOCUMENTS[kind.name]))
    for field in kind.fields:
        if known.get(field.name, MISSING) is not MISSING:
            assert field.default == known[field.name], f"{kind.name}.{field.name}"
    codes = {field.name: field.default for field in KINDS["settings"].fields if field.name.startswith("feature_codes")}
    assert codes == {f"feature_codes.{name}": code for name, code in documents.FEATURE_CODES.items()}


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_choices_are_those_of_the_document(kind: Any) -> None:
    hints = typing.get_type_hints(DOCUMENTS[kind.name])
    for field in kind.fields:
        if field.kind == "choice" and typing.get_origin(hints.get(field.name)) is typing.Literal:
            missing = set(typing.get_args(hints[field.name])) - set(field.options)
            assert missing <= {"required"} and set(field.options) <= set(typing.get_args(hints[field.name])), field.name
    assert set(KINDS["queues"].field("strategy").options) == set(strategies.STRATEGIES)
    assert set(KINDS["phones"].field("model").options) == {"", *MODELS}


def demo_documents() -> list[tuple[str, dict[str, Any]]]:
    return [one for one in demo.documents(5080) if one[0] in KINDS]


def test_a_form_that_is_sent_as_it_was_shown_changes_nothing() -> None:
    for kind, body in demo_documents():
        read, faults = rules.read(KINDS[kind], rules.values_of(KINDS[kind], body), body)
        assert not faults and rules.same(KINDS[kind], read, body), (kind, body["id"])
        assert validate(kind, {**read, **({"ha1": body["ha1"]} if kind == "phones" else {})}) == [], read
        for path, _ in paths(DOCUMENTS[kind]):
            if not path.startswith(("feature_codes", "register.password")):
                assert _plain(rules.at(read, path, None)) == _plain(rules.at(body, path, None)), (body["id"], path)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(one) for key, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, list | tuple) else value


# -- what is typed ---------------------------------------------------------------------------------------------------


def test_what_is_typed_becomes_the_document() -> None:
    kind, before = KINDS["trunks"], {"id": "gw9", "unknown_to_us": 1, "numbers": {"strip": "9"}}
    written = {
        **{"address": [" 10.0.0.9 "], "port": ["5080"], "codecs": ["PCMA，PCMU opus"], "enabled": [""]},
        **{"caller_ids": ["01088001000\n\n 01088001001 "], "numbers.landing": ["01088001000 = 4008001000"]},
        **{"numbers.area_code": ["10"], "register.password": [""]},
    }
    body, faults = rules.read(kind, written, before)
    assert not faults and body == {
        **{"id": "gw9", "unknown_to_us": 1, "address": "10.0.0.9", "port": 5080, "enabled": False},
        **{"codecs": ["PCMA", "PCMU", "opus"], "caller_ids": ["01088001000", "01088001001"], "register": {}},
        "numbers": {"strip": "9", "area_code": "10", "landing": {"01088001000": "4008001000"}},
    }
    assert before == {"id": "gw9", "unknown_to_us": 1, "numbers": {"strip": "9"}}, "what it began with stays"


@pytest.mark.parametrize(
    ("name", "text", "fault"),
    [
        ("port", "", rules.NEEDED),
        ("port", "5060.5", rules.WHOLE),
        ("port", "٣", rules.WHOLE),
        ("port", "9" * 13, rules.WHOLE),
        ("address", "  ", rules.NEEDED),
        ("name", "x" * 501, rules.TOO_LONG),
        ("name", "a\x00b", rules.UNREADABLE),
        ("name", "a\u202eb", rules.UNREADABLE),
        ("numbers.landing", "01088001000", rules.PAIR),
    ],
)
def test_what_cannot_be_read_is_said_beside_its_field(name: str, text: str, fault: str) -> None:
    _, faults = rules.read(KINDS["trunks"], {name: [text]}, {})
    assert {where: what.text for where, what in faults.items()} == {name: fault}


def test_an_empty_value_of_a_mapping_is_left_out_and_a_code_may_be_empty() -> None:
    written = {"recording.in": [""], "recording.out": ["talk"], "feature_codes.echo": [""], "recording_keys.stop": [""]}
    body, _ = rules.read(KINDS["settings"], written, {"recording": {"in": "whole"}})
    assert body == {"recording": {"out": "talk"}, "feature_codes": {"echo": ""}, "recording_keys": {}}


def test_hours_and_days_are_read_as_people_write_them() -> None:
    assert rules.hours("9:00－12:00，13：30~18:00") == ["09:00-12:00", "13:30-18:00"]
    assert rules.hours("09:00 - 12:00") == ["09:00-12:00"] and rules.hours(" ") == []
    assert rules.ranges(["2026-10-02", "2026-10-01", "2026-10-03/2026-10-04", "2026-12-31", "soon"]) == [
        *("soon", "2026-10-01/2026-10-04", "2026-12-31")
    ]
    week, _ = rules.read(KINDS["calendars"], {"hours": ["9:00-18:00", *[""] * 5, "10:00-12:00"]}, {})
    assert week["hours"] == {"mon": ["09:00-18:00"], "sun": ["10:00-12:00"]}


def test_the_year_is_drawn_with_its_holidays_and_worked_weekends() -> None:
    months = rules.year(2026, demo.HOLIDAYS, demo.WORKED)
    assert [len(month.days) for month in months] == [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
    assert months[9].blank == 3, "2026-10-01 is a Thursday"
    days = {day: (marked, weekend) for month in months for day, marked, weekend in month.days}
    assert days["2026-10-01"] == ("holiday", False) and days["2026-10-10"] == ("workday", True)
    assert days["2026-11-28"] == ("", True) and len(days) == 365
    assert len(rules.year(2028, (), ())[1].days) == 29


@given(st.lists(st.dates(min_value=rules.date(2000, 1, 1), max_value=rules.date(2100, 1, 1)), max_size=40))
def test_ranges_hold_the_days_that_went_in(days: list[rules.date]) -> None:
    found = rules.ranges([day.isoformat() for day in days])
    assert {day for line in found for day in rules._days(line)} == set(days) and rules.ranges(found) == found


# -- two at once -----------------------------------------------------------------------------------------------------


def test_what_only_the_other_one_changed_is_taken_and_what_both_changed_is_told() -> None:
    kind = KINDS["queues"]
    base = rules.values_of(kind, {"name": "销售", "ring_s": 20, "wrap_up_s": 20})
    mine = {**base, "name": ["销售一组"], "ring_s": ["15"]}
    theirs = rules.values_of(kind, {"name": "销售", "ring_s": 30, "wrap_up_s": 5})
    merged = rules.merge(kind, base, mine, theirs)
    assert (merged.taken, merged.both) == (("wrap_up_s",), ("ring_s",))
    assert (merged.values["name"], merged.values["ring_s"], merged.values["wrap_up_s"]) == (["销售一组"], ["15"], ["5"])
    assert rules.merge(kind, base, theirs, theirs).both == (), "both changed it to the same"


def test_of_a_number_that_he_may_not_see_nobody_is_told_a_change_and_no_guess_is_answered() -> None:
    kind, body = KINDS["agents"], {"name": "王芳", "mobile": "+8613800138000"}
    present = rules.values_of(kind, body)
    base = {name: texts for name, texts in present.items() if name != "mobile"}
    merged = rules.merge(kind, base, {**base, "name": ["王方"]}, present, ["mobile"])
    assert (merged.taken, merged.both) == ((), ()) and "mobile" not in merged.values
    for guess in ("+8613800138000", "+8613800138001"):
        claimed = rules.merge(kind, {**base, "mobile": [guess]}, {**base, "mobile": [guess]}, present, ["mobile"])
        typed = rules.merge(kind, base, {**base, "mobile": [guess]}, present, ["mobile"])
        assert (claimed.taken, claimed.both, typed.taken, typed.both) == ((), (), (), ("mobile",)), guess
    written = rules.merge(kind, {**base, "mobile": [""]}, {**base, "mobile": ["13900139000"]}, present, ["mobile"])
    assert written.both == ("mobile",), "another one was quicker to write one there: its mask is told"


# -- what LQ-SDK says against it -------------------------------------------------------------------------------------


def messages() -> set[str]:
    """Every message of the validation, with something in its holes."""
    found: set[str] = set()
    for file in ("validation.py", "references.py", "calendars.py", "lists.py"):
        for node in ast.walk(ast.parse((LQ / file).read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            name = getattr(node.func, "id", "")
            texts = node.args[2:3] if name == "FieldError" else node.args[:1] if name == "ValueError" else []
            found |= {text for each in texts if (text := _text(each))}
    return found


def _text(node: ast.expr) -> str:
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else "7" for part in node.values)
    return ""


OF_OTHERS = (  # kinds that have no page here
    "there is no kind", "there is no such field", "the type of an event", "an address http", "16 to 200 printable",
    "a time", "is for the whole center", "7 is expected", "an object is expected", "64 hexadecimal",
    "a direction: in", "7: 7",
)  # fmt: skip


def test_every_refusal_is_said_in_the_viewers_language() -> None:
    known = messages()
    assert len(known) > 40
    for message in known:
        if not message.startswith(OF_OTHERS) and not any(part in message for part in OF_OTHERS):
            fault = refusals.said(message)
            assert fault.text != refusals.ANYTHING, message
            assert translated("en", fault.text, **dict(fault.values or {})) and translated("zh", fault.text)


def test_a_refusal_stands_beside_its_field() -> None:
    trunks = KINDS["trunks"]
    for path, field in (
        *(("caller_ids.0", "caller_ids"), ("numbers.area_code", "numbers.area_code"), ("address", "address")),
        *(("trunks/gw1/numbers.landing.x", "numbers.landing"), ("nothing", ""), ("register.user", "register.user")),
    ):
        assert rules.place(trunks, path) == field
    assert rules.place(KINDS["phones"], "ha1") == "password" and rules.place(KINDS["agents"], "pin_hash") == "pin"
    assert rules.place(KINDS["calendars"], "hours.mon.0") == "hours"
    assert refusals.faults((), "name", "it is required") == [("name", rules.Fault(rules.NEEDED))]


# -- numbers of people's own -----------------------------------------------------------------------------------------


def test_private_numbers_are_masked_and_kept_for_who_may_not_see_them() -> None:
    agents, phones = KINDS["agents"], KINDS["phones"]
    body = {"mobile": "+8613800138000", "name": "王芳"}
    assert rules.hidden_from(agents.field("mobile"), body, False) == "138****8000"
    assert rules.hidden_from(agents.field("mobile"), body, True) == ""
    forward = phones.field("forward.busy")
    assert rules.hidden_from(forward, {"forward": {"busy": "13800138000"}}, False) == "138****8000"
    assert rules.hidden_from(forward, {"forward": {"busy": "queue:sales"}}, False) == ""
    assert rules.hidden_from(forward, {"forward": {"busy": "8002"}}, False) == ""
    read, _ = rules.read(agents, {"mobile": ["138****8000"], "name": ["王"]}, body, keep=["mobile"])
    assert read == {"mobile": "+8613800138000", "name": "王"}


# -- the sheet of agents ---------------------------------------------------------------------------------------------


def lines(*rows: tuple[str, ...]) -> list[tuple[int, dict[str, str]]]:
    return agents_sheet.named([["花名册"], list(agents_sheet.COLUMNS.values()), *(list(row) for row in rows)])


def test_a_sheet_says_of_each_line_what_it_changes() -> None:
    agents = {"1001": {"id": "1001", "name": "王芳", "queues": ["sales"], "role": "agent", "mobile": ""}}
    phones = {"8001": {"id": "8001", "agent": "1001"}, "8002": {"id": "8002", "agent": "1002"}}
    queues = {"sales": "销售", "support": "技术支持"}
    found = agents_sheet.plans(
        lines(
            ("2001", "李雷", "销售、support", "8201", "geheim"),
            ("1001", "王芳", "sales", "8001"),
            ("1001", "王芳", "support"),
            ("2003", "", "仓库", "8002", "", "x"),
            ("a b", "名"),
            (),
        ),
        agents,
        phones,
        queues,
    )
    assert [(plan.line, plan.state) for plan in found] == [
        (3, "new"),
        (4, "same"),
        (5, "changed"),
        (6, "new"),
        (7, "new"),
    ]
    first = found[0]
    assert first.agent == {"id": "2001", "name": "李雷", "queues": ["sales", "support"]}
    assert first.phone == {"id": "8201", "agent": "2001", "password": "geheim"} and not first.faults
    assert found[2].faults["id"].values == {"line": "4"}
    assert set(found[3].faults) == {"name", "queues", "phone"} and set(found[4].faults) == {"id"}
    with pytest.raises(ValueError, match="表头"):
        agents_sheet.named([["1001", "王芳"]])


def test_a_sheet_cannot_give_what_only_an_account_has() -> None:
    """身份 was a column of former sheets: it is read over, and what a document says of it stays."""
    [(line, cells)] = agents_sheet.named([["工号", "姓名", "身份"], ["1001", "王芳", "班长"]])
    assert (line, cells) == (2, {"id": "1001", "name": "王芳"})
    assert "role" not in {field.name for field in KINDS["agents"].fields}
    body = {"id": "1901", "name": "赵敏", "role": "leader"}
    read, _ = rules.read(KINDS["agents"], rules.values_of(KINDS["agents"], body), body)
    assert read["role"] == "leader" and validate("agents", read) == []


def workbook(*rows: tuple[Any, ...]) -> bytes:
    file = io.BytesIO()
    with xlsxwriter.Workbook(file) as book:
        sheet = book.add_worksheet()
        for n, row in enumerate(rows):
            sheet.write_row(n, 0, row)
    return file.getvalue()


def test_cells_are_read_as_a_person_reads_them() -> None:
    assert sheets.workbook(workbook(("工号", "姓名"), (1001, "王芳"), ("0012", 1.5))) == [
        *(["工号", "姓名"], ["1001", "王芳"], ["0012", "1.5"])
    ]
    assert sheets.rows("a.csv", "\ufeff13800138000,备注,2026-12-31\n".encode()) == [
        ["13800138000", "备注", "2026-12-31"]
    ]
    assert sheets.rows("a.csv", "13800138000,骚扰　多次\n".encode("gbk")) == [["13800138000", "骚扰　多次"]]
    for name, body in (("a.xlsx", b""), ("a.xlsx", b"PK\x03\x04nothing"), ("a.txt", b"\xff\xfe"), ("a.txt", b"a\x00")):
        with pytest.raises(sheets.Unreadable):
            sheets.rows(name, body)
    with pytest.raises(sheets.Unreadable, match="太大"):
        sheets.workbook(b"x" * (sheets.LARGEST + 1))


# -- small things ----------------------------------------------------------------------------------------------------


def test_the_tree_of_codes_is_in_order_and_holds_everything() -> None:
    parents = {"a": "", "b": "a", "c": "a", "d": "b", "e": "gone", "f": "f"}
    order = {"a": (2, "a"), "b": (2, "b"), "c": (1, "c"), "d": (0, "d"), "e": (1, "e"), "f": (9, "f")}
    assert rules.tree(parents, order) == [("e", 0), ("a", 0), ("c", 1), ("b", 1), ("d", 2), ("f", 0)]


def test_only_pictures_are_pictures() -> None:
    assert picture(b"\x89PNG\r\n\x1a\n...") == "image/png" and picture(b"\xff\xd8\xff\xe0") == "image/jpeg"
    assert picture(b"RIFF0000WEBP") == "image/webp"
    assert picture(b"<svg onload=alert(1)>") == picture(b"GIF89a") == picture(b"") == ""


def test_a_member_is_put_in_or_taken_out_and_nothing_else() -> None:
    body = {"id": "1001", "queues": ["sales", "vip"], "mobile": "x"}
    assert with_queue(body, "support", True)["queues"] == ["sales", "vip", "support"]
    assert with_queue(body, "sales", False) == {"id": "1001", "queues": ["vip"], "mobile": "x"}


def test_words_find_rows_wherever_they_stand() -> None:
    rows = [("1001", "1001 王芳 Sales"), ("1002", "1002 李伟 Support")]
    assert rules.matching(rows, "sales 王") == ["1001"] and rules.matching(rows, "") == ["1001", "1002"]
    assert rules.matching(rows, "'; <script>") == []
