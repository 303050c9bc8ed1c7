// The file that an export has written.

function exportedParts({ file, bytes, runtime, precision, outputs, input, heads, checkpoint, versions, sha256, page, predict }) {
  return [
    definitions([
      ["file", bytes ? `${file}, ${big(bytes, [[1e9, " GB"], [1e6, " MB"], [1e3, " kB"], [1, " bytes"]])}` : file],
      ["runtime", runtime],
      ["precision", precision],
      ["input", input],
      ["outputs", outputs],
      ["heads", heads],
      ["made from", checkpoint],
      ["with", versions],
      ["SHA-256", sha256],
    ]),
    page && [note("A page that runs it in a browser is in ", h("a", { href: "page/" }, "page/"), "; browsers open it from a server:"),
      copied(page)],
    predict && [note("Its predictions on photos of yours:"), copied(predict)],
  ];
}
