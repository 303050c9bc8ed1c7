// From a photo to an exported file's input, and from its outputs to label maps, boxes and classes: decode.py in
// JavaScript, for browsers and Node, without dependencies.
//
//   const { image, dims, place } = prepare(photo, model);      // model: the content of model.json
//   const outputs = { logits: { data, dims } };                // by name, from any runtime
//   const found = decode(outputs, model, [photo.height, photo.width], place);
//
// A photo is {data, width, height} with RGBA bytes, such as ImageData, turned upright if model.input.upright.

import { moved, objects } from "./boxes.js";
import { nearest, upsampled } from "./labels.js";
import { fitted, resized } from "./resize.js";

const LARGEST = 25_000_000;  // pixels of the input of a file that takes any size

// The file's input {image: NCHW bytes, dims} and the photo's place in it, [x, y, width, height].
// Throws an Error for a photo that the file does not take.
export function prepare(photo, model) {
  if (!(photo.width > 0 && photo.height > 0)) throw new Error("the photo is empty");
  const [takes, rule] = [model.input, model.input.resize];
  let seen = { data: photo.data, height: photo.height, width: photo.width, step: 4 };
  if (rule.rule === "none" && !takes.height && seen.height * seen.width > LARGEST) {
    const scale = Math.sqrt(LARGEST / (seen.height * seen.width));
    const sides = [seen.height, seen.width].map((side) => Math.max(32, Math.floor((side * scale) / 32) * 32));
    seen = resized(seen, sides);
  }
  const [[height, width], place] = fitted(rule, [seen.height, seen.width]);
  if ((takes.height ?? height) !== height || (takes.width ?? width) !== width) {
    throw new Error(`it is ${height}×${width} pixels, and the file takes ${takes.height}×${takes.width} (height×width)`);
  }
  const [x, y, across, down] = place;
  const { data, step } = resized(seen, [down, across], rule.interpolation ?? "torch", rule.pillow ?? 0);
  const image = new Uint8Array(3 * height * width).fill(rule.fill ?? 0);
  const [left, right] = [Math.max(0, -x), Math.min(across, width - x)];
  for (let row = Math.max(0, -y); row < Math.min(down, height - y); row++) {
    for (let colour = 0; colour < 3; colour++) {
      let to = (colour * height + row + y) * width + x + left;
      for (let from = (row * across + left) * step + colour, k = left; k < right; k++, from += step) {
        image[to++] = data[from];
      }
    }
  }
  return { image, dims: [1, 3, height, width], place };
}

// The results of one image by task, in the pixels of its photo of this [height, width].
// Boxes: {boxes: 4 numbers each, xyxy, scores, labels}, best first. A label map: {labels, size}. Anything else, such as
// logits or probabilities of the whole image, is returned unchanged, by role. Labels are indices of the model's classes.
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
