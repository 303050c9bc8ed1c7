// The file that an export has written.

function exportedParts({ file, bytes, runtime, precision, outputs, input, heads, checkpoint, versions, sha256, page }) {
  return [
    definitions([
      ["file", bytes ? `${file}, ${big(bytes, [[1e9, " GB"], [1e6, " MB"], [1e3, " kB"], [1, " bytes"]])}` : file],
      ["runtime", [runtime, precision].filter(Boolean).join(", ")],
      ["input", input],
      ["outputs", outputs],
      ["heads", heads],
      ["made of", checkpoint],
      ["with", versions],
      ["SHA-256", sha256],
    ]),
    page && note("page/ runs it in a browser: python -m tasks.page <this folder>/page"),
  ];
}
