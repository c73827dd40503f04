"""A page as a person with a phone opens it: nothing fails, nothing is fetched, nothing hangs over the edge."""

from __future__ import annotations

from pathlib import Path
from typing import Any

PHONE = 360  # pixels across


def opened(browser: Any, page: Path) -> Any:
    """The page in a tab of a phone's width, once it has been looked over."""
    tab = browser.new_page(viewport={"width": PHONE, "height": 740})
    problems: list[str] = []
    tab.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    tab.on("request", lambda request: problems.append(request.url) if request.url.startswith("http") else None)
    tab.goto(page.as_uri(), timeout=120_000)
    assert problems == []
    assert tab.evaluate("document.documentElement.scrollWidth") <= PHONE
    pictures = tab.evaluate("[...document.images].map(i => i.complete && i.naturalWidth > 0 && i.alt.length > 5)")
    assert pictures
    assert all(pictures)
    return tab
