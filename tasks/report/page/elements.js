// Elements, always with text as text: names and messages come from files that somebody else may have made.

function h(tag, attributes, ...children) {
  const svg = ["svg", "rect", "g", "line", "text", "path", "title"].includes(tag) && attributes && attributes.svg;
  const element = svg ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (name === "svg" || value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "style") for (const [key, one] of Object.entries(value)) element.style.setProperty(key, one);
    else if (name in element && !svg && typeof value !== "string") element[name] = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(3).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

function section(id, title, ...children) {
  return h("section", { id, "aria-labelledby": `${id}-title` }, h("h2", { id: `${id}-title` }, title), children);
}

// A part of the page; a fault in one leaves the others.
function guarded(id, title, build) {
  try {
    return build();
  } catch (error) {
    return section(id, title, h("p", { class: "ended failed" }, `This part cannot be drawn: ${error.message}`));
  }
}

// Fades the right edge of an element while there is more to scroll to.
function scrolls(element) {
  const look = () => element.classList.toggle("more", element.scrollLeft + element.clientWidth < element.scrollWidth - 4);
  element.addEventListener("scroll", look, { passive: true });
  const watch = new ResizeObserver(look);
  watch.observe(element);
  for (const child of element.children) watch.observe(child);
  return element;
}

function note(...children) {
  return h("p", { class: "note" }, children);
}

// A labelled checkbox; `changed` gets whether it is on.
function check(label, on, changed, extra) {
  const box = h("input", { type: "checkbox", checked: on, onchange: () => changed(box.checked) });
  return h("label", { class: "check", ...extra }, box, label);
}

// Radio buttons that look like one control.
function choice(name, label, options, value, changed) {
  const id = `${name}-${(choice.count = (choice.count || 0) + 1)}`;
  return h(
    "fieldset",
    { class: "choice" },
    h("legend", { class: "hidden" }, label),
    options.map(([key, text]) => {
      const radio = h("input", { type: "radio", name: id, checked: key === value, onchange: () => changed(key) });
      return h("label", {}, radio, h("span", {}, text));
    }),
  );
}

// A slider with its value beside it.
function slider(label, { min, max, step, value, show }, changed) {
  const output = h("output", {}, show(value));
  const input = h("input", {
    type: "range", min: String(min), max: String(max), step: String(step), "aria-label": label,
    oninput: () => { output.textContent = show(Number(input.value)); changed(Number(input.value)); },
  });
  input.value = String(value);
  const whole = h("label", { class: "slider" }, label, input, output);
  whole.set = (next) => { input.value = String(next); input.dispatchEvent(new Event("input")); };
  return whole;
}

function colour(rgb) {
  return `rgb(${rgb.map(Number).join(",")})`;
}

// Chips of classes that can be switched off; `changed` is called with the set of those that are off.
function chips(classes, shown, changed) {
  const off = new Set();
  return h(
    "div",
    { class: "chips", role: "group", "aria-label": "classes" },
    shown.map((number) => {
      const chip = h(
        "button",
        {
          type: "button", class: "chip", "aria-pressed": "true",
          onclick: () => {
            const on = off.has(number);
            on ? off.delete(number) : off.add(number);
            chip.setAttribute("aria-pressed", String(on));
            changed(off);
          },
        },
        classes[number].colour && h("span", { class: "swatch", style: { background: colour(classes[number].colour) } }),
        classes[number].name,
      );
      return chip;
    }),
  );
}
