// The page: a photo or the camera in, what the network finds over it.

import { Camera } from "./camera.js";
import { draw } from "./draw.js";
import { readModel } from "./model.js";
import { Network } from "./network.js";
import { checked, results, thresholds, timings } from "./panel.js";
import { ofFile, pixelsOf } from "./photo.js";

const RATE_OVER = 20;  // frames
const part = Object.fromEntries([...document.querySelectorAll("[id]")].map((element) => [element.id, element]));
const network = new Network();
// The last photo and what was found in it; `tasks` are the thresholds by task.
export const shown = { model: null, runtime: null, found: null, size: null, ms: null, rate: 0, tasks: {} };
let [source, frames, busy] = [null, [], false];

function say(text, kind = "") {
  part.status.textContent = text;
  part.status.className = kind;
}

function redraw() {
  if (!shown.found) return;
  const begin = performance.now();
  draw(part.canvas, source, shown.size, shown.model, shown.found, shown.tasks);
  shown.ms.draw = performance.now() - begin;
  results(part.results, shown.model, shown.found, shown.tasks);
  timings(part.timings, shown.ms, shown.rate);
}

// Predict pixels (ImageData) and show what was found over their source.
async function look(pixels, drawable, began) {
  const [size, read] = [[pixels.height, pixels.width], performance.now() - began];
  const { found, ms } = await network.predict(pixels);
  source?.close?.();
  source = drawable;
  Object.assign(shown, { found, size, ms: { read, ...ms } });
  part.empty.hidden = true;
  part.canvas.hidden = part.told.hidden = false;
  redraw();
}

async function showFile(file) {
  if (!shown.runtime || busy) return;
  busy = true;
  camera.stop();
  say("Looking …");
  try {
    const began = performance.now();
    const { bitmap, pixels } = await ofFile(file, shown.model.input.upright);
    shown.rate = 0;
    await look(pixels, bitmap, began);
    part.canvas.setAttribute("aria-label", `${file.name ?? "photo"} with what was found`);
    say(`${file.name ?? "photo"}, ${shown.size[0]}×${shown.size[1]} pixels (height×width)`);
  } catch (error) {
    say(error.message, "wrong");
  } finally {
    busy = false;
  }
}

const camera = new Camera(async (video) => {
  const began = performance.now();
  const [width, height] = [video.videoWidth, video.videoHeight];
  const pixels = pixelsOf(video, width, height);
  await look(pixels, await createImageBitmap(pixels), began);
  frames = [...frames, performance.now()].slice(-RATE_OVER - 1);
  if (frames.length > 1) shown.rate = (1000 * (frames.length - 1)) / (frames.at(-1) - frames[0]);
}, (why) => {
  part.camera.textContent = "Use the camera";
  part.camera.setAttribute("aria-pressed", "false");
  say(why || "The camera is off.");
});

async function toggleCamera() {
  if (camera.runs) return camera.stop();
  [frames, shown.rate] = [[], 0];
  try {
    say("Waiting for the camera …");
    await camera.start();
    part.camera.textContent = "Stop the camera";
    part.camera.setAttribute("aria-pressed", "true");
    part.canvas.setAttribute("aria-label", "the camera with what was found");
    say("The camera is on. Its pictures stay in this browser.");
  } catch (error) {
    say(error.message, "wrong");
  }
}

async function example() {
  const answer = await fetch("example/image.png");
  if (!answer.ok) throw new Error("The folder has no example any more.");
  return new File([await answer.blob()], "example", { type: "image/png" });
}

async function checkBrowser() {
  camera.stop();
  say("Checking …");
  try {
    const { pixels } = await ofFile(await example(), true);
    const rows = await network.check(pixels);
    checked(part.checked, rows);
    part.checked.hidden = false;
    say(rows.every(({ well }) => well) ? "This browser gives what the exporting machine gave."
      : "This browser gives something else than the exporting machine.");
  } catch (error) {
    say(error.message, "wrong");
  }
}

function withoutExample() {  // whoever put the folder on a server may have left it out
  part.example.hidden = part.check.hidden = true;
}

function tellModel(model) {
  const { height, width } = model.input;
  const classes = Object.values(model.tasks).map((task) => task.classes.length).join(" + ");
  const names = Object.keys(model.tasks).join(", ");
  const size = height ? `${height}×${width} (height×width)` : "any size";
  part.model.textContent = `${names} · ${classes} classes · ${size} · ${model.precision}`;
  part.trained.textContent = trainedText(model.trained);
  document.title = `${names}: try it`;
}

// What was trained, when, and how well; "" for files of earlier versions.
function trainedText(trained) {
  if (typeof trained !== "object" || trained === null) return "";
  const network = Object.values(trained.network ?? {}).join("; ");
  const scores = Object.entries(trained.scores ?? {}).filter(([, value]) => typeof value === "number")
    .map(([name, value]) => `${name} ${value.toFixed(3)}`).join(", ");
  return [network, trained.date && `trained on ${trained.date}`, scores && `${scores} on its validation images`]
    .filter(Boolean).join(" · ");
}

function tellRuntime({ kind, threads, gpu, why }) {
  const one = self.crossOriginIsolated ? "" : "; this server sends no COOP and COEP headers, which threads need";
  const engine = kind === "webgpu" ? "WebGPU" : `WebAssembly, ${threads} ${threads === 1 ? "thread" : "threads"}${one}`;
  part.runtime.textContent = why ? `${engine} (${why})` : engine;
  part.other.hidden = !gpu || why !== "";
  part.other.textContent = kind === "webgpu" ? "Use WebAssembly" : "Use WebGPU";
  part.other.href = kind === "webgpu" ? "?runtime=wasm" : "?runtime=webgpu";
}

async function begin() {
  try {
    shown.model = await readModel(new URL("model.json", document.baseURI));
    tellModel(shown.model);
    shown.tasks = thresholds(part.thresholds, shown.model, redraw);
    const asked = new URLSearchParams(location.search);  // ?runtime=wasm or webgpu, ?threads=2
    const threads = Number.parseInt(asked.get("threads"), 10);
    shown.runtime = await network.open(asked.get("runtime") ?? "auto", threads >= 1 && threads <= 64 ? threads : null);
    tellRuntime(shown.runtime);
    for (const button of document.querySelectorAll("button")) button.disabled = false;
    say("Ready.");
  } catch (error) {
    say(`The network could not be opened: ${error.message}`, "wrong");
  }
}

part.choose.onclick = () => part.file.click();
part.file.onchange = () => {
  if (part.file.files[0]) void showFile(part.file.files[0]);
  part.file.value = "";  // the same file may be chosen again
};
part.camera.onclick = () => void toggleCamera();
part.example.onclick = async () => {
  try {
    await showFile(await example());
  } catch (error) {
    say(error.message, "wrong");
  }
};
part.thumbnail.onerror = withoutExample;
if (part.thumbnail.complete && !part.thumbnail.naturalWidth) withoutExample();
part.check.onclick = () => void checkBrowser();
document.addEventListener("dragover", (event) => {
  event.preventDefault();
  document.body.classList.add("over");
});
document.addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) document.body.classList.remove("over");
});
document.addEventListener("drop", (event) => {
  event.preventDefault();
  document.body.classList.remove("over");
  if (event.dataTransfer.files[0]) void showFile(event.dataTransfer.files[0]);
});
void begin();
