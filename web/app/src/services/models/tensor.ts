// Tensors of the Open Inference Protocol as a form holds them: a declared input, the shape that is asked, the values as JSON text.
import { parseExact } from "../../lib/api";

export interface Declared {
  name: string;
  datatype: string;
  /** -1: each request chooses. */
  shape: number[];
}

/** What the form holds of one input. */
export interface Draft {
  shape: number[];
  /** `zeros`: no values of anybody's, so many zeros as the shape asks for. */
  from: "zeros" | "typed";
  text: string;
}

export const VALUES_MAX = 1_000_000;

export const sizeOf = (shape: number[]): number => shape.reduce((all, dimension) => all * dimension, 1);
export const shapeText = (shape: number[]): string => (shape.length === 0 ? "one value" : shape.map((dimension) => (dimension < 0 ? "any" : String(dimension))).join(" \u00d7 "));

/** A free dimension begins at one. */
export const draftOf = (input: Declared): Draft => ({ shape: input.shape.map((dimension) => Math.max(1, dimension)), from: "zeros", text: "" });

const zeroOf = (datatype: string): string => (datatype === "BYTES" ? '""' : datatype === "BOOL" ? "false" : "0");

function leaves(value: unknown): number {
  return Array.isArray(value) ? value.reduce((all: number, one) => all + leaves(one), 0) : 1;
}

/** Why the draft cannot be sent, or nothing. The server checks all of it again, and the values themselves. */
export function faultOf(draft: Draft): string | undefined {
  if (draft.shape.some((dimension) => !Number.isInteger(dimension) || dimension < 0)) return "A dimension is a whole number, 0 or more.";
  const wanted = sizeOf(draft.shape);
  if (wanted > VALUES_MAX) return `This form sends at most ${VALUES_MAX} values.`;
  if (draft.from === "zeros") return undefined;
  try {
    const read = parseExact(draft.text);
    if (!Array.isArray(read)) return "The values are a JSON list, flat or nested.";
    const given = leaves(read);
    return given === wanted ? undefined : `The shape asks for ${wanted} values, the list has ${given}.`;
  } catch {
    return draft.text.trim() === "" ? "Type the values as a JSON list." : "This is no JSON list.";
  }
}

/** The request as JSON text: typed values go as they were typed, so that no digit is lost. */
export function requestText(inputs: Declared[], drafts: Draft[]): string {
  const tensors = inputs.map((input, at) => {
    const draft = drafts[at] ?? draftOf(input);
    const data = draft.from === "typed" ? draft.text.trim() : `[${Array(sizeOf(draft.shape)).fill(zeroOf(input.datatype)).join(",")}]`;
    return `{"name":${JSON.stringify(input.name)},"shape":[${draft.shape.join(",")}],"datatype":"${input.datatype}","data":${data}}`;
  });
  return `{"inputs":[${tensors.join(",")}]}`;
}

export interface Output {
  name: string;
  datatype: string;
  shape: number[];
  data?: unknown[];
}
export interface Inferred {
  model_name: string;
  model_version: string;
  outputs: Output[];
}

/** The values in rows of the last dimension, the first `rows_max` of them. */
export function rowsOf(output: Output, rows_max: number): unknown[][] {
  const flat = (output.data ?? []).flat(Infinity) as unknown[];
  const width = Math.max(1, output.shape[output.shape.length - 1] ?? 1);
  const rows: unknown[][] = [];
  for (let at = 0; at < flat.length && rows.length < rows_max; at += width) rows.push(flat.slice(at, at + width));
  return rows;
}

/** `batch;desc="8 rows, idle"` of a Server-Timing field. */
export function batchOf(timing: string | null): { rows: number; cut: string } | undefined {
  const read = /batch;desc="(\d+) rows?, (\w+)"/.exec(timing ?? "");
  return read === null ? undefined : { rows: Number(read[1]), cut: read[2] ?? "" };
}

/** Of two vectors of one length, from the vectors alone; nothing where one of them is all zeros. */
export function cosine(a: number[], b: number[]): number | undefined {
  let [dot, aa, bb] = [0, 0, 0];
  a.forEach((x, at) => {
    const y = b[at] ?? 0;
    dot += x * y;
    aa += x * x;
    bb += y * y;
  });
  return aa === 0 || bb === 0 || a.length !== b.length ? undefined : dot / Math.sqrt(aa * bb);
}
