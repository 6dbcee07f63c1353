"""Fields that a center adds to its customers: how they are defined, what may stand in them, and where they go."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lcall_web.common import script
from lcall_web.common.script import Piece
from lcall_web.common.spreadsheet import written
from lcall_web.customers import definitions, fields, rules, sheets
from lcall_web.customers.fields import Choice, Field
from lcall_web.customers.rules import Draft, Form
from lcall_web.settings import rules as settings
from lcall_web.settings.kinds import KINDS
from tests.unit.web.test_customer_rules import sheet

CARD = Field(1, "text", "会员卡号", "Member card", required=True, listed=True)
STORY = Field(2, "lines", "来历")
SUM = Field(3, "number", "年消费")
BORN = Field(4, "date", "生日", whose="person")
MAIL = Field(5, "flag", "愿收邮件", "Mail")
FROM = Field(6, "choice", "来源", choices=(Choice("1", "展会"), Choice("2", "网站", True), Choice("3", "Friend")))
STAFF = Field(7, "number", "人数", whose="company")
OLD = Field(8, "text", "旧编号", retired=True)
KNOWN = (CARD, STORY, SUM, BORN, MAIL, FROM, STAFF, OLD)
HEADS = sheets.heads()


def read(
    given: dict[str, str], had: dict[str, str] | None = None, kind: str = "person"
) -> tuple[dict[str, str], dict[str, str]]:
    """What is stored, what is wrong."""
    draft, form = fields.read(KNOWN, Draft(kind, "x"), Form({"name": "x"}), given, had or {})
    assert form.given["name"] == "x"
    return dict(draft.own), dict(form.errors)


# -- values ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "text", "stored"),
    [
        (CARD, "  VIP\u202e-001 \x00", "VIP-001"),
        (CARD, "'; <script>", "'; <script>"),
        (STORY, "一\r\n二", "一\n二"),
        (SUM, "1,280.50", "1280.50"),
        (SUM, "１２８０．５", "1280.5"),
        (SUM, "+007", "7"),
        (SUM, "-3", "-3"),
        (BORN, "1988-2-29", "1988-02-29"),
        (BORN, "2026/1/5", "2026-01-05"),
        (BORN, "2026 年 1 月 5 日", "2026-01-05"),
        (BORN, "2026.11.28", "2026-11-28"),
        (BORN, "20261128", "2026-11-28"),
        (BORN, "2026-11-28T00:00:00", "2026-11-28"),
        (MAIL, "no", "no"),
        (FROM, "3", "3"),
    ],
)
def test_a_value_is_stored_in_one_form(field: Field, text: str, stored: str) -> None:
    own, errors = read({field.input: text, CARD.input: "x", **({CARD.input: text} if field is CARD else {})})
    assert (own[field.key], errors) == (stored, {})


@pytest.mark.parametrize(
    ("field", "text", "message"),
    [
        (CARD, "", rules.EMPTY),
        (CARD, " \u202e", rules.EMPTY),
        (CARD, "x" * 101, rules.TOO_LONG),
        (STORY, "x" * 2001, rules.TOO_LONG),
        (SUM, "很多", fields.NO_NUMBER),
        (SUM, "1,5", fields.NO_NUMBER),
        (SUM, "1e309", fields.NO_NUMBER),
        (SUM, "NaN", fields.NO_NUMBER),
        (SUM, "٣", fields.NO_NUMBER),
        (BORN, "2026-02-29", fields.NO_DAY),
        (BORN, "0026-02-01", fields.NO_DAY),
        (BORN, "2026-13-01", fields.NO_DAY),
        (BORN, "明天", fields.NO_DAY),
        (MAIL, "maybe", rules.UNKNOWN),
        (FROM, "2", rules.UNKNOWN),
        (FROM, "展会", rules.UNKNOWN),
    ],
)
def test_what_is_wrong_is_said_at_its_field(field: Field, text: str, message: str) -> None:
    own, errors = read({CARD.input: "x", field.input: text})
    assert errors == {field.input: message} and field.key not in own


def test_what_the_form_did_not_have_stays_and_what_was_emptied_goes() -> None:
    had = {"1": "A", "2": "一", "8": "旧", "99": "of a newer LCall", "6": "2"}
    assert read({}, had) == (had, {}), "an old page, which knows none of them"
    assert read({fields.SHOWN: "1 2", CARD.input: "B"}, had)[0] == {"1": "B", "8": "旧", "99": had["99"], "6": "2"}
    kept, errors = read({fields.SHOWN: "6", FROM.input: "2", CARD.input: "A"}, had)
    assert kept["6"] == "2" and errors == {}, "a choice that is retired may stay where it is"
    assert read({OLD.input: "neu"}, had)[0]["8"] == "旧", "nobody writes into a field that is retired"


def test_a_field_of_companies_is_none_of_a_person() -> None:
    assert read({STAFF.input: "viele", CARD.input: "x"}) == ({"1": "x"}, {})
    own, _ = read({STAFF.input: "12", BORN.input: "1988-01-01", CARD.input: "x"}, {"4": "1988-01-01"}, "company")
    assert own == {"1": "x", "7": "12"}, "as the company of one who is no person any more"


@given(st.dictionaries(st.sampled_from([*(one.input for one in KNOWN), "fields"]), st.text(max_size=120)))
def test_whatever_is_written_is_stored_or_refused(given: dict[str, str]) -> None:
    own, errors = read(given)
    assert set(errors) <= {one.input for one in KNOWN} and set(own) <= {one.key for one in KNOWN}
    for text in own.values():
        assert text and "\x00" not in text and "\u202e" not in text
    again, none = read({f"own-{key}": text for key, text in own.items()} | {"own-1": own.get("1", "x")})
    assert none == {} and own.items() <= again.items(), "what is stored can be written again"


def test_how_values_are_shown() -> None:
    assert [MAIL.shown("yes", language) for language in ("zh", "en")] == ["是", "Yes"]
    assert FROM.shown("1", "en") == "展会" and FROM.shown("2", "zh") == "网站（已停用）"
    assert SUM.shown("12.50", "zh") == "12.50" and FROM.shown("", "zh") == ""
    assert [CARD.title(language) for language in ("zh", "en")] == ["会员卡号", "Member card"]
    assert STORY.title("en") == "来历"
    assert list(FROM.offered("", "zh")) == ["1", "3"] and list(FROM.offered("2", "zh")) == ["1", "2", "3"]


# -- where they go -----------------------------------------------------------------------------------------------------

KEEP = Draft("person", "张伟", own={"1": "A", "3": "5", "8": "旧"})
OTHER = Draft("person", "张伟", own={"1": "B", "2": "一", "4": "1988-01-01", "3": "5"})


def test_of_two_who_are_one_the_one_who_stays_wins_and_gets_what_he_lacks() -> None:
    assert fields.merged(KNOWN, KEEP, OTHER, {}).own == {
        **{"1": "A", "2": "一", "3": "5", "4": "1988-01-01", "8": "旧"},
    }
    assert fields.merged(KNOWN, KEEP, OTHER, {"own-1": "other", "own-8": "other"}).own["1"] == "B"
    assert fields.differing(KNOWN, KEEP, replace(OTHER, level="vip")) == ["level", "own-1"]
    firm = fields.merged(KNOWN, KEEP, replace(OTHER, kind="company"), {"kind": "other"})
    assert "4" not in firm.own, "no company is born"


def test_the_audit_and_the_other_one_are_told_in_words() -> None:
    after = replace(KEEP, own={"1": "A", "3": "6", "6": "2", "5": "no"})
    assert fields.changes(KNOWN, KEEP, after) == {
        "own-3 年消费": ["5", "6"],
        "own-5 愿收邮件": ["", "否"],
        "own-6 来源": ["", "网站（已停用）"],
        "own-8 旧编号": ["旧", ""],
    }
    assert fields.theirs(KNOWN, KEEP, after, "en") == {"own-3": "5", "own-5": "", "own-6": ""}


def test_a_search_knows_which_fields_have_words_and_which_are_hidden() -> None:
    wanted, form = fields.search(KNOWN, {"q": "展会 银", "own": "6=1"}, "1001", True)
    assert form.good and wanted.own == ("6", "1") and wanted.texts == ("1",) and wanted.hidden
    assert not fields.search(KNOWN[:-1], {}, "1001", True)[0].hidden
    assert fields.told(KNOWN, "6=1", "zh") == "来源 = 展会" and fields.told(KNOWN, "77=1", "zh") == "77=1"
    for text in ("6", "x=1", "6='; --", "6=1=2", "-1=1", "٣=1"):
        assert rules.search({"own": text}, "1001", True)[1].errors == {"own": rules.UNKNOWN}


def test_a_script_names_them() -> None:
    own = fields.variables(KNOWN, {"1": "<b>7", "6": "1", "8": "旧"}, "zh")
    assert list(script.pieces("{会员卡号}{来源}{旧编号}{MAIL}{客户}", {**own, "客户": "王"})) == [
        *(Piece("<b>7", "会员卡号"), Piece("展会", "来源"), Piece("{旧编号}"), Piece("mail", "mail", known=False)),
        Piece("王", "客户"),
    ]
    queue = KINDS["queues"]
    assert settings.read(queue, {"script": ["{会员卡号}"]}, {})[1]
    body, faults = settings.read(queue, {"script": ["{会员卡号}{Mail}"]}, {}, variables={"会员卡号", "mail"})
    assert body["script"] == "{会员卡号}{Mail}" and faults == {}


# -- sheets ------------------------------------------------------------------------------------------------------------


def test_a_sheet_has_them_by_their_names_in_either_language() -> None:
    rows = sheets.parse(
        sheet(
            ("名称", "member card", "年消费", "生日", "愿收邮件", "来源", "旧编号", "人数"),
            ("王丽华", "K-1", 12.5, "1988-02-29", "是", "friend", "nicht", "9"),
            ("李雷", "", "viel", "gestern", "vielleicht", "2", "", ""),
        ),
        (),
        KNOWN,
    ).rows
    draft, errors = sheets.read(rows[0].body, (), KNOWN)
    assert errors == {} and draft.own == {"1": "K-1", "3": "12.5", "4": "1988-02-29", "5": "yes", "6": "3"}
    assert rows[1].errors == {
        **{"own-1": rules.EMPTY, "own-3": fields.NO_NUMBER, "own-4": fields.NO_DAY, "own-5": rules.UNKNOWN},
        "own-6": rules.UNKNOWN,  # an id is no name
    }


def test_a_field_that_is_called_like_numbers_is_itself() -> None:
    known = (fields.Field(7, "text", "备用电话"),)
    [row] = sheets.parse(sheet(("名称", "备用电话", "备用电话2"), ("王丽华", "下班后", "13800138000")), (), known).rows
    draft, errors = sheets.read(row.body, (), known)
    assert (
        errors == {} and draft.own == {"7": "下班后"} and [each.number for each in draft.phones] == ["+8613800138000"]
    )


def test_what_was_written_is_read_again() -> None:
    own = {"1": "=1+1", "2": "一\n二", "3": "-7.50", "4": "1988-02-29", "5": "no", "6": "3"}
    for language in ("zh", "en"):
        values = {"name": "x", "kind": "person", "level": "normal", **fields.cells(KNOWN, own, language)}
        file = written(["x"], sheets.titles(language, KNOWN), [sheets.cells(values, language, KNOWN)])
        [row] = sheets.parse(file, (), KNOWN).rows
        draft, errors = sheets.read(row.body, (), KNOWN)
        assert errors == {} and draft.own == own


# -- definitions -------------------------------------------------------------------------------------------------------

GOOD = {"name": "积分", "kind": "number", "whose": "both"}


def test_a_definition_is_read() -> None:
    choices = {"choice-2": "乙", "choice-0": " 甲 ", "choice-5": ""}
    found, form = definitions.read(
        {**GOOD, "kind": "choice", "name_en": "Points", "required": "1", "whose": "person", **choices}, None, (), ()
    )
    assert form.good
    assert found == Field(
        *(0, "choice", "积分", "Points", "person", True, False), choices=(Choice("1", "乙"), Choice("2", "甲"))
    )


@pytest.mark.parametrize(
    ("given", "field", "message"),
    [
        ({"name": " \u202e"}, "name", rules.EMPTY),
        ({"name": "x" * 21}, "name", rules.TOO_LONG),
        ({"name_en": "x" * 41}, "name_en", rules.TOO_LONG),
        ({"name": "MEMBER card"}, "name", definitions.TAKEN),
        ({"name": "姓名"}, "name", definitions.TAKEN),
        ({"name_en": "phone numbers", "name": "x"}, "", ""),
        ({"name_en": "Address"}, "name_en", definitions.TAKEN),
        ({"name": "旧编号"}, "", ""),  # of one that is retired
        ({"kind": "dog"}, "kind", rules.UNKNOWN),
        ({"whose": "<b>"}, "whose", rules.UNKNOWN),
        ({"kind": "choice"}, "choices", definitions.NO_CHOICE),
        ({"kind": "choice", **{f"choice-{n}": f"c{n}" for n in range(101)}}, "choices", definitions.TOO_MANY_CHOICES),
    ],
)
def test_what_is_wrong_with_a_definition_is_said_at_its_field(given: dict[str, str], field: str, message: str) -> None:
    _, form = definitions.read({**GOOD, **given}, None, KNOWN, HEADS)
    assert form.errors == ({field: message} if field else {})


def test_no_more_than_there_is_room_for() -> None:
    many = [Field(n, "text", f"f{n}", listed=n < 4) for n in range(40)]
    assert definitions.read(GOOD, None, many, ())[1].errors == {"name": definitions.TOO_MANY}
    listed = definitions.read({**GOOD, "listed": "1"}, None, many[:9], ())[1]
    assert listed.errors == {"listed": definitions.TOO_MANY_LISTED}
    assert definitions.back(Field(99, "text", "x", retired=True), many, ()) == definitions.TOO_MANY
    assert definitions.back(Field(99, "text", "x", listed=True, retired=True), many[:9], ()) == (
        definitions.TOO_MANY_LISTED
    )
    assert definitions.back(Field(99, "text", "F3", retired=True), many[:9], ()) == definitions.TAKEN
    assert definitions.back(Field(99, "text", "x", retired=True), many[:9], ()) == ""
    assert definitions.read({"name": "f0", "kind": "text", "whose": "both", "listed": "1"}, many[0], many, ())[1].good


def test_choices_are_renamed_retired_and_added_and_none_is_lost() -> None:
    given = {"name": "来源", "kind": "text", "whose": "both", "choice-id-1": "1", "choice-1": "大展会"}
    given |= {"choice-id-7": "3", "choice-7": "Friend", "choice-off-7": "1", "choice-8": "电视", "choice-id-9": "77"}
    found, form = definitions.read(given, FROM, KNOWN, HEADS)
    assert form.good and found.kind == "choice", "the kind stays"
    assert found.choices == (
        *(Choice("1", "大展会"), Choice("3", "Friend", True), Choice("4", "电视"), Choice("2", "网站", True)),
    )
    _, form = definitions.read({**given, "choice-1": ""}, FROM, KNOWN, HEADS)
    assert [row.error for row in form.rows] == [rules.EMPTY, "", "", ""]
    _, form = definitions.read({**given, "choice-8": "friend"}, FROM, KNOWN, HEADS)
    assert [row.error for row in form.rows] == ["", "", definitions.TWICE, ""]


def test_whose_it_is_can_only_be_widened() -> None:
    given = {"name": "生日", "kind": "date"}
    assert definitions.read({**given, "whose": "both"}, BORN, KNOWN, HEADS)[1].good
    assert definitions.read({**given, "whose": "company"}, BORN, KNOWN, HEADS)[1].errors == {"whose": rules.UNKNOWN}
    wide = {"name": "来历", "whose": "person"}
    assert definitions.read(wide, STORY, KNOWN, HEADS)[1].errors == {"whose": rules.UNKNOWN}


def test_a_form_says_what_is_defined() -> None:
    for one in KNOWN[:-1]:
        form = definitions.form_of(one)
        given = {**form.given, **{f"choice-{row.n}": row.name for row in form.rows}}
        given |= {f"choice-id-{row.n}": row.id for row in form.rows}
        given |= {f"choice-off-{row.n}": "1" for row in form.rows if row.retired}
        found, again = definitions.read(given, one, KNOWN, HEADS)
        assert again.good and definitions.same(found, one) and definitions.changes(one, found) == {}


def test_one_place_up_or_down_once() -> None:
    known = [Field(n, "text", f"f{n}", retired=n == 2) for n in (1, 2, 3, 4)]
    assert definitions.moved(known, 3, "up", 1) == [3, 1, 4]
    assert definitions.moved(known, 3, "down", 1) == [1, 4, 3]
    for id, way, at in (
        (3, "up", 0),
        (3, "up", 2),
        (1, "up", 0),
        (4, "down", 2),
        (3, "x", 1),
        (2, "up", 1),
        (3, "up", 99),
    ):
        assert definitions.moved(known, id, way, at) == []


@given(st.dictionaries(st.from_regex(r"choice-(id-|off-)?[0-9]{1,3}", fullmatch=True), st.text(max_size=60)))
def test_whatever_is_written_as_choices_no_id_stands_twice(given: dict[str, str]) -> None:
    found, form = definitions.read({**GOOD, **given}, FROM, (), ())
    ids = [choice.id for choice in found.choices]
    assert len(set(ids)) == len(ids) and {"1", "2", "3"} <= set(ids) and len(form.rows) == len(ids)
