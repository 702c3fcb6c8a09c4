/** The composition root of the browser part: builds the services, starts them, and draws. */
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import "@/theme/mantine.css";
import "@/theme/tokens.css";
import "@/theme/base.css";
import { buildServices, startServices } from "@/modules/shell/services";
import { App } from "@/pages/App";
import { fetchPage } from "@/pages/routes";

const services = buildServices();
startServices(services);
fetchPage(window.location.pathname);

const root = document.getElementById("root");
if (root !== null) {
  createRoot(root).render(
    <StrictMode>
      <App services={services} />
    </StrictMode>,
  );
}
