// Precision over recall and F1 over a threshold, as written by tasks/common/curves.py: values at 0, 0.01, …, 1.

const GRID = Array.from({ length: 101 }, (_, place) => place / 100);

function thresholdCharts(data, colours) {
  const charts = data.charts || [];
  if (!charts.length) return null;
  const many = charts.some(({ lines }) => lines.length > 8);
  return [
    h("h3", {}, "Thresholds"),
    data.note && note(data.note),
    h("div", { class: "charts" }, charts.map(({ title, x, y, lines, marks: at }) =>
      chart(title, lines.map((line, place) => ({
        name: line.name, x: GRID, y: line.values, width: line.width,
        ...(place === 0 && line.width > 2 ? { ink: "--ink" } : { ink: INKS[place % INKS.length], colour: colours.get(line.name) }),
      })), { x, y, xRange: [0, 1], yRange: [0, 1.01], marks: at, height: 300, rest: at && at.length ? Math.round(100 * at[0].x) : 50 }))),
    many && note("Of many classes those with the lowest values are drawn; the table has all."),
    data.best && h("details", { open: data.best.length <= 12 }, h("summary", {}, "best thresholds"),
      table([classColumn(colours), { name: "threshold" }, { name: "F1" }, { name: "precision" }, { name: "recall" }], data.best, { caption: "best thresholds" })),
  ];
}
