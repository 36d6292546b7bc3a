import { pick } from "./place.ts";
import type { Visit } from "./place.ts";
import { expandReferences } from "./references.ts";
import type { Standing } from "./references.ts";
import type { StoredProject, StoredSecret } from "./state.ts";
import { tagsOnWire } from "./tags.ts";

const hiddenValue = "<hidden-by-infisical>";

interface Place {
  readonly environment?: string | undefined;
  readonly secretPath: string;
}

/** What is to be seen of a value. */
export interface View {
  readonly viewSecretValue: boolean;
  readonly expandSecretReferences: boolean;
  /** Whether the identity may not see the value of a secret of this name. */
  readonly isHidden: (name: string) => boolean;
}

/** Every field that a server of any generation sends about a secret. */
export function fullOnWire(wanted: Place, project: StoredProject, secret: StoredSecret) {
  return {
    id: secret.id,
    _id: secret.id,
    workspace: project.id,
    environment: wanted.environment,
    version: secret.version,
    type: "shared",
    secretKey: secret.name,
    secretValue: secret.value,
    secretComment: secret.comment,
    secretReminderNote: secret.reminderNote,
    secretReminderRepeatDays: secret.reminderRepeatDays,
    skipMultilineEncoding: secret.skipMultilineEncoding,
    metadata: null,
    createdAt: secret.createdAt,
    updatedAt: secret.updatedAt,
    isRotatedSecret: false,
    rotationId: null,
    secretValueHidden: false,
    secretPath: wanted.secretPath,
    tags: tagsOnWire(project, secret),
    secretMetadata: secret.metadata,
  };
}

export function readOnWire(
  { generation }: Visit,
  kind: "read" | "listed",
  {
    wanted,
    standing,
    secret,
  }: { readonly wanted: Place & View; readonly standing: Standing; readonly secret: StoredSecret },
) {
  const { viewSecretValue, expandSecretReferences, isHidden } = wanted;
  const secretValueHidden = isHidden(secret.name) || (!viewSecretValue && generation.honoursViewSecretValue);
  const value = expandSecretReferences ? expandReferences(secret.value, standing) : secret.value;
  return pick(generation.secretFields[kind], {
    ...fullOnWire(wanted, standing.project, secret),
    secretValue: secretValueHidden ? hiddenValue : value,
    secretValueHidden,
  });
}

/** A secret among the imports of a list: without project, dates and the fields that only a single read has. */
export function importedOnWire(
  visit: Visit,
  {
    environment,
    project,
    secret,
  }: { readonly environment: string; readonly project: StoredProject; readonly secret: StoredSecret },
) {
  const {
    createdAt: _,
    updatedAt: __,
    ...rest
  } = fullOnWire({ environment, secretPath: "/" }, project, secret);
  const { changed } = visit.generation.secretFields;
  return { ...pick(changed, rest), workspace: "" };
}
