// Two drawings of a number: in its interval from 0 to 1, and beside the range of human texts.

export function Intervals(props: { value: number; interval: [number, number] }) {
  const x = (share: number): number => share * 300;
  const words = `${Math.round(props.value * 100)} % likely a machine, between ${Math.round(props.interval[0] * 100)} % and ${Math.round(props.interval[1] * 100)} %`;
  return (
    <figure class="interval">
      <svg viewBox="-6 0 312 34" role="img" aria-label={words}>
        <line x1="0" y1="14" x2="300" y2="14" class="axis" />
        <rect x={x(props.interval[0])} y="9" width={Math.max(2, x(props.interval[1]) - x(props.interval[0]))} height="10" rx="5" class="band" />
        <circle cx={x(props.value)} cy="14" r="6" class="dot" />
        <text x="0" y="32">
          human
        </text>
        <text x="300" y="32" text-anchor="end">
          machine
        </text>
      </svg>
      <figcaption>{words}</figcaption>
    </figure>
  );
}

export function Scale(props: { value: number; range: [number, number]; label: string }) {
  const [low, high] = props.range;
  const room = Math.max(high - low, 1e-9);
  const from = Math.min(low, props.value) - room * 0.15;
  const to = Math.max(high, props.value) + room * 0.15;
  const x = (value: number): number => ((value - from) / (to - from)) * 300;
  const inside = props.value >= low && props.value <= high;
  return (
    <svg class="scale" viewBox="-6 0 312 16" role="img" aria-label={`${props.label}: ${props.value.toPrecision(3)}, human texts ${low.toPrecision(3)} to ${high.toPrecision(3)}`}>
      <line x1="0" y1="8" x2="300" y2="8" class="axis" />
      <rect x={x(low)} y="4" width={x(high) - x(low)} height="8" rx="4" class="band" />
      <circle cx={x(props.value)} cy="8" r="5" class={inside ? "dot" : "dot out"} />
    </svg>
  );
}
