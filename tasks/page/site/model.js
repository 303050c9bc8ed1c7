// model.json of the page's folder, checked before it is used: what is wrong is one line.

import { problemOf as problemOfAny } from "./decode.js";

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

// What is wrong with a description for this page, or "".
export function problemOf(model) {
  const problem = problemOfAny(model);
  if (problem) return problem;
  return String(model.file).endsWith(".onnx") ? "" : "file is no name of an .onnx file";
}
