// From a photo to an exported file's input, and from its outputs to label maps, boxes and classes: decode.py in
// JavaScript, for browsers and Node (20.19 or newer), one file without dependencies. It ships with the file.
//
//   const model = JSON.parse(text);                            // of model.json; problemOf(model) says what is wrong
//   const { image, dims, place } = prepare(photo, model);
//   const outputs = { logits: { data, dims } };                // by name, from any runtime: typed arrays
//   const found = decode(outputs, model, [photo.height, photo.width], place);
//
// A photo is {data, width, height} with bytes RGB or RGBA, such as ImageData, turned upright by the caller if
// model.input.upright. Boxes are xyxy, four numbers each, in the photo's pixels.

const LARGEST = 25_000_000;  // pixels of the input of a file that takes any size
const UNSURE = 255;  // of a label map: no class is reliably the largest
const f = Math.fround;  // the nearest 32-bit number: decode.py computes in them

// The file's input {image: bytes, dims} in its layout, and the photo's place in it, [x, y, width, height].
// Throws an Error for a photo that the file does not take.
export function prepare(photo, model) {
  const step = bytesOfPixel(photo);
  const [takes, rule] = [model.input, model.input.resize];
  let seen = { data: photo.data, height: photo.height, width: photo.width, step };
  if (rule.rule === "none" && !takes.height && seen.height * seen.width > LARGEST) {
    const scale = Math.sqrt(LARGEST / (seen.height * seen.width));
    const sides = [seen.height, seen.width].map((side) => Math.max(32, Math.floor((side * scale) / 32) * 32));
    seen = resized(seen, sides);
  }
  const [[height, width], place] = fitted(rule, [seen.height, seen.width]);
  if ((takes.height ?? height) !== height || (takes.width ?? width) !== width) {
    const wanted = `${takes.height}×${takes.width} (height×width)`;
    throw new Error(`it is ${height}×${width} pixels, and the file takes ${wanted}`);
  }
  const [x, y, across, down] = place;
  const made = resized(seen, [down, across], rule.interpolation ?? "torch", rule.pillow ?? 0);
  const image = new Uint8Array(3 * height * width).fill(rule.fill ?? 0);
  const [left, right] = [Math.max(0, -x), Math.min(across, width - x)];
  const last = takes.layout === "NHWC";  // the colours of a pixel are neighbours
  const [plane, apart] = last ? [1, 3] : [height * width, 1];
  for (let row = Math.max(0, -y); row < Math.min(down, height - y); row++) {
    for (let colour = 0; colour < 3; colour++) {
      let to = colour * plane + ((row + y) * width + x + left) * apart;
      for (let from = (row * across + left) * made.step + colour, k = left; k < right; k++, from += made.step) {
        image[to] = made.data[from];
        to += apart;
      }
    }
  }
  return { image, dims: last ? [1, height, width, 3] : [1, 3, height, width], place };
}

// The bytes of a pixel of a photo, 3 or 4. Throws an Error for what is no photo.
function bytesOfPixel({ data, width, height }) {
  const wants = "a photo is {data, width, height}, data its bytes 0 to 255, RGB or RGBA";
  if (![width, height].every((side) => isWhole(side, 0, Infinity))) throw new Error(`it is ${width}×${height}; ${wants}`);
  if (!width || !height) throw new Error("the photo is empty");
  if (!(data instanceof Uint8Array || data instanceof Uint8ClampedArray)) {
    throw new Error(`its data is ${data?.constructor?.name ?? data}; ${wants}`);
  }
  const step = data.length / (width * height);
  if (step === 1) throw new Error(`it is grey: give each byte three times; ${wants}`);
  if (step !== 3 && step !== 4) throw new Error(`it has ${data.length} bytes for ${width}×${height} pixels; ${wants}`);
  return step;
}

// The results of one image by task, in the pixels of its photo of this [height, width].
// Boxes: {boxes, scores, labels}, best first. A label map: {labels, size}. Anything else, such as logits or
// probabilities of the whole image, is returned unchanged, by role. Labels are indices of the model's classes.
export function decode(outputs, model, size, place, row = 0) {
  const found = {};
  for (const [name, task] of Object.entries(model.tasks)) {
    const own = {};
    for (const [role, key] of Object.entries(task.outputs)) {
      if (!outputs[key]) throw new Error(`model.json: the file has no output ${key}, as tasks.${name}.outputs says`);
      own[role] = ofRow(outputs[key], row);
    }
    const count = classesIn(own);
    if (count !== null && task.classes && count !== task.classes.length) {
      throw new Error(`model.json: tasks.${name}.classes are ${task.classes.length}, and the file gives ${count}`);
    }
    if (own.boxes || own.offsets) {
      const [seen] = fitted(model.input.resize, size);
      const { boxes, scores, labels } = objects(own, task, seen);
      found[name] = { boxes: moved(boxes, size, place), scores, labels };
    } else if (own.logits?.dims.length === 3) {
      found[name] = { labels: upsampled(own.logits.data, own.logits.dims, size), size };
    } else if (own.labels?.dims.length === 2) {
      found[name] = { labels: nearest(own.labels.data, own.labels.dims, size), size };
    } else {
      found[name] = Object.fromEntries(Object.entries(own).map(([role, { data }]) => [role, data]));
    }
  }
  return found;
}

// How many classes the outputs of a task are for; null if they do not tell.
function classesIn({ logits, offsets, boxes, scores, probabilities: shares }) {
  if (offsets && logits?.dims.length === 2) return logits.dims[1] - 1;  // the first is the background
  if (boxes) return scores?.dims.length === 2 ? scores.dims[1] : null;
  return (logits ?? shares)?.dims[0] ?? null;
}

function ofRow({ data, dims }, row) {
  const own = dims.slice(1);
  const count = own.reduce((product, side) => product * side, 1);
  return { data: data.subarray(row * count, (row + 1) * count), dims: own };
}

// The probabilities of a whole image's classes from what decode() returned for its task: of classify they sum to 1, of
// multilabel each is by itself; null for what is neither.
export function probabilities(name, task, found) {
  const values = found.probabilities ?? (found.logits && Array.from(found.logits));
  if (!values || values.length !== task.classes.length) return null;
  if (found.probabilities) return Array.from(values);
  if (name === "multilabel") return values.map((value) => 0.5 * (1 + Math.tanh(value / 2)));
  if (name !== "classify") return null;
  const scaled = values.map((value) => value / (task.temperature ?? 1));
  const largest = scaled.reduce((most, value) => Math.max(most, value), -Infinity);
  const shares = scaled.map((value) => Math.exp(value - largest));
  const sum = shares.reduce((total, value) => total + value, 0);
  return shares.map((value) => value / sum);
}

// The names of a task's classes, in the order of its labels.
export const namesOf = (task) => task.classes.map((entry) => (typeof entry === "string" ? entry : entry.name));

// --- Resizing: an image is {data, height, width, step}, step bytes for each pixel, red, green and blue first.

const triangle = (x) => Math.max(1 - Math.abs(x), 0);

function cubic(x) {
  x = Math.abs(x);
  if (x < 1) return (1.5 * x - 2.5) * x * x + 1;
  return x < 2 ? (((x - 5) * x + 8) * x - 4) * -0.5 : 0;
}

const sinc = (x) => (x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x));
const lanczos = (x) => (x >= -3 && x < 3 ? sinc(x) * sinc(x / 3) : 0);
const KERNELS = { torch: [triangle, 1], bilinear: [triangle, 1], bicubic: [cubic, 2], lanczos: [lanczos, 3] };

// Python's round(): to the even one of two equally near numbers.
function rounded(value) {
  const floor = Math.floor(value);
  const rest = value - floor;
  if (rest !== 0.5) return rest < 0.5 ? floor : floor + 1;
  return floor % 2 === 0 ? floor : floor + 1;
}

// The input's [height, width] for a photo of this [height, width], and the photo's place in it: [x, y, width, height].
function fitted(rule, [height, width]) {
  if (rule.rule === "none") return [[height, width], [0, 0, width, height]];
  if (rule.rule === "stretch") return [[rule.height, rule.width], [0, 0, rule.width, rule.height]];
  if (rule.rule === "letterbox") {
    const scale = Math.min(rule.height / height, rule.width / width);
    const [down, across] = [height, width].map((side) => Math.max(1, rounded(side * scale)));
    const x = Math.floor((rule.width - across) / 2);
    return [[rule.height, rule.width], [x, Math.floor((rule.height - down) / 2), across, down]];
  }
  if (rule.rule !== "resize_centre_crop") throw new Error(`model.json: there is no rule ${rule.rule} for resizing`);
  const { lengths, crop } = rule;
  let [down, across] = lengths.length === 2 ? lengths : [height, width];
  if (lengths.length === 1) {  // of the shorter side
    const longer = Math.trunc((lengths[0] * Math.max(height, width)) / Math.min(height, width));
    [down, across] = width <= height ? [longer, lengths[0]] : [lengths[0], longer];
  }
  if (crop === null) return [[down, across], [0, 0, across, down]];
  const [y, x] = [down, across].map((side) =>
    side < crop ? Math.floor((crop - side) / 2) : -rounded((side - crop) / 2));
  return [[crop, crop], [x, y, across, down]];
}

// An image in another [height, width], one axis after the other, rounded to bytes in between.
// interpolation: one of Pillow's, by name; undefined for torch's. pillow: its version, which decides the order of axes.
function resized(image, [height, width], interpolation, pillow = 0) {
  if (interpolation === "nearest") return picked(image, height, width);
  const [lost, lostAcross] = [image.height - height, image.width - width];
  const downFirst = pillow >= 13 && lost > Math.max(0, 2 * lostAcross);
  for (const across of [!downFirst, downFirst]) {
    if (across && lostAcross) image = widened(image, width, interpolation);
    if (!across && lost) image = heightened(image, height, interpolation);
  }
  return image;
}

function picked({ data, height, width, step }, newHeight, newWidth) {
  const [rows, columns] = [nearestBySteps(height, newHeight), nearestBySteps(width, newWidth)];
  const made = new Uint8Array(newHeight * newWidth * 3);
  let to = 0;
  for (const row of rows) {
    for (const column of columns) {
      const from = (row * width + column) * step;
      for (let colour = 0; colour < 3; colour++) made[to++] = data[from + colour];
    }
  }
  return { data: made, height: newHeight, width: newWidth, step: 3 };
}

// The old pixel for each new one; Pillow adds up the steps one by one, with their rounding.
function nearestBySteps(old, count) {
  const found = new Int32Array(count);
  for (let place = 0, at = old / count / 2; place < count; place++, at += old / count) {
    found[place] = Math.min(Math.trunc(at), old - 1);
  }
  return found;
}

// For each new pixel its first old one (starts), how many count (counts) and their whole-number weights, `most` apart.
function taps(old, count, interpolation = "torch") {
  const [kernel, reach] = KERNELS[interpolation];
  const wide = Math.max(old / count, 1);
  const [starts, counts] = [new Int32Array(count), new Int32Array(count)];
  const most = Math.min(old, Math.ceil(2 * reach * wide) + 2);
  const weights = new Float64Array(count * most);
  let largest = 0;
  for (let place = 0; place < count; place++) {
    const centre = (place + 0.5) * (old / count);
    const start = Math.max(Math.trunc(centre - reach * wide + 0.5), 0);
    const end = Math.min(Math.trunc(centre + reach * wide + 0.5), old);
    const own = weights.subarray(place * most, place * most + end - start);
    let sum = 0;
    for (let k = 0; k < own.length; k++) sum += own[k] = kernel((start + k - centre + 0.5) * (1 / wide));
    for (let k = 0; k < own.length; k++) largest = Math.max(largest, (own[k] /= sum));
    [starts[place], counts[place]] = [start, own.length];
  }
  let bits = 22;  // Pillow's; torch's fractions fit into 16-bit integers
  if (interpolation === "torch") {
    bits = 0;
    while (bits < 22 && Math.trunc(0.5 + largest * 2 ** (bits + 1)) < 2 ** 15) bits++;
  }
  const whole = 2 ** bits;
  for (let k = 0; k < weights.length; k++) {
    weights[k] = Math.trunc(weights[k] * whole + (weights[k] < 0 ? -0.5 : 0.5));
  }
  return { starts, counts, most, weights, whole };
}

function widened({ data, height, width, step }, newWidth, interpolation) {
  const { starts, counts, most, weights, whole } = taps(width, newWidth, interpolation);
  const made = new Uint8ClampedArray(height * newWidth * 3);
  for (let row = 0, to = 0; row < height; row++) {
    for (let place = 0; place < newWidth; place++, to += 3) {
      let [red, green, blue] = [0, 0, 0];
      let from = (row * width + starts[place]) * step;
      for (let k = place * most, end = k + counts[place]; k < end; k++, from += step) {
        red += weights[k] * data[from];
        green += weights[k] * data[from + 1];
        blue += weights[k] * data[from + 2];
      }
      made[to] = Math.floor(red / whole + 0.5);
      made[to + 1] = Math.floor(green / whole + 0.5);
      made[to + 2] = Math.floor(blue / whole + 0.5);
    }
  }
  return { data: made, height, width: newWidth, step: 3 };
}

function heightened({ data, height, width, step }, newHeight, interpolation) {
  const { starts, counts, most, weights, whole } = taps(height, newHeight, interpolation);
  const line = width * step;
  const [made, sums] = [new Uint8ClampedArray(newHeight * line), new Float64Array(line)];
  for (let row = 0; row < newHeight; row++) {
    sums.fill(0);
    for (let k = 0; k < counts[row]; k++) {
      const weight = weights[row * most + k];
      const from = (starts[row] + k) * line;
      for (let x = 0; x < line; x++) sums[x] += weight * data[from + x];
    }
    for (let x = 0; x < line; x++) made[row * line + x] = Math.floor(sums[x] / whole + 0.5);
  }
  return { data: made, height: newHeight, width, step };
}

// --- Label maps.

// A label map (height × width) in another size: each new pixel takes the old one that contains its centre.
function nearest(labels, [height, width], [newHeight, newWidth]) {
  const made = new Uint8Array(newHeight * newWidth);
  for (let row = 0, to = 0; row < newHeight; row++) {
    const from = Math.floor(((2 * row + 1) * height) / (2 * newHeight)) * width;
    for (let x = 0; x < newWidth; x++) {
      made[to++] = Number(labels[from + Math.floor(((2 * x + 1) * width) / (2 * newWidth))]);
    }
  }
  return made;
}

// The two old pixels around each new one, and its distance from the first.
function neighbours(old, count) {
  const [first, second] = [new Int32Array(count), new Int32Array(count)];
  const near = new Float32Array(count);
  const step = f(old / count);
  for (let place = 0; place < count; place++) {
    const at = Math.max(f(f(f(place + 0.5) * step) - 0.5), 0);
    first[place] = Math.min(Math.trunc(at), old - 1);
    second[place] = Math.min(first[place] + 1, old - 1);
    near[place] = at - first[place];
  }
  return { first, second, near };
}

// The largest class of logits (classes × height × width), interpolated to another size.
// A class that leads by a margin in two neighbouring rows of logits leads in all rows between them: only elsewhere are
// values computed.
function upsampled(logits, [classes, height, width], [newHeight, newWidth]) {
  const [down, across] = [neighbours(height, newHeight), neighbours(width, newWidth)];
  let most = 0;
  for (let k = 0; k < logits.length; k++) most = Math.max(most, Math.abs(logits[k]));
  const margin = f(1e-6 * most + 1e-43);  // well above any rounding
  const made = new Uint8Array(newHeight * newWidth);
  const columns = new Int32Array(newWidth);
  const of = (row) => stretched(logits, classes, height, width, row, across, margin);
  let [above, below] = [null, null];
  for (let row = 0; row < newHeight; row++) {
    const [one, other] = [down.first[row], down.second[row]];
    if (above?.row !== one) above = below?.row === one ? below : of(one);
    if (below?.row !== other) below = above.row === other ? above : of(other);
    let count = 0;
    for (let x = 0; x < newWidth; x++) {
      const lead = above.lead[x];
      if (lead !== below.lead[x] || lead === UNSURE) columns[count++] = x;
      made[row * newWidth + x] = lead;
    }
    between(above.values, below.values, classes, down.near[row], columns.subarray(0, count),
      made.subarray(row * newWidth, (row + 1) * newWidth));
  }
  return made;
}

// One row of logits at the new width, and the class that leads at each place.
function stretched(logits, classes, height, width, row, { first, second, near }, margin) {
  const count = first.length;
  const [values, lead] = [new Float32Array(classes * count), new Uint8Array(count)];
  const [largest, next] = [new Float32Array(count).fill(-Infinity), new Float32Array(count).fill(-Infinity)];
  for (let k = 0, to = 0; k < classes; k++) {
    const from = (k * height + row) * width;
    for (let x = 0; x < count; x++, to++) {
      const left = f(logits[from + first[x]] * f(1 - near[x]));
      const value = f(left + f(logits[from + second[x]] * near[x]));
      values[to] = value;
      if (value > largest[x]) {
        next[x] = largest[x];
        largest[x] = value;
        lead[x] = k;
      } else if (value > next[x]) next[x] = value;
    }
  }
  for (let x = 0; x < count; x++) if (next[x] >= f(largest[x] - margin)) lead[x] = UNSURE;
  return { row, values, lead };
}

// Set the largest class at some columns of a row that lies between two rows of logits.
function between(above, below, classes, near, columns, made) {
  const [count, width, far] = [columns.length, made.length, f(1 - near)];
  const largest = new Float32Array(count).fill(-Infinity);
  for (let k = 0, from = 0; k < classes; k++, from += width) {
    for (let j = 0; j < count; j++) {
      const at = from + columns[j];
      const value = f(f(above[at] * far) + f(below[at] * near));
      if (value > largest[j]) {
        largest[j] = value;
        made[columns[j]] = k;
      }
    }
  }
}

// --- Boxes.

// {boxes, scores, labels} of one image in an input of this [height, width], best first.
function objects(own, task, size) {
  if (own.labels) {
    const kept = [...own.labels.data.keys()].filter((k) => Number(own.labels.data[k]) >= 0);
    return {
      boxes: Float32Array.from(kept.flatMap((k) => [...own.boxes.data.subarray(4 * k, 4 * k + 4)])),
      scores: Float32Array.from(kept, (k) => own.scores.data[k]),
      labels: Int32Array.from(kept, (k) => Number(own.labels.data[k])),
    };
  }
  if (!own.logits) return selected(own.boxes.data, own.scores.data, own.scores.dims[1], task.select);
  const scores = scoresOf(own.logits.data, own.logits.dims[1], task);
  return selected(boxesOf(own.offsets.data, task, size), scores, own.logits.dims[1] - 1, task.select);
}

// Scores of the classes for each anchor; the logits' first class is the background.
function scoresOf(logits, count, task) {
  const classes = count - 1;
  const { threshold } = task.select;
  const least = Math.log(threshold / (1 - threshold)) - 0.001;  // a logit surely below the threshold
  const scores = new Float32Array((logits.length / count) * classes);
  for (let from = 0, to = 0; from < logits.length; from += count, to += classes) {
    let [largest, sum] = [-Infinity, 1];
    if (task.score !== "sigmoid") {
      for (let k = 0; k < count; k++) largest = Math.max(largest, logits[from + k]);
      sum = 0;
      for (let k = 0; k < count; k++) sum += Math.exp(logits[from + k] - largest);
    }
    for (let k = 0; k < classes; k++) {
      const logit = logits[from + 1 + k];
      if (task.score !== "sigmoid") scores[to + k] = Math.exp(logit - largest) / sum;
      else if (logit > least) scores[to + k] = 1 / (1 + Math.exp(-logit));  // any other is below the threshold: 0
    }
    for (const hole of task.holes) scores[to + hole] = 0;
  }
  return scores;
}

// Offsets to anchors as boxes inside an input of this [height, width] (SSD, section 2.2).
function boxesOf(offsets, task, [height, width]) {
  const [scaleX, scaleY] = [width, height].map((side) => f(f(Math.min(height, width)) / side));
  const weights = task.weights.map(f);
  const { cells, shapes } = task.anchors;
  const count = cells.reduce((sum, [rows, columns], level) => sum + rows * columns * shapes[level].length, 0);
  if (offsets.length !== 4 * count) {
    throw new Error(`model.json: tasks.detect.anchors are ${count}, and the file gives ${offsets.length / 4}`);
  }
  const boxes = new Float32Array(offsets.length);
  let at = 0;
  cells.forEach(([rows, columns], level) => {
    for (let row = 0; row < rows; row++) {
      for (let column = 0; column < columns; column++) {
        for (const [wide, high] of shapes[level]) {
          along(at, f((column + 0.5) / columns), f(0.5 * f(f(wide) * scaleX)), width);
          along(at + 1, f((row + 0.5) / rows), f(0.5 * f(f(high) * scaleY)), height);
          at += 4;
        }
      }
    }
  });
  return boxes;

  function along(place, centre, half, whole) {  // one side; place: of its smaller end
    const [begin, end] = [f(f(centre - half) * whole), f(f(centre + half) * whole)];
    const side = f(end - begin);
    const middle = f(f(f(offsets[place] / weights[place % 4]) * side) + f(begin + f(0.5 * side)));
    const growth = f(Math.exp(Math.min(f(offsets[place + 2] / weights[(place % 4) + 2]), f(task.largest))));
    const reach = f(0.5 * f(growth * side));
    boxes[place] = Math.min(Math.max(f(middle - reach), 0), whole);
    boxes[place + 2] = Math.min(Math.max(f(middle + reach), 0), whole);
  }
}

// Per class the best boxes that do not overlap better ones. Of equal scores the lower class goes first, then the
// earlier anchor. A box depends only on better ones: a few are looked at first, and more only if too few are kept.
function selected(boxes, scores, classes, select) {
  const threshold = f(select.threshold);
  const candidates = [];
  for (let k = 0; k < scores.length; k++) if (scores[k] > threshold) candidates.push(k);
  const values = Float32Array.from(candidates, (k) => scores[k]).sort();
  for (let few = 2 * select.detections; ; few *= 3) {
    const least = few < values.length ? values[values.length - few] : 0;
    const best = candidates.filter((k) => scores[k] >= least);
    best.sort((a, b) => scores[b] - scores[a] || (a % classes) - (b % classes) || a - b);
    const kept = notOverlapped(best, boxes, classes, select);
    if (best.length === candidates.length || kept.length === select.detections) {
      return {
        boxes: Float32Array.from(kept.flatMap((k) => corners(boxes, Math.floor(k / classes)))),
        scores: Float32Array.from(kept, (k) => scores[k]),
        labels: Int32Array.from(kept, (k) => k % classes),
      };
    }
  }
}

const corners = (boxes, anchor) => [...boxes.subarray(4 * anchor, 4 * anchor + 4)];

function notOverlapped(best, boxes, classes, select) {
  const kept = [];
  const [seen, stands] = [new Int32Array(classes), Array.from({ length: classes }, () => [])];
  for (const k of best) {
    const label = k % classes;
    if (++seen[label] > select.per_class) continue;
    const box = corners(boxes, Math.floor(k / classes));
    if (stands[label].some((other) => f(overlap(box, other)) > select.overlap)) continue;
    stands[label].push(box);
    if (kept.push(k) === select.detections) break;
  }
  return kept;
}

// The share that two boxes have in common (intersection over union).
function overlap(one, other) {
  const width = Math.min(one[2], other[2]) - Math.max(one[0], other[0]);
  const height = Math.min(one[3], other[3]) - Math.max(one[1], other[1]);
  if (width <= 0 || height <= 0) return 0;
  const area = (box) => (box[2] - box[0]) * (box[3] - box[1]);
  return (width * height) / (area(one) + area(other) - width * height);
}

// Boxes of the input in the pixels of a photo of this [height, width], clipped to it.
function moved(boxes, [height, width], [x, y, across, down]) {
  return boxes.map((value, k) => {
    const [whole, begin, side] = k % 2 ? [height, y, down] : [width, x, across];
    return Math.min(Math.max(f(f(value - begin) * f(whole / side)), 0), whole);
  });
}

// --- model.json, checked before it is used, as in tasks/checkpoint/manifest_rules.py.

const FORMS = {  // outputs by task and form
  segment: { raw: ["logits"], decoded: ["labels"], final: ["labels"] },
  detect: { raw: ["logits", "offsets"], decoded: ["boxes", "scores"], final: ["boxes", "scores", "labels"] },
  classify: { raw: ["logits"], decoded: ["probabilities"], final: ["probabilities"] },
  multilabel: { raw: ["logits"], decoded: ["probabilities"], final: ["probabilities"] },
};
const FILTERS = ["nearest", "bilinear", "bicubic", "lanczos"];
const [WHOLE, SHARE] = ["a whole number from 1 on", "a number from 0 to 1"];
const LONGEST = 2 ** 14;  // pixels of a side

const isTable = (value) => typeof value === "object" && value !== null && !Array.isArray(value);
const isWhole = (value, least, most = LONGEST) => Number.isInteger(value) && value >= least && value <= most;
const isShare = (value) => typeof value === "number" && value >= 0 && value <= 1;
const isList = (value, holds, length = value?.length) =>
  Array.isArray(value) && value.length === length && value.every(holds);
const isPositive = (value) => typeof value === "number" && value > 0 && value < 1e9;

// What is wrong with a description, or "".
export function problemOf(model) {
  if (!isTable(model)) return "it is no table of names and values";
  const oneOf = (key, ...choices) =>
    choices.includes(model[key]) ? "" : `${key} ${told(model[key])} is not one of ${choices.join(", ")}`;
  const other = oneOf("outputs", "raw", "decoded", "final") || oneOf("precision", "fp32", "fp16", "bf16", "int8");
  if (other) return other;
  if (!isTable(model.input)) return "input is no table of names and values";
  if (!isTable(model.tasks) || !Object.keys(model.tasks).length) return "tasks is no table of tasks";
  for (const [name, task] of Object.entries(model.tasks)) {
    const problem = isTable(task) ? ofTask(name, task, model.outputs) : "is no table of names and values";
    if (problem) return `tasks.${name}.${problem}`.replace(`.is `, " is ");
  }
  return ofInput(model.input);
}

function ofInput({ height = null, width = null, layout = "NCHW", upright, resize }) {
  for (const [key, side] of Object.entries({ height, width })) {
    if (side !== null && !isWhole(side, 1)) return `input.${key} ${told(side)} is not ${WHOLE}, or null`;
  }
  if ((height === null) !== (width === null)) return "input.height and input.width must both be numbers, or both null";
  if (layout !== "NCHW" && layout !== "NHWC") return `input.layout ${told(layout)} is not one of NCHW, NHWC`;
  if (typeof upright !== "boolean") return `input.upright ${told(upright)} is not true or false`;
  if (!isTable(resize)) return "input.resize has no rule";
  const { rule, interpolation = null, pillow = 0, fill = 0, lengths, crop } = resize;
  if (interpolation !== null && !FILTERS.includes(interpolation)) {
    return `input.resize.interpolation ${told(interpolation)} is not one of ${FILTERS.join(", ")}`;
  }
  if (!isWhole(pillow, 0)) return `input.resize.pillow ${told(pillow)} is not a whole number`;
  if (!isWhole(fill, 0, 255)) return `input.resize.fill ${told(fill)} is not a whole number from 0 to 255`;
  if (rule === "none") return "";
  if (rule === "stretch" || rule === "letterbox") {
    const wrong = ["height", "width"].find((key) => !isWhole(resize[key], 1));
    return wrong ? `input.resize.${wrong} ${told(resize[wrong])} is not ${WHOLE}` : "";
  }
  if (rule !== "resize_centre_crop") return `input.resize: there is no rule ${told(rule)} for resizing`;
  if (!isList(lengths, (length) => isWhole(length, 1)) || lengths.length > 2) {
    return `input.resize.lengths ${told(lengths)} are not at most two whole numbers`;
  }
  if (crop !== null && !isWhole(crop, 1)) return `input.resize.crop ${told(crop)} is not ${WHOLE}, or null`;
  const sized = crop !== null || lengths.length === 2;
  return sized ? "" : "input.resize.crop is null, and lengths do not say height and width";
}

function ofTask(name, task, form) {
  const roles = (FORMS[name] ?? {})[form];
  if (!isTable(task.outputs)) return "outputs are no table of names";
  const names = Object.entries(task.outputs);
  if (roles && (names.length !== roles.length || !roles.every((role) => role in task.outputs))) {
    return `outputs are not ${roles.join(", ")}, as ${form} outputs are`;
  }
  if (!names.every(([, output]) => typeof output === "string")) return `outputs ${told(task.outputs)} are not names`;
  const plain = name === "classify" || name === "multilabel";
  const holds = (entry) => typeof (plain ? entry : entry?.name ?? entry) === "string"
    && (name !== "segment" || isList(entry?.colour, (part) => isWhole(part, 0, 255), 3))
    && (name !== "detect" || typeof entry === "object");
  if (!isList(task.classes, () => true) || !task.classes.length) return "classes is no list of classes";
  const wrong = task.classes.findIndex((entry) => !holds(entry));
  if (wrong >= 0) return `classes[${wrong}] ${told(task.classes[wrong])} is no class of ${name}`;
  const { threshold = null, temperature = 1 } = task;
  if (threshold !== null && !isShare(threshold)) return `threshold ${told(threshold)} is not ${SHARE}, or null`;
  if (!isPositive(temperature)) return `temperature ${told(temperature)} is no number above 0`;
  return name === "detect" && form !== "final" ? ofBoxes(task, form) : "";
}

function ofBoxes({ select, score, holes, weights, largest, anchors, classes }, form) {
  if (!isTable(select)) return "select is no table of names and values";
  for (const key of ["threshold", "overlap"]) {
    if (!isShare(select[key])) return `select.${key} ${told(select[key])} is not ${SHARE}`;
  }
  for (const key of ["per_class", "detections"]) {
    const most = 100_000;
    if (!isWhole(select[key], 1, most)) return `select.${key} ${told(select[key])} is not ${WHOLE}, ${most} at most`;
  }
  if (form === "decoded") return "";
  if (!["softmax", "sigmoid"].includes(score)) return `score ${told(score)} is not one of softmax, sigmoid`;
  const isClass = (hole) => isWhole(hole, 0, classes.length - 1);
  if (!isList(holes, isClass)) return `holes ${told(holes)} are not numbers of classes`;
  if (!isList(weights, isPositive, 4)) return `weights ${told(weights)} are not four numbers above 0`;
  if (!isPositive(largest) || largest >= 80) return `largest ${told(largest)} is not a number between 0 and 80`;
  const { cells, shapes } = anchors ?? {};
  if (!isList(cells, (cell) => isList(cell, (side) => isWhole(side, 1), 2)) || !cells.length) {
    return `anchors.cells ${told(cells)} are not [rows, columns] of each map`;
  }
  const ofMap = (each) => isList(each, (shape) => isList(shape, isPositive, 2)) && each.length > 0;
  const fits = isList(shapes, ofMap, cells.length);
  return fits ? "" : `anchors.shapes ${told(shapes)} are not [[width, height], …] of each map`;
}

// A value in at most 60 characters.
function told(value) {
  const text = JSON.stringify(value) ?? "(nothing)";
  return text.length > 60 ? `${text.slice(0, 59)}…` : text;
}
