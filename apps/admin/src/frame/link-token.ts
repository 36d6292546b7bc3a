const pages = ["/invitation", "/reset"];

/**
 * Takes the token of a mail's link out of the address, where it would stay in the history. For before anything renders: the
 * token is in the memory of this page alone. Another link that is opened in the same tab changes the fragment alone, so that
 * the page is loaded for it.
 *
 * @returns undefined on other pages, and where the address has none
 */
export function takeLinkToken(): string | undefined {
  if (!pages.includes(location.pathname)) return undefined;
  addEventListener("hashchange", () => {
    if (pages.includes(location.pathname) && location.hash !== "") location.reload();
  });
  const token = location.hash.slice(1);
  if (token === "") return undefined;
  history.replaceState(history.state, "", location.pathname);
  return token;
}
