// What the pages share: a request with its states, a stream with its states, the address.
import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { ApiError, follow, get, type ServerEvent, type StreamState } from "./api";

export interface Fetched<T> {
  /** The last good answer; it stays while a newer one is fetched or fails. */
  value: T | undefined;
  /** Why the last request failed; undefined when it did not. */
  error: ApiError | undefined;
  loading: boolean;
  reload: () => void;
}

/** GET `path`, again each `every_ms` (0: once) while the page is visible. A null path asks nothing. */
export function useFetch<T>(path: string | null, every_ms = 0): Fetched<T> {
  const [value, setValue] = useState<T | undefined>(undefined);
  const [error, setError] = useState<ApiError | undefined>(undefined);
  const [loading, setLoading] = useState(path !== null);
  const [round, setRound] = useState(0);
  useEffect(() => {
    setValue(undefined);
  }, [path]);
  useEffect(() => {
    if (path === null) return undefined;
    const stop = new AbortController();
    let timer = 0;
    const once = async (): Promise<void> => {
      if (!document.hidden) {
        setLoading(true);
        try {
          const got = await get<T>(path, stop.signal);
          setValue(got);
          setError(undefined);
        } catch (reason) {
          if (stop.signal.aborted) return;
          setError(reason instanceof ApiError ? reason : new ApiError({ status: 0, detail: String(reason) }));
        }
        setLoading(false);
      }
      if (every_ms > 0 && !stop.signal.aborted) timer = window.setTimeout(() => void once(), every_ms);
    };
    void once();
    const again = (): void => setRound((n) => n + 1);
    window.addEventListener("tidegate-key", again);
    return () => {
      stop.abort();
      window.clearTimeout(timer);
      window.removeEventListener("tidegate-key", again);
    };
  }, [path, every_ms, round]);
  return { value, error, loading, reload: useCallback(() => setRound((n) => n + 1), []) };
}

/** Follows an event stream while the page is shown. */
export function useEvents(
  path: string,
  onEvent: (event: ServerEvent) => void,
): { state: StreamState; error: ApiError | undefined } {
  const [state, setState] = useState<StreamState>("connecting");
  const [error, setError] = useState<ApiError | undefined>(undefined);
  const handler = useRef(onEvent);
  handler.current = onEvent;
  const [round, setRound] = useState(0);
  useEffect(() => {
    const again = (): void => setRound((n) => n + 1);
    window.addEventListener("tidegate-key", again);
    const stop = follow(
      path,
      (event) => handler.current(event),
      (now, why) => {
        setState(now);
        if (now !== "connecting") setError(why);
      },
    );
    return () => {
      stop();
      window.removeEventListener("tidegate-key", again);
    };
  }, [path, round]);
  return { state, error };
}

/** The part of the address after `#`: `/decisions/018f...?status=error`. */
export function useAddress(): [string, (to: string) => void] {
  const read = (): string => window.location.hash.slice(1) || "/live";
  const [address, setAddress] = useState(read);
  useEffect(() => {
    const changed = (): void => setAddress(read());
    window.addEventListener("hashchange", changed);
    return () => window.removeEventListener("hashchange", changed);
  }, []);
  return [address, (to) => (window.location.hash = to)];
}

/** A value kept in this browser: the theme, a chosen window. */
export function useKept(name: string, first: string): [string, (value: string) => void] {
  const [value, setValue] = useState(() => localStorage.getItem(name) ?? first);
  return [
    value,
    (next) => {
      localStorage.setItem(name, next);
      setValue(next);
    },
  ];
}
