"""What is asserted of how a page looks, at every size: nothing overlaps, is cut or wider than the screen; and its photos."""

from pathlib import Path

from tests.chromium import Chromium

SHOTS = Path(__file__).parents[3] / "build" / "screenshots"  # for a person to look at; git ignores it
SIZES = {"desktop": (1400, 1000), "phone": (390, 844)}
SCHEMES = {"desktop": "light", "phone": "dark"}

# Every line of text as it is drawn: within the ancestors that scroll or cut it. Photos carry names on purpose.
FAULTS = """
const shown = [], faults = [], wide = document.documentElement.clientWidth;
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walker.nextNode()) {
  const node = walker.currentNode, text = node.data.trim(), parent = node.parentElement;
  if (!text || parent.closest("script, style, noscript, svg, .photo, .hidden, caption, dialog, .u-over")) continue;
  if (!parent.checkVisibility({ visibilityProperty: true, opacityProperty: true })) continue;
  const range = document.createRange();
  range.selectNodeContents(node);
  for (const line of range.getClientRects()) {
    let { left, top, right, bottom } = line, scrolls = false;
    for (let up = parent; up && up !== document.body; up = up.parentElement) {
      const style = getComputedStyle(up), edge = up.getBoundingClientRect();
      if (style.overflowX === "visible" && style.overflowY === "visible") continue;
      if (/auto|scroll/.test(style.overflowX + style.overflowY)) scrolls = true;
      else if (!scrolls && style.textOverflow !== "ellipsis" && (right > edge.right + 1.5 || left < edge.left - 1.5 || bottom > edge.bottom + 3))
        faults.push(`cut: ${text.slice(0, 60)}`);
      left = Math.max(left, edge.left), right = Math.min(right, edge.right);
      top = Math.max(top, edge.top), bottom = Math.min(bottom, edge.bottom);
    }
    if (right - left < 1 || bottom - top < 1) continue;
    if (right > wide + 1 || left < -1) faults.push(`beside the screen: ${text.slice(0, 60)}`);
    shown.push({ node, text, left, right, top, bottom });
  }
}
for (let one = 0; one < shown.length; one++) for (let other = one + 1; other < shown.length; other++) {
  const a = shown[one], b = shown[other];
  if (a.node === b.node) continue;
  const across = Math.min(a.right, b.right) - Math.max(a.left, b.left), down = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
  if (across > 2 && down > 0.4 * Math.min(a.bottom - a.top, b.bottom - b.top)) faults.push(`over each other: ${a.text.slice(0, 40)} | ${b.text.slice(0, 40)}`);
}
for (const image of document.images) if (image.checkVisibility() && !image.naturalWidth) faults.push(`no picture: ${image.alt}`);
return faults;
"""


def photographed(chromium: Chromium, name: str, complaints: bool = True) -> list[Path]:
    """Photograph the opened page at both sizes, and assert that it looks right at each."""
    files = []
    for kind, size in SIZES.items():
        chromium.scheme(SCHEMES[kind])
        chromium.resize(size)
        chromium.run("scrollTo(0, 0); return new Promise((done) => setTimeout(done, 150))")  # charts follow the width
        files.append(chromium.photograph(SHOTS / f"{name}-{kind}.png", whole=True))
        assert not chromium.overflows(), f"{name} is wider than {kind}"
        assert chromium.run(FAULTS) == [], f"{name}, {kind}: {files[-1]}"
    if complaints:
        assert chromium.complaints() == []
    return files
