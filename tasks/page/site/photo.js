// Photos as pixels, from files and from the camera.

const LONGEST = 8192;  // pixels a side that a canvas holds in every browser

// {bitmap, pixels} of an image file: the picture to draw, and its RGBA bytes (ImageData). upright: turn it as its EXIF
// data says. Throws an Error for what the browser cannot decode.
export async function ofFile(file, upright) {
  let bitmap;
  try {
    bitmap = await createImageBitmap(upright ? file : await unturned(file), { colorSpaceConversion: "none" });
  } catch {
    throw new Error(`${file.name || "this file"} is no image that this browser can read`);
  }
  if (Math.max(bitmap.width, bitmap.height) > LONGEST) {
    throw new Error(`it is ${bitmap.height}×${bitmap.width} pixels (height×width); this page takes up to ${LONGEST} a side`);
  }
  return { bitmap, pixels: pixelsOf(bitmap, bitmap.width, bitmap.height) };
}

let board = null;  // one canvas for all

// The RGBA bytes of something drawable.
export function pixelsOf(source, width, height) {
  board ??= document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  if (board.canvas.width !== width || board.canvas.height !== height) {
    [board.canvas.width, board.canvas.height] = [width, height];
  } else board.clearRect(0, 0, width, height);
  board.drawImage(source, 0, 0, width, height);
  return board.getImageData(0, 0, width, height);
}

// A JPEG without its EXIF data, which browsers otherwise always follow; any other file as it is.
async function unturned(file) {
  const bytes = new Uint8Array(await file.arrayBuffer());
  const view = new DataView(bytes.buffer);
  if (bytes.length < 4 || view.getUint16(0) !== 0xffd8) return file;
  const kept = [bytes.subarray(0, 2)];
  let at = 2;
  while (at + 4 <= bytes.length && bytes[at] === 0xff && bytes[at + 1] !== 0xda) {
    const end = at + 2 + view.getUint16(at + 2);
    if (bytes[at + 1] !== 0xe1) kept.push(bytes.subarray(at, end));
    at = end;
  }
  return new Blob([...kept, bytes.subarray(at)], { type: "image/jpeg" });
}
