// What makes the console quicker for who has scripts. Nothing here is needed: without it every link and form works.
"use strict";

document.documentElement.classList.add("scripted");

// Times in the reader's own zone; UTC stays as the title.
const TIME = new Intl.DateTimeFormat("sv-SE", { dateStyle: "short", timeStyle: "short" });
function localTimes(root) {
  for (const time of root.querySelectorAll("time[datetime]")) {
    time.textContent = TIME.format(new Date(time.dateTime));
  }
}

// Browsers lend their clipboard to TLS and to loopback; elsewhere what is marked is copied, as by hand.
async function copied(text, beside) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const field = document.createElement("textarea");
  field.className = "hidden";
  field.value = text;
  beside.after(field);
  field.select();
  document.execCommand("copy");
  field.remove();
  beside.focus();
}

// A button that copies what it holds, else the text before it, and says so.
document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  await copied(button.dataset.copy || button.previousElementSibling.textContent, button);
  const note = document.createElement("span");
  note.className = "badge good";
  note.setAttribute("role", "status");
  note.textContent = document.body.dataset.copied;
  button.after(note);
  setTimeout(() => note.remove(), 1500);
});

// Links to pages that ask first open in a dialog. Whatever is not such a page is gone to.
const dialog = document.getElementById("dialog");
let opener = null;
async function openDialog(address, from) {
  const answer = await fetch(address, { headers: { Accept: "text/html" } });
  const asked = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("section.ask");
  if (!answer.ok || !asked) {
    location.assign(address);
    return;
  }
  dialog.replaceChildren(document.adoptNode(asked));
  dialog.setAttribute("aria-label", asked.querySelector("h1").textContent);
  localTimes(dialog);
  htmx.process(dialog);
  if (!dialog.open) {
    opener = from;
    dialog.showModal();
  }
  dialog.querySelector("[autofocus]")?.focus();
}
document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-dialog]");
  const plain = !(event.ctrlKey || event.metaKey || event.shiftKey || event.button);
  const find = event.target.closest("a[data-palette]");
  if (find && plain) {
    event.preventDefault();
    openPalette();
  } else if (link && plain) {
    event.preventDefault();
    openDialog(link.href, link);
  } else if (dialog.open && event.target.closest("[data-close]")) {
    event.preventDefault();
    dialog.close();
  } else if (event.target === dialog) {
    dialog.close();
  }
});

// Closed, it gives the focus back to what opened it; where a list was fetched anew meanwhile, to the same link there.
dialog.addEventListener("close", () => {
  const href = opener?.getAttribute("href");
  const same = opener?.isConnected ? opener : href && document.querySelector(`main a[href="${CSS.escape(href)}"]`);
  same?.focus({ preventScroll: true });
});

// A box that ticks all the others of a form.
document.addEventListener("change", (event) => {
  const form = document.getElementById(event.target.dataset.all);
  if (!form) return;
  for (const box of form.elements) {
    if (box.type === "checkbox") box.checked = event.target.checked;
  }
});

// The command palette: Ctrl K or ⌘ K from anywhere, arrows to choose, Enter to go to the first or the chosen one.
const palette = () => document.querySelector("a[data-palette]");
function openPalette() {
  const shown = document.querySelector("[data-palette-panel] input[type=search]");
  // A closed dialog keeps the palette that it showed last.
  if (shown?.checkVisibility()) shown.focus();
  else openDialog(palette().href, document.activeElement);
}
document.addEventListener("keydown", (event) => {
  if ((event.ctrlKey || event.metaKey) && event.key === "k" && palette()) {
    event.preventDefault();
    openPalette();
    return;
  }
  const panel = event.target.closest("[data-palette-panel]");
  // The first Escape would only empty the field.
  if (panel && event.key === "Escape" && dialog.open) dialog.close();
  if (!panel || !["ArrowDown", "ArrowUp", "Enter"].includes(event.key)) return;
  const all = [panel.querySelector("input[type=search]"), ...panel.querySelectorAll("#found a")];
  const at = all.indexOf(event.target);
  if (event.key === "Enter") {
    // What was found for fewer letters is not meant: the form then asks for all of them.
    if (at !== 0 || all.length < 2 || panel.querySelector("#found data").value !== all[0].value.trim()) return;
    event.preventDefault();
    all[1].click();
  } else if (at >= 0) {
    event.preventDefault();
    all[(at + (event.key === "ArrowDown" ? 1 : all.length - 1)) % all.length].focus();
  }
});

// Menus close by Escape, which gives the focus back, and when the reader is elsewhere.
function closeMenus(but) {
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    if (menu !== but) menu.open = false;
  }
}
for (const elsewhere of ["click", "focusin"]) {
  document.addEventListener(elsewhere, (event) => closeMenus(event.target.closest("details.menu")));
}
document.addEventListener("keydown", (event) => {
  const menu = event.key === "Escape" && document.querySelector("details.menu[open]");
  if (!menu) return;
  if (menu.contains(document.activeElement)) menu.querySelector("summary").focus();
  closeMenus();
});

// What is fetched anew under the reader's hands leaves the focus where it was: on the same link, else at the same place.
const STOPS = "a[href], button, input, select, textarea, summary, [tabindex]";
let left = null;
document.addEventListener("htmx:beforeSwap", ({ detail: { target } }) => {
  const focused = document.activeElement;
  const at = [...target.querySelectorAll(STOPS)].indexOf(focused);
  left = at < 0 ? null : { at, href: focused.getAttribute("href"), id: focused.id };
});
document.addEventListener("htmx:afterSwap", ({ detail: { target } }) => {
  const now = target.isConnected ? target : document.getElementById(target.id);
  if (!left || !now || left.id || now.contains(document.activeElement)) return;
  const stops = [...now.querySelectorAll(STOPS)];
  const same = left.href === null ? null : stops.find((stop) => stop.getAttribute("href") === left.href);
  (same ?? stops[left.at])?.focus({ preventScroll: true });
});

// What narrows a list keeps the order that the list has now.
document.addEventListener("htmx:afterSwap", ({ detail: { target } }) => {
  const order = document.querySelector("form.filters input[name=sort]");
  // An empty list has no order; it had one before.
  if (!order || !target.querySelector("a.sort")) return;
  order.value = target.querySelector("[data-sort]")?.dataset.sort ?? "";
  order.disabled = !order.value;
});

// A form is sent once.
document.addEventListener("submit", (event) => {
  if (event.target.method !== "post" || event.defaultPrevented) return;
  const sent = event.submitter;
  if (sent) setTimeout(() => { sent.disabled = true; setTimeout(() => { sent.disabled = false; }, 5000); }, 0);
});

document.addEventListener("DOMContentLoaded", () => {
  localTimes(document);
  if (/Mac|iPhone|iPad/.test(navigator.platform)) {
    for (const key of document.querySelectorAll(".find kbd")) key.textContent = "⌘ K";
  }
  // The menu of screens is folded where it would stand above the page.
  if (matchMedia("(max-width: 56rem)").matches) {
    for (const fold of document.querySelectorAll("[data-fold]")) fold.open = false;
  }
});
document.addEventListener("htmx:load", (event) => localTimes(event.detail.elt));
