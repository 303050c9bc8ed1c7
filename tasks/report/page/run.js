// The page of one run.

const DATA = JSON.parse(document.getElementById("data").textContent);

function header({ run, metrics, scores, history, damaged }) {
  const { record } = run;
  const network = record.network || null;
  const data = record.data || {};
  const badge = h("span", { class: `state ${stateOf(run)}` }, Object.hasOwn(STATES, stateOf(run)) ? STATES[stateOf(run)] : run.state);
  const begun = run.training.epochs ?? record.epoch ?? history.epochs;
  const progress = run.mode === "train" && run.epochs ? `epoch ${begun} of ${run.epochs}` : null;
  return h("header", {},
    h("div", { class: "title" },
      h("h1", {}, run.task || "run", " ", h("span", { class: "folder" }, run.folder)),
      badge),
    stateBox(run, progress, badge),
    damaged.length > 0 && h("div", { class: "ended failed", id: "damaged" }, "Left out, because a file in the run's folder is damaged:", h("ul", {}, damaged.map((line) => h("li", {}, line)))),
    headline(scores.length ? scores : bestSoFar(history)),
    run.command && copied(run.command),
    run.command && run.typed_folder && note(`Without ${run.typed_folder}, so that it can be run again: it writes into a new folder.`),
    definitions([
      ["network", network && Object.values(network).join("; ")],
      ...run.heads.map((head) => [run.heads.length > 1 ? `cost of ${head}` : "cost", costText(run.costs, head)]),
      ["as one network", run.heads.length > 1 ? costText(run.costs, "shared") : null],
      ["input", run.costs.height ? `${run.costs.height}×${run.costs.width} (height×width)` : null],
      ["data", [dataSet(run), counts(data, metrics)].filter(Boolean).join(": ")],
      ["epochs", run.mode === "train" ? progress : null],
      ["images per step", record.batch],
      ["seed", run.seed],
      ["time", times(run, metrics)],
      ["device", record.device],
      ["started", record.started && record.started.replace("T", " ").replace(/:\d\d[+-].*$/, "")],
      ["versions", record.versions && Object.entries(record.versions).map(([name, version]) => `${name} ${version}`).join(", ")],
    ]),
    run.changed.length > 0 && h("details", {}, h("summary", {}, `${run.changed.length} changed key${run.changed.length > 1 ? "s" : ""}`),
      table([{ name: "key", left: true }, { name: "value", left: true, format: String }], run.changed, { sortable: false, caption: "changed keys" })));
}

// A checkpoint brings its own data set, unless one is typed.
function dataSet(run) {
  const typed = run.changed.some(([key]) => key === "dataset" || key === "datasets");
  return run.mode === "train" || typed ? run.chosen.dataset : null;
}

function counts(data, metrics) {
  const parts = [];
  if (data.train) parts.push(`${count(data.train)} training`);
  const val = data.val || metrics.images;
  if (val) parts.push(`${count(val)} validation`);
  return parts.length ? `${parts.join(" and ")} images` : "";
}

function times(run, metrics) {
  const parts = [];
  const again = run.changed.some(([key]) => key === "resume") ? " since it was resumed" : "";
  if (run.training.seconds) parts.push(`${duration(run.training.seconds)} training${again}`);
  else if (run.record.seconds) parts.push(`${duration(run.record.seconds)} so far`);
  if (metrics.seconds) parts.push(`${duration(metrics.seconds)} scoring`);
  return parts.join(", ");
}

// The main scores, large.
function headline(scores) {
  if (!scores.length) return null;
  return h("div", { class: "headline" }, scores.map(({ head, scores: pairs }) =>
    pairs.slice(0, scores.length > 1 ? 1 : 3).map(([name, value]) =>
      h("div", { class: "big" }, h("b", { "data-value": value }, score(value)), h("span", {}, scores.length > 1 ? `${head} ${name}` : name)))));
}

// Of a run that has not been scored at its end: the best of each main score, as headline() takes it.
function bestSoFar({ curves: found }) {
  const names = Object.keys(found).filter((name) => MAIN.test(name) && found[name].y.length);
  if (!names.length) return [];
  return [{ head: "", scores: names.slice(0, 3).map((name) => {
    const { x, y } = found[name];
    const place = y.reduce((best, value, at) => (value > y[best] ? at : best), 0);
    return [`${shownName(name)}, the best, after epoch ${short(x[place])}`, y[place]];
  }) }];
}

function curves({ history, heads }) {
  const colours = curveColours(heads);
  const names = Object.keys(history.curves);
  const found = panels(names);
  if (!found.length) return null;
  const epochs = Math.max(history.epochs, ...names.map((name) => history.curves[name].x.at(-1) || 0));
  const place = h("div", { class: "charts" });
  let smooth = 0;
  function fill() {
    place.replaceChildren(...found.map((panel) => onePoint(panel, history.curves) || chart(panel.title, panel.names.map((name) => {
      const { x, y } = history.curves[name];
      const many = panel.names.length > 6;
      return {
        name: shownName(name), x, y: panel.smooth ? smoothed(y, smooth) : y, points: panel.points && x.length < 60,
        colour: colours.get(shownName(name)), dash: /(^|\/)boundary_F1\//.test(name) ? [6, 4] : undefined,
        hidden: many && panel.title === "Validation scores" && panel.names.some((one) => MAIN.test(one)) && !MAIN.test(name),
      };
    }), { sync: "epochs", xRange: [0, epochs], yRange: panel.yRange })));
  }
  fill();
  const single = names.every((name) => history.curves[name].x.length < 4);
  return section("curves", "Curves",
    h("div", { class: "tools" },
      !single && slider("smooth the loss", { min: 0, max: 0.98, step: 0.02, value: 0, show: (value) => value.toFixed(2) },
        (value) => { smooth = value; drawn.clear(); fill(); }),
      note(TOUCH ? "A name below a chart switches its curve." : "Drag to zoom all charts, double-click to show all; a name below a chart switches its curve.")),
    place);
}

// What was logged once is no curve; null for a panel with curves.
function onePoint({ title, names }, found) {
  if (names.some((name) => found[name].x.length > 1)) return null;
  const at = short(Math.max(...names.map((name) => found[name].x[0])));
  return h("figure", { class: "plot", "data-title": title }, h("figcaption", {}, title),
    table([{ name: "logged once", left: true, format: String }, { name: `after epoch ${at}`, format: short }],
      [...names].sort((one, other) => MAIN.test(other) - MAIN.test(one)).map((name) => [shownName(name), found[name].y[0]]), { caption: title, bars: names.every((name) => name.startsWith("val/")), unbarred: LESS, kind: "low" }));
}

function scoreTables({ scores, metrics, heads }) {
  const colours = new Map(heads.map((head) => [head.head, classColours(head)]));
  if (!scores.length) return null;
  return section("scores", "Scores", scores.map(({ head, scores: pairs, columns, rows }) => [
    scores.length > 1 && h("h3", {}, head),
    h("div", { class: "beside" },
      table([{ name: "score", left: true }, { name: "value" }], pairs, { caption: "scores", bars: true, unbarred: LESS }),
      rows.length > 0 && table([classColumn(colours.get(head) || new Map()), ...columns.map(([name, kind]) => (kind === "count" ? { name, plain: true, format: whole } : { name, plain: /_SE$/.test(name) }))], rows, { caption: "scores of classes", bars: true })),
  ]), note(`Of ${count(metrics.images || 0)} images. ${TOUCH ? "Tap" : "Point at"} a number for all its digits. A dash: there is nothing of this kind to find, so no score.`));
}

function details({ config, run }) {
  const rows = Object.entries(config);
  if (!rows.length && !run.log.length) return null;
  const changed = new Set(run.changed.map(([key]) => key.replace(/^[+~]+/, "")));
  return section("details", "Details",
    rows.length > 0 && h("details", {}, h("summary", {}, `config.yaml: ${count(rows.length)} keys`), searchable(rows, changed)),
    run.log.length > 0 && h("details", {}, h("summary", {}, `run.log: ${run.log.length} lines`),
      h("pre", { class: "log", tabIndex: 0 }, run.log.join("\n"))));
}

function searchable(rows, changed) {
  const place = h("div");
  const shown = (text) => rows.filter(([key, value]) => `${key}=${JSON.stringify(value)}`.toLowerCase().includes(text.toLowerCase()))
    .map(([key, value]) => [changed.has(key) ? h("b", {}, key) : key, typeof value === "string" ? value : JSON.stringify(value)]);
  const fill = (text) => place.replaceChildren(table([{ name: "key", left: true, format: String }, { name: "value", left: true, format: String }], shown(text), { sortable: false, caption: "configuration" }));
  fill("");
  return h("div", {}, h("input", { type: "search", placeholder: "search keys", "aria-label": "search keys", oninput: (event) => fill(event.target.value) }), place);
}

const FIRST = ["search", "exported", "gate", "benchmark"];

function show(data) {
  watchColours();
  const own = [guarded("outcome", "Results", () => outcomeSections(data.outcome, data.exported, data.run.changed))].flat();
  const first = own.filter((each) => each && FIRST.includes(each.id)); // what such a run is for
  const sections = [
    first,
    guarded("curves", "Curves", () => curves(data)),
    guarded("scores", "Scores", () => scoreTables(data)),
    ...data.heads.flatMap((head) => headSections(head, data.heads.length > 1)),
    own.filter((each) => !first.includes(each)),
    guarded("details", "Details", () => details(data)),
  ].flat().filter(Boolean);
  const links = sections.map((each) => [each.id, each.querySelector("h2").textContent]);
  document.body.append(topbar(links), h("main", {}, guarded("run", "Run", () => header(data)), sections),
    h("footer", {}, "Written by mobilevision from the files of this run's folder. Charts: uPlot (MIT)."));
}

show(DATA);
