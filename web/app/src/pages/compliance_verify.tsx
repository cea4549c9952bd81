// Verify: the record as a whole, or one receipt that somebody holds, judged by the server's verifier.
import { useState } from "preact/hooks";
import { post } from "../lib/api";
import { bytes, count } from "../lib/format";
import { Badge, Card, Figure, Figures, Trouble } from "../ui/basic";
import { FilePick } from "../ui/files";

interface Verified {
  integrity: string;
  completeness: string;
  completeness_not_judged_because: string | null;
  records: number;
  segments: number;
  bytes: number;
  checkpoints: number;
  checkpoints_proven: number;
  findings_total: number;
  findings: { what?: string; message?: string }[];
  notes: string[];
}

export function Verify() {
  const [found, setFound] = useState<Verified | undefined>(undefined);
  const [error, setError] = useState<Error | undefined>(undefined);
  const [busy, setBusy] = useState(false);
  const run = async (): Promise<void> => {
    setBusy(true);
    setError(undefined);
    try {
      setFound(await post<Verified>("/api/compliance/verify", { log: true }));
    } catch (reason) {
      setFound(undefined);
      setError(reason instanceof Error ? reason : new Error(String(reason)));
    }
    setBusy(false);
  };
  return (
    <Card
      title="Verify"
      note="every file of the record, independently"
      actions={
        <button type="button" class="main" disabled={busy} onClick={() => void run()}>
          {busy ? "Verifying\u2026" : "Verify now"}
        </button>
      }
    >
      <Trouble error={error} />
      {found === undefined ? (
        error === undefined ? <p class="empty">Not verified from this page yet. The same without the server: <code>tidegate audit verify data/audit --key checkpoint.key.pub</code></p> : null
      ) : (
        <>
          <Figures>
            <Figure label="Integrity" value={found.integrity} tone={found.integrity === "sound" ? "good" : "bad"} />
            <Figure label="Completeness" value={found.completeness} tone={found.completeness === "complete" ? "good" : "warn"} />
            <Figure label="Records" value={count(found.records)} note={`${count(found.segments)} segments, ${bytes(found.bytes)}`} />
            <Figure label="Checkpoints" value={`${count(found.checkpoints_proven)} of ${count(found.checkpoints)}`} note="proven by the records" />
            <Figure label="Findings" value={count(found.findings_total)} tone={found.findings_total > 0 ? "bad" : "good"} />
          </Figures>
          {found.completeness_not_judged_because === null ? null : <p class="note">{found.completeness_not_judged_because}</p>}
          {found.findings.map((finding, at) => (
            <p class="trouble" key={at}>
              {finding.message ?? finding.what ?? JSON.stringify(finding)}
            </p>
          ))}
          {found.notes.map((note) => (
            <p class="note" key={note}>
              {note}
            </p>
          ))}
        </>
      )}
    </Card>
  );
}

/** What the server says of one receipt, member by member. */
export function VerifyReceipt() {
  const [receipt, setReceipt] = useState("");
  const [found, setFound] = useState<Record<string, unknown> | undefined>(undefined);
  const [error, setError] = useState<Error | undefined>(undefined);
  const run = async (): Promise<void> => {
    setError(undefined);
    try {
      setFound(await post<Record<string, unknown>>("/api/compliance/verify", { receipt }));
    } catch (reason) {
      setFound(undefined);
      setError(reason instanceof Error ? reason : new Error(String(reason)));
    }
  };
  return (
    <Card title="Verify a receipt" note="that a decision somebody was given is in the log">
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void run();
        }}
      >
        <label class="field wide-field">
          <span>the receipt's text</span>
          <textarea class="code" rows={4} spellcheck={false} value={receipt} onInput={(event) => setReceipt((event.target as HTMLTextAreaElement).value)} />
        </label>
        <div class="fields">
          <FilePick label="or its file" accept=".txt,text/plain" bytes_max={8_000_000} onFile={(file) => void file.text().then(setReceipt)} />
          <button class="main" type="submit" disabled={receipt.trim() === ""}>
            Verify it
          </button>
        </div>
      </form>
      <Trouble error={error} />
      {found === undefined ? null : (
        <table aria-label="What the verifier says">
          <tbody>
            {Object.entries(found).map(([name, value]) => (
              <tr key={name}>
                <th scope="row">{name.replaceAll("_", " ")}</th>
                <td class="wrap">{typeof value === "boolean" ? <Badge tone={value ? "good" : "bad"}>{value ? "yes" : "no"}</Badge> : <code>{typeof value === "object" ? JSON.stringify(value) : String(value)}</code>}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </Card>
  );
}
