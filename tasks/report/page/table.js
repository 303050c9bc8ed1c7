// Tables whose columns sort.

// columns: [{name, left, format}]; rows: arrays; a bar shows shares from 0 to 1 behind numbers.
function table(columns, rows, { caption, bars, unbarred, kind = "", sortable = true } = {}) {
  const body = h("tbody");
  let sorted = null;
  let falling = false;
  const heads = columns.map((column, place) => {
    const sort = () => {
      falling = sorted === place ? !falling : !column.left;
      sorted = place;
      fill();
    };
    return h("th", { scope: "col", class: column.left ? "left" : null },
      sortable && rows.length > 1 ? h("button", { type: "button", class: "sort", onclick: sort }, column.name) : column.name);
  });
  function fill() {
    const order = [...rows];
    if (sorted !== null) {
      order.sort((one, other) => compared(one[sorted], other[sorted]) * (falling ? -1 : 1));
      heads.forEach((head, place) => {
        place === sorted ? head.setAttribute("aria-sort", falling ? "descending" : "ascending") : head.removeAttribute("aria-sort");
      });
    }
    body.replaceChildren(...order.map((row) => {
      const barred = bars && !(unbarred && unbarred.test(row[0]));
      return h("tr", {}, row.map((value, place) => cell(value, columns[place], barred)));
    }));
  }
  fill();
  return scrolls(h("div", { class: `wide ${kind}`, tabIndex: 0, role: "region", "aria-label": caption || "table" },
    h("table", {}, caption && h("caption", {}, caption), h("thead", {}, h("tr", {}, heads)), body)));
}

function cell(value, column, bars) {
  if (value instanceof Node) return h("td", { class: column.left ? "left" : null }, value);
  const text = (column.format || score)(value);
  const exact = typeof value === "number" ? String(value) : null;
  const part = typeof value === "number" ? value / (column.scale || 1) : null;
  const share = bars && part !== null && !column.left && !column.plain && part >= 0 && part <= 1;
  const shown = h("td", { class: column.left ? "left" : null, title: exact, "data-value": exact }, text);
  if (exact !== null && text !== exact) shown.addEventListener("click", () => { shown.textContent = shown.textContent === exact ? text : exact; });
  if (share) {
    shown.classList.add("bar");
    shown.style.setProperty("--share", `${100 * part}%`);
  }
  return shown;
}

function compared(one, other) {
  if (one === other) return 0;
  if (one === null || one === undefined) return -1;
  if (other === null || other === undefined) return 1;
  return typeof one === "number" && typeof other === "number" ? one - other : String(one).localeCompare(String(other));
}

function definitions(pairs) {
  return h("dl", { class: "facts" }, pairs.filter(([, value]) => value !== null && value !== undefined && value !== "")
    .map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))));
}
