// Colours of classes: the same in pictures, legends, charts and tables.

// By the name of a class, from a head's pictures: a colour of the data set, or one of the page's inks by the class's number.
function classColours({ pictures, augmented }) {
  const record = pictures || augmented;
  return new Map(((record && record.classes) || []).map((one, number) => [one.name, one.colour || INKS[number % INKS.length]]));
}

// By the name of a curve, as `iou/road`, or `segment/iou/road` of several heads.
function curveColours(heads) {
  const found = new Map();
  for (const head of heads) {
    for (const [name, rgb] of classColours(head)) {
      for (const kind of ["iou", "AP", "boundary_F1"]) found.set(`${heads.length > 1 ? `${head.head}/` : ""}${kind}/${name}`, rgb);
    }
  }
  return found;
}

// A square in a class's colour; none where many classes share a few inks.
function swatch(colours, name) {
  const own = colours.get(name);
  const unique = Array.isArray(own) || colours.size <= INKS.length;
  return own && unique && h("span", { class: "swatch", style: { background: Array.isArray(own) ? colour(own) : `var(${own})` } });
}

// A column of class names with their colours.
function classColumn(colours) {
  return { name: "class", left: true, format: (name) => h("span", { class: "named" }, swatch(colours, name), String(name)) };
}

const LEAST_CONTRAST = 2; // of a thin line with the page

// A class's colour as a line on the page: lighter or darker only where it could not be seen.
function legible(rgb) {
  if (!Array.isArray(rgb)) return css(rgb);
  const back = css("--back").match(/[0-9a-f]{2}/gi).map((pair) => parseInt(pair, 16));
  const goal = luminance(back) > 0.4 ? 0 : 255;
  let ink = rgb;
  for (let step = 0; step < 20 && contrast(ink, back) < LEAST_CONTRAST; step++) ink = ink.map((value) => Math.round(value + (goal - value) * 0.12));
  return colour(ink);
}

// As in WCAG 2: relative luminance, and the ratio of two.
function luminance(rgb) {
  const [red, green, blue] = rgb.map((value) => (value / 255 <= 0.04045 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4));
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

function contrast(one, other) {
  const [low, high] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return (high + 0.05) / (low + 0.05);
}
