/** The environment of the browser's process, with these variables instead. */
export function environmentWith(variables: Readonly<Record<string, string>>): NodeJS.ProcessEnv {
  return { ...process.env, ...variables };
}

/** A Chromium or Chrome that is installed. Needed where the one of the registry does not run: it is for Linux on x64. */
export function installedChromium(): string | undefined {
  return process.env["CHROMIUM_PATH"] || undefined;
}

/** Whether SCREENSHOTS=1 asks for pictures of the pages. */
export function wantsScreenshots(): boolean {
  return process.env["SCREENSHOTS"] === "1";
}
