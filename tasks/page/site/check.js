// Whether this browser gives what the machine gave that wrote the file: decode.py's self-test, on example/.

import { decode, prepare } from "./decode.js";
import { fetched } from "./model.js";
import { parse } from "./npy.js";

const TOLERANCE = { fp32: 1e-3, fp16: 1e-2, bf16: 5e-2, int8: 1e-1 };  // of outputs on another processor
const SURE = 0.3;  // score of the boxes that must be found again
const PIXELS = 2;  // by which their sides may differ

// Rows {what, value, limit, well} of a runtime and the photo of example/image.png.
export async function check(run, model, photo, base) {
  const rows = [];
  const add = (what, value, limit) => rows.push({ what, value, limit, well: value <= limit });
  const array = async (name) => parse(await (await fetched(new URL(`example/${name}.npy`, base))).arrayBuffer());
  const [given, { image, dims, place }] = [await array("input"), prepare(photo, model)];
  add("input bytes", share(image, given.data), 0);
  const outputs = await run({ image: given.data, dims });
  const limit = TOLERANCE[model.precision];
  if (model.outputs !== "final") {  // boxes with nearly equal scores may be in another order there
    for (const [name, { data }] of Object.entries(outputs)) {
      const golden = (await array(name)).data;  // of one image; a file for several gives it several times
      add(name, difference(data.subarray(0, golden.length), golden), limit);
    }
  }
  const expected = await (await fetched(new URL("example/expected.json", base))).json();
  const found = decode(outputs, model, [photo.height, photo.width], place);
  for (const [task, values] of Object.entries(found)) {
    if (values.boxes) add(`${task}: lost boxes`, lost(expected[task], values), limit);
    else if (values.labels) add(`${task}: other labels`, share(values.labels, await labelMap(base)), limit);
    else {
      for (const [role, got] of Object.entries(values)) {
        add(`${task}: other class`, Number(largest(got) !== largest(expected[task][role])), 0);
      }
    }
  }
  return rows;
}

// The bytes of labels.png, which is grey.
async function labelMap(base) {
  const file = await (await fetched(new URL("example/labels.png", base))).blob();
  const bitmap = await createImageBitmap(file, { colorSpaceConversion: "none" });
  const pen = new OffscreenCanvas(bitmap.width, bitmap.height).getContext("2d");
  pen.drawImage(bitmap, 0, 0);
  const { data } = pen.getImageData(0, 0, bitmap.width, bitmap.height);
  return Uint8Array.from({ length: data.length / 4 }, (_, k) => data[4 * k]);
}

function share(got, expected) {  // of values that differ
  if (got.length !== expected.length) return 1;
  let count = 0;
  for (let k = 0; k < got.length; k++) count += Number(got[k] !== expected[k]);
  return count / Math.max(1, got.length);
}

// The largest difference as a share of the largest value; of whole numbers the share that differs.
function difference(got, expected) {
  if (got.length !== expected.length) return Infinity;
  if (!(expected instanceof Float32Array)) return share(got, expected);
  let [most, worst] = [1e-9, 0];
  for (let k = 0; k < got.length; k++) {
    most = Math.max(most, Math.abs(expected[k]));
    worst = Math.max(worst, Math.abs(got[k] - expected[k]));
  }
  return worst / most;
}

// The share of confident expected boxes without a box of their class nearby.
function lost(expected, found) {
  const sure = expected.scores.flatMap((score, k) => (score >= SURE ? [k] : []));
  const again = sure.filter((k) =>
    found.scores.some((_, j) =>
      found.labels[j] === expected.labels[k] &&
      expected.boxes[k].every((value, side) => Math.abs(value - found.boxes[4 * j + side]) <= PIXELS)));
  return (sure.length - again.length) / Math.max(1, sure.length);
}

function largest(values) {
  let best = 0;
  for (let k = 1; k < values.length; k++) if (values[k] > values[best]) best = k;
  return best;
}
