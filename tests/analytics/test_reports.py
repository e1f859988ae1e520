"""The headline, the answers in SQL and the page say what the results say."""

import re
from collections.abc import Callable, Mapping
from html.parser import HTMLParser
from xml.etree import ElementTree as ET

import numpy as np
import pyarrow as pa
import pytest
from scipy import stats

from analytics.plots import reach_comparison
from analytics.reports import campaign_page, headline, inline_svg
from analytics.sql_reports import Answer
from data.errors import InvalidInputError
from data.networks.network import Network
from propagation import Result
from propagation.campaign_results import difference

MadeResult = Callable[..., Result]
Results = Mapping[str, Result]
HOSTILE = '<script>alert("a")</script> & "quoted" \'name\''
VOID = {"meta", "br", "link", "img", "input", "hr"}


# -- the headline ---------------------------------------------------------------------------------------------------


def constant(make_result: MadeResult, reach: int, replicates: int = 4) -> Result:
    return make_result([[1, reach - 1]] * replicates)


def test_the_headline_names_the_first_its_lead_and_how_far_behind_the_last_is(make_result: MadeResult) -> None:
    results = {name: constant(make_result, reach) for name, reach in (("a", 2), ("b", 150), ("c", 100))}
    assert headline(results) == "b reaches most: 150 ± 0 of 300 agents; 50 ± 0 more than c and 75 times as many as a."


def test_the_headline_gives_small_leads_in_percent(make_result: MadeResult) -> None:
    results = {name: constant(make_result, reach) for name, reach in (("a", 100), ("b", 150), ("c", 125))}
    assert headline(results).endswith("; 25 ± 0 more than c and 50.0 % more than a.")
    assert headline({"a": results["a"], "b": results["b"]}).endswith("; 50 ± 0 more than a.")


def test_differences_within_chance_share_the_first_place(make_result: MadeResult) -> None:
    up, down = [[1, 20], [1, 30], [1, 40]], [[1, 30], [1, 20], [1, 41]]
    results = {"a": make_result(up), "b": make_result(down), "c": constant(make_result, 3, replicates=3)}
    assert headline(results).startswith("b and a reach most, ")
    assert "of 300 agents, with no difference beyond chance; 10 times as many as c." in headline(results)


def test_a_small_lead_in_every_replicate_is_no_chance(make_result: MadeResult) -> None:
    sizes = np.random.default_rng(2).integers(20, 200, 30)
    results = {
        "behind": make_result([[1, int(size)] for size in sizes]),
        "ahead": make_result([[1, int(size) + 1 + number % 2] for number, size in enumerate(sizes)]),
    }
    assert headline(results).startswith("ahead reaches most: ")


def test_one_session_is_only_told(make_result: MadeResult) -> None:
    assert headline({"all": constant(make_result, 12)}) == "all reaches 12 ± 0 of 300 agents."
    assert headline({"once": make_result([[1, 11]])}) == "once reaches 12 of 300 agents."


def test_no_results_have_no_headline() -> None:
    with pytest.raises(InvalidInputError, match="no results"):
        headline({})


def test_sessions_that_share_draws_are_compared_replicate_by_replicate(compared: Results) -> None:
    first, second = (compared[name].cascades["size"].to_numpy() for name in ("hubs", "close"))
    found = difference(compared["hubs"], compared["close"])
    paired = stats.ttest_rel(first, second)
    assert found.mean == pytest.approx(first.mean() - second.mean())
    assert found.mean / found.standard_error == pytest.approx(paired.statistic)
    assert found.standard_error < 0.5 * compared["hubs"].reach.standard_error


def test_sessions_with_draws_of_their_own_are_compared_as_independent(make_result: MadeResult) -> None:
    draws = np.random.default_rng(3)
    one, other = ([[1, int(n)] for n in draws.integers(5, 90, 20)] for _ in range(2))
    first, second = make_result(one), make_result(other, random_seed=1)
    errors = [stats.sem([sum(replicate) for replicate in counts]) for counts in (one, other)]
    assert difference(first, second).standard_error == pytest.approx(np.hypot(*errors))


# -- the page -------------------------------------------------------------------------------------------------------


class Page(HTMLParser):
    """What a browser would find: elements with their attributes, tables as lists of rows, and text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.tables: list[list[list[str]]] = []
        self.text: list[str] = []
        self.open: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in {"td", "th"}:
            self.tables[-1][-1].append("")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not {"style", "svg"}.intersection(self.open):
            self.text.append(data)
        if self.tables and {"td", "th"}.intersection(self.open):
            row = self.tables[-1][-1]
            row[-1] = f"{row[-1]} {data}".strip()

    def attributes(self, name: str) -> list[str]:
        return [attrs[name] or "" for _, attrs in self.elements if name in attrs]


@pytest.fixture
def answer() -> Answer:
    rows = pa.table({"session": [HOSTILE, None], "reach": [1234.5, 0.25], "fastest_round": [7, 12_345]})
    return Answer("How <fast>?", "One row per session.", "SELECT '<b>' AS bold", rows)


@pytest.fixture
def html(compared: Results, network: Network, answer: Answer) -> str:
    return campaign_page(
        "Three strategies",
        network.row,
        compared,
        [answer],
        {"warehouse": "/tmp/<w>"},
        {"In SQL": 'rumormill sql "SELECT 1 < 2"'},
    )


def test_the_table_of_results_holds_the_results(html: str, compared: Results) -> None:
    head, *rows = Page(html).tables[0]
    ranked = sorted(compared.items(), key=lambda item: -item[1].reach.mean)
    assert head[0] == "session"
    assert [row[0] for row in rows] == [name for name, _ in ranked]
    for row, (_, result) in zip(rows, ranked, strict=True):
        sizes = result.cascades["size"]
        assert row[1] == f"{sizes.mean():,.1f}"
        assert row[2] == f"{sizes.sem():,.1f}"
        assert row[3] == f"{100 * sizes.mean() / 300:.2f} %"
        assert row[4] == f"{sizes.median():,.0f}"
        low, high = sizes.quantile([0.05, 0.95])
        assert row[5] == f"{low:,.0f} to {high:,.0f}"
        assert row[6:] == ["7", "10, top out degree"]


def test_the_headline_is_on_the_page(html: str, compared: Results) -> None:
    assert headline(compared) in " ".join(Page(html).text).replace("\u00a0", " ")


def test_answers_are_on_the_page_with_their_query(html: str) -> None:
    page = Page(html)
    assert page.tables[1] == [
        ["session", "reach", "fastest round"],
        [HOSTILE, "1,234.5", "7"],
        ["", "0.25", "12,345"],
    ]
    assert "SELECT '<b>' AS bold" in page.text


def test_facts_about_network_and_run_are_on_the_page(html: str, network: Network) -> None:
    text = " ".join(Page(html).text)
    for fact in ("300", "2,000", network.snapshot_id, f"{network.row['max_out_degree']:,}", "rmat(agents=300"):
        assert fact in text
    assert "independent cascade, probability 0.25" in text
    assert "50 per session" in text
    assert "broadcast: the edges fit" in text
    assert "1,234 replicates in 0.75 s (estimated 0.50 s and 11.4 MiB), on 2026-11-23 at 04:30 UTC" in text
    assert "/tmp/<w>" in text
    assert 'rumormill sql "SELECT 1 < 2"' in text


def test_what_differs_between_sessions_is_told_by_session(network: Network, make_result: MadeResult) -> None:
    results = {"a": make_result([[1, 4]] * 3), "b": make_result([[1, 9]] * 5, random_seed=9)}
    text = " ".join(Page(campaign_page("Two", network.row, results)).text)
    assert "a: 3 per session; b: 5 per session" in text
    assert "a: 0; b: 9" in text
    assert "share the draws" not in text


def test_the_page_needs_nothing_else(html: str) -> None:
    page = Page(html)
    tags = {tag for tag, _ in page.elements}
    assert not tags & {"script", "link", "iframe", "object", "embed", "base", "img"}
    assert all(
        address.startswith(("#", "data:"))
        for name in ("src", "href", "xlink:href")
        for address in page.attributes(name)
    )
    assert not [name for _, attrs in page.elements for name in attrs if name.startswith("on")]
    assert "@import" not in html
    assert all(target.startswith("#") for target in re.findall(r"url\(\s*['\"]?([^)]*)", html))
    assert not re.search(r"https?:|//\w", html)


def test_the_page_can_be_read_by_everyone(html: str) -> None:
    page = Page(html)
    assert page.attributes("lang") == ["en"]
    assert "width=device-width, initial-scale=1" in page.attributes("content")
    pictures = [attrs for tag, attrs in page.elements if tag == "svg"]
    assert len(pictures) == 4
    assert all(attrs["role"] == "img" and len(attrs["aria-label"]) > 60 for attrs in pictures)
    assert all("scope" in attrs for tag, attrs in page.elements if tag == "th")
    assert sum(tag == "h1" for tag, _ in page.elements) == 1
    ids = page.attributes("id")
    assert len(ids) == len(set(ids))
    for reference in (*page.attributes("aria-labelledby"), *page.attributes("aria-describedby")):
        assert reference in ids
    assert "prefers-color-scheme: dark" in html
    assert "@media print" in html


def test_pictures_tell_their_numbers_in_words(html: str, compared: Results) -> None:
    curves, comparison = dict.fromkeys(attrs["aria-label"] for tag, attrs in Page(html).elements if tag == "svg")
    for name, result in compared.items():
        assert f"{name} reaches {result.reach.mean:,.0f} agents, half of them by round" in curves
        low, high = result.cascades["size"].quantile([0.05, 0.95])
        assert f"90 % of replicates between {low:,.0f} and {high:,.0f}" in comparison


def test_hostile_names_stay_text(compared: Results, network: Network) -> None:
    results = {HOSTILE: compared["hubs"], "b": compared["few"]}
    html = campaign_page(HOSTILE, {**network.row, "description": HOSTILE}, results)
    page = Page(html)
    assert not [tag for tag, _ in page.elements if tag == "script"]
    assert HOSTILE in page.tables[0][1]
    assert HOSTILE in page.text
    assert any(HOSTILE in label for label in page.attributes("aria-label"))


def test_colours_of_pictures_and_page_are_the_same_names(html: str) -> None:
    used = set(re.findall(r"var\((--[\w-]+)\)", html))
    light, dark = (set(re.findall(r"(--[\w-]+):", block)) for block in re.findall(r":root \{(.*?)\}", html, re.DOTALL))
    assert used <= light
    assert light == dark
    svg = html[html.index("<svg") : html.rindex("</svg>")]
    assert not re.findall(r"(?:fill|stroke): #[0-9a-f]{6}", svg)


def test_the_same_results_give_the_same_page(html: str, compared: Results, network: Network, answer: Answer) -> None:
    again = campaign_page(
        "Three strategies",
        network.row,
        compared,
        [answer],
        {"warehouse": "/tmp/<w>"},
        {"In SQL": 'rumormill sql "SELECT 1 < 2"'},
    )
    assert again == html


def test_a_page_of_many_sessions_draws_those_that_reach_most(network: Network, make_result: MadeResult) -> None:
    results = {f"session {n}": make_result([[1, 5 + n]] * 2) for n in range(15)}
    page = Page(campaign_page("Many", network.row, results))
    curves = page.attributes("aria-label")
    assert len(page.tables[0]) == 16
    told = next(label for label in curves if label.startswith("Curves"))
    assert "session 14 reaches 20 agents" in told
    assert "session 2 " not in told


def test_an_inline_picture_is_well_formed_and_holds_its_text(compared: Results) -> None:
    svg = inline_svg(lambda ax: reach_comparison(compared, ax=ax), (6, 4), name="x", alternative="a < b")
    root = ET.fromstring(svg)
    assert root.attrib["aria-label"] == "a < b"
    assert {"few", "hubs", "close"} <= {element.text for element in root.iter("text")}
    assert all(element.attrib["id"].startswith("x-") for element in root.iter() if "id" in element.attrib)
    referred = re.findall(r'(?:href="#|url\(#)([^")]+)', svg)
    assert set(referred) <= {element.attrib.get("id") for element in root.iter()}
