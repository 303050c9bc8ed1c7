// Line charts by uPlot: hover, drag to zoom, keys; drawn anew when the colours change.

const INKS = ["--c1", "--c2", "--c3", "--c4", "--c5", "--c6", "--c7", "--c8", "--c9", "--c10"];
const drawn = new Set();
const FOLDED = 3; // hidden curves from which the legend has them folded away

function css(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

// lines: [{name, x, y, hidden, width, dash}]; options: {x, y, sync, xRange, yRange, height, marks: [{x, text}]}
function chart(title, lines, options = {}) {
  const box = h("div", { class: "chart", tabIndex: 0, role: "group" });
  box.setAttribute("aria-label", `${title}. Arrow keys read values, + and - zoom, 0 shows all.`);
  const reset = h("button", { type: "button", class: "small reset", hidden: true, onclick: () => show(null) }, "show all");
  const figure = h("figure", { class: "plot", "data-title": title }, h("figcaption", {}, title, reset), box);
  let plot = null;
  let range = null;
  let width = 0;
  const off = new Set(lines.filter((line) => line.hidden).map((line) => line.name));
  const more = h("button", { type: "button", class: "small", hidden: off.size < FOLDED, onclick: () => {
    figure.classList.toggle("folded");
    nameMore();
  } });
  const nameMore = () => {
    const rest = lines.filter((line) => line.hidden && off.has(line.name)).length;
    more.textContent = figure.classList.contains("folded") ? `${rest} more curves` : "fewer curves";
  };
  if (off.size >= FOLDED) figure.classList.add("folded");
  nameMore();
  figure.append(more);

  const table = uPlot.join(lines.map((line) => [line.x, line.y]));
  const whole = options.xRange || extent(table[0]);

  function show(next) {
    range = next;
    reset.hidden = !next;
    if (!plot) return;
    plot.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
    plot.setScale("x", { min: (next || whole)[0], max: (next || whole)[1] });
  }

  function build() {
    width = box.clientWidth || 600;
    if (plot) plot.destroy();
    plot = new uPlot(settings(), table, box);
    for (const [place, entry] of [...box.querySelectorAll(".u-series")].entries()) {
      entry.tabIndex = 0;
      entry.classList.toggle("rest", place > 0 && Boolean(lines[place - 1].hidden));
      entry.addEventListener("keydown", (event) => {
        if (event.key !== "Enter" && event.key !== " ") return;
        event.preventDefault();
        event.stopPropagation();
        entry.querySelector("th").click();
      });
    }
  }

  function settings() {
    const ink = css("--ink-2");
    const axis = (label, extra) => ({
      label, stroke: ink, grid: { stroke: css("--grid"), width: 1 }, ticks: { stroke: css("--grid"), width: 1 },
      font: "12px system-ui, sans-serif", labelFont: "12px system-ui, sans-serif", labelSize: 18, ...extra,
    });
    return {
      width, height: options.height || 240,
      padding: [12, 14, 0, 0],
      cursor: {
        sync: options.sync ? { key: options.sync, setSeries: false } : undefined,
        drag: { x: true, y: false, setScale: false },
        points: { size: 7 },
        dataIdx: (self, line, hovered) => (line === 0 ? hovered : nearest(self.data[line], hovered)),
        focus: { prox: 24 },
      },
      focus: { alpha: 0.35 },
      legend: { live: true },
      scales: {
        x: { time: false, range: () => range || whole },
        y: { range: options.yRange ? () => options.yRange : (_plot, low, high) => fitting(low, high) },
      },
      axes: [
        axis(options.x || "epoch", { size: 34, space: 60 }),
        axis(options.y || null, { size: 62, values: (_plot, ticks) => ticks.map((tick) => (tick === null ? "" : tickText(tick))) }),
      ],
      series: [
        { label: options.x || "epoch", value: (_plot, value) => (value === null ? "–" : short(value)) },
        ...lines.map((line, place) => ({
          label: line.name, show: !off.has(line.name), spanGaps: true,
          stroke: line.colour ? legible(line.colour) : css(line.ink || INKS[place % INKS.length]),
          width: line.width || 1.75, dash: line.dash,
          points: { show: line.x.length < 2 || Boolean(line.points), size: 6 },
          value: (_plot, value) => (value === null || value === undefined ? "–" : short(value)),
        })),
      ],
      hooks: {
        ready: [(self) => { // the legend has values also while nothing is pointed at
          const last = () => self.setLegend({ idx: options.rest ?? table[0].length - 1 });
          last();
          self.over.addEventListener("mouseleave", () => setTimeout(last));
        }],
        setSelect: [(self) => {
          if (self.select.width > 3) {
            show([self.posToVal(self.select.left, "x"), self.posToVal(self.select.left + self.select.width, "x")]);
          }
        }],
        setSeries: [(self, number, change) => {
          if (number === null || !change || change.show === undefined) return;
          const name = lines[number - 1].name;
          change.show ? off.delete(name) : off.add(name);
          nameMore();
        }],
        draw: [(self) => marks(self, options.marks || [])],
      },
    };
  }

  box.addEventListener("dblclick", () => show(null));
  box.addEventListener("keydown", (event) => {
    if (!plot) return;
    const [low, high] = range || whole;
    const span = high - low;
    const actions = {
      ArrowLeft: () => step(-1), ArrowRight: () => step(1),
      "+": () => show([low + span / 4, high - span / 4]), "-": () => show(wider(low - span / 2, high + span / 2)),
      0: () => show(null), Escape: () => show(null),
    };
    if (!(event.key in actions)) return;
    event.preventDefault();
    actions[event.key]();
  });
  let place = null;
  function step(by) {
    place = place === null ? 0 : Math.min(table[0].length - 1, Math.max(0, place + by));
    plot.setCursor({ left: plot.valToPos(table[0][place], "x"), top: 8 });
  }
  function wider(low, high) {
    return low <= whole[0] && high >= whole[1] ? null : [Math.max(low, whole[0]), Math.min(high, whole[1])];
  }

  figure.lines = lines;
  drawn.add(build);
  new ResizeObserver(() => {
    if (!plot) build();
    else if (Math.abs(box.clientWidth - width) > 1) {
      width = box.clientWidth;
      plot.setSize({ width, height: options.height || 240 });
    }
  }).observe(box);
  return figure;
}

// The place of the value that is nearest to a place: curves are logged at different steps.
function nearest(values, place) {
  for (let away = 0; away < values.length; away++) {
    for (const other of [place - away, place + away]) if (values[other] !== null && values[other] !== undefined) return other;
  }
  return place;
}

// A tick's number, with as many digits as tell it from the others.
function tickText(tick, all = [tick]) {
  const size = Math.abs(tick);
  let digits = 3;
  while (digits < 9 && new Set(all.map((each) => each.toPrecision(digits))).size < new Set(all).size) digits++;
  return size && (size >= 1e5 || size < 1e-3) ? tick.toExponential(1) : String(Number(tick.toPrecision(digits)));
}

// A range with room around the values; a flat curve lies in the middle of a small one, and zeros at the bottom.
function fitting(low, high) {
  if (low === null || high === null) return [0, 1];
  if (low === high) return low === 0 ? [0, 1] : [low - Math.abs(low) / 2, low + Math.abs(low) / 2];
  return uPlot.rangeNum(low, high, { min: { pad: 0.1, soft: 0, mode: 3 }, max: { pad: 0.1, soft: 0, mode: 3 } });
}

function extent(values) {
  const low = values.length ? values[0] : 0;
  const high = values.length ? values[values.length - 1] : 1;
  return low === high ? [low - 0.5, high + 0.5] : [low, high];
}

// Vertical lines with a word, as of the best threshold.
function marks(plot, entries) {
  for (const { x, text } of entries) {
    const left = plot.valToPos(x, "x", true);
    if (left < plot.bbox.left || left > plot.bbox.left + plot.bbox.width) continue;
    const { ctx } = plot;
    const ratio = devicePixelRatio || 1;
    ctx.save();
    ctx.strokeStyle = ctx.fillStyle = css("--ink-2");
    ctx.setLineDash([4 * ratio, 4 * ratio]);
    ctx.beginPath();
    ctx.moveTo(left, plot.bbox.top);
    ctx.lineTo(left, plot.bbox.top + plot.bbox.height);
    ctx.stroke();
    ctx.font = `${12 * ratio}px system-ui, sans-serif`;
    const right = left + 6 * ratio + ctx.measureText(text).width < plot.bbox.left + plot.bbox.width;
    ctx.textAlign = right ? "left" : "right";
    ctx.setLineDash([]);
    ctx.lineWidth = 4 * ratio;
    ctx.strokeStyle = css("--back"); // curves may run below the words
    ctx.strokeText(text, left + (right ? 6 : -6) * ratio, plot.bbox.top + plot.bbox.height - 10 * ratio);
    ctx.fillText(text, left + (right ? 6 : -6) * ratio, plot.bbox.top + plot.bbox.height - 10 * ratio);
    ctx.restore();
  }
}

function redraw() {
  for (const build of drawn) build();
}

// The exponential mean of a curve: s of what was, 1 - s of what is; the first values count fully.
function smoothed(values, s) {
  if (!s) return values;
  let mean = 0;
  let weight = 0;
  return values.map((value) => {
    if (value === null) return null;
    mean = s * mean + (1 - s) * value;
    weight = s * weight + (1 - s);
    return mean / weight;
  });
}
