// NumPy's .npy files of numbers in C order, version 1 to 3, little endian.

const KINDS = {
  "|u1": Uint8Array, "<f4": Float32Array, "<f8": Float64Array, "<i4": Int32Array, "<i8": BigInt64Array,
};

// {data, dims} of a file's bytes. Throws an Error for another kind of array.
export function parse(buffer) {
  const view = new DataView(buffer);
  if (view.byteLength < 12 || view.getUint32(0) !== 0x934e554d) throw new Error("this is no .npy file");
  const [length, begin] = view.getUint8(6) === 1 ? [view.getUint16(8, true), 10] : [view.getUint32(8, true), 12];
  const header = new TextDecoder("latin1").decode(new Uint8Array(buffer, begin, length));
  const kind = KINDS[/'descr': '([^']+)'/.exec(header)?.[1]];
  const shape = /'shape': \(([^)]*)\)/.exec(header)?.[1];
  if (!kind || shape === undefined || header.includes("'fortran_order': True")) {
    throw new Error(`an array that this page does not read: ${header.trim()}`);
  }
  const dims = shape.split(",").filter((side) => side.trim()).map(Number);
  return { data: new kind(buffer.slice(begin + length)), dims };
}
