"""axe, the checker of Deque, on a page as it is."""

import importlib.resources
from typing import Any, Literal

from playwright.async_api import Page

SCHEMES: tuple[tuple[Literal["light", "dark"], dict[str, Any]], ...] = (
    ("light", {}),
    # Nothing but colours is other in the dark; to ask for the rest again takes as long as once.
    ("dark", {"runOnly": ["color-contrast", "link-in-text-block"]}),
)
AXE = (importlib.resources.files("axe_playwright_python") / "axe.min.js").read_text("utf-8")


async def serious(one: Page) -> list[str]:
    """Return what axe finds on the page, in light and in dark, that is serious or critical."""
    await one.evaluate(AXE)
    found: list[str] = []
    for scheme, options in SCHEMES:
        await one.emulate_media(color_scheme=scheme)
        violations: list[dict[str, Any]] = await one.evaluate(
            "options => axe.run(document, options).then(result => result.violations)", options
        )
        found += [
            f"{scheme}: {each['id']}: {node['html']} {node['failureSummary']}"
            for each in violations
            if each["impact"] in {"serious", "critical"}
            for node in each["nodes"]
        ]
    return found
