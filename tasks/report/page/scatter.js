// Networks or trials by cost and worth: a dot each, with its name where there is room, and the line of the best.

const SCATTER = { height: 320, left: 58, right: 18, top: 14, bottom: 44, text: 12 };

// points: [{name, x, y, ink, told}]; options: {x, y: names of the axes, zero: whether x begins at 0, front: whether to join the best, log: of x}
function scatter(title, points, { x, y, zero = false, front = true, log = false }) {
  const kept = points.filter((point) => Number.isFinite(point.x) && Number.isFinite(point.y) && (!log || point.x > 0));
  if (!kept.length) return null;
  const layer = h("svg", { svg: true, role: "img", "aria-label": `${title}: ${y} over ${x}` });
  const kinds = [...new Map(kept.filter((point) => point.kind).map((point) => [point.kind, point.ink])).entries()];
  const legend = h("div", { class: "keys" }, kinds.map(([kind, ink]) => inkKey(ink, kind)),
    front && bestOf(kept).length > 1 && h("span", {}, h("i", { class: "stroke" }), "no other is better in both"));
  const figure = h("figure", { class: "plot scatter", "data-title": title }, h("figcaption", {}, title), layer, legend);
  figure.points = kept;
  new ResizeObserver(() => { if (figure.clientWidth) drawScatter(layer, kept, figure.clientWidth, { x, y, zero, front, log }); }).observe(figure);
  return figure;
}

// An entry of a legend: a dot and its word.
function inkKey(ink, word) {
  return h("span", {}, h("i", { class: "dot", style: { background: `var(${ink})` } }), word);
}

function drawScatter(layer, points, width, { x, y, zero, front, log }) {
  const { height, left, right, top, bottom, text } = SCATTER;
  const across = scaleOf(points.map((point) => (log ? Math.log10(point.x) : point.x)), zero, left, width - right);
  const up = scaleOf(points.map((point) => point.y), false, height - bottom, top);
  const line = (x1, y1, x2, y2) => h("path", { svg: true, class: "grid", d: `M${x1} ${y1}L${x2} ${y2}` });
  const word = (content, place) => {
    const made = h("text", { svg: true, "font-size": text, ...place });
    made.textContent = content;
    return made;
  };
  const wide = Math.max(2, Math.floor((width - left - right) / 55));
  const marks = [
    ...(log ? decades : ticks)(across.low, across.high, wide).flatMap((value, _place, all) => [line(across.at(value), top, across.at(value), height - bottom),
      word(log ? short(10 ** value) : tickText(value, all), { x: across.at(value), y: height - bottom + 16, "text-anchor": "middle" })]),
    ...ticks(up.low, up.high, 6).flatMap((value, _place, all) => [line(left, up.at(value), width - right, up.at(value)),
      word(tickText(value, all), { x: left - 8, y: up.at(value) + 4, "text-anchor": "end" })]),
    word(x, { x: (left + width - right) / 2, y: height - 8, "text-anchor": "middle" }),
    word(y, { transform: `translate(12 ${(top + height - bottom) / 2}) rotate(-90)`, "text-anchor": "middle" }),
  ];
  const best = bestOf(points);
  const places = points.map((point) => [across.at(log ? Math.log10(point.x) : point.x), up.at(point.y)]);
  if (front && best.length > 1) marks.push(h("path", { svg: true, class: "front", d: best.map((k, n) => `${n ? "L" : "M"}${places[k].join(" ")}`).join("") }));
  marks.push(...points.map((point, k) => {
    const dot = h("g", { svg: true, class: "point" }, h("path", { svg: true, class: "mark", d: `M${places[k].join(" ")}h0`, stroke: `var(${point.ink || "--c1"})` }));
    const told = h("title", { svg: true });
    told.textContent = point.told || `${point.name}: ${short(point.x)}, ${short(point.y)}`;
    dot.append(told);
    return dot;
  }));
  layer.setAttribute("viewBox", `0 0 ${width} ${height}`);
  layer.setAttribute("height", height);
  layer.replaceChildren(...marks);
  nameDots(layer, points, places, [...best, ...points.keys()], width);
}

// Names beside their dots, the best ones first; one that would lie on another name or the edge is left out,
// and one on a dot, unless the point says `always`.
function nameDots(layer, points, places, order, width) {
  const taken = places.map(([x, y]) => [x - 5, y - 5, x + 5, y + 5]);
  const done = new Set();
  for (const k of order) {
    if (done.has(k) || !points[k].name) continue;
    done.add(k);
    const text = h("text", { svg: true, class: "dot-name", "font-size": SCATTER.text });
    text.textContent = points[k].name;
    layer.append(text);
    const [x, y] = places[k];
    const wide = text.getComputedTextLength();
    const spots = [[x + 9, y + 4], [x - 9 - wide, y + 4], [x - wide / 2, y - 10], [x - wide / 2, y + 20], [x - wide + 8, y - 10], [x - wide + 8, y + 20]];
    const free = (boxes) => ([from, base]) => {
      const box = [from - 2, base - 11, from + wide + 2, base + 3];
      const inside = box[0] >= SCATTER.left && box[2] <= width - 2 && box[1] >= 0;
      return inside && !boxes.some((other) => box[0] < other[2] && other[0] < box[2] && box[1] < other[3] && other[1] < box[3]);
    };
    const spot = spots.find(free(taken)) || (points[k].always && spots.find(free(taken.slice(points.length))));
    if (!spot) { text.remove(); continue; }
    text.setAttribute("x", spot[0]);
    text.setAttribute("y", spot[1]);
    taken.push([spot[0] - 2, spot[1] - 11, spot[0] + wide + 2, spot[1] + 3]);
  }
}

function scaleOf(values, zero, from, to) {
  let [low, high] = [Math.min(...values, ...(zero ? [0] : [])), Math.max(...values)];
  const room = (high - low) * 0.08 || Math.abs(high) * 0.1 || 0.1;
  if (!zero) low = low >= 0 ? Math.max(0, low - room) : low - room; // a score or a cost is none below 0
  high += room;
  return { low, high, at: (value) => Math.round(10 * (from + ((value - low) / (high - low)) * (to - from))) / 10 };
}

function ticks(low, high, most) {
  const rough = (high - low) / most;
  const ten = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((times) => times * ten).find((each) => each >= rough);
  const found = [];
  for (let n = Math.ceil(low / step); n * step <= high + step / 1e6; n++) found.push(n * step);
  return found;
}

// Logarithms of 1, 2 and 5 times powers of ten, fewer of them where they would stand too close.
function decades(low, high, most) {
  for (const times of [[1, 2, 5], [1, 3], [1]]) {
    const found = [];
    for (let ten = Math.floor(low); ten <= high; ten++) found.push(...times.map((each) => ten + Math.log10(each)));
    const inside = found.filter((value) => value >= low && value <= high);
    if (inside.length <= most || times.length === 1) return inside;
  }
  return [];
}

// Those that no other point beats, from the cheapest to the most worth.
function bestOf(points) {
  const best = [];
  const order = [...points.keys()].sort((one, other) => points[one].x - points[other].x || points[other].y - points[one].y);
  for (const k of order) if (!best.length || points[k].y > points[best[best.length - 1]].y) best.push(k);
  return best;
}
