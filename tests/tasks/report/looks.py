"""How a page looks: nothing overlaps, is cut or is wider than the screen; and its photographs, for a person."""

from pathlib import Path

from tests.chromium import PHONE, Chromium

SHOTS = Path(__file__).parents[3] / "build" / "screenshots"  # git ignores it
SIZES = {"desktop": (1400, 1000), "phone": PHONE}
SCHEMES = {"desktop": "light", "phone": "dark"}

# Every line of text as it is drawn: within the ancestors that scroll or cut it. Photos carry names on purpose.
FAULTS = """
const shown = [], faults = [], wide = document.documentElement.clientWidth;
const skipped = "script, style, noscript, svg, .photo, .hidden, caption, dialog, .u-over";
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walker.nextNode()) {
  const node = walker.currentNode, text = node.data.trim().slice(0, 60), parent = node.parentElement;
  if (!text || parent.closest(skipped)) continue;
  if (!parent.checkVisibility({ visibilityProperty: true, opacityProperty: true })) continue;
  const range = document.createRange();
  range.selectNodeContents(node);
  for (const line of range.getClientRects()) {
    let { left, top, right, bottom } = line, scrolls = false;
    for (let up = parent; up && up !== document.body; up = up.parentElement) {
      const style = getComputedStyle(up), edge = up.getBoundingClientRect();
      if (style.overflowX === "visible" && style.overflowY === "visible") continue;
      const beyond = right > edge.right + 1.5 || left < edge.left - 1.5 || bottom > edge.bottom + 3;
      if (/auto|scroll/.test(style.overflowX + style.overflowY)) scrolls = true;
      else if (!scrolls && style.textOverflow !== "ellipsis" && beyond) faults.push(`cut: ${text}`);
      left = Math.max(left, edge.left), right = Math.min(right, edge.right);
      top = Math.max(top, edge.top), bottom = Math.min(bottom, edge.bottom);
    }
    if (right - left < 1 || bottom - top < 1) continue;
    if (right > wide + 1 || left < -1) faults.push(`beside the screen: ${text}`);
    shown.push({ node, text, left, right, top, bottom });
  }
}
for (let one = 0; one < shown.length; one++) for (let other = one + 1; other < shown.length; other++) {
  const a = shown[one], b = shown[other];
  if (a.node === b.node) continue;
  const across = Math.min(a.right, b.right) - Math.max(a.left, b.left);
  const down = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
  const high = Math.min(a.bottom - a.top, b.bottom - b.top);
  if (across > 2 && down > 0.4 * high) faults.push(`over each other: ${a.text} | ${b.text}`);
}
for (const image of document.images) if (image.checkVisibility() && !image.naturalWidth) faults.push("no picture");
for (const svg of document.querySelectorAll(".scatter svg")) {
  const names = [...svg.querySelectorAll(".dot-name")].map((each) => each.getBoundingClientRect());
  const edge = svg.getBoundingClientRect();
  if (names.some((box) => box.left < edge.left || box.right > edge.right + 1)) faults.push("a name leaves its chart");
  names.forEach((a, one) => names.slice(one + 1).forEach((b) => {
    if (a.left < b.right && b.left < a.right && a.top < b.bottom - 4 && b.top < a.bottom - 4)
      faults.push("names in a chart lie on each other");
  }));
}
return faults;
"""


def faults(chromium: Chromium) -> list[str]:
    """What is wrong with the look of the opened page, at its present size."""
    found: list[str] = chromium.run(FAULTS)
    return found


def photographed(chromium: Chromium, name: str, *, quiet: bool = True) -> None:
    """Photograph the opened page at both sizes, and assert that it looks right at each.

    Args:
        quiet: whether the console has to be empty.
    """
    for kind, size in SIZES.items():
        chromium.scheme(SCHEMES[kind])
        chromium.resize(size)
        chromium.run("scrollTo(0, 0)")
        chromium.settle()  # charts follow the width
        file = chromium.photograph(SHOTS / f"{name}-{kind}.png", whole=True)
        assert not chromium.overflows(), f"{name} is wider than a {kind}: {file}"
        assert faults(chromium) == [], f"{name}: {file}"
    chromium.resize(SIZES["desktop"])
    chromium.scheme("light")
    if quiet:
        assert chromium.complaints() == []
