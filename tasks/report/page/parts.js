// Parts that pages of one run and of several share.

function topbar(sections) {
  const themes = ["auto", "light", "dark"];
  const button = h("button", { type: "button", class: "small", onclick: () => {
    setTheme(themes[(themes.indexOf(theme()) + 1) % themes.length]);
    name();
  } });
  const name = () => { button.textContent = `colours: ${theme()}`; };
  name();
  return h("nav", { class: "topbar", "aria-label": "sections" },
    scrolls(h("div", { class: "links" }, sections.map(([id, title]) => h("a", { href: `#${id}` }, title)))), h("span", { class: "on", "aria-hidden": "true" }, "›"), button);
}

function theme() {
  return document.documentElement.dataset.theme || "auto";
}

function setTheme(name) {
  if (name === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = name;
  remember("theme", name);
  redraw();
}

// Kept while the page is open, where the browser allows it.
function remember(key, value) {
  try {
    if (value === undefined) return sessionStorage.getItem(key);
    sessionStorage.setItem(key, value);
  } catch {
    return null;
  }
  return value;
}

function watchColours() {
  const kept = remember("theme");
  if (kept && kept !== "auto") document.documentElement.dataset.theme = kept;
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  let before = "auto";
  addEventListener("beforeprint", () => {
    before = theme();
    document.documentElement.dataset.theme = "light";
    redraw();
  });
  addEventListener("afterprint", () => setTheme(before));
}

function copied(text) {
  const button = h("button", { type: "button", class: "small", onclick: async () => {
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = "copied";
    } catch {
      const range = document.createRange();
      range.selectNodeContents(button.previousSibling);
      getSelection().removeAllRanges();
      getSelection().addRange(range);
      button.textContent = "selected";
    }
    setTimeout(() => { button.textContent = "copy"; }, 1500);
  } }, "copy");
  const words = text.split(" ").flatMap((word, place) => [place ? " " : null, h("span", {}, word)]); // lines break between them
  return h("div", { class: "command" }, h("code", {}, words), button);
}

function costText(costs, head) {
  const own = costs && costs[head];
  if (!own) return null;
  return `${amount(own.params)} params, ${amount(own.multiply_adds)} multiply-adds`;
}

// The panels of a history: which curves stand together.
function panels(names) {
  const named = (test) => names.filter(test);
  const loss = named((name) => /^train\//.test(name) && !/^train\/(lr(\/|$)|images_per_second|waiting)/.test(name) && !/\/weight$/.test(name))
    .sort((one, other) => (other === "train/loss") - (one === "train/loss"));
  return [
    { title: "Loss", names: loss, smooth: true },
    { title: "Learning rate", names: named((name) => /^train\/lr(\/|$)/.test(name)) },
    { title: "Validation scores", names: named((name) => /^val\//.test(name) && !ofClass(name) && !/\/?images$/.test(name)), points: true },
    { title: "Images per second", names: named((name) => name === "train/images_per_second") },
    { title: "Share of time waiting for data", names: named((name) => name === "train/waiting"), yRange: [0, 1] },
    { title: "Weights of the heads' losses", names: named((name) => /^train\/.*\/weight$/.test(name)) },
    ...classPanels(named((name) => /^val\//.test(name) && ofClass(name))),
  ].filter((panel) => panel.names.length);
}

// Each head's scores of classes apart: two heads may have a class of one name.
function classPanels(names) {
  const heads = [...new Set(names.map((name) => name.match(/^val\/(.*?)(iou|AP|boundary_F1)\//)[1]))];
  return heads.map((head) => ({
    title: head ? `Validation scores of ${head.slice(0, -1)}'s classes` : "Validation scores of classes",
    names: names.filter((name) => name.match(/^val\/(.*?)(iou|AP|boundary_F1)\//)[1] === head), points: true,
  }));
}

function ofClass(name) {
  return /(^|\/)(iou|AP|boundary_F1)\//.test(name);
}

const MAIN = /^val\/(.*\/)?(score|mIoU|pixel_accuracy|mAP|mAP50|mAP75|top1|top5|F1|F1_macro|boundary_F1)$/;
const LESS = /(^|\/)(ECE|NLL|Brier|temperature)/; // scores of which less is better, or that are none

function shownName(name) {
  return name.replace(/^(train|val)\//, "").replace(/^images_per_second$/, "images/s");
}
