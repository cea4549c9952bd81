// The dashboard: which address shows which page.
import { render } from "preact";
import type { ComponentType } from "preact";
import { useEffect, useState } from "preact/hooks";
import { useAddress } from "./lib/hooks";
import { Empty, Title, Trouble } from "./ui/basic";
import { Frame } from "./ui/frame";
import { pages } from "./pages/pages";
import { services, type ServicePage, type ServiceProps } from "./services/service";
import "./ui/style.css";

const groups = [
  { label: "Now", places: pages.filter((page) => page.group === "Now") },
  { label: "Try it", places: services.map(({ id, label }) => ({ href: `/try/${id}`, label })) },
  { label: "Record", places: pages.filter((page) => page.group === "Record") },
  { label: "Operate", places: pages.filter((page) => page.group === "Operate") },
];

/** A service's page, fetched when it is first opened. */
function Service(props: { service: ServicePage; rest: string }) {
  const [page, setPage] = useState<{ of: string; Page: ComponentType<ServiceProps> } | undefined>(undefined);
  const [error, setError] = useState<Error | undefined>(undefined);
  const [round, setRound] = useState(0);
  useEffect(() => {
    let current = true;
    setError(undefined);
    props.service.load().then(
      (Page) => current && setPage({ of: props.service.id, Page }),
      () => current && setError(new Error("This part of the page could not be fetched from the server.")),
    );
    return () => {
      current = false;
    };
  }, [props.service, round]);
  if (page !== undefined && page.of === props.service.id) return <page.Page rest={props.rest} />;
  return (
    <>
      <Title text={props.service.label} />
      <Trouble error={error} retry={() => setRound(round + 1)} />
    </>
  );
}

function App() {
  const [address] = useAddress();
  const path = address.split("?")[0] ?? "";
  useEffect(() => window.scrollTo(0, 0), [path]);
  const service = services.find(({ id }) => path === `/try/${id}` || path.startsWith(`/try/${id}/`));
  const page = pages.find(({ href }) => path === href || path.startsWith(`${href}/`));
  const content = service ? (
    <Service service={service} rest={path.slice(`/try/${service.id}/`.length)} />
  ) : page ? (
    <page.Page rest={path.slice(page.href.length + 1)} query={new URLSearchParams(address.split("?")[1] ?? "")} />
  ) : (
    <>
      <Title text="No such page" />
      <Empty what={`nothing is at ${path}. Choose a page from the menu.`} />
    </>
  );
  return (
    <Frame groups={groups} address={path}>
      {content}
    </Frame>
  );
}

const place = document.getElementById("app");
if (place !== null) render(<App />, place);
