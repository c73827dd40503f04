"""The report is one file that needs nothing else, says what it was given, and opens well everywhere."""

from __future__ import annotations

import os
import re
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest

from sharptip.core.errors import WriteError
from sharptip.report import Fact, Facts, Page, Section, Table, Text, Warning, html, write_page
from sharptip.report.page import cell, number

VOID = {"meta", "link", "img", "br", "hr", "input"}


class Walk(HTMLParser):
    """Checks that tags nest, and collects them."""

    def __init__(self):
        super().__init__()
        self.open, self.seen, self.text = [], [], []

    def handle_starttag(self, tag, attrs):
        self.seen.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data):
        if not self.open or self.open[-1] != "style":
            self.text.append(data)


def walked(text):
    walk = Walk()
    walk.feed(text)
    walk.close()
    assert walk.open == []
    return walk


@pytest.fixture(scope="session")
def written(page):
    return html(page)


def small(**more):
    return Page("Title", "Question?", "Lede.", **more)


def test_tags_nest_and_headings_are_in_order(written):
    tags = walked(written).seen
    headings = [tag for tag, _ in tags if re.fullmatch(r"h[1-6]", tag)]
    assert headings == ["h1"] + ["h2"] * 5
    assert ("html", {"lang": "en"}) in tags


def test_nothing_is_fetched(written):
    for tag, attrs in walked(written).seen:
        for name in ("src", "href", "srcset", "action", "data"):
            value = attrs.get(name)
            assert value is None or value.startswith(("data:", "#")), f"<{tag} {name}={value[:40]}>"
        assert tag not in ("script", "iframe", "object", "embed")
    css = re.search(r"<style>(.*?)</style>", written, re.S)[1]
    assert "url(" not in css
    assert "@import" not in css


def test_figures_are_svg_with_size_and_words(written):
    images = [attrs for tag, attrs in walked(written).seen if tag == "img"]
    assert len(images) == 12
    for attrs in images:
        assert attrs["alt"].startswith("Figure of")
        assert int(attrs["width"]) > 100
        assert int(attrs["height"]) > 100
        from urllib.parse import unquote

        kind, svg = attrs["src"].split(",", 1)
        assert kind == "data:image/svg+xml"
        assert ElementTree.fromstring(unquote(svg)).tag.endswith("svg")


def test_tables_have_captions_and_scopes(written):
    tags = walked(written).seen
    assert sum(tag == "caption" for tag, _ in tags) == sum(tag == "table" for tag, _ in tags) == 2
    assert {attrs.get("scope") for tag, attrs in tags if tag == "th"} == {"col", "row"}


def test_figures_and_tables_are_numbered_in_order(written):
    assert re.findall(r"<b>Figure (\d+)\.", written) == [str(i) for i in range(1, 13)]
    assert re.findall(r"<b>Table (\d+)\.", written) == ["1", "2"]


def test_everything_is_escaped():
    evil = "<script>alert(1)</script>\"'&"
    page = Page(
        evil, evil, evil,
        [Fact(evil, evil, unit=evil, claim=1.0, source=evil, note=evil, real=True)],
        [Section(evil, [Text(evil), Warning(evil), Facts([Fact(evil, 1.0, unit=evil)]),
                        Table([evil, evil], [[evil, evil]], evil, evil), Table([evil], [[evil]], evil, folded=True)])],
        warnings=[evil], footer=evil,
    )  # fmt: skip
    text = html(page)
    assert "<script" not in text
    assert "".join(walked(text).text).count(evil) >= 15


def test_every_word_that_was_given_is_there(page, written):
    text = "".join(walked(written).text)
    for block in [block for section in page.sections for block in section.blocks]:
        for attribute in ("caption", "text", "note"):
            assert getattr(block, attribute, "") in text
    assert "94.0 %" in text
    assert "95 % interval 82.0–99.0 %" in text
    assert "published: 99.0 %" in text
    assert "simulated" in text
    assert "real scans" in text


def test_same_headings_get_anchors_of_their_own():
    page = small(sections=[Section("Why?", []), Section("Why!", []), Section("為什麼", [])])
    assert len(set(page.anchors)) == 3
    ids = [attrs["id"] for _, attrs in walked(html(page)).seen if "id" in attrs]
    assert sorted(ids) == sorted(page.anchors)


def test_an_empty_page_is_a_page():
    assert walked(html(small())).seen[0][0] == "html"


def test_a_ragged_table_is_refused():
    with pytest.raises(ValueError, match="has 1 cells, not 2"):
        Table(["a", "b"], [[1]], "caption")


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "–"), (float("nan"), "–"), (True, "yes"), (3, "3"), (-2.0, "−2"), (0.12345, "0.123"),
     (1234567, "1\u202f234\u202f567"),
     (2.5e-9, "2.5×10⁻⁹"), (151.3, "151"), ("text", "text")],
)  # fmt: skip
def test_cells_for_people(value, text):
    assert cell(value) == text


def test_numbers_are_not_mangled():
    assert number(617041) == "617\u202f041"  # thin spaces that do not break
    assert number(0.0) == "0"


def test_facts_for_people():
    assert Fact("x", 0.941, (0.9, 0.975), percent=True).interval_shown == "90.0–97.5 %"
    assert Fact("x", -1e-9, (-2e-9, 1e-9), unit="m").interval_shown == "−2×10⁻⁹ to 1×10⁻⁹ m"
    assert Fact("x", float("nan"), (float("nan"), float("nan")), percent=True).shown == "–"
    assert Fact("x", float("nan"), percent=True).strip is None
    assert Fact("x", 0.5, (0.4, 0.7), percent=True, claim=0.9).strip == pytest.approx(
        {"value": 50, "low": 40, "width": 30, "claim": 90}
    )


def test_written_whole_or_not_at_all(tmp_path, monkeypatch):
    path = write_page(small(), tmp_path / "new" / "report.html")
    before = path.read_text(encoding="utf-8")
    assert before == html(small())
    assert oct(path.stat().st_mode)[-3:] == "644"

    def killed(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", killed)
    with pytest.raises(WriteError, match=r"report\.html.*No space left"):
        write_page(small(footer="other"), path)
    assert path.read_text(encoding="utf-8") == before
    assert [p.name for p in path.parent.iterdir()] == ["report.html"]


def test_a_place_that_cannot_be_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(WriteError, match="choose another place"):
        write_page(small(), tmp_path / "file" / "report.html")


@pytest.fixture(scope="module")
def file(page, tmp_path_factory):
    return write_page(page, tmp_path_factory.mktemp("report") / "report.html")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1200])
def test_opens_in_a_browser(browser, file, width, scheme):
    tab = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
    said, asked = [], []
    tab.on("console", lambda message: said.append(message.text))
    tab.on("pageerror", lambda error: said.append(str(error)))
    tab.on("request", lambda request: asked.append(request.url))
    tab.goto(file.as_uri())
    assert said == []
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    sizes = tab.evaluate("[...document.images].map(i => [i.complete, i.naturalWidth, i.clientWidth, i.clientHeight])")
    assert len(sizes) == 12
    for complete, natural, wide, high in sizes:
        assert complete
        assert natural > 0
        assert 200 < wide <= width
        assert high > 100
    light = tab.evaluate("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)[0]") > 127
    assert light == (scheme == "light")
    tab.close()


def test_a_wide_table_scrolls_in_its_own_box(browser, file):
    tab = browser.new_page(viewport={"width": 360, "height": 800})
    tab.goto(file.as_uri())
    tab.evaluate("document.querySelector('details').open = true")
    boxes = tab.evaluate("[...document.querySelectorAll('.scroll')].map(b => [b.scrollWidth, b.clientWidth])")
    assert all(inner > outer for inner, outer in boxes)
    assert tab.evaluate("document.documentElement.scrollWidth") <= 360
    tab.close()


def test_prints(browser, file, tmp_path):
    tab = browser.new_page()
    tab.goto(file.as_uri())
    paper = tab.pdf(format="A4")
    assert paper.startswith(b"%PDF")
    assert len(re.findall(rb"/Type\s*/Page\b", paper)) > 2
    tab.close()
