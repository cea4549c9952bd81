// The stages of one answer as bars, from its Server-Timing field or its record.
import { duration } from "../lib/format";
import { Empty } from "./basic";

export interface Stage {
  name: string;
  ms: number;
}

/** `a;dur=1.2, b;desc="x";dur=3` (W3C Server Timing); what has no duration is left out. */
export function parseTiming(header: string | null): Stage[] {
  return (header ?? "").split(",").flatMap((part) => {
    const [name = "", ...parameters] = part.split(";").map((piece) => piece.trim());
    const found = parameters.map((parameter) => /^dur=([0-9.eE+-]+)$/.exec(parameter)).find((match) => match !== null);
    return name !== "" && found ? [{ name, ms: Number(found[1]) }] : [];
  });
}

export function Stages(props: { header?: string | null; stages?: Stage[] }) {
  const stages = props.stages ?? parseTiming(props.header ?? null);
  if (stages.length === 0) return <Empty what="this answer carries no times." />;
  const most = Math.max(...stages.map((stage) => stage.ms), 1e-9);
  return (
    <ul class="stages">
      {stages.map((stage) => (
        <li key={stage.name}>
          <span>{stage.name}</span>
          <i style={{ width: `${(stage.ms / most) * 100}%` }} aria-hidden="true" />
          <b>{duration(stage.ms)}</b>
        </li>
      ))}
    </ul>
  );
}
