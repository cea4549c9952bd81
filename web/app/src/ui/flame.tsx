// A flame graph: a profile's tree of calls, the width of each its share; choose one to look into it, arrows move between them.
import { useMemo, useRef, useState } from "preact/hooks";
import { percent } from "../lib/format";
import { Table } from "./basic";

export interface FlameNode {
  name: string;
  self: number;
  total: number;
  children?: FlameNode[];
}
export interface FlameProfile {
  type: string;
  unit: string;
  taken_at: string;
  seconds: number;
  period: number;
  dropped: number;
  threads_missed: number;
  root: FlameNode;
}

/** What is narrower is not drawn; the table below counts it all the same. */
const SHARE_MIN = 0.002;
const LISTED = 15;

interface Box {
  path: number[];
  node: FlameNode;
  depth: number;
  from: number;
}

function boxesOf(root: FlameNode): Box[] {
  const boxes: Box[] = [];
  const visit = (node: FlameNode, path: number[], depth: number, from: number): void => {
    if (root.total === 0 || node.total / root.total < SHARE_MIN) return;
    boxes.push({ path, node, depth, from });
    let at = from;
    node.children?.forEach((child, which) => {
      visit(child, [...path, which], depth + 1, at);
      at += child.total / root.total;
    });
  };
  visit(root, [], 0, 0);
  return boxes;
}

/** Time spent in each function itself, the most first. */
function selfTimes(root: FlameNode): { name: string; self: number }[] {
  const found = new Map<string, number>();
  const visit = (node: FlameNode): void => {
    if (node.self > 0) found.set(node.name, (found.get(node.name) ?? 0) + node.self);
    node.children?.forEach(visit);
  };
  visit(root);
  return [...found].map(([name, self]) => ({ name, self })).sort((a, b) => b.self - a.self);
}

const nodeAt = (root: FlameNode, path: number[]): FlameNode => path.reduce<FlameNode>((node, which) => node.children?.[which] ?? node, root);
/** A colour that stays with the name. */
const tint = (name: string): number => [...name].reduce((all, letter) => (all * 31 + letter.charCodeAt(0)) % 997, 7) % 5;

export function Flame(props: { profile: FlameProfile }) {
  const { root } = props.profile;
  const [focus, setFocus] = useState<number[]>([]);
  const place = useRef<HTMLDivElement>(null);
  const top = nodeAt(root, focus);
  const boxes = useMemo(() => boxesOf(top), [top]);
  const depth = boxes.reduce((most, box) => Math.max(most, box.depth), 0) + 1;
  const move = (event: KeyboardEvent, box: Box): void => {
    const siblings = boxes.filter((one) => one.depth === box.depth);
    const at = siblings.indexOf(box);
    const wanted =
      event.key === "ArrowRight" ? siblings[at + 1] : event.key === "ArrowLeft" ? siblings[at - 1] : event.key === "ArrowDown" ? boxes.find((one) => one.depth === box.depth + 1 && one.from >= box.from - 1e-9) : event.key === "ArrowUp" ? boxes.find((one) => one.path.join() === box.path.slice(0, -1).join()) : undefined;
    if (wanted === undefined) return;
    event.preventDefault();
    (place.current?.querySelectorAll("button")[boxes.indexOf(wanted)] as HTMLElement | undefined)?.focus();
  };
  return (
    <>
      {focus.length === 0 ? null : (
        <p>
          <button type="button" onClick={() => setFocus(focus.slice(0, -1))}>
            One call up
          </button>{" "}
          <button type="button" onClick={() => setFocus([])}>
            Everything
          </button>
        </p>
      )}
      <div class="flame" ref={place} style={{ height: `${depth * 1.35}rem` }} role="group" aria-label={`Calls of ${top.name}`}>
        {boxes.map((box, which) => {
          const share = top.total === 0 ? 0 : box.node.total / top.total;
          const words = `${box.node.name}: ${percent(root.total === 0 ? null : box.node.total / root.total)} of all, ${percent(root.total === 0 ? null : box.node.self / root.total)} itself`;
          return (
            <button
              key={box.path.join(".")}
              type="button"
              class={`tint-${tint(box.node.name)}`}
              tabIndex={which === 0 ? 0 : -1}
              style={{ left: `${box.from * 100}%`, width: `${share * 100}%`, top: `${box.depth * 1.35}rem` }}
              title={words}
              aria-label={words}
              onClick={() => setFocus([...focus, ...box.path])}
              onKeyDown={(event) => move(event, box)}
            >
              {share > 0.03 ? box.node.name : ""}
            </button>
          );
        })}
      </div>
      <Table
        label="Functions by their own time"
        rows={selfTimes(root).slice(0, LISTED)}
        rowKey={(row) => row.name}
        columns={[
          { head: "Function", cell: (row) => <code class="wrap">{row.name}</code> },
          { head: "Itself", number: true, cell: (row) => percent(root.total === 0 ? null : row.self / root.total) },
        ]}
      />
    </>
  );
}
