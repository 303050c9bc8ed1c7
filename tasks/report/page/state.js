// How far a run is, in words.

const STATES = {
  training: "training", scoring: "scoring", finished: "finished", stopped_early: "stopped early", interrupted: "interrupted",
  stopped: "interrupted", failed: "failed", broken_off: "broken off", silent: "probably broken off", unfinished: "not finished",
};
const USUAL = 60; // seconds between two pages, if the run has not noted how many
const SILENCE = 5; // times as many without a page, and the run is probably gone

function age(record) {
  return record.updated ? Math.max(0, (Date.now() - Date.parse(record.updated)) / 1000) : 0;
}

// The noted state, or that nothing was heard of the run for too long.
function stateOf({ state, record }) {
  const goes = state === "training" || state === "scoring";
  return goes && age(record) > SILENCE * Math.max(USUAL, record.interval || 0) ? "silent" : state;
}

function reasonOf({ state, record }) {
  return state === "failed" ? record.failure : ["stopped_early", "interrupted"].includes(state) ? record.why : null;
}

// A paragraph about a run that has not finished; null for one that has.
function stateText(run, progress) {
  const { record } = run;
  const ago = `This page was written ${duration(age(record))} ago`;
  const far = progress ? ` (${progress})` : "";
  switch (stateOf(run)) {
    case "training": return `Training goes on${far}. ${ago}.`;
    case "scoring": return `The best weights are being scored. ${ago}.`;
    case "silent": return `${ago}, and a run that is alive writes it about every ${duration(Math.max(USUAL, record.interval || 0))}: `
      + `it has probably been killed or the machine went off${far}. On that machine, python -m tasks.report <this folder> finds out.`;
    case "broken_off": return `The process of this run is gone and left no word${far}: it was killed, ran out of memory, or the machine went off. `
      + "checkpoints/last.ckpt, if there is one, goes on with it: resume=<its path>.";
    case "stopped_early": return `Stopped early by ${record.why || "stop_after"}. The scores are those of the best weights until then.`;
    case "interrupted": return `Interrupted${far}: ${record.why || "by a signal"}`;
    case "stopped": return `Interrupted${far}.`;
    case "failed": return record.failure || "It failed.";
    default: return null;
  }
}

// While training goes on the page loads itself again; not while somebody is in the middle of it.
function stateBox(run, progress, badge) {
  const AGAIN = 30;
  const text = stateText(run, progress);
  if (!text) return null;
  const goes = run.state === "training" || run.state === "scoring";
  const said = h("span", {}, text);
  const box = h("p", { class: goes ? "goes-on" : `ended ${run.state}` }, said);
  if (!goes) return box;
  let left = AGAIN;
  const again = check("load again by itself", remember("reload") !== "off", (value) => remember("reload", value ? "on" : "off"));
  box.append(" ", again);
  const tell = () => {
    const state = stateOf(run);
    said.textContent = stateText(run, progress);
    badge.textContent = STATES[state];
    badge.className = `state ${state}`;
  };
  tell();
  let touched = Date.now();
  for (const kind of ["pointerdown", "keydown", "wheel", "touchmove"]) addEventListener(kind, () => { touched = Date.now(); }, { passive: true });
  setInterval(() => {
    tell();
    left -= 1;
    const busy = document.hidden || Date.now() - touched < 60000 || document.querySelector("dialog[open]");
    if (left <= 0 && !busy && again.querySelector("input").checked) location.reload();
  }, 1000);
  return box;
}
