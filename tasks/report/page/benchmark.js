// What mode=benchmark has measured: who is on the front, a table with what matters first, what the time goes to, and score
// over latency, here and on a device.

const MEASURED = [ // key, heading, divided by, digits
  ["network_p50_ms", "network ms", 1, 2], ["network_p95_ms", "p95", 1, 2], ["prepare_p50_ms", "before", 1, 2],
  ["finish_p50_ms", "after", 1, 2], ["whole_p50_ms", "whole ms", 1, 2], ["params", "params M", 1e6, 3],
  ["multiply_adds", "multiply-adds M", 1e6, 1], ["file_bytes", "file MB", 1e6, 2], ["memory_bytes", "memory MB", 1e6, 0],
];
const WORTHS = ["mIoU", "mAP", "top1", "score"];
const TIMED = { network_p50_ms: "milliseconds of the network, median", whole_p50_ms: "milliseconds from photo to results, median" };
const STAGES = [["prepare_p50_ms", "photo → input", "--c2"], ["network_p50_ms", "network", "--c1"], ["finish_p50_ms", "output → results", "--c3"]];

function benchmarkParts(rows, omitted) {
  const worths = [...new Set([...String(rows[0].rank_by ?? "").split(", "), ...WORTHS])].filter((key) => rows.some((row) => typeof row[key] === "number"));
  const device = rows.some((row) => typeof row.device_ms === "number") ? String(rows[0].device_name) : null;
  const places = [...(device ? [[`rank on ${device}`, "device_"]] : []), ...(rows.some((row) => typeof row.rank === "number") ? [["rank", ""]] : [])];
  const columns = [{ name: "name", left: true, format: String },
    ...places.map(([name]) => ({ name, plain: true, format: (value) => (typeof value === "number" ? String(value) : "–") })),
    ...worths.map((name) => ({ name })),
    ...(device ? [{ name: `${device} ms`, format: (value) => (typeof value === "number" ? value.toFixed(2) : "–") }] : []),
    ...MEASURED.map(([, name, , digits]) => ({ name, format: (value) => (typeof value === "number" ? value.toFixed(digits) : "–") })),
    { name: "input", left: true, format: String }, { name: "runs on", left: true, format: String }];
  const cells = rows.map((row) => [row.name, ...places.map(([, kind]) => row[`${kind}rank`] ?? null), ...worths.map((key) => row[key]), ...(device ? [row.device_ms ?? null] : []), ...MEASURED.map(([key, , unit]) => (typeof row[key] === "number" ? row[key] / unit : null)),
    row.height ? `${row.height}×${row.width}` : "–", [row.runtime, row.precision, row.device].filter(Boolean).join(", ")]);
  const { threads, photo } = rows[0];
  return [
    note(`Medians on ${threads} ${threads === 1 ? "thread" : "threads"}, from a photo of ${photo} to results in its pixels.`),
    ...places.map(([, kind]) => frontNote(rows, kind, device)),
    table(columns, cells, { caption: "benchmark", kind: "free" }),
    ...omitted.map((line) => note(`Left out: ${line}`)),
    h("div", { class: "charts" }, timeBars(rows), device && worthOverTime(rows, worths, "device_ms", `milliseconds of the network on ${device}, mean`), worthOverTime(rows, worths)),
    h("details", {}, h("summary", {}, "all that was measured"), records(rows)),
  ];
}

// Which files no other beats, and how many are beaten.
function frontNote(rows, kind, device) {
  const best = rows.filter((row) => row[`${kind}front`] === true).map((row) => row.name);
  const beaten = rows.filter((row) => row[`${kind}front`] === false).length;
  const unranked = rows.filter((row) => row[`${kind}front`] === null).map((row) => row.name);
  const time = kind ? `on ${device}` : "on the machine that measured";
  return best.length > 0 && note(`The front ${time}: `, h("b", {}, best.join(", ")), `. No other is faster at an equal or better ${rows[0].rank_by}${beaten ? `; ${beaten} of ${best.length + beaten} are beaten, and their rank is 1 plus the number of those that beat them` : ""}.${unranked.length ? ` Not ranked: ${unranked.join(", ")}; run.log says why.` : ""}`);
}

function timeBars(rows) {
  const known = rows.filter((row) => STAGES.every(([key]) => Number.isFinite(row[key]) && row[key] >= 0));
  if (!known.length) return null;
  const sum = (row) => STAGES.reduce((total, [key]) => total + row[key], 0) || 1;
  const whole = (row) => (Number.isFinite(row.whole_p50_ms) ? row.whole_p50_ms : sum(row)); // medians do not add up: stages are shares of it
  const most = Math.max(...known.map(whole)) || 1;
  return h("figure", { class: "plot times", "data-title": "Milliseconds by stage" }, h("figcaption", {}, "Milliseconds by stage"),
    known.map((row) => h("div", { class: "time" }, h("span", {}, row.name), h("span", { class: "parts", title: STAGES.map(([key, name]) => `${name} ${short(row[key])} ms`).join(", ") },
      STAGES.map(([key, , ink]) => h("i", { style: { width: `${(80 * whole(row) * row[key]) / sum(row) / most}%`, background: `var(${ink})` } })), h("b", {}, `${whole(row).toFixed(2)} ms`)))),
    h("div", { class: "keys" }, STAGES.map(([, name, ink]) => inkKey(ink, name))));
}

function worthOverTime(all, worths, time = all[0].rank_time in TIMED ? all[0].rank_time : "network_p50_ms", axis = TIMED[time]) {
  const rows = time === "device_ms" ? all.filter((row) => typeof row[time] === "number") : all;
  if (rows.length < 2) return null;
  const [key, name, unit] = worths.filter((one) => rows.every((row) => typeof row[one] === "number")).map((one) => [one, one, 1])[0]
    || ["multiply_adds", "million multiply-adds", 1e6];
  const points = rows.map((row) => ({ name: row.name, x: row[time], y: typeof row[key] === "number" ? row[key] / unit : NaN,
    told: `${row.name}: ${short(row[time])} ms, ${name} ${short(row[key] / unit)}` }));
  return scatter(`Latency${time === "device_ms" ? ` on ${all[0].device_name}` : ""} and ${name}`, points,
    { x: axis, y: name, zero: true, front: key !== "multiply_adds" });
}
