import { type ErrorCode, TenantSecretsError } from "@repo/catalog";
import type { Entered } from "../runs/definition.ts";
import { defineRun, type Run } from "../runs/run.ts";
import { askPerson } from "./asking.ts";
import { canary } from "./canary.ts";
import { createAskDriver, type DriverParts } from "./driver-call.ts";
import { create, lead, prepare, type RunParts } from "./make-value.ts";
import { promote, watch } from "./replace-value.ts";
import { again } from "./next.ts";
import { confirm, giveUpRun, retire } from "./retirement.ts";
import { stickAtStopped } from "./sticking.ts";
import { testValue } from "./test-value.ts";
import { hourMs, type Phase, RotationFacts, RotationInput, type RotationStep } from "./rotation-state.ts";
import { rotationCaller, type SecretParts } from "./secret-in-run.ts";

const unserved: ReadonlySet<ErrorCode> = new Set(["COMPANY_SUSPENDED", "WRONG_REGION"]);

export type RotationRun = Run<RotationInput, RotationFacts, unknown>;

/** The rotation of one secret. Its subject is `secretSubject` of it, so that one at a time is under way. */
export function defineRotation(given: SecretParts & DriverParts): RotationRun {
  const parts: RunParts = { ...given, ask: createAskDriver(given) };
  const phase =
    (work: (parts: RunParts, step: RotationStep) => Promise<Entered>) =>
    async (step: RotationStep): Promise<Entered> => {
      try {
        return await work(parts, step);
      } catch (error) {
        // Its rotation goes on where it is, once the company is resumed, or is at home here again.
        if (error instanceof TenantSecretsError && unserved.has(error.code)) return again(step, hourMs);
        throw error;
      }
    };
  return defineRun<RotationInput, RotationFacts, Phase, unknown>(given.database, {
    kind: "rotate-secret",
    title: ({ secretKey }) => `Rotation of ${secretKey}`,
    concerns: "secret",
    isRoutine: true,
    verb: "rotate",
    // It may leave nothing behind at a provider: it is aborted instead.
    cancellable: false,
    first: "prepare",
    input: RotationInput,
    facts: RotationFacts,
    phases: {
      prepare: phase(prepare),
      ask: (step) => askPerson(parts, step, "ask"),
      create: phase(create),
      lead: phase(lead),
      test: phase(testValue),
      canary: phase(canary),
      promote: phase(promote),
      watch: phase(watch),
      retire: phase(retire),
      confirm: phase(confirm),
      "ask-retire": (step) => askPerson(parts, step, "ask-retire"),
      "give-up": phase(giveUpRun),
    },
    whenFailed: {
      ready: () => given.audit.ready(),
      record: (statements, failed) => stickAtStopped({ audit: given.audit, statements }, failed),
    },
    background: {
      callerOf: (run) => rotationCaller(RotationInput.parse(run.input), run.id),
      tools: () => undefined,
    },
  });
}
