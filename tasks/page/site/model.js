// model.json, checked before it is used: what is wrong is one line, as tasks/checkpoint/manifest_rules.py says it.

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

// The content of a folder's model.json; throws an Error that says what is wrong with it.
export async function readModel(url) {
  const answer = await fetched(url);
  let model;
  try {
    model = await answer.json();
  } catch (error) {
    throw new Error(`model.json is no JSON: ${error.message}`);
  }
  const problem = problemOf(model);
  if (problem) throw new Error(`model.json: ${problem}`);
  return model;
}

// An answer of the server; throws an Error with the path if there is none.
export async function fetched(url) {
  const answer = await fetch(url);
  if (!answer.ok) throw new Error(`${url.pathname}: ${answer.status} ${answer.statusText}`);
  return answer;
}

// What is wrong with a description, or "".
export function problemOf(model) {
  if (!isTable(model)) return "it is no table of names and values";
  if (typeof model.file !== "string" || !model.file.endsWith(".onnx")) return "file is no name of an .onnx file";
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

function ofInput({ height = null, width = null, upright, resize }) {
  for (const [key, side] of Object.entries({ height, width })) {
    if (side !== null && !isWhole(side, 1)) return `input.${key} ${told(side)} is not ${WHOLE}, or null`;
  }
  if ((height === null) !== (width === null)) return "input.height and input.width must both be numbers, or both null";
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
