// Numbers as text.

const TOUCH = matchMedia("(pointer: coarse)").matches; // a finger, which cannot rest on something or press keys

function score(value) {
  if (value === null || value === undefined) return "–";
  if (typeof value !== "number") return String(value);
  return value.toFixed(4);
}

function count(value) {
  return Number(value).toLocaleString("en-US");
}

function short(value) {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  const size = Math.abs(value);
  if (size === 0) return "0";
  if (size >= 1e5 || size < 1e-3) return value.toExponential(2);
  return String(Number(value.toPrecision(4)));
}

function whole(value) {
  return value === null || value === undefined ? "–" : count(value);
}

function percent(value) {
  return value === null || value === undefined ? "–" : `${(100 * value).toFixed(value < 0.0995 ? 1 : 0)}%`;
}

function duration(seconds) {
  if (typeof seconds !== "number") return "–";
  if (seconds < 60) return `${seconds.toFixed(seconds < 10 ? 1 : 0)} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

function big(value, units) {
  const [scale, unit] = units.find(([least]) => value >= least) || units[units.length - 1];
  return `${Number((value / scale).toPrecision(3))}${unit}`;
}

// With a letter for thousands, as of params and multiply-adds.
const amount = (value) => big(value, [[1e9, "G"], [1e6, "M"], [1e3, "k"], [1, ""]]);
