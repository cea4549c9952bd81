// Numbers and times as people read them. What is unknown is said so: a dash that a screen reader calls "no data".

export const NOTHING = "\u2013";

type Maybe = number | null | undefined;
const missing = (value: Maybe): value is null | undefined => value === null || value === undefined || Number.isNaN(value);

export function count(value: Maybe): string {
  if (missing(value)) return NOTHING;
  return new Intl.NumberFormat("en", { maximumFractionDigits: Math.abs(value) < 10 && value % 1 !== 0 ? 2 : 0 }).format(value);
}

export function short(value: Maybe): string {
  if (missing(value)) return NOTHING;
  return new Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 3 }).format(value);
}

export function percent(share: Maybe, digits = 1): string {
  return missing(share) ? NOTHING : `${(share * 100).toFixed(digits)} %`;
}

/** Milliseconds with a unit that fits: `840 \u00b5s`, `2.1 ms`, `1.4 s`. */
export function duration(ms: Maybe): string {
  if (missing(ms)) return NOTHING;
  if (ms === 0) return "0 ms";
  if (Math.abs(ms) < 1) return `${Number((ms * 1000).toPrecision(3))} \u00b5s`;
  if (Math.abs(ms) < 1000) return `${Number(ms.toPrecision(3))} ms`;
  if (Math.abs(ms) < 120_000) return `${Number((ms / 1000).toPrecision(3))} s`;
  if (Math.abs(ms) < 7_200_000) return `${Math.round(ms / 60_000)} min`;
  return `${Math.round(ms / 3_600_000)} h`;
}

export function bytes(value: Maybe): string {
  if (missing(value)) return NOTHING;
  const units = ["B", "KB", "MB", "GB", "TB"];
  let at = 0;
  let left = value;
  while (Math.abs(left) >= 1000 && at < units.length - 1) {
    left /= 1000;
    ++at;
  }
  return `${at === 0 ? left : Number(left.toPrecision(3))} ${units[at]}`;
}

export function time(at: string | number | null | undefined): string {
  if (at === null || at === undefined || at === "") return NOTHING;
  const date = new Date(at);
  return Number.isNaN(date.getTime()) ? NOTHING : date.toLocaleString("en-GB", { dateStyle: "short", timeStyle: "medium" });
}

export function ago(at: string | number | null | undefined, now = Date.now()): string {
  if (at === null || at === undefined || at === "") return NOTHING;
  const ms = now - new Date(at).getTime();
  return ms < 1500 ? "just now" : `${duration(ms < 120_000 ? Math.round(ms / 1000) * 1000 : ms)} ago`;
}

/** A model's version for a narrow place: of a long hash the first twelve letters. */
export function shortVersion(version: string | null | undefined): string {
  return (version ?? "").replace(/[0-9a-f]{20,}/, (hash) => `${hash.slice(0, 12)}\u2026`);
}
