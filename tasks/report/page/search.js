// What a search has tried: its steps or candidates, and what it found, by cost and score.

const KINDS = {
  seed: ["seed", "--c10"], longer: ["seed, trained for longer", "--c6"], width: ["width multiplier", "--c1"], step: ["step", "--c5"],
  candidate: ["candidate", "--c5"], found: ["found", "--c3"],
};
const COSTS = { latency_ms: ["milliseconds", 1], madds: ["million multiply-adds", 1e6], params: ["million params", 1e6] };

// Charts of a search for a recipe: the score over each thing that was varied, if it is a number.
function recipeCharts(columns, all) {
  const end = columns.indexOf("score");
  const varied = columns[0] === "trial" && end > 0 ? columns.slice(1, end) : [];
  const whole = all.filter((row) => row.state === "complete");
  const numbers = varied.filter((name) => whole.length && whole.every((row) => typeof row[name] === "number"));
  return numbers.length > 0 && h("div", { class: "charts" }, numbers.map((name) => {
    const values = whole.map((row) => row[name]);
    const best = whole.reduce((found, row) => (row.score > found.score ? row : found));
    const kind = (row) => (row === best ? ["best", "--c3"] : row.trial ? ["trial", "--c5"] : ["first trial", "--c2"]);
    return scatter(`Score and ${name}`, whole.map((row) => ({
      x: row[name], y: row.score === null ? NaN : row.score, kind: kind(row)[0], ink: kind(row)[1], name: "",
      told: `trial ${row.trial}: score ${short(row.score)}, ${varied.map((one) => `${one} ${typeof row[one] === "number" ? short(row[one]) : row[one]}`).join(", ")}`,
    })), { x: name, y: "score on held-out images", front: false, log: Math.min(...values) > 0 && Math.max(...values) > 5 * Math.min(...values) });
  }));
}

// Charts of a search, in the page's colours; false if its columns are not known.
function searchCharts({ columns, rows }, changed) {
  const all = rows.map((row) => Object.fromEntries(columns.map((name, place) => [name, row[place]])));
  if (!columns.includes("kind") || !all.every((row) => row.kind in KINDS)) return recipeCharts(columns, all);
  const aimed = changed.some(([key]) => key === "target.params") ? "params" : "madds";
  const cost = columns.includes("latency_ms") ? "latency_ms" : aimed;
  const last = all.reduce((found, row, place) => (row.kind === "step" ? place : found), -1);
  const groups = last >= 0
    ? [["Steps, scored on training images that no network learns from", all.slice(0, last + 1)], ["Trained, scored on the validation images", all.slice(last + 1)]]
    : [["Candidates, scored on training images that no network learns from", all]];
  return h("div", { class: "charts" }, groups.map(([title, own]) => scatter(title, own.filter((row) => row.state === "complete").map((row) => ({
    name: row.kind === "candidate" ? "" : row.name, always: row.kind === "found", kind: KINDS[row.kind][0], ink: KINDS[row.kind][1], x: row[cost] === null ? NaN : row[cost] / COSTS[cost][1], y: row.score === null ? NaN : row.score,
    told: `${row.name}: score ${short(row.score)}, ${short(row[cost] / COSTS[cost][1])} ${COSTS[cost][0]}${row.what ? `; ${row.what}` : ""}`,
  })), { x: COSTS[cost][0], y: "score" })));
}

function searchSection({ columns, rows }, plots, changed) {
  const charts = searchCharts({ columns, rows }, changed);
  return section("search", "Search", charts || plots, freeTable(columns, rows, "history.csv"),
    rows.some((row) => row.includes("step")) && note("What follows is of the network that was found, in its own training."));
}
