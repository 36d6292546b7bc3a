const browsers: readonly (readonly [RegExp, string])[] = [
  [/Edg\//, "Edge"],
  [/OPR\//, "Opera"],
  [/Firefox\//, "Firefox"],
  [/Chrom(?:e|ium)\//, "Chrome"],
  [/Safari\//, "Safari"],
];
const systems: readonly (readonly [RegExp, string])[] = [
  [/iPhone|iPad/, "iOS"],
  [/Android/, "Android"],
  [/Windows/, "Windows"],
  [/Mac OS X/, "macOS"],
  [/Linux/, "Linux"],
];

/** @param userAgent as a browser tells it, of any client @returns what a person calls it, such as "Firefox on Linux" */
export function deviceName(userAgent: string | undefined): string {
  const text = userAgent ?? "";
  const find = (names: typeof browsers): string | undefined => names.find(([sign]) => sign.test(text))?.[1];
  const [browser, system] = [find(browsers), find(systems)];
  if (browser === undefined) return text === "" ? "Unknown device" : text.slice(0, 60);
  return system === undefined ? browser : `${browser} on ${system}`;
}
