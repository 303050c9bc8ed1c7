// What a run's page has of one head: its curves and matrix, its pictures, its training data.

const VIEWS = {
  boxes: [boxTools, boxView], maps: [mapTools, mapView], classes: [() => [], classView], labels: [labelTools, labelView],
};

function headSections({ head, curves: found, pictures, augmented, labels }, several) {
  const of = several ? ` of ${head}` : "";
  const id = several ? `-${head}` : "";
  const best = found.best && found.best[0] ? found.best[0][1] : undefined;
  return [
    (found.charts || found.confusion) && section(`predictions${id}`, `Predictions${of}`, thresholdCharts(found), found.confusion && matrix(found.confusion)),
    pictures && section(`pictures${id}`, `Pictures${of}`, gallery({ ...pictures, best })),
  ];
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
  if (record.type === "maps") classesOfMaps(record).then(fillLegend);
  update();
  return [
    record.type === "boxes" && record.pictures.some(({ found }) => found)
      && note("Found boxes in their class's colour, dashed if wrong; truths thin and white, dashed yellow if missed."),
    record.note && note(`${record.note[0].toUpperCase()}${record.note.slice(1)}. A click shows an image large; arrow keys go on.`),
    bar, legend, h("div", { class: `pictures ${record.type}` }, cards), large,
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
