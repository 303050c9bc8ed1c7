// What was found, drawn over the photo.

// prettier-ignore
const FIRST = [  // as in the pictures of mode=predict
  [235, 55, 45], [25, 110, 240], [40, 170, 60], [245, 155, 20], [215, 45, 200], [0, 165, 175],
  [120, 70, 225], [145, 155, 15], [250, 105, 145], [150, 85, 40], [75, 175, 245], [20, 110, 70],
];
const [LEAST, LONGEST] = [640, 2048];  // pixels of the canvas: other photos are shown larger or smaller
const COVER = 0.55;  // of a label map's colours

// The colour [red, green, blue] of a class of boxes.
export function colourOf(label) {
  if (label < FIRST.length) return FIRST[label];
  const hue = (label * 137.508) % 360;  // the golden angle: neighbours differ
  return [0, 8, 4].map((n) => {
    const k = (n + hue / 30) % 12;
    return Math.round(255 * (0.45 - 0.36 * Math.max(-1, Math.min(k - 3, 9 - k, 1))));
  });
}

export const css = ([red, green, blue]) => `rgb(${red} ${green} ${blue})`;
const bright = ([red, green, blue]) => 0.299 * red + 0.587 * green + 0.114 * blue > 135;

// Draw a photo of this [height, width] and what `model` found in it on a canvas, which takes its size.
// shown: the score from which boxes are drawn, by task.
export function draw(canvas, source, [height, width], model, found, shown) {
  const longer = Math.max(height, width);
  const scale = longer < LEAST ? Math.ceil(LEAST / longer) : Math.min(1, LONGEST / longer);
  const [down, across] = [height, width].map((side) => Math.max(1, Math.round(side * scale)));
  if (canvas.width !== across || canvas.height !== down) [canvas.width, canvas.height] = [across, down];
  const pen = canvas.getContext("2d");
  pen.drawImage(source, 0, 0, across, down);
  const tasks = Object.entries(model.tasks).filter(([name]) => found?.[name]);
  for (const [name, task] of tasks) if (found[name].size) drawLabels(pen, task, found[name], across, down);
  for (const [name, task] of tasks) if (found[name].boxes) drawBoxes(pen, task, found[name], shown[name], scale);
}

function drawLabels(pen, task, { labels, size: [height, width] }, across, down) {
  const layer = new ImageData(across, down);
  const colours = new Uint32Array(256);
  const bytes = new Uint8Array(colours.buffer);
  task.classes.forEach(({ colour }, k) => bytes.set([...colour, Math.round(255 * COVER)], 4 * k));
  const cells = new Uint32Array(layer.data.buffer);
  const columns = Int32Array.from({ length: across }, (_, x) => Math.floor((x * width) / across));
  for (let y = 0, to = 0; y < down; y++) {
    const from = Math.floor((y * height) / down) * width;
    for (let x = 0; x < across; x++) cells[to++] = colours[labels[from + columns[x]]];
  }
  const sheet = new OffscreenCanvas(across, down);
  sheet.getContext("2d").putImageData(layer, 0, 0);
  pen.drawImage(sheet, 0, 0);
}

function drawBoxes(pen, task, { boxes, scores, labels }, least, scale) {
  const longer = Math.max(pen.canvas.width, pen.canvas.height);
  const high = Math.max(11, longer / 45);
  const sure = [...scores.keys()].filter((k) => scores[k] >= least);  // best first
  const places = sure.map((k) => [...boxes.subarray(4 * k, 4 * k + 4)].map((value) => value * scale));
  pen.lineWidth = Math.max(1.5, longer / 320);
  for (let k = sure.length - 1; k >= 0; k--) {  // the best on top
    const [left, top, right, bottom] = places[k];
    pen.strokeStyle = css(colourOf(labels[sure[k]]));
    pen.strokeRect(left, top, right - left, bottom - top);
  }
  pen.font = `600 ${high}px system-ui, sans-serif`;
  pen.textBaseline = "middle";
  const tags = [];
  sure.forEach((k, place) => {
    const text = `${task.classes[labels[k]]?.name ?? labels[k]} ${scores[k].toFixed(2)}`;
    const [wide, tall] = [pen.measureText(text).width + high / 2, high * 1.3];
    const [left, top] = places[place];
    const x = Math.max(0, Math.min(left, pen.canvas.width - wide));
    const y = top >= tall ? top - tall : Math.min(top, pen.canvas.height - tall);
    const meets = ([tagX, tagY, tagWide]) => x < tagX + tagWide && tagX < x + wide && Math.abs(y - tagY) < tall;
    if (tags.some(meets)) return;  // a better box's name stands there
    tags.push([x, y, wide]);
    const colour = colourOf(labels[k]);
    pen.fillStyle = css(colour);
    pen.fillRect(x, y, wide, tall);
    pen.fillStyle = bright(colour) ? "black" : "white";
    pen.fillText(text, x + high / 4, y + tall / 2);
  });
}
