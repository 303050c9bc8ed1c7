// What exports, benchmarks, searches and the doctor have left in a run's folder.

const SEARCH_PLOTS = ["steps.png", "search.png"];

function outcomeSections({ gate, benchmark, tables, plots, doctor, noticed, omitted }, exported, changed) {
  const left = { ...plots };
  if (benchmark.length) delete left["pareto.png"]; // drawn anew, in the page's colours
  const plot = (name) => {
    const source = left[name];
    delete left[name];
    return source && h("img", { class: "plot-picture", src: source, alt: name });
  };
  return [
    (doctor.length > 0 || noticed.length > 0) && section("doctor", "What the doctor said",
      doctor.map((finding) => h("div", { class: `finding ${["wrong", "look", "note"].includes(finding.level) ? finding.level : ""}` },
        h("b", {}, finding.level), " ", finding.split && `${finding.split}: `, finding.text, finding.advice && h("div", { class: "good" }, `→ ${finding.advice}`))),
      noticed.map((line) => h("div", { class: "finding look" }, line)),
      !doctor.length && note("Noticed before training, without reading the images; python -m tasks.doctor looks at all of them.")),
    exported.file && section("exported", "Exported file", exportedParts(exported)),
    gate.length > 0 && section("gate", "Parity check", table([
      { name: "compared", left: true, format: String }, { name: "worst value", format: String }, { name: "allowed", format: String }, { name: "holds", left: true },
    ], gate.map((row) => [row.what, ...(Array.isArray(row.said) ? row.said.slice(0, 2).map(String) : [short(row.worst), "–"]),
      row.limit === null && row.holds ? "–" : h("b", { class: row.holds ? "good" : "bad" }, row.holds ? "yes" : "no")]), { caption: "parity check" })),
    benchmark.length > 0 && section("benchmark", "Benchmark", benchmarkParts(benchmark, omitted)),
    ...Object.entries(tables).map(([name, { columns, rows }]) => (name === "history.csv"
      ? searchSection({ columns, rows }, SEARCH_PLOTS.map(plot), changed)
      : section(`table-${name.replace(/\W/g, "-")}`, name, freeTable(columns, rows, name)))),
    Object.keys(left).length > 0 && section("plots", "Plots", Object.keys(left).map(plot)),
  ];
}

function records(rows) {
  const columns = [...new Set(rows.flatMap((row) => Object.keys(row)))].filter((name) => rows.some((row) => ["string", "number", "boolean"].includes(typeof row[name])));
  return freeTable(columns, rows.map((row) => columns.map((name) => row[name] ?? null)), "benchmark");
}

function freeTable(columns, rows, caption) {
  return table(columns.map((name, place) => {
    const words = rows.some((row) => typeof row[place] === "string" || typeof row[place] === "boolean");
    return words ? { name, left: true, format: (value) => (value === null ? "–" : String(value)) } : { name, format: (value) => (Number.isInteger(value) ? whole(value) : short(value)) };
  }), rows, { caption, kind: "free" });
}
