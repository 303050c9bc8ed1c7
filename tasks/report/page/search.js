// What a search has tried: its steps or candidates, and what it found, by cost and score.

const KINDS = {
  seed: ["seed", "--c10"], longer: ["seed, trained for longer", "--c6"], width: ["width multiplier", "--c1"], step: ["step", "--c5"],
  candidate: ["candidate", "--c5"], found: ["found", "--c3"],
};
const COSTS = { latency_ms: ["milliseconds", 1], madds: ["million multiply-adds", 1e6], params: ["million params", 1e6] };

// Native charts of a search for networks; null if this is none: that for a recipe has its own picture.
function searchCharts({ columns, rows }, changed) {
  const all = rows.map((row) => Object.fromEntries(columns.map((name, place) => [name, row[place]])));
  if (!columns.includes("kind") || !all.every((row) => row.kind in KINDS)) return null;
  const aimed = changed.some(([key]) => key === "target.params") ? "params" : "madds";
  const cost = columns.includes("latency_ms") ? "latency_ms" : aimed;
  const last = all.reduce((found, row, place) => (row.kind === "step" ? place : found), -1);
  const groups = last >= 0
    ? [["Steps, scored on training images that no network learns from", all.slice(0, last + 1)], ["Trained, scored on the validation images", all.slice(last + 1)]]
    : [["Candidates, scored on training images that no network learns from", all]];
  return h("div", { class: "charts" }, groups.map(([title, own]) => scatter(title, own.filter((row) => row.state === "complete").map((row) => ({
    name: row.kind === "candidate" ? "" : row.name, kind: KINDS[row.kind][0], ink: KINDS[row.kind][1], x: row[cost] === null ? NaN : row[cost] / COSTS[cost][1], y: row.score === null ? NaN : row.score,
    told: `${row.name}: score ${short(row.score)}, ${short(row[cost] / COSTS[cost][1])} ${COSTS[cost][0]}${row.what ? `; ${row.what}` : ""}`,
  })), { x: COSTS[cost][0], y: "score" })));
}

function searchSection({ columns, rows }, plots, changed) {
  const charts = searchCharts({ columns, rows }, changed);
  return section("search", "Search", charts || plots, freeTable(columns, rows, "history.csv"),
    rows.some((row) => row.includes("step")) && note("What follows is of the network that was found, in its own training."));
}
