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

// A button that copies what it holds, else the text before it, and says so.
document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  await navigator.clipboard.writeText(button.dataset.copy || button.previousElementSibling.textContent);
  const note = document.createElement("span");
  note.className = "badge good";
  note.setAttribute("role", "status");
  note.textContent = document.body.dataset.copied;
  button.after(note);
  setTimeout(() => note.remove(), 1500);
});

// Links to pages that ask first open in a dialog. Whatever is not such a page is gone to.
const dialog = document.getElementById("dialog");
async function openDialog(address) {
  const answer = await fetch(address, { headers: { Accept: "text/html" } });
  const asked = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("section.ask");
  if (!answer.ok || !asked) {
    location.assign(address);
    return;
  }
  dialog.replaceChildren(document.adoptNode(asked));
  localTimes(dialog);
  htmx.process(dialog);
  dialog.showModal();
}
document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-dialog]");
  const plain = !(event.ctrlKey || event.metaKey || event.shiftKey || event.button);
  if (link && plain) {
    event.preventDefault();
    openDialog(link.href);
  } else if (dialog.open && event.target.closest("[data-close]")) {
    event.preventDefault();
    dialog.close();
  } else if (event.target === dialog) {
    dialog.close();
  }
});

// A box that ticks all the others of a form.
document.addEventListener("change", (event) => {
  const form = document.getElementById(event.target.dataset.all);
  if (!form) return;
  for (const box of form.elements) {
    if (box.type === "checkbox") box.checked = event.target.checked;
  }
});

// A form is sent once.
document.addEventListener("submit", (event) => {
  if (event.target.method !== "post" || event.defaultPrevented) return;
  const sent = event.submitter;
  if (sent) setTimeout(() => { sent.disabled = true; setTimeout(() => { sent.disabled = false; }, 5000); }, 0);
});

document.addEventListener("DOMContentLoaded", () => {
  localTimes(document);
  // The menu of screens is folded where it would stand above the page.
  if (matchMedia("(max-width: 56rem)").matches) {
    for (const fold of document.querySelectorAll("[data-fold]")) fold.open = false;
  }
});
document.addEventListener("htmx:load", (event) => localTimes(event.detail.elt));
