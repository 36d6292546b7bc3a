/**
 * Hands a text to the browser as a download. No address of it is left.
 *
 * @param name of letters, digits, `-` and `.`; anything else in it becomes `-`
 */
export function download(name: string, text: string): void {
  const url = URL.createObjectURL(new Blob([text], { type: "application/octet-stream" }));
  const link = document.createElement("a");
  link.href = url;
  link.download = name.toLowerCase().replace(/[^a-z0-9.-]+/g, "-");
  link.click();
  URL.revokeObjectURL(url);
}
