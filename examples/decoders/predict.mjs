// Boxes, classes and label maps of a photo, in Node: node predict.mjs <folder of the export> <photo.ppm>
// It needs `npm install onnxruntime-node` here; the photo is a binary PPM of 8 bits, upright.

import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";

import ort from "onnxruntime-node";

const [folder, file] = process.argv.slice(2);
if (!file) end("node predict.mjs <folder of the export> <photo.ppm>");
const { decode, namesOf, prepare, problemOf } = await import(pathToFileURL(join(resolve(folder), "decode.js")));
const model = JSON.parse(readFileSync(join(folder, "model.json"), "utf8"));
const problem = problemOf(model);
if (problem) end(`model.json: ${problem}`);

const bytes = readFileSync(file);
const start = /^P6\s+(\d+)\s+(\d+)\s+255\s/.exec(bytes.toString("latin1", 0, 64));
if (!start) end(`${file} is no PPM of 8 bits`);
const [header, width, height] = start;
const photo = { data: bytes.subarray(header.length), width: Number(width), height: Number(height) };

const { image, dims, place } = prepare(photo, model);
const session = await ort.InferenceSession.create(join(folder, model.file));
const outputs = await session.run({ image: new ort.Tensor("uint8", image, dims) });
const found = decode(outputs, model, [photo.height, photo.width], place);

for (const [task, own] of Object.entries(found)) {
  const names = namesOf(model.tasks[task]);
  if (own.boxes) {
    for (let k = 0; k < own.scores.length && own.scores[k] >= (model.tasks[task].threshold ?? 0.5); k++) {
      const box = [...own.boxes.subarray(4 * k, 4 * k + 4)].map((side) => side.toFixed(1));
      console.log(task, names[own.labels[k]], own.scores[k].toFixed(4), ...box);
    }
  } else if (own.labels) console.log(task, own.size, "pixels of", names[own.labels[0]], "and others");
  else console.log(task, own);
}

function end(line) {
  console.error(`error: ${line}`);
  process.exit(2);
}
