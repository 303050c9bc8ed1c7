// Boxes over a photo: truth, found ones from a score on, and errors. Matches come from Python: found boxes are sorted by
// score and chose their truths in this order, so that those above any score are matched as if there were no others.

function boxTools(record, state, update) {
  const least = record.lowest || 0;
  const truthOnly = record.pictures.every((picture) => !picture.found);
  if (truthOnly) return [check("labels", true, (on) => { state.names = on; update(); })];
  state.threshold = Math.round(1e6 * beginning(record)) / 1e6; // as scores are rounded
  const bar = slider("boxes from score", { min: Math.max(0.01, least), max: 0.99, step: "any", value: state.threshold, show: (value) => value.toFixed(3) },
    (value) => { state.threshold = value; update(); });
  bar.classList.add("threshold");
  const best = Number.isFinite(record.best) && record.best !== beginning(record);
  return [
    bar,
    best && h("button", { type: "button", class: "small", onclick: () => bar.set(record.best) }, `${record.best.toFixed(3)}: best F1 of all images`),
    check("truth", true, (on) => { state.truth = on; update(); }),
    check("found", true, (on) => { state.found = on; update(); }),
    check("errors only", false, (on) => { state.errors = on; update(); }),
    check("labels", true, (on) => { state.names = on; update(); }),
  ];
}

// Where the slider begins: images that were chosen and ordered at a score are shown at it, if anything is found there.
function beginning({ pictures, threshold = 0.3, best, unranked }) {
  const seen = pictures.some(({ found = [] }) => found.some((box) => box[5] >= threshold));
  return seen && !unranked ? threshold : best ?? threshold;
}

const CROWD = 8; // boxes of a class from which a name on each of them would hide the objects

function crowdedClasses(boxes) {
  const counts = new Map();
  for (const [, , , , label] of boxes) counts.set(label, (counts.get(label) || 0) + 1);
  return new Set([...counts].filter(([, number]) => number >= CROWD).map(([label]) => label));
}

function judgedBoxes(picture, threshold) {
  const found = (picture.found || []).filter((box) => box[5] >= threshold);
  const hit = new Set(found.map((box) => box[6]).filter((truth) => truth >= 0));
  const truth = (picture.truth || []).map((box, number) => ({ box, missed: !box[5] && !hit.has(number) && Boolean(picture.found) }));
  const judged = found.map((box) => ({
    box, wrong: box[6] < 0, crowd: box[6] >= 0 && Boolean((picture.truth[box[6]] || [])[5]),
  }));
  const right = judged.filter(({ wrong, crowd }) => !wrong && !crowd).length;
  const wrong = judged.filter((each) => each.wrong).length;
  const missed = truth.filter((each) => each.missed).length;
  const total = 2 * right + wrong + missed;
  return { truth, judged, right, wrong, missed, f1: total ? (2 * right) / total : 1 };
}

function boxView(record, picture, state) {
  const { width, height } = picture;
  const layer = h("svg", { svg: true, viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true" });
  const view = h("div", { class: "photo", style: { "aspect-ratio": `${width} / ${height}` } },
    h("img", { src: picture.files.image, alt: picture.name, decoding: "async" }), layer);
  const said = h("span", {});
  let size = 0; // of a text, in the photo's pixels
  let crowded = new Set();
  let taken = []; // by names: the likeliest box's stands, one that would lie on it is left out
  new ResizeObserver(() => { if (view.clientWidth) update(); }).observe(view);
  function update() {
    size = (11 * width) / (view.clientWidth || 400);
    const { truth, judged, right, wrong, missed, f1 } = judgedBoxes(picture, state.threshold ?? 0);
    const marks = [];
    taken = [];
    crowded = crowdedClasses(state.found && picture.found ? judged.map(({ box }) => box) : truth.map(({ box }) => box));
    const shown = (label) => !state.off.has(label);
    if (state.found) {
      for (const each of judged) {
        if (shown(each.box[4]) && !(state.errors && !each.wrong)) marks.push(mark(each.box, "found", each.wrong, each.box[5]));
      }
    }
    if (state.truth) {
      for (const { box, missed: gone } of [...truth].reverse()) {
        if (shown(box[4]) && !(state.errors && !gone)) marks.push(mark(box, "truth", gone, null));
      }
    }
    layer.replaceChildren(...marks.reverse()); // truths below, the likeliest box on top
    said.textContent = picture.found ? `F1 ${f1.toFixed(2)}: ${right} right, ${wrong} wrong, ${missed} missed` : `${truth.length} box${truth.length === 1 ? "" : "es"}`;
  }
  function mark(box, kind, bad, boxScore) {
    const [left, top, right, bottom, label] = box;
    const known = record.classes[label] || { name: String(label), colour: [128, 128, 128] };
    const ink = colour(known.colour || [200, 200, 200]);
    const word = [known.name, boxScore === null ? (box[5] ? "(crowd)" : "") : boxScore.toFixed(2)].filter(Boolean).join(" ");
    const place = { svg: true, x: left, y: top, width: Math.max(0, right - left), height: Math.max(0, bottom - top) };
    const group = h("g", { svg: true, class: `${picture.found ? kind : "found"}${bad ? " bad" : ""}` },
      h("rect", { ...place, class: "halo" }), h("rect", { ...place, class: "line", stroke: ink }));
    const what = h("title", { svg: true });
    what.textContent = `${kind === "truth" ? "truth" : "found"}: ${word}${bad ? (kind === "truth" ? ", missed" : ", wrong") : ""}`;
    group.append(what);
    if (state.names && (kind === "found" || !state.found || !picture.found || bad)) {
      const text = h("text", { svg: true, "font-size": size, fill: ink });
      text.textContent = crowded.has(label) && boxScore !== null ? boxScore.toFixed(2) : crowded.has(label) && !bad ? "" : word;
      const wide = 0.62 * size * text.textContent.length;
      const under = kind === "truth" && state.found && picture.found;
      const x = Math.max(0, Math.min(left + size * 0.15, width - wide));
      const y = Math.max(size, Math.min(under ? bottom + size : top - size * 0.25, height - size * 0.3));
      text.setAttribute("x", x);
      text.setAttribute("y", y);
      if (!taken.some(([fromX, toX, base]) => x < toX && fromX < x + wide && Math.abs(base - y) < size)) {
        taken.push([x, x + wide, y]);
        group.append(text);
      }
    }
    return group;
  }
  return { view, said, update };
}
