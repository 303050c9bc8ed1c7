// What a run's page has of one head: its curves and matrix, its pictures, its training data.

const VIEWS = {
  boxes: [boxTools, boxView], maps: [mapTools, mapView], classes: [() => [], classView], labels: [labelTools, labelView],
};

function headSections({ head, curves: found, pictures, augmented, labels }, several) {
  const of = several ? ` of ${head}` : "";
  const id = several ? `-${head}` : "";
  const best = found.best && found.best[0] ? found.best[0][1] : undefined;
  const colours = classColours({ pictures, augmented });
  return [
    (found.charts || found.confusion) && guarded(`predictions${id}`, `Predictions${of}`,
      () => section(`predictions${id}`, `Predictions${of}`, thresholdCharts(found, colours), found.confusion && matrix(found.confusion, colours))),
    pictures && guarded(`pictures${id}`, `Pictures${of}`, () => section(`pictures${id}`, `Pictures${of}`, gallery({ ...pictures, best }))),
    (augmented || labels.counts) && guarded(`training-data${id}`, `Training data${of}`,
      () => section(`training-data${id}`, `Training data${of}`, labels.counts && labelCounts(labels, colours),
        augmented && [h("h3", {}, "Augmented images of the first batches"), gallery({ ...augmented, small: true, note: "what the network learns from: images with their labels after all transforms" })])),
  ];
}

// How often each class occurs, and how large and how many the objects are.
function labelCounts({ unit, classes, counts, sizes, per_image: perImage }, colours) {
  const splits = Object.keys(counts);
  const totals = splits.map((split) => counts[split].reduce((sum, value) => sum + value, 0));
  const most = splits.map((split) => Math.max(1, ...counts[split]));
  const rows = classes.map((name, k) => [name, ...splits.flatMap((split, place) => [counts[split][k], totals[place] ? counts[split][k] / totals[place] : null])]);
  const columns = [classColumn(colours), ...splits.flatMap((split, place) => [
    { name: `${split}: ${unit}`, format: whole, scale: most[place] }, { name: "share", format: percent, plain: true }])];
  return [
    h("h3", {}, `Labels: ${splits.map((split, place) => `${big(totals[place], [[1e9, "G"], [1e6, "M"], [1e4, "k"], [1, ""]].map(([least, mark]) => [mark === "k" ? 1e3 : least, mark]))} ${unit} in ${split}`).join(", ")}`),
    h("div", { class: "charts" },
      table(columns, rows, { caption: "labels", bars: true }),
      (sizes || perImage) && h("div", {},
        sizes && histogram("Sides of training objects at the network's input (√area, pixels)", sizes),
        perImage && histogram("Objects of a training image", perImage))),
  ];
}

function histogram(title, { edges, counts }) {
  const last = counts.reduce((found, value, place) => (value ? place : found), 0);
  const first = counts.findIndex((value) => value);
  const most = Math.max(1, ...counts);
  const bars = counts.slice(Math.max(0, first), last + 1).map((value, place) => {
    const at = Math.max(0, first) + place;
    const next = edges[at + 1];
    const range = next === undefined ? `${edges[at]}+` : next === edges[at] + 1 ? String(edges[at]) : `${edges[at]}–${Number.isInteger(edges[at]) && at && edges[1] === 1 ? next - 1 : next}`;
    return h("tr", {}, h("th", { scope: "row" }, range), h("td", { class: "bar", style: { "--share": `${(100 * value) / most}%` } }, count(value)));
  });
  return h("figure", { class: "histogram" }, h("figcaption", {}, title), h("table", {}, h("tbody", {}, bars)));
}

// Tools, legend and cards of a record of pictures; a click shows one large.
function gallery(record) {
  const [tools, view] = VIEWS[record.type] || VIEWS.classes;
  const state = { off: new Set(), truth: true, found: true, errors: false, names: true };
  const views = [];
  const update = () => { for (const each of views) each.update(); if (large.open) large.current.update(); };
  const kinds = [...new Set(record.pictures.map((picture) => picture.kind))].filter(Boolean);
  const large = viewer(record, state, view);
  const bar = h("div", { class: "tools" }, tools(record, state, update));
  const cards = record.pictures.map((picture, number) => {
    const made = view(record, picture, state);
    views.push(made);
    return card(picture, made, () => large.enlarge(number));
  });
  const shown = new Set(kinds);
  if (kinds.length > 1) {
    bar.append(h("span", { class: "kinds" }, kinds.map((kind) => check(kind, true, (on) => {
      on ? shown.add(kind) : shown.delete(kind);
      cards.forEach((one, number) => { one.hidden = !shown.has(record.pictures[number].kind); });
    }))));
  }
  const legend = h("div", {});
  const fillLegend = (labels) => legend.replaceChildren(chips(record.classes, labels, (off) => { state.off = off; update(); }));
  if (record.type === "boxes") fillLegend(labelsOfBoxes(record));
  if (record.type === "maps") classesOfMaps(record).then(fillLegend, () => {}); // the pictures say what is wrong
  update();
  return [
    record.type === "boxes" && record.pictures.some(({ found }) => found)
      && note("Found boxes are in their class's colour, dashed if wrong; truths thin and white, dashed yellow if missed. ",
        `The number is the score; where ${CROWD} or more boxes of a class are shown, their name is left out. The slider begins at ${beginning(record).toFixed(3)}.`),
    record.note && note(`${record.note[0].toUpperCase()}${record.note.slice(1)}. ${TOUCH ? "Tap an image to see it large." : "Click an image to see it large; arrow keys show the others."}`),
    bar, legend, h("div", { class: `pictures ${record.type}${record.small ? " sheet" : ""}` }, cards), large,
  ];
}

function labelsOfBoxes(record) {
  const seen = new Set();
  for (const { truth = [], found = [] } of record.pictures) for (const box of [...truth, ...found]) seen.add(box[4]);
  return [...seen].filter((label) => record.classes[label]).sort((one, other) => one - other).slice(0, 60);
}

function card(picture, made, enlarge) {
  const open = h("button", { type: "button", class: "open", "aria-label": `show ${picture.name || "image"} large`, onclick: enlarge });
  made.view.append(open);
  return h("figure", { class: "picture", "data-kind": picture.kind },
    made.view,
    h("figcaption", {}, picture.kind && h("span", { class: `kind ${picture.kind}` }, picture.kind), made.said, h("span", { class: "name" }, picture.name)));
}

// One picture large, in a dialog.
function viewer(record, state, view) {
  const place = h("div", { class: "large" });
  const dialog = h("dialog", { class: "viewer", "aria-label": "image" },
    h("div", { class: "tools" },
      h("button", { type: "button", onclick: () => go(-1) }, "← previous"),
      h("button", { type: "button", onclick: () => go(1) }, "next →"),
      h("button", { type: "button", onclick: () => dialog.close() }, "close")),
    place);
  let at = 0;
  const go = (by) => turnTo(at + by);
  function turnTo(number) {
    at = (number + record.pictures.length) % record.pictures.length;
    const picture = record.pictures[at];
    dialog.current = view(record, picture, state);
    const ratio = picture.width && picture.height ? picture.width / picture.height : 1;
    place.style.setProperty("--ratio", String(ratio));
    place.replaceChildren(dialog.current.view, h("p", {}, picture.kind && h("span", { class: `kind ${picture.kind}` }, picture.kind), dialog.current.said, h("span", { class: "name" }, picture.name)));
    dialog.current.update();
  }
  dialog.addEventListener("keydown", (event) => {
    if (event.target.matches("input")) return;
    if (event.key === "ArrowLeft") go(-1);
    else if (event.key === "ArrowRight") go(1);
    else return;
    event.preventDefault();
  });
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
  dialog.enlarge = (number) => {
    turnTo(number);
    dialog.showModal();
  };
  return dialog;
}
