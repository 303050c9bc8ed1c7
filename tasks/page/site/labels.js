// Label maps in the photo's pixels, as decode.py makes them.

const UNSURE = 255;  // no class is reliably the largest
const f = Math.fround;  // the nearest 32-bit number: decode.py computes in them

// A label map (height × width) in another size: each new pixel takes the old one that contains its centre.
export function nearest(labels, [height, width], [newHeight, newWidth]) {
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
export function upsampled(logits, [classes, height, width], [newHeight, newWidth]) {
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
