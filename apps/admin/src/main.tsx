import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import "./style.css";
import { HomePage } from "./home-page.tsx";

const root = document.querySelector("#root");
if (root === null) throw new Error("index.html has no element with the id root.");
createRoot(root).render(
  <StrictMode>
    <HomePage />
  </StrictMode>,
);
