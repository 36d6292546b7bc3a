import { afterAll } from "vitest";
import { endAll } from "./when-done.ts";

// A project's set-up file: its hooks are the outermost of each file of tests.
afterAll(endAll);
