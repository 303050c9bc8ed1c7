// The page of several runs.

const DATA = JSON.parse(document.getElementById("data").textContent);

function ink(place) {
  return INKS[place % INKS.length];
}

function runList(runs) {
  return table([{ name: "run", left: true }, { name: "task", left: true, format: String }, { name: "state", left: true, format: String }, { name: "params" }, { name: "training" }],
    runs.map((run, place) => {
      const costs = run.costs.shared || Object.values(run.costs).find((value) => value && value.params);
      const state = stateOf(run);
      return [h("b", { class: "run-name", style: { color: `var(${ink(place)})` } }, run.name), run.task,
        [Object.hasOwn(STATES, state) ? STATES[state] : state, reasonOf(run)].filter(Boolean).join(": "),
        h("span", {}, costs ? amount(costs.params) : "–"), h("span", {}, run.training.seconds ? duration(run.training.seconds) : "–")];
    }), { sortable: false, caption: "runs", kind: "runs" });
}

function commands(runs) {
  const known = runs.filter((run) => run.command);
  return known.length > 0 && h("details", {}, h("summary", {}, "commands"), known.map((run, place) => [
    h("span", { class: "run-name", style: { color: `var(${ink(runs.indexOf(known[place]))})` } }, run.name), copied(run.command)]));
}

function keyTable(runs, keys) {
  if (!keys.length) return note("All keys have the same values.");
  const text = (value) => (value === null || value === undefined ? "–" : typeof value === "string" ? value : JSON.stringify(value));
  return table([{ name: "key", left: true, format: String }, ...runs.map((run) => ({ name: run.name, left: true, format: String }))],
    keys.map(([key, ...values]) => [key, ...values.map(text)]), { sortable: false, caption: "changed keys" });
}

// One score of each class: F1 where there is one, else the first; a column of counts is none.
function ofClasses(columns, classes) {
  const f1 = columns.findIndex(([name]) => name === "F1");
  const place = f1 >= 0 ? f1 : columns.findIndex(([, kind]) => kind === "score");
  return place < 0 ? [] : classes.map(([name, ...values]) => [`${name} (${columns[place][0]})`, values[place]]);
}

// Each score of each run, and how far it is from the first one's.
function scoreTable(runs, of) {
  const rows = new Map();
  const heads = [...new Set(runs.flatMap((run) => run.scores.map(({ head }) => head)))];
  for (const head of heads) { // a head's scores meet, whether or not a run has others
    runs.forEach((run, place) => {
      for (const { columns, scores, rows: classes } of run.scores.filter((own) => own.head === head)) {
        for (const [name, value] of of === "scores" ? scores : ofClasses(columns, classes)) {
          const key = heads.length > 1 ? `${head} ${name}` : name;
          if (!rows.has(key)) rows.set(key, runs.map(() => null));
          rows.get(key)[place] = value;
        }
      }
    });
  }
  if (!rows.size) return null;
  const columns = [{ name: of === "scores" ? "score" : "class", left: true, format: String }];
  runs.forEach((run, place) => {
    columns.push({ name: run.name });
    if (place) columns.push({ name: "difference", format: difference });
  });
  const body = [...rows].map(([name, values]) => [name, ...values.flatMap((value, place) => {
    if (!place) return [value];
    const known = typeof value === "number" && typeof values[0] === "number";
    return [value, known ? value - values[0] : null];
  })]);
  return table(columns, body, { caption: of });
}

// Means over the runs that differ in their seed alone.
function seedTable({ columns, rows }) {
  return table(columns.map((name) => ({ name, left: !rows.some((row) => typeof row[columns.indexOf(name)] !== "string"), format: meanOf })), rows, { caption: "over seeds", kind: "free", sortable: false });
}

function meanOf(cell) {
  if (!Array.isArray(cell)) return Number.isInteger(cell) ? whole(cell) : typeof cell === "number" ? score(cell) : cell ?? "–";
  const [mean, sd] = cell;
  return typeof sd === "number" ? `${score(mean)} ± ${sd.toFixed(4)}` : score(mean);
}

function difference(value) {
  return typeof value !== "number" ? "–" : `${value > 0 ? "+" : ""}${value.toFixed(4)}`;
}

function curvesOver(runs) {
  const names = [...new Set(runs.flatMap((run) => Object.keys(run.history.curves)))].filter((name) => !ofClass(name) && !/images$|\/weight$/.test(name));
  const having = (name) => runs.filter((run) => run.history.curves[name]).length;
  const main = names.filter((name) => /^train\/([^/]+\/)?loss$/.test(name) || MAIN.test(name) || name === "train/lr")
    .sort((one, other) => having(other) - having(one)); // those that several runs have come first
  const rest = names.filter((name) => !main.includes(name));
  const place = h("div", { class: "charts" });
  const epochs = Math.max(1, ...runs.map((run) => run.history.epochs));
  const state = { smooth: 0, all: false };
  const fill = () => place.replaceChildren(...[...main, ...(state.all ? rest : [])].map((name) => chart(name, runs.flatMap((run, number) => {
    if (!run.history.curves[name]) return [];
    const { x, y } = run.history.curves[name];
    return { name: run.name, x, y: /^train\/(?!lr)/.test(name) ? smoothed(y, state.smooth) : y, ink: ink(number), points: /^val/.test(name) && x.length < 60 };
  }), { sync: "epochs", xRange: [0, epochs] })));
  if (!names.length) return note("None of these runs has curves.");
  fill();
  const again = () => { drawn.clear(); fill(); };
  return [
    h("div", { class: "tools" },
      slider("smooth the loss", { min: 0, max: 0.98, step: 0.02, value: 0, show: (value) => value.toFixed(2) }, (value) => { state.smooth = value; again(); }),
      rest.length > 0 && check(`all ${names.length} curves`, false, (on) => { state.all = on; again(); })),
    place,
  ];
}

// Images that several runs have, a row each.
function sameImages(runs) {
  const heads = [...new Set(runs.flatMap((run) => Object.keys(run.pictures)))];
  return heads.map((head) => {
    const records = runs.map((run) => {
      const record = run.pictures[head];
      const best = run.best[head];
      return record && { ...record, best: best && best[0] ? best[0][1] : undefined };
    });
    const first = records.find(Boolean);
    if (!first) return null;
    const names = [...new Set(records.flatMap((record) => (record ? record.pictures.map((picture) => picture.name) : [])))]
      .filter((name) => records.filter((record) => record && record.pictures.some((picture) => picture.name === name)).length > 1);
    if (!names.length) return note(`No image of ${head} is shown by more than one of these runs.`);
    const [tools, view] = VIEWS[first.type] || VIEWS.classes;
    const state = { off: new Set(), truth: true, found: true, errors: false, names: true };
    const views = [];
    const update = () => { for (const each of views) each.update(); };
    const rows = names.map((name) => h("div", { class: "row" }, h("h4", {}, name), h("div", { class: "beside-images", style: { "--runs": String(runs.length) } },
      records.map((record, place) => {
        if (!record) return null; // it has no such head
        const picture = record.pictures.find((each) => each.name === name);
        const title = h("span", { class: "run-name", style: { color: `var(${ink(place)})` } }, runs[place].name);
        if (!picture) return h("figure", { class: "picture" }, h("figcaption", {}, title, "not shown by this run"));
        const made = view(record, picture, state);
        views.push(made);
        return h("figure", { class: "picture" }, made.view, h("figcaption", {}, title, made.said));
      }))));
    const bar = h("div", { class: "tools" }, tools({ ...first, unranked: true, pictures: records.flatMap((record) => (record ? record.pictures : [])) }, state, update));
    const legend = h("div", {});
    const fill = (labels) => legend.replaceChildren(chips(first.classes, labels, (off) => { state.off = off; update(); }));
    if (first.type === "boxes") fill(labelsOfBoxes(first));
    if (first.type === "maps") classesOfMaps(first).then(fill, () => {});
    update();
    return [heads.length > 1 && h("h3", {}, head), bar, legend, h("div", { class: first.type }, rows)];
  });
}

function show({ runs, keys, seeds }) {
  watchColours();
  const parts = [
    ["runs", "Runs", () => [runList(runs), commands(runs)]],
    ["keys", "Keys that differ", () => keyTable(runs, keys)],
    ["seeds", "Over seeds", () => [seedTable(seeds), note("Mean ± standard deviation (n - 1) of the runs that differ in their seed alone.")]],
    ["scores", "Scores", () => [scoreTable(runs, "scores"), note(`Differences are from ${runs[0].name}.`), h("details", {}, h("summary", {}, "classes"), scoreTable(runs, "classes"))]],
    ["curves", "Curves", () => curvesOver(runs)],
    ["images", "The same images", () => sameImages(runs)],
  ].filter(([id]) => id !== "seeds" || seeds).map(([id, title, build]) => guarded(id, title, () => section(id, title, build())));
  document.body.append(topbar(parts.map((each) => [each.id, each.querySelector("h2").textContent])),
    h("main", {}, h("header", {}, h("div", { class: "title" }, h("h1", {}, `${runs.length} runs compared`))), parts),
    h("footer", {}, "Written by python -m tasks.compare. Charts: uPlot (MIT)."));
}

show(DATA);
