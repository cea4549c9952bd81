// Small ONNX models, byte by byte (Protocol Buffers as onnx.proto3 has them), so that the tests need no Python.
function varint(value) {
  const bytes = [];
  for (let left = value; ; left = Math.floor(left / 128)) {
    if (left < 128) return Buffer.from([...bytes, left]);
    bytes.push((left % 128) | 128);
  }
}
const number = (field, value) => Buffer.concat([varint(field * 8), varint(value)]);
const bytes = (field, value) => {
  const body = Buffer.isBuffer(value) ? value : Buffer.from(value);
  return Buffer.concat([varint(field * 8 + 2), varint(body.length), body]);
};
const FP32 = 1;

function valueInfo(name, width) {
  const shape = Buffer.concat([bytes(1, bytes(2, "batch")), bytes(1, number(1, width))]);
  return Buffer.concat([bytes(1, name), bytes(2, bytes(1, Buffer.concat([number(1, FP32), bytes(2, shape)])))]);
}
const node = (op, inputs, output) => Buffer.concat([...inputs.map((name) => bytes(1, name)), bytes(2, output), bytes(4, op)]);

function model(width, nodes, constants = []) {
  const graph = Buffer.concat([...nodes.map((one) => bytes(1, one)), bytes(2, "g"), ...constants.map((one) => bytes(5, one)), bytes(11, valueInfo("x", width)), bytes(12, valueInfo("y", width))]);
  const operators = Buffer.concat([bytes(1, ""), number(2, 17)]);
  return Buffer.concat([number(1, 8), bytes(2, "tidegate-tests"), bytes(7, graph), bytes(8, operators)]);
}

/** y = x + x; FP32, any number of rows of `width`. */
export const doubling = (width) => model(width, [node("Add", ["x", "x"], "y")]);

/** y = x, after `steps` products with the unit matrix: a pass takes as long as those do. */
export function slow(width, steps) {
  const unit = Buffer.alloc(width * width * 4);
  for (let at = 0; at < width; ++at) unit.writeFloatLE(1, (at * width + at) * 4);
  const matrix = Buffer.concat([number(1, width), number(1, width), number(2, FP32), bytes(8, "w"), bytes(9, unit)]);
  const nodes = Array.from({ length: steps }, (_, at) => node("MatMul", [at === 0 ? "x" : `h${at}`, "w"], at === steps - 1 ? "y" : `h${at + 1}`));
  return model(width, nodes, [matrix]);
}
