// What stands beside the photo: thresholds, classes, milliseconds. All text from model.json is set as text.

import { namesOf, probabilities } from "./decode.js";
import { colourOf, css } from "./draw.js";

const LIKELIEST = 5;
const FEW = 8;  // classes of which nothing was found that are listed one by one
const SHOWN = 0.3;  // score from which boxes are drawn if no validation has said where F1 is best
const STAGES = { read: "read", prepare: "resize", run: "network", decode: "decode", draw: "draw" };

// An element with text, children and attributes.
export function make(tag, text = "", attributes = {}, ...children) {
  const element = Object.assign(document.createElement(tag), { textContent: text });
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

const titled = (model, name, text) => (Object.keys(model.tasks).length > 1 ? `${name}: ${text}` : text);

// A slider for each task whose results have a threshold; returns their values by task, kept up to date.
export function thresholds(place, model, changed) {
  const values = {};
  const sliders = [];
  for (const [name, task] of Object.entries(model.tasks)) {
    const what = { detect: "boxes with a score of at least", multilabel: "labels with a probability of at least" }[name];
    if (!what) continue;
    values[name] = task.threshold ?? SHOWN;
    const id = `threshold-${name}`;
    const given = { type: "range", min: 0, max: 1, step: 0.01, id };
    const [slider, told] = [make("input", "", given), make("output", values[name].toFixed(2), { for: id })];
    slider.value = values[name];
    slider.oninput = () => {
      values[name] = slider.valueAsNumber;
      told.textContent = values[name].toFixed(2);
      changed();
    };
    const label = make("label", titled(model, name, what), { for: id });
    sliders.push(make("div", "", { class: "slider" }, label, told, slider));
  }
  place.replaceChildren(...sliders);
  return values;
}

// The classes that were found, task by task.
export function results(place, model, found, shown) {
  const lists = Object.entries(found).map(([name, own]) => {
    const task = model.tasks[name];
    const rows = own.boxes ? boxRows(task, own, shown[name])
      : own.size ? areaRows(task, own) : probabilityRows(name, task, own, shown[name]);
    const title = own.boxes ? "Boxes" : own.size ? "Areas" : "Classes";
    return make("section", "", {}, make("h3", titled(model, name, title)), ...listed(rows));
  });
  place.replaceChildren(...lists);
}

// A list of rows; many classes of which there is nothing are folded.
function listed(rows) {
  const none = rows.filter((each) => each.none);
  if (none.length <= FEW) return [rows.length ? make("ul", "", {}, ...rows.map(row)) : make("p", "nothing")];
  const some = rows.filter((each) => !each.none);
  const rest = make("details", "", {}, make("summary", `nothing of ${none.length} ${some.length ? "other " : ""}classes`), make("ul", "", {}, ...none.map(row)));
  return some.length ? [make("ul", "", {}, ...some.map(row)), rest] : [rest];
}

function row({ name, told, colour, share }) {
  const swatch = make("span", "", { class: "swatch", "aria-hidden": "true" });
  if (colour) swatch.style.background = css(colour);
  const words = [make("span", name, { class: "name" }), make("span", told)];
  const line = make("li", "", {}, ...(colour ? [swatch] : []), ...words);
  if (share !== undefined) line.append(make("meter", "", { value: share, "aria-label": name }));
  return line;
}

function boxRows(task, { scores, labels }, least) {
  const holes = task.holes ?? [];  // numbers without a class
  const counts = new Map([...task.classes.keys()].filter((label) => !holes.includes(label)).map((label) => [label, 0]));
  labels.forEach((label, k) => scores[k] >= least && counts.set(label, (counts.get(label) ?? 0) + 1));
  return [...counts].sort((a, b) => b[1] - a[1]).map(([label, count]) =>
    ({ name: task.classes[label]?.name ?? `class ${label}`, told: String(count), colour: colourOf(label), none: !count }));
}

function areaRows(task, { labels }) {
  const counts = new Float64Array(256);
  for (const label of labels) counts[label]++;
  return task.classes.map((entry, k) => ({ ...entry, share: counts[k] / labels.length }))
    .sort((a, b) => b.share - a.share)
    .map(({ name, colour, share }) =>
      ({ name, told: share && share < 0.005 ? "< 0.5 %" : `${(100 * share).toFixed(0)} %`, colour, none: !share }));
}

function probabilityRows(name, task, own, least) {
  const shares = probabilities(name, task, own);
  if (!shares) return Object.entries(own).map(([role, values]) => ({ name: role, told: `${values.length} numbers` }));
  const ranked = namesOf(task).map((each, k) => ({ name: each, share: shares[k], told: shares[k].toFixed(3) }))
    .sort((a, b) => b.share - a.share);
  return name === "multilabel" ? ranked.filter(({ share }) => share >= least) : ranked.slice(0, LIKELIEST);
}

// Milliseconds by stage, and of a camera its frames per second.
export function timings(place, ms, rate) {
  const rows = Object.entries(STAGES).filter(([key]) => key in ms).map(([key, name]) => [name, ms[key]]);
  rows.push(["together", rows.reduce((sum, [, value]) => sum + value, 0)]);
  const lines = rows.map(([name, value]) => make("tr", "", {}, make("th", name, { scope: "row" }),
    make("td", `${value.toFixed(value < 10 ? 1 : 0)} ms`)));
  if (rate) {
    lines.push(make("tr", "", {}, make("th", "frames a second", { scope: "row" }), make("td", rate.toFixed(1))));
  }
  place.replaceChildren(...lines);
}

// The table of a check of this browser.
export function checked(place, rows) {
  const number = (value) => (value === 0 ? "0" : value < 1e-3 ? value.toExponential(1) : value.toPrecision(2));
  const head = make("tr", "", {}, ...["compared", "difference", "at most", ""].map((text) =>
    make("th", text, { scope: "col" })));
  place.replaceChildren(head, ...rows.map(({ what, value, limit, well }) =>
    make("tr", "", { class: well ? "well" : "unlike" }, make("th", what, { scope: "row" }),
      make("td", number(value)), make("td", String(limit)), make("td", well ? "OK" : "differs"))));
}
