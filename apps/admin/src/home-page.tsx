import type { ReactNode } from "react";
import iconUrl from "./icon.svg";

/** The page of every address, until there are rooms to go to. */
export function HomePage(): ReactNode {
  return (
    <main>
      <img src={iconUrl} alt="" width="40" height="40" />
      <h1>Tenant Secrets</h1>
      <p>Keeps the credentials that your customers entrust to you, separately for each company.</p>
    </main>
  );
}
