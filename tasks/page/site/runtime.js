// The file in onnxruntime-web: on WebGPU where the browser has one, else in WebAssembly, with threads if allowed.

const MOST_THREADS = 4;  // more gain little on networks of this size
const HERE = new URL("./runtime/", import.meta.url);

// {run, kind, threads, gpu, why} for an ONNX file's bytes. run: takes {image, dims}, gives {data, dims} by name.
// kind: "webgpu" or "wasm"; asked for "auto", it is WebGPU if there is an adapter. gpu: whether WebGPU may be asked for.
// why: what was not to be had.
// threads: of WebAssembly; null for half of the cores: on all of them it would fight with the browser itself.
export async function open(bytes, model, asked = "auto", threads = null) {
  let [why, gpu] = ["", Boolean(self.navigator.gpu)];
  if (asked !== "wasm") {
    const adapter = await self.navigator.gpu?.requestAdapter().catch(() => null);
    if (adapter && (asked === "webgpu" || !adapter.info?.isFallbackAdapter)) {  // one in software is slower than WASM
      try {
        return { ...await opened("webgpu", bytes, model, threads), gpu, why };
      } catch (error) {
        why = `WebGPU could not run this file: ${error.message}`;
      }
    } else {
      gpu = false;
      if (asked === "webgpu") why = "this browser has no WebGPU adapter";
    }
  }
  return { ...await opened("wasm", bytes, model, threads), gpu, why };
}

async function opened(kind, bytes, model, wanted) {
  const ort = await import(`./runtime/ort.${kind}.js`);
  const half = Math.ceil((self.navigator.hardwareConcurrency ?? 1) / 2);
  const threads = self.crossOriginIsolated ? wanted ?? Math.min(MOST_THREADS, half) : 1;
  ort.env.logLevel = "error";
  ort.env.wasm.numThreads = threads;
  const name = kind === "webgpu" ? "ort-wasm-simd-threaded.asyncify.wasm" : "ort-wasm-simd-threaded.wasm";
  ort.env.wasm.wasmPaths = { wasm: new URL(name, HERE).href };
  const session = await ort.InferenceSession.create(bytes, { executionProviders: [kind] });
  const batch = model.input.batch ?? 1;

  async function run({ image, dims }) {
    const images = batch === 1 ? image : repeated(image, batch);
    const tensor = new ort.Tensor("uint8", images, [batch, ...dims.slice(1)]);
    const results = await session.run({ [session.inputNames[0]]: tensor });
    const outputs = {};
    for (const [key, value] of Object.entries(results)) {
      outputs[key] = { data: await value.getData(), dims: value.dims };
    }
    tensor.dispose();
    return outputs;
  }

  const [height, width] = [model.input.height ?? 64, model.input.width ?? 64];
  await run({ image: new Uint8Array(3 * height * width), dims: [1, 3, height, width] });  // the first is the slowest
  return { run, kind, threads };
}

function repeated(image, batch) {
  const images = new Uint8Array(image.length * batch);
  for (let k = 0; k < batch; k++) images.set(image, k * image.length);
  return images;
}
