import { createRequire } from "node:module";
import path from "node:path";
import { inflate } from "@sparticuz/chromium";

// Unpacks Chromium into TMPDIR, where the library looks for it, of whatever version: a process of its own has one of its own.

const entry = createRequire(import.meta.url).resolve("@sparticuz/chromium");
const archives = path.join(path.dirname(entry), "../bin");
for (const name of ["chromium.br", "fonts.tar.br", "al2023.tar.br", "swiftshader.tar.br"]) {
  await inflate(path.join(archives, name));
}
