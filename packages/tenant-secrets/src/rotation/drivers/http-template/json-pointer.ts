/** A JSON pointer (RFC 6901) that leads to something inside a document, such as `/data/0/id`. */
export const pointerForm = /^(?:\/(?:[^~/]|~[01])*)+$/;

/** @param pointer of the form of {@link pointerForm} @returns undefined where there is nothing */
export function valueAt(json: unknown, pointer: string): unknown {
  let found = json;
  for (const part of pointer.split("/").slice(1)) {
    const name = part.replaceAll("~1", "/").replaceAll("~0", "~");
    // What every list and every object has beside its members is no part of the document.
    const isPart = Array.isArray(found) ? /^(?:0|[1-9]\d*)$/.test(name) : true;
    if (typeof found !== "object" || found === null || !isPart) return undefined;
    found = Object.entries(found).find(([key]) => key === name)?.[1];
  }
  return found;
}
