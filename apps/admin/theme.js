// Runs before the first paint, so that no page appears in the wrong colours. What it sets is kept up to date by src/frame/appearance.ts.
{
  const root = document.documentElement;
  const theme = localStorage.getItem("theme");
  const isDark =
    theme === "dark" || (theme !== "light" && matchMedia("(prefers-color-scheme: dark)").matches);
  root.dataset.theme = isDark ? "dark" : "light";
  root.dataset.density = localStorage.getItem("density") === "compact" ? "compact" : "comfortable";
}
