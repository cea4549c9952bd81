// The dashboard: which address shows which page.
import { render } from "preact";
import { useEffect } from "preact/hooks";
import { useAddress } from "./lib/hooks";
import { Empty, Title } from "./ui/basic";
import { Frame } from "./ui/frame";
import { pages } from "./pages/pages";
import { services } from "./services/service";
import "./ui/style.css";

const groups = [
  { label: "Now", places: pages.filter((page) => page.group === "Now") },
  { label: "Try it", places: services.map(({ id, label }) => ({ href: `/try/${id}`, label })) },
  { label: "Record", places: pages.filter((page) => page.group === "Record") },
  { label: "Operate", places: pages.filter((page) => page.group === "Operate") },
];

function App() {
  const [address] = useAddress();
  const path = address.split("?")[0] ?? "";
  useEffect(() => window.scrollTo(0, 0), [path]);
  const service = services.find(({ id }) => path === `/try/${id}`);
  const page = pages.find(({ href }) => path === href || path.startsWith(`${href}/`));
  const content = service ? (
    <service.Page />
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
