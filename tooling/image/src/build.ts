import { buildImageFiles } from "./image-files.ts";

// `node tooling/image/src/build.ts FOLDER`: the step of deploy/Dockerfile that makes what is in the image.
const [, , folder] = process.argv;
if (folder === undefined) throw new Error("Name the folder for the image's files.");
await buildImageFiles(folder);
