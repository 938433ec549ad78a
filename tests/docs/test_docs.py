"""The documentation beside the code: nothing missing, nothing invented, no dead link."""

import re
from pathlib import Path

import msgspec
import pytest

from poplock.answers import ANSWERS
from poplock.cli import VERBS
from poplock.cli.setup import NAMES
from poplock.config.listen import Tls
from poplock.config.load import parse_config
from poplock.config.model import Config
from poplock.config.shared import SharedTls
from poplock.config.sources import ListeningSettings
from poplock.dialects import DIALECTS
from poplock.maps import MAPS

ROOT = Path(__file__).parent.parent.parent
DOCS = ROOT / "docs"
PAGES = [*ROOT.glob("*.md"), *DOCS.rglob("*.md"), *ROOT.glob("*/README.md")]


def structs() -> list[type[msgspec.Struct]]:
    """Every struct of the configuration."""
    found = []
    for field in msgspec.structs.fields(Config):
        info = msgspec.inspect.type_info(field.type)
        info = getattr(info, "item_type", info)
        for kind in getattr(info, "types", (info,)):
            if isinstance(kind, msgspec.inspect.StructType):  # and not the absence of one
                found.append(kind.cls)
    return [*found, Tls, SharedTls]


@pytest.mark.parametrize("verb", VERBS)
def test_each_verb_has_its_heading_and_its_place_in_the_manual(verb: str) -> None:
    assert f"\n## {verb}\n" in (DOCS / "reference/cli.md").read_text()
    assert re.search(rf"^\.BI? {verb}\b", (ROOT / "man/poplock.1").read_text(), re.MULTILINE)


@pytest.mark.parametrize("struct", structs(), ids=lambda s: s.__name__)
def test_each_key_is_documented(struct: type[msgspec.Struct]) -> None:
    text = (DOCS / "reference/configuration.md").read_text()
    manual = (ROOT / "man/poplock.toml.5").read_text()
    for field in msgspec.structs.fields(struct):
        assert f"`{field.name}`" in text, field.name
        assert f"\n.B {field.name}\n" in manual, field.name
    tag = struct.__struct_config__.tag
    assert tag is None or (f'`type = "{tag}"`' in text and f'type = "{tag}"' in manual)


def test_no_key_is_documented_that_does_not_exist() -> None:
    text = (DOCS / "reference/configuration.md").read_text()
    documented = set(re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE))
    existing = {f.name for s in (*structs(), ListeningSettings) for f in msgspec.structs.fields(s)}
    assert documented <= existing


@pytest.mark.parametrize(
    ("page", "names"), [("dialects", DIALECTS), ("answers", ANSWERS), ("maps", MAPS)]
)
def test_each_row_of_a_table_has_its_heading(page: str, names: dict[str, str]) -> None:
    text = (DOCS / f"reference/{page}.md").read_text()
    assert re.findall(r"^## (\w+)$", text, re.MULTILINE) == list(names)


every_page = pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))


def links(page: Path) -> list[Path]:
    found = re.findall(r"\]\(([^)#:]+)(?:#[^)]+)?\)", page.read_text())
    return [(page.parent / target).resolve() for target in found]


@every_page
def test_links_lead_somewhere(page: Path) -> None:
    for target in links(page):
        assert target.exists(), target


@every_page
def test_links_into_a_page_lead_to_a_heading(page: Path) -> None:
    for target, anchor in re.findall(r"\]\(([^)#:]*)#([^)]+)\)", page.read_text()):
        text = (page.parent / target).read_text() if target else page.read_text()
        headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
        slugs = {re.sub(r"[^\w\- ]", "", h.lower()).strip().replace(" ", "-") for h in headings}
        assert anchor in slugs, f"{target}#{anchor}"


@every_page
def test_commands_that_a_page_names_exist(page: Path) -> None:
    text = page.read_text()
    for verb, name in re.findall(r"(?:`|\$ |/)poplock ([a-z]+)(?: ([a-z][\w-]*))?", text):
        assert verb in VERBS
        assert verb != "setup" or name in (*NAMES, ""), name
    for script in re.findall(r"scripts/([\w-]+)", text):
        assert (ROOT / "scripts" / script).exists(), script


def test_each_page_can_be_found_from_the_first() -> None:
    indexes = [DOCS / "README.md", *DOCS.glob("*/*/README.md")]
    found = {page for index in indexes for page in links(index)}
    assert {page for page in DOCS.rglob("*.md") if page not in found} == {DOCS / "README.md"}


def examples() -> list[tuple[str, str]]:
    found = [(path.name, path.read_text()) for path in (ROOT / "examples").glob("*.toml")]
    for page in PAGES:
        for block in re.findall(r"^```toml\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL):
            found.append((str(page.relative_to(ROOT)), block))
    return found


@pytest.mark.parametrize(("name", "text"), examples())
def test_each_example_of_a_configuration_is_correct(name: str, text: str) -> None:
    parse_config(text, name)
