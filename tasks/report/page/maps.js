// Label maps over a photo: the page has the labels themselves, as grey pictures, and paints them.

function mapTools(record, state, update) {
  const truthOnly = record.pictures.every((picture) => !picture.files.found);
  state.layer = truthOnly ? "truth" : "found";
  state.opacity = 0.6;
  const layers = [["image", "photo"], ["truth", "truth"], ...(truthOnly ? [] : [["found", "prediction"], ["errors", "errors"]])];
  return [
    choice("layer", "what is shown", layers, state.layer, (key) => { state.layer = key; update(); }),
    slider("opacity", { min: 0.1, max: 1, step: 0.05, value: state.opacity, show: (value) => value.toFixed(2) }, (value) => { state.opacity = value; update(); }),
  ];
}

const decoded = new Map();

// The labels of a grey picture, once decoded.
async function labelsOf(source) {
  if (!decoded.has(source)) {
    decoded.set(source, (async () => {
      const image = new Image();
      image.src = source;
      await image.decode();
      const canvas = h("canvas");
      canvas.width = image.width;
      canvas.height = image.height;
      const pen = canvas.getContext("2d", { willReadFrequently: true });
      pen.drawImage(image, 0, 0);
      const { data } = pen.getImageData(0, 0, image.width, image.height);
      const labels = new Uint8Array(image.width * image.height);
      for (let place = 0; place < labels.length; place++) labels[place] = data[4 * place];
      return { labels, width: image.width, height: image.height };
    })());
  }
  return decoded.get(source);
}

function mapView(record, picture, state) {
  const { width, height } = picture;
  const canvas = h("canvas", {});
  const under = h("output", { class: "under" });
  const view = h("div", { class: "photo maps", style: { "aspect-ratio": `${width} / ${height}` } },
    h("img", { src: picture.files.image, alt: picture.name, decoding: "async" }), canvas, under);
  const said = h("span", {}, picture.right === undefined ? "" : `${percent(picture.right)} of pixels right`);
  let truth = null;
  let found = null;

  async function update() {
    try {
      await paintLabels();
    } catch {
      said.textContent = "its label map cannot be read";
    }
  }

  async function paintLabels() {
    truth = truth || (picture.files.truth && (await labelsOf(picture.files.truth)));
    found = found || (picture.files.found && (await labelsOf(picture.files.found)));
    const shape = truth || found;
    if (!shape) return;
    canvas.width = shape.width;
    canvas.height = shape.height;
    const pen = canvas.getContext("2d", { willReadFrequently: true });
    const pixels = pen.createImageData(shape.width, shape.height);
    const opacity = Math.round(255 * state.opacity);
    const paint = (place, rgb, alpha) => {
      pixels.data[4 * place] = rgb[0];
      pixels.data[4 * place + 1] = rgb[1];
      pixels.data[4 * place + 2] = rgb[2];
      pixels.data[4 * place + 3] = alpha;
    };
    if (state.layer === "errors" && truth && found) {
      for (let place = 0; place < truth.labels.length; place++) {
        const label = truth.labels[place];
        if (label === record.void) paint(place, [0, 0, 0], opacity);
        else if (label !== found.labels[place] && !state.off.has(label)) paint(place, [255, 30, 60], Math.max(opacity, 120));
      }
    } else if (state.layer === "truth" || state.layer === "found") {
      const { labels } = state.layer === "truth" ? truth : found;
      for (let place = 0; place < labels.length; place++) {
        const known = record.classes[labels[place]];
        if (known && !state.off.has(labels[place])) paint(place, known.colour, opacity);
      }
    }
    pen.putImageData(pixels, 0, 0);
  }

  const name = (shape, place) => {
    const label = shape.labels[place];
    return label === record.void ? "void" : (record.classes[label] || { name: label }).name;
  };
  view.addEventListener("pointermove", (event) => {
    const shape = truth || found;
    if (!shape) return;
    const box = view.getBoundingClientRect();
    const x = Math.min(shape.width - 1, Math.max(0, Math.floor(((event.clientX - box.left) / box.width) * shape.width)));
    const y = Math.min(shape.height - 1, Math.max(0, Math.floor(((event.clientY - box.top) / box.height) * shape.height)));
    const place = y * shape.width + x;
    under.textContent = [truth && `truth ${name(truth, place)}`, found && `found ${name(found, place)}`].filter(Boolean).join(" · ");
  });
  view.addEventListener("pointerleave", () => { under.textContent = ""; });
  return { view, said, update };
}

// The classes that the maps of a record have, for its legend; read once all are decoded.
async function classesOfMaps(record) {
  const seen = new Set();
  for (const { files } of record.pictures) {
    for (const source of [files.truth, files.found]) {
      if (source) for (const label of (await labelsOf(source)).labels) seen.add(label);
    }
  }
  return [...seen].filter((label) => record.classes[label]).sort((one, other) => one - other);
}
