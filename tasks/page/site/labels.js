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
// A class that leads by a margin in two neighbouring rows of logits leads in all rows between them.
export function upsampled(logits, [classes, height, width], [newHeight, newWidth]) {
  const [down, across] = [neighbours(height, newHeight), neighbours(width, newWidth)];
  let most = 0;
  for (let k = 0; k < logits.length; k++) most = Math.max(most, Math.abs(logits[k]));
  const margin = f(1e-6 * most + 1e-43);  // well above any rounding
  const made = new Uint8Array(newHeight * newWidth);
  let [above, below] = [null, null];
  for (let row = 0; row < newHeight; row++) {
    const [one, other] = [down.first[row], down.second[row]];
    if (above?.row !== one) above = below?.row === one ? below : stretched(one);
    if (below?.row !== other) below = above.row === other ? above : stretched(other);
    const near = down.near[row];
    const far = f(1 - near);
    for (let x = 0, to = row * newWidth; x < newWidth; x++, to++) {
      const lead = above.lead[x];
      made[to] = lead === below.lead[x] && lead !== UNSURE ? lead : best(x, far, near);
    }
  }
  return made;

  function best(x, far, near) {
    let [found, largest] = [0, -Infinity];
    for (let k = 0, at = x; k < classes; k++, at += newWidth) {
      const value = f(f(above.values[at] * far) + f(below.values[at] * near));
      if (value > largest) [found, largest] = [k, value];
    }
    return found;
  }

  function stretched(row) {  // one row of logits at the new width, and the class that leads at each place
    const [values, lead] = [new Float32Array(classes * newWidth), new Uint8Array(newWidth)];
    const [largest, second] = [new Float32Array(newWidth).fill(-Infinity), new Float32Array(newWidth).fill(-Infinity)];
    for (let k = 0, to = 0; k < classes; k++) {
      const from = (k * height + row) * width;
      for (let x = 0; x < newWidth; x++, to++) {
        const near = across.near[x];
        const left = f(logits[from + across.first[x]] * f(1 - near));
        const value = f(left + f(logits[from + across.second[x]] * near));
        values[to] = value;
        if (value > largest[x]) {
          second[x] = largest[x];
          largest[x] = value;
          lead[x] = k;
        } else if (value > second[x]) second[x] = value;
      }
    }
    for (let x = 0; x < newWidth; x++) if (second[x] >= f(largest[x] - margin)) lead[x] = UNSURE;
    return { row, values, lead };
  }
}
