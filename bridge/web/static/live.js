// Looks again at parts of a page that change, every so many seconds. Without it everything works.
"use strict";

const part = document.querySelector("[data-live]");

async function look() {
  if (document.hidden || part.contains(document.activeElement)) return;
  try {
    const answer = await fetch(location.href, {
      headers: {"X-Live": "1"},
      signal: AbortSignal.timeout(10000),
    });
    if (answer.redirected) return location.reload();  // the session is over
    if (!answer.ok) return part.classList.add("stale");
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const now = page.getElementById(part.id);
    if (now) {
      part.replaceChildren(...now.childNodes);
      part.classList.remove("stale");
    }
  } catch {
    part.classList.add("stale");
  }
}

if (part) setInterval(look, Number(part.dataset.live) * 1000);
