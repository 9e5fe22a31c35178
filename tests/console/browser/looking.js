// What tests ask a page, evaluated in it: an object of functions.
({
  head: () => ({
    lang: document.documentElement.lang,
    title: document.title.trim(),
    headings: [...document.querySelectorAll("h1")].filter((h) => h.checkVisibility()).map((h) => h.innerText.trim()),
    ids: [...document.querySelectorAll("[id]")].map((e) => e.id),
  }),

  // Sideways: the page itself, then what a reader could reach by no means. Boxes that scroll are reachable.
  spilt: () => {
    const found = [], width = document.documentElement.clientWidth;
    if (document.documentElement.scrollWidth > width)
      found.push(`the page is ${document.documentElement.scrollWidth} px wide in ${width}`);
    const reachable = (element) => {
      for (let box = element.parentElement; box; box = box.parentElement)
        if (["auto", "scroll"].includes(getComputedStyle(box).overflowX)) return true;
      return false;
    };
    const kinds = "a, button, input, select, textarea, label, summary, h1, h2, h3, p, li, dd, dt, legend, .badge, code";
    for (const element of document.body.querySelectorAll(kinds)) {
      if (!element.checkVisibility() || element.closest(".hidden, .skip, svg, dialog:not([open])")) continue;
      const box = element.getBoundingClientRect();
      if (!box.width || reachable(element)) continue;
      const text = (element.innerText || element.value || "").trim().slice(0, 40);
      const name = `${element.tagName.toLowerCase()} "${text}"`;
      const [left, right] = [Math.round(box.left), Math.round(box.right)];
      if (right > width + 1 || left < -1) found.push(`${name} reaches ${left}…${right} of ${width}`);
      const style = getComputedStyle(element);
      const hides = style.overflowX === "hidden" && style.textOverflow !== "ellipsis";
      if (hides && element.scrollWidth > element.clientWidth + 1) found.push(`${name} is cut off`);
    }
    return found.slice(0, 10);
  },

  // Text of the page itself: names and contents of users stand in bdi, code and pre, other languages under `lang`.
  ownTexts: () => {
    const foreign = "bdi, code, pre, kbd, script, style, textarea, time, [lang]:not(html), [translate=no]", found = [];
    const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    for (let node = walk.nextNode(); node; node = walk.nextNode())
      if (node.data.trim() && !node.parentElement.closest(foreign)) found.push(node.data);
    return [document.title, ...found].map((text) => text.split(/\s+/).join(" ").trim());
  },
  // What is said of elements, which may name what users named.
  labels: () => ["aria-label", "placeholder", "alt"].flatMap((name) =>
    [...document.body.querySelectorAll(`[${name}]`)]
      .filter((element) => !element.closest("[lang]:not(html)"))
      .map((element) => element.getAttribute(name).trim())),

  // Controls in the order of the document, which is the order of the eye here. Of a group of radio buttons one.
  focusBegins: () => {
    const kinds = "a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex]";
    const shown = (e) => e.checkVisibility({ visibilityProperty: true }) && !e.closest("dialog:not([open])");
    const group = (e) => [...document.getElementsByName(e.name)].filter((other) => other.form === e.form);
    const stands = (e) => e.type !== "radio" || (group(e).find((one) => one.checked) ?? group(e)[0]) === e;
    const wanted = [...document.querySelectorAll(kinds)]
      .filter((e) => !e.disabled && e.tabIndex >= 0 && shown(e) && stands(e));
    window.focusSeen = { wanted, reached: [], unseen: [] };
    // What fetches itself would put others into their places meanwhile; what was asked before may arrive yet.
    for (const change of ["htmx:beforeRequest", "htmx:beforeSwap"])
      document.addEventListener(change, (event) => event.preventDefault());
    document.activeElement?.blur();
    window.getSelection()?.removeAllRanges();
    window.scrollTo(0, 0);
    document.addEventListener("focusin", ({ target }) => {
      const style = getComputedStyle(target), box = target.getBoundingClientRect();
      window.focusSeen.reached.push(target);
      const ring = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 1;
      if (!ring || !box.width || !box.height) window.focusSeen.unseen.push(target.outerHTML.slice(0, 120));
    });
    // A field for a time has a stop for each part of it, and one for its calendar.
    return wanted.length + 7 * wanted.filter((e) => /^date|^time/.test(e.type)).length;
  },
  focusEnds: () => {
    const { wanted, reached, unseen } = window.focusSeen, found = [];
    const name = (e) => e.outerHTML.slice(0, 120);
    for (const element of wanted) if (!reached.includes(element)) found.push(`Tab does not reach ${name(element)}`);
    // Where Tab began is where it ends: the round is closed, and may have begun anywhere in it.
    const order = [...new Set(reached)].filter((e) => wanted.includes(e)).map((e) => wanted.indexOf(e));
    const back = order.filter((at, index) => index > 0 && at < order[index - 1]);
    if (back.length > 1 || (back.length && back[0] !== 0)) found.push(`out of order: ${name(wanted[back[0]])}`);
    for (const element of unseen) found.push(`focus is not to be seen on ${element}`);
    return found.slice(0, 10);
  },

  // What can be used of a page without scripts as with them.
  usable: () => {
    const forms = [...document.querySelectorAll("main form")];
    const sends = (e) => (e.type === "submit" || e.type === "image") && e.checkVisibility();
    return {
      rows: document.querySelectorAll("main tbody tr").length,
      forms: forms.map((form) => form.outerHTML.slice(0, 120)),
      stuck: forms
        .filter((form) => form.checkVisibility() && !form.closest("details:not([open])"))
        .filter((form) => ![...form.elements].some(sends))
        .map((form) => form.outerHTML.slice(0, 160)),
    };
  },

  // Buttons that send something to be changed, each under a number, and where they send it. danger: deletes, switches off.
  actions: () => {
    const posts = (b) => b.type === "submit" && b.form && (b.getAttribute("formmethod") ?? b.form.method) === "post";
    const endsSomething = (b) => b.classList.contains("danger") || b.form.elements.enabled?.value === "no";
    return [...document.querySelectorAll("button:not([aria-hidden])")].filter(posts).map((button, number) => {
      button.setAttribute("data-action", number);
      const path = new URL(button.hasAttribute("formaction") ? button.formAction : button.form.action).pathname;
      return { number, path, danger: endsSomething(button), main: button.closest("main") !== null };
    });
  },

  // What the form of that button asks for. values: by name of a field; what stands there already stays.
  fill: ([number, values]) => {
    const button = document.querySelector(`[data-action="${number}"]`);
    for (let box = button; box; box = box.parentElement) if (box.tagName === "DETAILS") box.open = true;
    for (const element of button.form.elements) {
      const told = element.closest("label")?.innerText ?? "";
      const typed = /Type (.+) to confirm/.exec(told)?.[1];
      const choosing = ["tags", "acknowledged", "confirmed"].includes(element.name) || element.required;
      if (element.type === "checkbox") element.checked ||= choosing;
      else if (element.type === "radio") element.checked ||= !document.querySelector(`[name="${element.name}"]:checked`);
      else if (element.tagName === "SELECT" || element.tagName === "BUTTON" || element.type === "hidden") continue;
      else if (typed) element.value = typed;
      else if (!element.value && (element.required || element.name in values)) {
        const kinds = { number: element.min || "1", url: "https://example.com/hook", "datetime-local": "2026-06-01T00:00" };
        element.value = values[element.name] ?? kinds[element.type] ?? "walked";
      }
    }
  },

  // Whether a reader is told what came of what was sent.
  told: () => document.querySelector(".notice, [role=alert], [role=status]") !== null,
})
