// The frame around every page: where one can go, the server's state, the key, light and dark.
import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";
import { key } from "../lib/api";
import { useFetch, useKept } from "../lib/hooks";
import { Badge } from "./basic";

export interface Place {
  href: string;
  label: string;
}
export interface PlaceGroup {
  label: string;
  places: Place[];
}

interface Health {
  status: string;
  version?: string;
}

export function Frame(props: { groups: PlaceGroup[]; address: string; children: ComponentChildren }) {
  const [open, setOpen] = useState(false);
  useEffect(() => setOpen(false), [props.address]);
  return (
    <div class="frame">
      <a class="skip" href="#main" onClick={(event) => { event.preventDefault(); document.getElementById("main")?.focus(); }}>
        To the content
      </a>
      <header class="top">
        <button type="button" class="quiet menu" aria-expanded={open} aria-controls="places" onClick={() => setOpen(!open)}>
          <span aria-hidden="true">&#9776;</span>
          <span class="for-readers">Menu</span>
        </button>
        <a class="brand" href="#/live">
          <img src="/dashboard/icon.svg" alt="" width="24" height="24" />
          Tidegate
        </a>
        <ServerState />
        <KeyEntry />
        <Theme />
      </header>
      <nav id="places" class={open ? "open" : ""} aria-label="Pages">
        {props.groups.map((group) => (
          <div key={group.label}>
            <h2>{group.label}</h2>
            <ul>
              {group.places.map((place) => (
                <li key={place.href}>
                  <a href={`#${place.href}`} {...(props.address.startsWith(place.href) ? { "aria-current": "page" as const } : {})}>
                    {place.label}
                  </a>
                </li>
              ))}
            </ul>
          </div>
        ))}
      </nav>
      <main id="main" tabIndex={-1}>
        {props.children}
      </main>
    </div>
  );
}

function ServerState() {
  const { value, error } = useFetch<Health>("/health", 5000);
  if (error !== undefined) return <Badge tone="bad">{error.problem.status === 0 ? "server does not answer" : "unhealthy"}</Badge>;
  if (value === undefined) return <Badge tone="plain">connecting</Badge>;
  return (
    <a href="#/system" class="state">
      <Badge tone={value.status === "ok" ? "good" : "warn"}>{value.status}</Badge>
      <span class="for-readers">Server state</span>
    </a>
  );
}

function KeyEntry() {
  const [held, setHeld] = useState(key.get());
  useEffect(() => {
    const changed = (): void => setHeld(key.get());
    window.addEventListener("tidegate-key", changed);
    return () => window.removeEventListener("tidegate-key", changed);
  }, []);
  if (held !== "") {
    return (
      <button type="button" class="quiet" title="The key is kept in this tab only." onClick={() => key.set("")}>
        Forget key <span class="held">{held.slice(0, 8)}&hellip;</span>
      </button>
    );
  }
  return (
    <form
      class="key"
      onSubmit={(event) => {
        event.preventDefault();
        const form = event.currentTarget as HTMLFormElement;
        key.set((new FormData(form).get("key") as string).trim());
      }}
    >
      <input type="password" name="key" placeholder="API key" aria-label="API key" autocomplete="off" />
    </form>
  );
}

function Theme() {
  const [theme, setTheme] = useKept("tidegate-theme", "auto");
  useEffect(() => {
    if (theme === "auto") delete document.documentElement.dataset["theme"];
    else document.documentElement.dataset["theme"] = theme;
    window.dispatchEvent(new Event("tidegate-theme"));
  }, [theme]);
  return (
    <select class="theme" aria-label="Colours" value={theme} onChange={(event) => setTheme((event.target as HTMLSelectElement).value)}>
      <option value="auto">Auto</option>
      <option value="light">Light</option>
      <option value="dark">Dark</option>
    </select>
  );
}
