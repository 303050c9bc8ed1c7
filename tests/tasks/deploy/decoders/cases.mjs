// Runs decode.js on folders of cases, as cases.cpp runs decode.hpp: see test_decoders.py.
// Arguments: decode.js, a module that reads .npy files, folders.

import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const [, , decoder, reader, ...folders] = process.argv;
const { decode, prepare, probabilities, problemOf } = await import(pathToFileURL(decoder));
const { parse } = await import(pathToFileURL(reader));

const KINDS = { Uint8Array: "|u1", Float32Array: "<f4", Float64Array: "<f8", Int32Array: "<i4" };

function read(path) {
  const { buffer, byteOffset, byteLength } = readFileSync(path);
  return parse(buffer.slice(byteOffset, byteOffset + byteLength));
}

function write(path, values) {
  const kind = KINDS[values.constructor.name];
  let header = `{'descr': '${kind}', 'fortran_order': False, 'shape': (${values.length},), }`;
  header = header.padEnd(Math.floor((header.length + 10) / 64) * 64 + 53);
  const begin = Buffer.from([0x93, ...Buffer.from("NUMPY"), 1, 0, header.length + 1, 0]);
  const bytes = Buffer.from(values.buffer, values.byteOffset, values.byteLength);
  writeFileSync(path, Buffer.concat([begin, Buffer.from(`${header}\n`), bytes]));
}

function run(folder) {
  const got = (name, values) => write(`${folder}/got/${name}.npy`, values);
  let model;
  try {
    model = JSON.parse(readFileSync(`${folder}/model.json`, "utf8"));
  } catch (error) {
    throw new Error(`model.json is no JSON: ${error.message}`);
  }
  const problem = problemOf(model);
  if (problem) throw new Error(`model.json: ${problem}`);
  if (existsSync(`${folder}/photo.npy`)) {
    const { data, dims: [height, width] } = read(`${folder}/photo.npy`);
    const { image, dims, place } = prepare({ data, height, width }, model);
    got("input", image);
    got("dims", Int32Array.from(dims));
    got("place", Int32Array.from(place));
  }
  if (!existsSync(`${folder}/where.npy`)) return;
  const [height, width, x, y, across, down, row] = read(`${folder}/where.npy`).data;
  const outputs = {};
  for (const { outputs: names } of Object.values(model.tasks)) {
    for (const name of Object.values(names)) {
      const path = `${folder}/outputs/${name}.npy`;
      if (existsSync(path)) outputs[name] = read(path);
    }
  }
  const found = decode(outputs, model, [height, width], [x, y, across, down], row);
  for (const [task, { size, ...own }] of Object.entries(found)) {
    for (const [role, values] of Object.entries(own)) got(`${task}.${role}`, values);
    const shares = probabilities(task, model.tasks[task], own);
    if (shares) got(`${task}.shares`, Float64Array.from(shares));
  }
}

for (const folder of folders) {
  try {
    run(folder);
  } catch (error) {
    if (error.constructor !== Error) throw error;  // a mistake of ours
    writeFileSync(`${folder}/got/error.txt`, error.message);
  }
}
