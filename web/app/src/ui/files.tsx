// A file from this machine: chosen, or dropped onto the field. It is read in the browser and sent by whoever asked for it.
import { useState } from "preact/hooks";
import { bytes } from "../lib/format";

export interface FilePickProps {
  label: string;
  /** As the `accept` attribute has it: `image/*,.heic`. */
  accept: string;
  bytes_max: number;
  onFile: (file: File) => void;
  /** One more file replaces the one before. */
  note?: string;
}

export function FilePick(props: FilePickProps) {
  const [over, setOver] = useState(false);
  const [said, setSaid] = useState("");
  const take = (file: File | undefined | null): void => {
    if (file === undefined || file === null) return;
    if (file.size > props.bytes_max) {
      setSaid(`${file.name} has ${bytes(file.size)}; at most ${bytes(props.bytes_max)} are taken.`);
      return;
    }
    setSaid(`${file.name}, ${bytes(file.size)}`);
    props.onFile(file);
  };
  return (
    <label
      class={over ? "drop over" : "drop"}
      onDragOver={(event) => {
        event.preventDefault();
        setOver(true);
      }}
      onDragLeave={() => setOver(false)}
      onDrop={(event) => {
        event.preventDefault();
        setOver(false);
        take(event.dataTransfer?.files[0]);
      }}
    >
      <span>{props.label}</span>
      <input type="file" accept={props.accept} onChange={(event) => take((event.target as HTMLInputElement).files?.[0])} />
      <small role="status">{said === "" ? (props.note ?? `or drop one here, at most ${bytes(props.bytes_max)}`) : said}</small>
    </label>
  );
}
