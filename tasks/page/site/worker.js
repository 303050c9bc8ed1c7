// The network in a thread of its own, so that the page stays responsive: messages {id, call, given}, answers
// {id, answer} or {id, error}.

import { check } from "./check.js";
import { decode, prepare } from "./decode.js";
import { fetched, readModel } from "./model.js";
import { open } from "./runtime.js";

let [model, runtime] = [null, null];

const CALLS = {
  // Fetch and open the file; given: {base, asked, threads}.
  async open({ base, asked, threads }) {
    model = await readModel(new URL("model.json", base));
    const bytes = new Uint8Array(await (await fetched(new URL(model.file, base))).arrayBuffer());
    runtime = await open(bytes, model, asked, threads);
    return { kind: runtime.kind, threads: runtime.threads, gpu: runtime.gpu, why: runtime.why };
  },

  // What the network finds in a photo, by task, and the milliseconds of each stage.
  async predict({ photo }) {
    const begin = performance.now();
    const input = prepare(photo, model);
    const prepared = performance.now();
    const outputs = await runtime.run(input);
    const ran = performance.now();
    const found = decode(outputs, model, [photo.height, photo.width], input.place);
    const decoded = performance.now();
    return { found, ms: { prepare: prepared - begin, run: ran - prepared, decode: decoded - ran } };
  },

  check: ({ photo, base }) => check(runtime.run, model, photo, base),
};

self.onmessage = async ({ data: { id, call, given } }) => {
  try {
    self.postMessage({ id, answer: await CALLS[call](given) });
  } catch (error) {
    self.postMessage({ id, error: error?.message ?? String(error) });
  }
};
