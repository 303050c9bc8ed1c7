// Photos resized as model.json says, byte for byte as in decode.py: torch's antialiased bilinear, Pillow's filters.
// An image is {data, height, width, step}: step bytes for each pixel, red, green and blue first.

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
export function fitted(rule, [height, width]) {
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
export function resized(image, [height, width], interpolation, pillow = 0) {
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
