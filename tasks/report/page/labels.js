// Whole images with one class, or with any number of them.

function plainView(picture) {
  return h("div", { class: "photo plain" }, h("img", { src: picture.files.image, alt: picture.name, decoding: "async" }));
}

function classView(record, picture) {
  const name = (label) => (record.classes[label] || { name: String(label) }).name;
  const said = h("span", {});
  if (!picture.found) said.textContent = Array.isArray(picture.truth) ? picture.truth.map(([label, share]) => `${percent(share)} ${name(label)}`).join(", ") : name(picture.truth);
  else {
    const right = picture.found[0][0] === picture.truth;
    said.append(h("b", { class: right ? "good" : "bad" }, right ? `right: ${name(picture.truth)}` : `wrong: is ${name(picture.truth)}`),
      h("span", { class: "likeliest" }, picture.found.map(([label, share]) =>
        h("span", { class: label === picture.truth ? "true" : null, style: { "--share": `${100 * share}%` } }, h("span", {}, name(label)), h("span", {}, percent(share))))));
  }
  return { view: plainView(picture), said, update() {} };
}

function labelTools(record, state, update) {
  if (record.pictures.every((picture) => !picture.found)) return [];
  state.threshold = record.threshold;
  return [slider("probability", { min: 0.01, max: 0.99, step: 0.01, value: record.threshold, show: (value) => value.toFixed(2) },
    (value) => { state.threshold = value; update(); })];
}

function labelView(record, picture, state) {
  const said = h("span", { class: "found-labels" });
  const truth = new Set(picture.truth);
  const name = (label) => (record.classes[label] || { name: String(label) }).name;
  function update() {
    if (!picture.found) {
      said.textContent = picture.truth.map(name).join(", ") || "none";
      return;
    }
    const rows = picture.found.map((share, label) => ({ label, share, is: truth.has(label), says: share >= state.threshold }))
      .filter(({ is, says }) => is || says).sort((one, other) => other.share - one.share);
    said.replaceChildren(...rows.slice(0, 12).map(({ label, share, is, says }) =>
      h("span", { class: `tag ${is === says ? "good" : "bad"}` }, `${share.toFixed(2)} ${is ? (says ? "" : "missed: ") : "wrong: "}${name(label)}`)),
      rows.length ? "" : "nothing, rightly");
  }
  return { view: plainView(picture), said, update };
}
