// The page works without this. With it, what changes is taken over from each new version of the page that the server
// sends, without losing what somebody is reading or typing. What comes from outside is text in that page, escaped by
// the server, and stays text: it is parsed into a document in which nothing runs, and copied from there.
"use strict";

const line = document.getElementById("line");

/** Takes over what is live on a new version of the page. `sent` is the form whose answer it is. */
function take(html, sent) {
  const fresh = new DOMParser().parseFromString(html, "text/html");
  document.body.dataset.now = fresh.body.dataset.now;
  clock = { theirs: Date.parse(fresh.body.dataset.now), ours: Date.now() };
  for (const region of fresh.querySelectorAll("[data-live]")) {
    const shown = document.getElementById(region.id);
    if (shown && (shown === sent || !isInUse(shown))) morph(shown, region);
  }
  tellTimes();
}

/** Whether somebody is at work on a form, or has not read yet what is wrong with it. */
function isInUse(region) {
  if (!(region instanceof HTMLFormElement)) return false;
  return (
    region.contains(document.activeElement) ||
    isFilledByLink(region) ||
    region.querySelector("[role=alert]") !== null ||
    [...region.elements].some((control) =>
      control instanceof HTMLSelectElement
        ? control.selectedOptions[0] !== ([...control.options].find((one) => one.defaultSelected) ?? control.options[0])
        : control instanceof HTMLInputElement &&
          (control.value !== control.defaultValue || control.checked !== control.defaultChecked),
    )
  );
}

/** Whether what the page's own address names has been filled into this form. */
function isFilledByLink(form) {
  const names = [...new URLSearchParams(location.search).keys()];
  return names.length > 0 && names.every((name) => form.elements.namedItem(name));
}

/** Makes one element equal to another, keeping the nodes that are the same: those with the same id, or in the same
 *  place and of the same kind. What the reader opened stays open. */
function morph(shown, fresh) {
  const isMarked = shown.classList.contains("changed") || shown.dataset.version !== fresh.dataset.version;
  for (const { name } of [...shown.attributes]) {
    if (name !== "open" && !fresh.hasAttribute(name)) shown.removeAttribute(name);
  }
  for (const { name, value } of fresh.attributes) {
    if (name !== "open" && shown.getAttribute(name) !== value) shown.setAttribute(name, value);
  }
  if (isMarked) mark(shown);
  const known = new Map([...shown.children].filter((child) => child.id).map((child) => [child.id, child]));
  let at = shown.firstChild;
  for (const child of fresh.childNodes) {
    const inPlace = at && !at.id && at.nodeName === child.nodeName ? at : undefined;
    const same = child.id ? known.get(child.id) : inPlace;
    if (!same) {
      const made = document.importNode(child, true);
      shown.insertBefore(made, at);
      if (made.dataset?.version !== undefined) mark(made);
      continue;
    }
    if (same === at) at = at.nextSibling;
    else shown.insertBefore(same, at);
    if (same instanceof Element) morph(same, child);
    else if (same.data !== child.data) same.data = child.data;
  }
  while (at) {
    const next = at.nextSibling;
    drop(at);
    at = next;
  }
}

/** Removes a node. Whoever was there with the keyboard goes on where it was, not at the top. */
function drop(node) {
  const place = node.contains(document.activeElement) && node.parentElement.closest("section[tabindex]");
  node.remove();
  if (place) place.focus({ preventScroll: true });
}

/** Draws the eye to what changed. */
function mark(element) {
  element.classList.add("changed");
  element.addEventListener("animationend", () => element.classList.remove("changed"), { once: true });
}

// Times. The world's clock may be another than the reader's.

let clock = { theirs: Date.parse(document.body.dataset.now), ours: Date.now() };

function tellTimes() {
  const now = clock.theirs + Date.now() - clock.ours;
  for (const time of document.querySelectorAll("time")) {
    const told = ago((now - Date.parse(time.dateTime)) / 1000);
    if (time.textContent !== told) time.textContent = told;
  }
}

/** As in text.rs. */
function ago(seconds) {
  const s = Math.trunc(Math.abs(seconds));
  if (s < 5) return "just now";
  const [length, unit] =
    s < 60 ? [s, "s"] : s < 3600 ? [s / 60, "min"] : s < 86400 ? [s / 3600, "h"] : [s / 86400, "d"];
  return seconds < 0 ? `in ${Math.trunc(length)} ${unit}` : `${Math.trunc(length)} ${unit} ago`;
}

setInterval(tellTimes, 5000);

// Forms are sent without leaving the page; the answer is the page.

document.addEventListener("submit", async (event) => {
  const form = event.target;
  if (form.method !== "post" || form.getAttribute("aria-busy") === "true") return event.preventDefault();
  event.preventDefault();
  form.setAttribute("aria-busy", "true");
  try {
    const body = new URLSearchParams(new FormData(form, event.submitter));
    const answer = await fetch(form.action, { method: "POST", body, headers: { accept: "text/html" } });
    const inSlack = form.closest("#chat");
    take(await answer.text(), form);
    if (inSlack) document.querySelector("[role=dialog] [autofocus]")?.focus();
    if (answer.ok) {
      form.reset();
      if (isFilledByLink(form)) history.replaceState(null, "", "/");
    } else form.querySelector("[aria-invalid]")?.focus();
  } catch {
    line.textContent = "Not sent: the local world does not answer.";
  } finally {
    form.removeAttribute("aria-busy");
  }
});

// Live.

const events = new EventSource("/page/live");
events.addEventListener("page", (event) => take(JSON.parse(event.data), null));
events.addEventListener("open", () => {
  line.textContent = "Live";
  line.dataset.state = "live";
});
events.addEventListener("error", () => {
  line.textContent = "Not connected. Is the local world still running?";
  line.dataset.state = "lost";
});
