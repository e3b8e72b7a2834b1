"""People with a browser before the console."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.scenes.scene import Learner, Scene
from tests.scenes.support_client import EVERYTHING

if TYPE_CHECKING:
    from playwright.sync_api import Locator


CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")


PICTURES = os.environ.get("CERTS_PICTURES")  # the folder for them; docs/console has those of a run


LOOKS = {"width": 1000, "height": 800}


PHONE = 390  # pixels


TALLEST = 1400  # pixels of a picture


expect.set_options(
    timeout=30_000
)  # milliseconds: on a machine under load, a page takes more than the usual five seconds


EVIL = "<script>alert(1)</script>\"'&{{ 7*7 }}"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A real, headless Chromium."""
    if CHROMIUM is None:
        pytest.skip("there is no Chromium here (on Debian: apt install chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def address(stack: Scene) -> str:
    """Where the console is."""
    return stack.cloud.serve_api()


class Person:
    """Somebody at the console, without JavaScript."""

    def __init__(self, browser: Browser, address: str, scene: Scene, name: str, scheme: Any = "light") -> None:
        self.scene = scene
        looks: Any = {"color_scheme": scheme, "viewport": LOOKS}
        self._context = browser.new_context(java_script_enabled=False, **looks)
        self._checked = browser.new_context(bypass_csp=True, **looks)
        token = scene.cloud.api.token(name, [f"certificates/{scope}" for scope in EVERYTHING])
        self.page: Page = self._context.new_page()
        self.page.goto(f"{address}/sign-in?token={token}")
        self._axe: Page = self._checked.new_page()
        self._axe.goto(f"{address}/sign-in?token={token}")

    @property
    def reader(self) -> Page:
        """A page of theirs in which a test may run scripts; the console has none."""
        return self._axe

    def look_up(self, learner: Learner) -> None:
        """Go from any page to a case by the keyboard alone."""
        self.find(f"{learner.learner_id} {learner.course_run}")
        expect(self.answer).to_be_visible()

    def find(self, text: str) -> None:
        """Type a text into the search of the page, and send it."""
        self.page.get_by_label("Find").fill(text)
        self.page.keyboard.press("Enter")

    @property
    def answer(self) -> "Locator":
        """The sentence that answers the ticket."""
        return self.page.locator("#answer")

    def check(self, picture: str = "") -> None:
        """Have axe-core look at the page, wide and as on a phone, where nothing may be wider; keep a picture of it."""
        if picture and PICTURES:
            height = self.page.evaluate("document.documentElement.getBoundingClientRect().height")
            clip: Any = {"x": 0, "y": 0, "width": LOOKS["width"], "height": min(height, TALLEST)}
            self.page.screenshot(path=Path(PICTURES) / f"{picture}.png", full_page=True, clip=clip)
        self.page.wait_for_load_state()  # a click returns when the next page begins: its content may be half of it
        html = self.page.content()
        for width in (LOOKS["width"], PHONE):
            self._axe.set_viewport_size({"width": width, "height": LOOKS["height"]})
            self._axe.set_content(html)
            wide = self._axe.evaluate("document.documentElement.scrollWidth")
            assert wide <= width, f"{self.page.url} is {wide} pixels wide, of {width}"
            violations = Axe().run(self._axe).response["violations"]
            found = [(item["id"], item["nodes"][0]["html"]) for item in violations]
            assert found == [], f"{self.page.url}, {width} pixels wide: {found}"

    def act(self, what: str, why: str, date: str = "") -> None:
        """Choose an act, look at what it will do, and confirm it."""
        self.page.get_by_label("What", exact=True).select_option(what)
        if date:
            self.page.get_by_label("Date only").fill(date)
        self.page.get_by_label("Why kept").fill(why)
        self.page.get_by_role("button", name="See what it will do").click()
        expect(self.answer).to_be_visible()

    def confirm(self) -> None:
        """Confirm the act, and look at the case when the page that loads itself again shows that it is done."""
        self.page.get_by_role("button", name="Yes:").click()
        expect(self.page.get_by_role("status")).to_contain_text("sent")
        self.scene.cloud.deliver()
        expect(self.page.get_by_role("status")).to_contain_text("done")
        self.page.get_by_role("link", name="Back to the case").click()


@pytest.fixture
def ada(browser: Browser, address: str, scene: Scene) -> Person:
    """Somebody of support."""
    return Person(browser, address, scene, "ada")


@pytest.fixture
def bob(browser: Browser, address: str, scene: Scene) -> Person:
    """A colleague, who likes it dark."""
    return Person(browser, address, scene, "bob", "dark")
