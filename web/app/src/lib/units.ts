// A number with the unit that the server gave it.
import { bytes, count, duration, NOTHING } from "./format";

export function withUnit(value: number | null | undefined, unit: string): string {
  if (value === null || value === undefined || Number.isNaN(value)) return NOTHING;
  switch (unit) {
    case "ms":
      return duration(value);
    case "s":
      return duration(value * 1000);
    case "bytes":
    case "B":
      return bytes(value);
    case "%":
    case "percent":
      return `${Number(value.toPrecision(3))} %`;
    case "":
      return count(value);
    default:
      return `${count(value)} ${unit}`;
  }
}
