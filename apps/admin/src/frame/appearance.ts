/** What a person chose for this browser. The only things that the page stores. */
export type Theme = "system" | "light" | "dark";
export type Density = "comfortable" | "compact";

const dark = "(prefers-color-scheme: dark)";

export function themeChoice(): Theme {
  const stored = localStorage.getItem("theme");
  return stored === "light" || stored === "dark" ? stored : "system";
}

export function chooseTheme(theme: Theme): void {
  localStorage.setItem("theme", theme);
  applyTheme();
}

export function densityChoice(): Density {
  return localStorage.getItem("density") === "compact" ? "compact" : "comfortable";
}

export function chooseDensity(density: Density): void {
  localStorage.setItem("density", density);
  document.documentElement.dataset["density"] = density;
}

/** Keeps to the system's theme while the page is open. theme.js has set the first one. */
export function followSystemTheme(): void {
  matchMedia(dark).addEventListener("change", applyTheme);
}

function applyTheme(): void {
  const choice = themeChoice();
  const isDark = choice === "dark" || (choice === "system" && matchMedia(dark).matches);
  document.documentElement.dataset["theme"] = isDark ? "dark" : "light";
}
