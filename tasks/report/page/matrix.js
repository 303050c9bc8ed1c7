// Confusion matrices: truth down, prediction across.

const CELLS = 30; // classes up to which every cell is shown with its number

function matrix(data, colours) {
  const rows = data.rows;
  const columns = data.columns;
  const triples = data.sparse || data.counts.flatMap((row, down) => row.map((value, across) => [down, across, value])).filter(([, , value]) => value);
  const totals = data.totals || data.counts.map((row) => row.reduce((sum, value) => sum + value, 0));
  const place = h("div");
  let shares = true;
  const fill = () => place.replaceChildren(rows.length <= CELLS ? grid(data, totals, shares, colours) : picture(rows, columns, triples, totals));
  fill();
  const wrong = triples.filter(([down, across]) => down !== across).sort((one, other) => other[2] - one[2]).slice(0, 50);
  return [
    h("h3", {}, "Confusion matrix"),
    data.note && note(data.note),
    rows.length <= CELLS && h("div", { class: "tools" },
      choice("matrix", "what cells show", [["shares", "shares of the truth"], ["counts", "counts"]], "shares", (key) => { shares = key === "shares"; fill(); })),
    place,
    wrong.length > 0 && h("details", {}, h("summary", {}, `most frequent mistakes`),
      table([{ name: "truth", left: true, format: String }, { name: "taken for", left: true, format: String }, { name: "count", format: whole }, { name: "share of the truth", format: percent }],
        wrong.map(([down, across, value]) => [rows[down], columns[across], value, totals[down] && !(data.background && down === rows.length - 1) ? value / totals[down] : null]), { caption: "mistakes" })),
  ];
}

function grid({ rows, columns, counts, background }, totals, shares, colours) {
  const isStray = (place) => background && place === rows.length - 1; // of no truth, so that there is no share
  const used = (across) => counts.some((row) => row[across]) || totals[across];
  const kept = columns.map((_, across) => across).filter(used);
  const down = rows.map((_, place) => place).filter((place) => totals[place] || counts.some((row) => row[place]));
  const left = rows.length - down.length;
  return h("div", {}, scrolls(h("div", { class: "wide matrix", tabIndex: 0, role: "region", "aria-label": "confusion matrix" }, h("table", {},
    h("thead", {}, h("tr", {}, h("th", { class: "corner" }, "truth ↓ found →"), kept.map((across) => h("th", { scope: "col" }, h("span", { title: columns[across] }, swatch(colours, columns[across]), columns[across]))))),
    h("tbody", {}, down.map((place) => h("tr", { class: isStray(place) ? "stray" : null }, h("th", { scope: "row", title: rows[place] }, swatch(colours, rows[place]), rows[place]), kept.map((across) => {
      const value = counts[place][across];
      const share = totals[place] ? value / totals[place] : 0;
      const text = !value ? "" : shares && !isStray(place) ? percent(share) : amount(value);
      return h("td", {
        class: isStray(place) ? null : place === across ? "right" : "wrong", style: { "--share": String(Math.sqrt(share)) }, "data-value": String(value),
        title: isStray(place) ? `found ${columns[across]} where no truth is left: ${count(value)}` : `truth ${rows[place]}, found ${columns[across]}: ${count(value)} of ${count(totals[place])}`,
      }, text);
    }))))))), left > 0 && note(`${left} class${left > 1 ? "es" : ""} without truth or prediction ${left > 1 ? "are" : "is"} left out.`));
}

// Of many classes a picture; the pointer reads it.
function picture(rows, columns, triples, totals) {
  const canvas = h("canvas", { class: "heat" });
  canvas.width = columns.length;
  canvas.height = rows.length;
  const said = h("p", { class: "note", "aria-live": "polite" }, "Truth down, prediction across; point at the picture to read it.");
  const values = new Map(triples.map(([down, across, value]) => [down * columns.length + across, value]));
  const paint = () => {
    const pen = canvas.getContext("2d");
    pen.fillStyle = css("--card");
    pen.fillRect(0, 0, canvas.width, canvas.height);
    for (const [down, across, value] of triples) {
      pen.globalAlpha = Math.max(0.12, Math.sqrt(value / (totals[down] || 1)));
      pen.fillStyle = css(down === across ? "--good" : "--bad");
      pen.fillRect(across, down, 1, 1);
    }
    pen.globalAlpha = 1;
  };
  paint();
  drawn.add(paint);
  for (const kind of ["pointermove", "pointerdown"]) canvas.addEventListener(kind, (event) => {
    const box = canvas.getBoundingClientRect();
    const across = Math.min(columns.length - 1, Math.floor(((event.clientX - box.left) / box.width) * columns.length));
    const down = Math.min(rows.length - 1, Math.floor(((event.clientY - box.top) / box.height) * rows.length));
    said.textContent = `truth ${rows[down]}, found ${columns[across]}: ${count(values.get(down * columns.length + across) || 0)} of ${count(totals[down] || 0)}`;
  });
  return h("div", {}, canvas, said);
}
