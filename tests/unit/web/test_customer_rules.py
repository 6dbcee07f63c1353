"""Customers: what forms and searches mean, where numbers are from, and how two become one."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import UTC

import pytest
import xlsxwriter
from hypothesis import given
from hypothesis import strategies as st

from lcall_web.common.spreadsheet import written
from lcall_web.customers import numbers, rules, sheets
from lcall_web.customers.numbers import Origin
from lcall_web.customers.rules import Draft, Phone
from lq.config.documents import NumberRule
from lq.trunks.numbers import dialled

# -- numbers -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "stored", "published", "origin"),
    [
        ("13800138000", "+8613800138000", "13800138000", Origin("mobile", "北京", "北京", "中国移动")),
        ("+86 199-1234-5678", "+8619912345678", "19912345678", Origin("mobile", "河北", "唐山", "中国电信")),
        ("（010）6255 8800", "+861062558800", "01062558800", Origin("fixed", "北京", "北京")),
        ("0755-88001000", "+8675588001000", "075588001000", Origin("fixed", "广东", "深圳")),
        ("0999 8001000", "+869998001000", "09998001000", Origin("fixed", "新疆", "伊犁")),
        ("４００ 800 1000", "+864008001000", "4008001000", Origin("toll_free")),
        ("95588", "95588", "95588", Origin("short")),
        ("8001", "8001", "8001", Origin("short")),
        ("+1 415 555 0142", "+14155550142", "+14155550142", Origin("international", country="US")),
        ("00852 2345 6789", "+85223456789", "+85223456789", Origin("international", country="HK")),
        ("88001000", "", "", Origin("unknown")),  # no area code
        ("138001380001", "", "", Origin("unknown")),
        ("+86 110", "", "", Origin("unknown")),
        ("+999 123", "", "", Origin("unknown")),
        ("'; drop table customer", "", "", Origin("unknown")),
        ("٣٣٣٣٣٣", "", "", Origin("unknown")),
        ("", "", "", Origin("anonymous")),
    ],
)
def test_a_number_and_where_it_is_from(written: str, stored: str, published: str, origin: Origin) -> None:
    assert numbers.read(written) == stored
    assert numbers.published(stored) == published
    assert numbers.origin(written) == origin
    assert numbers.read(published) == stored, "what is shown can be written again"


def test_a_mobile_younger_than_the_table_has_a_carrier_at_least(monkeypatch: pytest.MonkeyPatch) -> None:
    class Nothing:
        def find(self, number: str) -> None:
            return None

    monkeypatch.setattr(numbers, "_mobiles", Nothing)
    assert numbers.origin("13800138000") == Origin("mobile", carrier="中国移动")


def test_places_in_the_readers_language() -> None:
    assert numbers.origin("13800138000").place("zh") == "北京"
    assert numbers.origin("075588001000").place("zh") == "广东 深圳"
    assert (numbers.origin("+14155550142").place("zh"), numbers.origin("+14155550142").place("en")) == (
        "美国",
        "United States",
    )


@given(
    st.one_of(
        st.from_regex(r"\A1[3-9][0-9]{9}\Z"),
        st.from_regex(r"\A0(10|2[0-9]|[3-9][0-9]{2})[2-8][0-9]{6,7}\Z"),
        st.from_regex(r"\A[48]00[0-9]{7}\Z"),
    )
)
def test_numbers_are_stored_as_the_call_core_stores_them(written: str) -> None:
    core = dialled(written, NumberRule(area_code="10"))
    assert core.e164 == "" or numbers.read(written) == core.e164
    assert core.e164 == "" or numbers.published(core.e164) == core.published


@given(st.text(max_size=40))
def test_anything_has_an_origin(text: str) -> None:
    assert numbers.origin(text).kind in numbers.KINDS
    assert numbers.origin(text).place("en") is not None


# -- forms -------------------------------------------------------------------------------------------------------------

OWNERS = ("1001",)


def test_a_form_is_read() -> None:
    draft, form = rules.read(
        {
            **{"name": " 王 丽华 ", "level": "vip", "tags": "老客户， 茶叶;老客户", "email": "a@b.cn", "owner": "1001"},
            **{"company": "华夏", "number-3": "138 0013 8000", "number-1": "010-62558800", "label-1": "work"},
            "number-7": "",
        },
        {},
        True,
        OWNERS,
    )
    assert form.good
    phones = (Phone("+8613800138000", "mobile"), Phone("+861062558800", "work"))
    assert draft == Draft(
        "person", "王 丽华", "华夏", level="vip", tags=("老客户", "茶叶"), email="a@b.cn", owner="1001", phones=phones
    )


@pytest.mark.parametrize(
    ("given", "field", "message"),
    [
        ({}, "name", rules.EMPTY),
        ({"name": "\u202e \x00"}, "name", rules.EMPTY),
        ({"name": "x" * 101}, "name", rules.TOO_LONG),
        ({"name": "x", "kind": "dog"}, "kind", rules.UNKNOWN),
        ({"name": "x", "level": "<b>"}, "level", rules.UNKNOWN),
        ({"name": "x", "email": "no address"}, "email", rules.EMAIL),
        ({"name": "x", "owner": "9999"}, "owner", rules.NOBODY),
        ({"name": "x", "tags": ",".join("abcdefghijklmnopqrstu")}, "tags", rules.TOO_MANY_TAGS),
        ({"name": "x", **{f"number-{n}": f"138000000{n:02}" for n in range(21)}}, "phones", rules.TOO_MANY_PHONES),
    ],
)
def test_what_is_wrong_is_said_at_its_field(given: dict[str, str], field: str, message: str) -> None:
    assert rules.read(given, {}, True, OWNERS)[1].errors == {field: message}


def test_wrong_numbers_are_told_in_their_lines_and_kept() -> None:
    given = {"name": "x", "number-0": "12", "number-1": "13800138000", "number-2": "+8613800138000"}
    _, form = rules.read(given, {}, True, OWNERS)
    assert [(row.number, row.error) for row in form.rows] == [
        ("12", rules.NUMBER),
        ("13800138000", ""),
        ("+8613800138000", rules.TWICE),
    ]


def test_a_hidden_number_is_kept_or_dropped_and_never_changed() -> None:
    stored = {5: "+8613800138000", 6: "+8613900139000"}
    given = {"name": "x", "phone-0": "5", "number-0": "13711112222", "label-0": "home", "number-1": "13100001111"}
    draft, form = rules.read(given, stored, False, OWNERS)
    assert form.good
    assert draft.phones == (Phone("+8613800138000", "home", 5), Phone("+8613100001111"))
    stranger, _ = rules.read({"name": "x", "phone-0": "99", "number-0": "138****8000"}, stored, False, OWNERS)
    assert stranger.phones == (), "nobody else's number is taken over by its id"


@given(st.dictionaries(st.sampled_from([*rules.NAMES, "number-0", "label-0", "phone-0"]), st.text(max_size=300)))
def test_whatever_is_written_is_read_or_refused(given: dict[str, str]) -> None:
    draft, form = rules.read(given, {1: "+8613800138000"}, False, OWNERS)
    assert set(form.errors) <= {*rules.NAMES, "phones"}
    for text in (draft.name, draft.address, draft.remark, *draft.tags):
        assert "\x00" not in text and "\u202e" not in text


# -- searching ---------------------------------------------------------------------------------------------------------


def test_words_numbers_and_both() -> None:
    def of(q: str, whole: bool = True) -> rules.Search:
        return rules.search({"q": q}, "1001", whole)[0]

    assert of("华夏 科技") == rules.Search(words=("华夏", "科技"))
    assert of("138 0013 8000") == rules.Search(digits=("138", "0013", "8000"), parts=("%13800138000%",))
    assert of("张伟 8899") == rules.Search(words=("张伟",), digits=("8899",), parts=("%8899%",))
    assert of("中山路 188", False) == rules.Search(words=("中山路",), digits=("188",), exact=("188",), last="")
    assert of("138 - 0013").digits == ("138", "0013"), "a dash between two stands nowhere"
    assert of("010-6255").parts == ("%0106255%", "%86106255%")
    assert of("12").words == ("12",), "two digits are no part of a number"
    assert of("13800138000", False) == rules.Search(digits=("13800138000",), exact=("+8613800138000",), last="")
    assert of("8000", False) == rules.Search(digits=("8000",), exact=("8000",), last="8000")
    assert of("1380013", False).exact == (), "a part would tell the hidden digits"
    assert rules.search({"owner": "me"}, "1001", True)[0].owner == "1001"


@given(st.text(max_size=120))
def test_who_sees_numbers_masked_never_searches_for_parts(q: str) -> None:
    found, _ = rules.search({"q": q}, "1001", False)
    assert found.parts is None and (found.last is None or len(found.last) in (0, 4))


@given(st.datetimes(timezones=st.just(UTC)), st.integers(1, 2**62 - 1))
def test_a_cursor_comes_back_as_it_went(at: object, id: int) -> None:
    assert rules.behind(rules.cursor(at, id)) == (at, id)  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["x", "W10=", "bnVsbA==", "WzEsMl0=", "WyIyMDI2LTAxLTAxIiwgMV0="])
def test_no_cursor_of_ours_is_the_first_page(text: str) -> None:
    assert rules.behind(text) is None


# -- merging -----------------------------------------------------------------------------------------------------------

KEEP = Draft(
    "person", "张伟", level="normal", tags=("a", "b"), email="z@x.cn", phones=(Phone("+8613800138000", "mobile", 1),)
)
OTHER = Draft(
    *("person", "张卫", "华夏", "经理", "vip", ("b", "c"), "w@x.cn", "北京", "备注", "1001"),
    (Phone("+8613800138000", "home", 7), Phone("+8613900139000", "work", 8)),
)


def test_the_one_who_stays_gets_what_he_lacks_and_what_was_chosen() -> None:
    found = rules.merged(KEEP, OTHER, {"level": "other", "name": "keep", "email": "nonsense"})
    assert found == Draft(
        *("person", "张伟", "华夏", "经理", "vip", ("a", "b", "c"), "z@x.cn", "北京", "备注", "1001"),
        (Phone("+8613800138000", "mobile", 1), Phone("+8613900139000", "work")),
    )
    assert rules.differing(KEEP, OTHER) == ["name", "level", "email"]


def test_with_himself_nothing_changes_and_a_company_works_nowhere() -> None:
    assert rules.same(rules.merged(KEEP, KEEP, {}), KEEP)
    company = rules.merged(KEEP, replace(OTHER, kind="company"), {"kind": "other"})
    assert (company.kind, company.company, company.position) == ("company", "", "")


def test_changes_name_no_number() -> None:
    after = replace(KEEP, name="张玮", phones=(Phone("+8613700137000"),))
    assert rules.changes(KEEP, after) == {"name": ["张伟", "张玮"], "phones": ["-1", "+1"]}
    assert rules.changes(KEEP, KEEP) == {}


# -- sheets ------------------------------------------------------------------------------------------------------------


def sheet(*rows: tuple[object, ...]) -> bytes:
    file = io.BytesIO()
    with xlsxwriter.Workbook(file) as book:
        page = book.add_worksheet()
        for n, row in enumerate(rows):
            for m, cell in enumerate(row):
                page.write(n, m, cell)
    return file.getvalue()


def test_a_sheet_is_read_with_its_errors() -> None:
    found = sheets.parse(
        sheet(
            ("我的客户",),
            ("姓名*", "电话", "Level", "类型", "别的"),
            ("王丽华", 13800138000, "VIP", "个人", "x"),
            ("", "", "", "", "只有别的"),
            ("华夏", "010-62558800；13911002001", "VIP 客户", "Company", ""),
            ("", "12", "国王", "", ""),
        ),
        (),
    )
    rows = found.rows
    assert [row.n for row in rows] == [3, 5, 6] and found.unread == ("别的",)
    assert [row.kind for row in rows] == ["person", "company", "person"]
    assert sheets.read(rows[0].body, ())[0].phones == (Phone("+8613800138000"),)
    company, errors = sheets.read(rows[1].body, ())
    assert errors == {} and (company.kind, company.level) == ("company", "vip")
    assert [phone.number for phone in company.phones] == ["+861062558800", "+8613911002001"]
    assert rows[0].errors == {} and set(rows[2].errors) == {"name", "level", "phones"}


@pytest.mark.parametrize(
    "heads",
    [
        ("电话", "手机"),
        ("手机号", "联系电话"),
        ("手机1", "手机2"),
        ("Mobile phone", "Landline"),
        ("手机号码（必填）", "座机:"),
    ],
)
def test_numbers_stand_in_several_columns(heads: tuple[str, str]) -> None:
    found = sheets.parse(
        sheet(
            ("姓名", heads[0], "客户编号", heads[1], "姓名"),
            ("王丽华", 13800138000, "K-1", "010-62558800", "又"),
            ("李雷", "", "K-2", "13911002001；13911002002", ""),
            ("两处相同", "138 0013 8000", "", 13800138000, ""),
            ("一处不对", "138 0013 8000", "", "x", ""),
        ),
        (),
    )
    drafts = [sheets.read(row.body, ())[0] for row in found.rows]
    assert [[phone.number for phone in draft.phones] for draft in drafts[:3]] == [
        ["+8613800138000", "+861062558800"],
        ["+8613911002001", "+8613911002002"],
        ["+8613800138000"],
    ]
    assert [set(row.errors) for row in found.rows] == [set(), set(), set(), {"phones"}]
    assert found.unread == ("客户编号", "姓名"), "told, not passed over"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", sheets.NO_SHEET),
        (b"name,phone\n1,2", sheets.NO_SHEET),
        (b"PK\x03\x04broken", sheets.NO_SHEET),
        (sheet(("a", "b"), (1, 2)), sheets.NO_NAMES),
        (sheet(("名称",)), sheets.NO_ROWS),
    ],
)
def test_what_is_no_sheet_is_said(data: bytes, message: str) -> None:
    with pytest.raises(sheets.Unreadable) as refused:
        sheets.parse(data, ())
    assert refused.value.args == (message,)


def test_what_was_written_is_read_again_and_no_cell_is_a_formula() -> None:
    given = (
        {"name": "=cmd|' /C calc'!A0", "kind": "person", "level": "vip", "phones": "13800138000"},
        {"name": "@SUM(1)", "kind": "company", "level": "normal", "remark": "http://x"},
    )
    for language in ("zh", "en"):
        cells = [sheets.cells(values, language) for values in given]
        found = sheets.parse(written(["客户名单", "x"], sheets.titles(language), cells), ())
        rows = found.rows
        assert found.unread == ()
        assert [row.body["name"] for row in rows] == ["=cmd|' /C calc'!A0", "@SUM(1)"]
        assert [sheets.read(row.body, ())[0].level for row in rows] == ["vip", "normal"]
