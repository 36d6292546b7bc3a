import { QueryClientProvider } from "@tanstack/react-query";
import { RouterProvider } from "@tanstack/react-router";
import { setNonce } from "get-nonce";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import "./style.css";
import { createApi, TRPCProvider } from "./api.ts";
import { followSystemTheme } from "./frame/appearance.ts";
import { takeLinkToken } from "./frame/link-token.ts";
import { createSessionSignal } from "./frame/session.ts";
import { createAppRouter } from "./routes.tsx";
import { takeStep } from "./sign-in/requests.ts";

const root = document.querySelector("#root");
if (root === null) throw new Error("index.html has no element with the id root.");

// For the one style that radix adds to lock the page behind a dialog.
const nonce = document.querySelector<HTMLMetaElement>('meta[property="csp-nonce"]')?.nonce;
if (nonce !== undefined && nonce !== "") setNonce(nonce);

followSystemTheme();
// A page that comes out of the browser's memory may be of a person who has signed out.
addEventListener("pageshow", ({ persisted }) => {
  if (persisted) location.reload();
});

const session = createSessionSignal(new BroadcastChannel("session"));
const api = createApi(() => session.ended());
const router = createAppRouter({
  api,
  session,
  linkToken: takeLinkToken(),
  signOut: async () => {
    await takeStep("sign-out", {});
    session.ended();
    location.replace("/sign-in");
  },
});

createRoot(root).render(
  <StrictMode>
    <QueryClientProvider client={api.queryClient}>
      <TRPCProvider trpcClient={api.clients.person} queryClient={api.queryClient} keyPrefix="person">
        <RouterProvider router={router} />
      </TRPCProvider>
    </QueryClientProvider>
  </StrictMode>,
);
