import { createHmac } from "node:crypto";
import { z } from "zod";
import { enterProject, findEnvironment } from "./place.ts";
import type { Visit } from "./place.ts";

export interface InfisicalWebhook {
  readonly url: string;
  /** With it, deliveries are signed. */
  readonly secretKey?: string;
}

/** Tells the webhook of a change of secrets, if there is one. Like the server, once: a delivery that fails is lost. */
export type Announce = (visit: Visit, changed: unknown) => void;

const changedPlace = z.object({
  workspaceId: z.string(),
  environment: z.string(),
  secretPath: z.string().default("/"),
});
const deliveryMs = 15_000;

/** @param signal ends deliveries under way */
export function createAnnouncer(webhook: InfisicalWebhook | undefined, signal: AbortSignal): Announce {
  return (visit, changed) => {
    const place = changedPlace.safeParse(changed).data;
    if (webhook === undefined || place === undefined) return;
    const { workspaceId, environment, secretPath } = place;
    const project = enterProject(visit, { id: workspaceId });
    const timestamp = Date.now();
    const body = JSON.stringify({
      event: "secrets.modified",
      project: {
        workspaceId,
        projectId: workspaceId,
        projectName: project.name,
        environment,
        environmentName: findEnvironment(project, environment)?.name,
        secretPath,
        changedBy: visit.identity.id,
        changedByActorType: "identity",
      },
      timestamp,
    });
    const signature =
      webhook.secretKey === undefined
        ? {}
        : { "x-infisical-signature": sign(body, timestamp, webhook.secretKey) };
    fetch(webhook.url, {
      method: "POST",
      headers: { "content-type": "application/json", ...signature },
      body,
      signal: AbortSignal.any([signal, AbortSignal.timeout(deliveryMs)]),
    }).then(
      (response) => response.body?.cancel(),
      () => undefined,
    );
  };
}

/** Over the body alone, which has the time in it as well. */
function sign(body: string, timestamp: number, secretKey: string): string {
  return `t=${timestamp};${createHmac("sha256", secretKey).update(body).digest("hex")}`;
}
