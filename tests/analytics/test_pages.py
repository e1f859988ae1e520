"""The page of a campaign says what its results say, stands alone, and can be read by everyone."""

import csv
import functools
import io
import itertools
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from scipy import stats

from analytics.intervals import with_interval
from analytics.pages import downloads
from analytics.pages.campaign import campaign_page
from analytics.pages.svg import inline_svg
from analytics.plots import coinciding, prevalence_curves, reach_comparison
from analytics.reports import headline
from data.facade import Warehouse
from data.networks.network import Network
from propagation import Result, simulate, simulate_many
from propagation.models import SIR, SIS, IndependentCascade
from propagation.seeding import TopOutDegree
from tests.analytics.published import PublishedCampaign, publish
from tests.browser import running_browser
from tests.html_page import Page

Results = Mapping[str, Result]
HOSTILE = '<script>alert("a")</script> & "quoted" \'name\' --> url(#x) id="y"'


def page_of(campaign: PublishedCampaign) -> Page:
    return Page(html_of(campaign.warehouse, campaign.campaign_id))


html_of = functools.cache(campaign_page)
"""Pages take a second each, and the same campaign gives the same page."""


@pytest.fixture(scope="module")
def cascades(campaigns: tuple[PublishedCampaign, PublishedCampaign]) -> PublishedCampaign:
    """Three strategies, common random numbers, 40 replicates."""
    return campaigns[0]


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> PublishedCampaign:
    """Epidemics, one of them truncated, one replicate, explicit seeds, a message; and names of any kind."""
    warehouse = Warehouse(tmp_path_factory.mktemp("pages") / "warehouse")
    network = warehouse.generate_network("small", "rmat", agents=300, edges=2_000, random_seed=3)
    asked: dict[str, dict[str, Any]] = {
        HOSTILE: {"model": SIR(beta=0.3, gamma=0.2), "replicates": 20, "record": "reach"},
        "عدوى": {"model": SIS(beta=0.3, gamma=0.2), "replicates": 20, "max_rounds": 12},
        "春季 50 %": {"model": SIR(beta=0.1, gamma=0.5), "replicates": 1, "random_seed": 3},
    }
    seeds = network.agent_ids.take([0, 1]).to_pylist()
    results = {name: simulate(network, seed_set=seeds, **options) for name, options in asked.items()}
    message = {"name": HOSTILE, "content": "<b>bold</b>", "sender": "1", "type": "alarm", "message_id": "m"}
    sessions = [{"name": name, "seeds": seeds, "session_id": "x"} for name in asked]
    configuration = {"name": HOSTILE, "network": "small", "messages": [message], "sessions": sessions}
    return publish(warehouse, "hostile-1", results, name=HOSTILE, configuration=configuration)


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Network:
    """A network in a warehouse of its own: campaigns published there are not the latest of the shared one."""
    warehouse = Warehouse(tmp_path_factory.mktemp("elsewhere") / "warehouse")
    return warehouse.generate_network("small", "rmat", agents=300, edges=2_000, random_seed=3)


@pytest.fixture(scope="module")
def many(elsewhere: Network) -> PublishedCampaign:
    """Fifteen sessions that differ in their probability."""
    asked = {f"p {n / 100:.2f}": {"model": IndependentCascade(probability=n / 100)} for n in range(3, 18)}
    results = simulate_many(elsewhere, asked, seed_set=TopOutDegree(budget=3), replicates=10)
    loaded = {name: results[name] for name in asked}
    return publish(elsewhere.warehouse, "many-1", loaded, name="many", hours=9)


# -- what it says ---------------------------------------------------------------------------------------------------


def test_the_headline_and_the_results_are_on_the_page(cascades: PublishedCampaign) -> None:
    page = page_of(cascades)
    assert headline(cascades.results) in page.text
    head, *rows = page.tables[0]
    ranked = sorted(cascades.results.items(), key=lambda item: -item[1].reach.mean)
    assert head[:2] == ["session", "reach, agents"]
    assert [row[0] for row in rows] == [name for name, _ in ranked]
    for row, (_, result) in zip(rows, ranked, strict=True):
        sizes = result.cascades["size"]
        assert row[1] == with_interval(result.reach)
        assert row[2] == f"{100 * sizes.mean() / 300:.2f} %"
        assert row[3] == f"{sizes.median():,.0f}"
        low, high = sizes.quantile([0.05, 0.95])
        assert row[4] == f"{low:,.0f} to {high:,.0f}"
        assert row[5] == f"{result.session['rounds']:,}"


def test_differences_are_those_of_a_paired_test(cascades: PublishedCampaign) -> None:
    page = page_of(cascades)
    head, *rows = page.tables[1]
    assert head == ["session", "compared with", "more agents", "beyond chance"]
    assert "compared replicate by replicate" in page.text
    assert len(rows) == 3
    for first, second, told, beyond in rows:
        sizes = [cascades.results[name].cascades["size"] for name in (first, second)]
        interval = stats.ttest_rel(*sizes).confidence_interval(0.95)
        middle, half = (interval.high + interval.low) / 2, (interval.high - interval.low) / 2
        assert [float(part) for part in told.split(" ± ")] == pytest.approx([middle, half], abs=0.5, rel=0.05)
        assert beyond == ("yes" if interval.low > 0 else "no")


def test_provenance_names_what_was_run_on_what_and_by_what(cascades: PublishedCampaign, network: Network) -> None:
    text = page_of(cascades).text
    result = next(iter(cascades.results.values()))
    for fact in (network.snapshot_id, "2,000", "rmat(agents=300", cascades.campaign_id, "2026-11-23 04:30 UTC"):
        assert fact in text
    assert "independent cascade, probability 0.05" in text
    assert "40 per session" in text
    assert f"{result.session['plan']}: {result.session['plan_reason']}" in text
    assert "page by Rumormill" in text


def test_downloads_are_the_tables(cascades: PublishedCampaign) -> None:
    files = page_of(cascades).downloads()
    assert list(files) == [f"seeds-{name}.csv" for name in ("sessions", "rounds", "replicates", "differences")]
    tables = {name.split("-")[1].split(".")[0]: list(csv.DictReader(io.StringIO(text))) for name, text in files.items()}
    for name, result in cascades.results.items():
        sizes = [int(row["size"]) for row in tables["replicates"] if row["session"] == name]
        assert sizes == result.cascades["size"].tolist()
        curve = [float(row["total_influenced"]) for row in tables["rounds"] if row["session"] == name]
        assert curve == result.rounds["total_influenced"].tolist()
    told = re.findall(r"\(([\d,]+) rows?", page_of(cascades).text)
    assert [int(count.replace(",", "")) for count in told] == [len(rows) for rows in tables.values()]


def test_a_file_that_is_too_large_is_left_out_with_the_command_that_writes_it(
    cascades: PublishedCampaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(downloads, "MOST_ROWS", 100)
    page = Page(campaign_page(cascades.warehouse, cascades.campaign_id))
    assert "seeds-replicates.csv" not in page.downloads()
    assert "(120 rows). It is too large for this page; this writes it:" in page.text
    assert f"--warehouse {cascades.warehouse.url} sql 'SELECT session, cascades.*" in page.text


def test_the_same_campaign_gives_the_same_page(cascades: PublishedCampaign) -> None:
    again = campaign_page(cascades.warehouse, cascades.campaign_id)
    assert again == html_of(cascades.warehouse, cascades.campaign_id)


# -- campaigns of other kinds ---------------------------------------------------------------------------------------


def test_epidemics_show_their_prevalence_and_cascades_do_not(
    hostile: PublishedCampaign, cascades: PublishedCampaign
) -> None:
    page = page_of(hostile)
    told = next(label for label in page.attributes("aria-label") if label.startswith("Curves of agents that transmit"))
    head, *rows = page.tables[0]
    for row in rows:
        rounds = hostile.results[row[0]].rounds
        peak = rounds.loc[rounds["current_infected"].idxmax()]
        assert row[head.index("transmitting at peak")] == f"{peak['current_infected']:,.1f}"
        assert row[head.index("peak round")] == f"{peak['round']:.0f}"
        assert f"{row[0]} has its peak of {peak['current_infected']:,.0f} agents in round {peak['round']:.0f}" in told
    assert not [label for label in page_of(cascades).attributes("aria-label") if "transmit" in label]


def test_truncated_replicates_are_told_and_their_curves_end(hostile: PublishedCampaign) -> None:
    result = hostile.results["عدوى"]
    truncated = result.session["truncated_replicates"]
    assert truncated > 0
    assert f"{truncated} of 20 replicates of \u201cعدوى\u201d at round 12." in page_of(hostile).text
    ax = prevalence_curves(hostile.results)
    curve = next(line for line in ax.lines if line.get_label() == "عدوى")
    assert np.flatnonzero(np.isfinite(curve.get_ydata())).max() == 12


def test_one_replicate_is_told_and_has_no_interval(hostile: PublishedCampaign) -> None:
    page = page_of(hostile)
    assert "One replicate of \u201c春季 50 %\u201d: how much the reach varies by chance is unknown." in page.text
    row = next(row for row in page.tables[0] if row[0] == "春季 50 %")
    assert row[1] == str(hostile.results["春季 50 %"].session["total_influenced"]).removesuffix(".0")
    assert {row[3] for row in page.tables[1][1:] if "春季 50 %" in row[:2]} == {"unknown"}


def test_names_of_any_kind_stay_text(hostile: PublishedCampaign) -> None:
    html = html_of(hostile.warehouse, hostile.campaign_id)
    page = Page(html)
    assert not [tag for tag, _ in page.elements if tag in {"script", "b"}]
    assert HOSTILE in page.text
    assert "<b>bold</b>" in page.text
    assert {row[0] for row in page.tables[0][1:]} == set(hostile.results)
    assert any(HOSTILE in label for label in page.attributes("aria-label"))
    pictures = map(ET.fromstring, re.findall(r"<svg.*?</svg>", html, re.DOTALL))
    assert any(HOSTILE.startswith(text.rstrip("…")) for svg in pictures for text in svg.itertext() if len(text) > 20)


def test_of_many_sessions_the_first_are_pictured_and_the_others_folded(many: PublishedCampaign) -> None:
    page = page_of(many)
    assert "The pictures show the 12 sessions that reach most; the other 3 are in the table." in page.text
    curves = next(label for label in page.attributes("aria-label") if label.startswith("Curves"))
    assert "p 0.17 reaches" in curves
    assert "p 0.05 reaches" not in curves
    shown, folded = page.tables[:2]
    assert [len(shown), len(folded)] == [13, 4]
    assert {row[0] for row in (*shown[1:], *folded[1:])} == set(many.results)
    assert "The other 3 of 15 sessions" in page.text


def test_a_page_with_one_session_compares_nothing(elsewhere: Network) -> None:
    result = simulate(elsewhere, IndependentCascade(probability=0.1), seed_set=TopOutDegree(budget=2), replicates=1)
    page = page_of(publish(elsewhere.warehouse, "one-1", {"alone": result}, name="one", hours=12))
    assert "1 session with 1 replicate on the network small" in page.text
    assert not {"comparison", "distribution"} & set(page.attributes("id"))


def test_curves_that_coincide_are_named(cascades: PublishedCampaign) -> None:
    one, other = list(cascades.results.values())[:2]
    assert coinciding({"a": one, "b": other, "c": one}) == [["a", "c"]]


# -- how it is made -------------------------------------------------------------------------------------------------


def test_the_page_needs_nothing_else(cascades: PublishedCampaign) -> None:
    html = html_of(cascades.warehouse, cascades.campaign_id)
    page = Page(html)
    assert not {tag for tag, _ in page.elements} & {"script", "iframe", "object", "embed", "base", "img"}
    assert all(
        address.startswith(("#", "data:"))
        for name in ("src", "href", "xlink:href")
        for address in page.attributes(name)
    )
    assert not [name for _, attrs in page.elements for name in attrs if name.startswith("on")]
    assert "@import" not in html
    assert all(target.startswith("#") for target in re.findall(r"url\(\s*['\"]?([^)]*)", html))
    assert not re.search(r"https?:", html)


def test_the_page_can_be_read_by_everyone(hostile: PublishedCampaign) -> None:
    page = page_of(hostile)
    assert page.attributes("lang") == ["en"]
    assert "width=device-width, initial-scale=1" in page.attributes("content")
    tags = [tag for tag, _ in page.elements]
    assert {"header", "nav", "main", "footer"} <= set(tags)
    levels = [int(tag[1]) for tag in tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(below - above <= 1 for above, below in itertools.pairwise(levels))
    pictures = [attrs for tag, attrs in page.elements if tag == "svg" and "aria-hidden" not in attrs]
    assert len(pictures) == 8
    assert all(attrs["role"] == "img" and len(attrs["aria-label"] or "") > 60 for attrs in pictures)
    assert all("scope" in attrs for tag, attrs in page.elements if tag == "th")
    ids = page.attributes("id")
    assert len(ids) == len(set(ids))
    assert set(page.attributes("aria-labelledby")) <= set(ids)
    assert {link[1:] for link in page.attributes("href") if link.startswith("#")} <= set(ids)


def test_colours_have_enough_contrast_in_both_schemes(cascades: PublishedCampaign) -> None:
    html = html_of(cascades.warehouse, cascades.campaign_id)
    light, dark = (
        dict(re.findall(r"(--[\w-]+): (#\w+)", block)) for block in re.findall(r":root \{(.*?)\}", html, re.DOTALL)
    )
    assert set(re.findall(r"var\((--[\w-]+)\)", html)) <= set(light)
    assert light.keys() == dark.keys()
    for colours in (light, dark):
        for name in ("--ink", "--muted", "--accent"):
            assert contrast(colours[name], colours["--page"]) >= 4.5, name
        for number in range(7):  # of lines, not of text
            assert contrast(colours[f"--session-{number}"], colours["--page"]) >= 3, number


def contrast(first: str, second: str) -> float:
    """Contrast ratio of the WCAG."""
    luminances = []
    for colour in (first, second):
        parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        luminances.append(float(np.dot(linear, [0.2126, 0.7152, 0.0722])))
    return (max(luminances) + 0.05) / (min(luminances) + 0.05)


def test_an_inline_picture_is_well_formed_and_holds_its_text(compared: Results) -> None:
    svg = inline_svg(lambda ax: reach_comparison(compared, ax=ax), (6, 4), name="x", alternative="a < b")
    root = ET.fromstring(svg)
    assert root.attrib["aria-label"] == "a < b"
    assert {"few", "hubs", "close"} <= {element.text for element in root.iter("text")}
    assert all(element.attrib["id"].startswith("x-") for element in root.iter() if "id" in element.attrib)
    referred = re.findall(r'(?:href="#|url\(#)([^")]+)', svg)
    assert set(referred) <= {element.attrib.get("id") for element in root.iter()}
    assert not re.findall(r"(?:fill|stroke): #[0-9a-f]{6}", svg)


# -- in a browser ---------------------------------------------------------------------------------------------------


def test_a_browser_finds_no_error_and_no_request_and_nothing_beside_a_phones_screen(
    hostile: PublishedCampaign, tmp_path: Path
) -> None:
    path = tmp_path / "page.html"
    path.write_text(html_of(hostile.warehouse, hostile.campaign_id), encoding="utf-8")
    backgrounds = set()
    with running_browser() as browser:
        for width, dark in ((1280, False), (390, False), (390, True)):
            browser.show(width=width, dark=dark)
            browser.open(path)
            assert browser.complaints == []
            assert browser.requests == [path.as_uri()]
            assert browser.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
            assert browser.evaluate("document.scripts.length") == 0
            assert browser.evaluate("document.querySelector('h1').textContent") == f"Campaign {HOSTILE}"
            backgrounds.add(browser.evaluate("getComputedStyle(document.body).backgroundColor"))
        assert browser.printed().startswith(b"%PDF-")
    assert len(backgrounds) == 2


def test_the_browser_notices_errors_and_requests(tmp_path: Path) -> None:
    path = tmp_path / "faulty.html"
    path.write_text('<script>console.error("no")</script><link rel="stylesheet" href="missing.css">')
    with running_browser() as browser:
        browser.open(path)
        assert browser.requests == [path.as_uri(), (tmp_path / "missing.css").as_uri()]
        assert {event["method"] for event in browser.complaints} == {"Runtime.consoleAPICalled", "Log.entryAdded"}
