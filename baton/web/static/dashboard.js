// Keeps a page as it is now. Everything works without this script, by loading pages.
"use strict";
(() => {
  const PAUSE = 1000; // the least time between two readings of a page, in milliseconds
  const live = document.getElementById("live");
  let address = location.href;
  let reading = false;
  let again = false;
  let readAt = 0;

  function say(words, isLost) {
    if (!live) return;
    live.hidden = false;
    live.textContent = words;
    live.classList.toggle("lost", isLost);
  }

  // Replace what has changed, and keep what the reader has done: open details, chosen boxes, the focus.
  function put(page) {
    for (const part of document.querySelectorAll("[data-live]")) {
      const fresh = page.getElementById(part.id);
      if (!fresh || fresh.innerHTML === part.dataset.read) continue;
      part.dataset.read = fresh.innerHTML;
      const toggled = new Map([...part.querySelectorAll("details[id]")].map((one) => [one.id, one.open]));
      const chosen = new Set([...part.querySelectorAll("input:checked")].map((one) => one.value));
      const focused = part.contains(document.activeElement) && part !== document.activeElement
        ? document.activeElement.getAttribute("href") : null;
      part.replaceChildren(...fresh.childNodes);
      for (const one of part.querySelectorAll("details[id]")) {
        if (toggled.has(one.id)) one.open = toggled.get(one.id);
      }
      for (const one of part.querySelectorAll("input[type=checkbox]")) one.checked = chosen.has(one.value);
      if (focused !== null) part.querySelector(`[href="${CSS.escape(focused)}"]`)?.focus();
    }
    document.title = page.title;
  }

  async function read(from) {
    const response = await fetch(from, { headers: { Accept: "text/html" }, redirect: "error" });
    if (!response.ok) throw new Error(response.statusText);
    put(new DOMParser().parseFromString(await response.text(), "text/html"));
    return response;
  }

  async function refresh() {
    if (reading) {
      again = true;
      return;
    }
    reading = true;
    try {
      const wait = readAt + PAUSE - Date.now();
      if (wait > 0) await new Promise((done) => setTimeout(done, wait));
      readAt = Date.now();
      await read(address);
      say("live", false);
    } catch {
      say("not current", true);
    } finally {
      reading = false;
    }
    if (again) {
      again = false;
      refresh();
    }
  }

  // Open and close groups in place.
  document.addEventListener("click", async (event) => {
    if (event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    const link = event.target.closest("a[href]");
    if (!link || !document.getElementById("picture")) return;
    const to = new URL(link.getAttribute("href"), location.href);
    const here = new URL(location.href);
    if (to.origin !== here.origin || to.pathname !== here.pathname || to.searchParams.get("id") !== here.searchParams.get("id") || to.searchParams.get("around") !== here.searchParams.get("around")) return;
    event.preventDefault();
    try {
      await read(to.href);
      address = to.href;
      history.pushState(null, "", to.href);
    } catch {
      location.assign(to.href);
    }
  });
  addEventListener("popstate", () => {
    address = location.href;
    read(address).catch(() => location.reload());
  });

  for (const part of document.querySelectorAll("[data-live]")) part.dataset.read = part.innerHTML;

  const events = document.body.dataset.events;
  if (!events) return;
  let source = null;
  const listen = () => {
    source = new EventSource(events);
    source.addEventListener("open", () => say("live", false));
    source.addEventListener("changed", refresh);
    source.addEventListener("error", () => {
      // The server ends a stream from time to time; the browser opens another one by itself.
      if (source.readyState === EventSource.CLOSED) {
        say("not current", true);
        setTimeout(listen, 5000);
      }
    });
  };
  // A page that nobody sees costs nothing.
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) source?.close();
    else if (!source || source.readyState === EventSource.CLOSED) listen();
  });
  if (!document.hidden) listen();
})();
