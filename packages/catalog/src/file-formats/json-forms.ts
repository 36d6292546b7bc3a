import type { MemberNode, ObjectNode, ValueNode } from "@humanwhocodes/momoa";
import type { TenantSecretsError } from "../vocabulary/errors.ts";
import { refused } from "./file-text.ts";

export type NameNode = MemberNode["name"];
export type Pair = Pick<MemberNode, "name" | "value">;

/**
 * The names and values of a JSON file in any of these forms:
 *
 * - an object of names and values, as AWS keeps them and `doppler secrets download --format json` prints them;
 * - an array of objects of `secretKey` and `value`, our own;
 * - an array of objects with `key` and `value`, as `infisical export --format=json` prints them;
 * - `{"secrets": [{"secretKey", "secretValue", …}]}`, an answer of Infisical's API;
 * - `{"NAME": {"computed", …}}`, as `doppler secrets --json` prints them;
 * - an answer of Vault with `data`, or `data` in `data`, as `vault kv get -format=json` prints it.
 *
 * @throws {TenantSecretsError} INVALID_INPUT with line and column for any other, and for an answer that has no values in it
 */
export function pairsOf(body: ValueNode): readonly Pair[] {
  if (body.type === "Array") return body.elements.map(({ value }) => pairOf(value));
  if (body.type !== "Object") {
    throw refusedNode(body, "a file is an object of names and values, or an array of secretKey and value");
  }
  refuseEncrypted(body);
  return infisicalAnswer(body) ?? vaultAnswer(body) ?? dopplerSecrets(body) ?? body.members;
}

function pairOf(item: ValueNode): Pair {
  const own = namedPair(item, "secretKey", "value");
  if (own !== undefined && item.type === "Object" && item.members.length === 2) return own;
  const infisical = namedPair(item, "key", "value");
  if (infisical !== undefined) return infisical;
  throw refusedNode(
    item,
    "an item is an object of secretKey and value, and of nothing else, or one of infisical export, with key and value",
  );
}

function namedPair(item: ValueNode, nameMember: string, valueMember: string): Pair | undefined {
  const name = member(item, nameMember);
  const value = member(item, valueMember);
  return name?.type === "String" && value !== undefined ? { name, value } : undefined;
}

function infisicalAnswer(body: ObjectNode): readonly Pair[] | undefined {
  const secrets = member(body, "secrets");
  if (secrets?.type !== "Array") return undefined;
  const pairs = secrets.elements.map(({ value }) => namedPair(value, "secretKey", "secretValue"));
  // A company can have a secret that is named "secrets".
  if (!pairs.every((pair) => pair !== undefined)) return undefined;
  const imports = member(body, "imports");
  const imported = imports?.type === "Array" && imports.elements.find(({ value }) => hasSecrets(value));
  if (imported) {
    throw refusedNode(
      imported.value,
      "secrets that Infisical imports from another folder stand here; ask for the folder without its imports",
    );
  }
  return pairs;
}

function hasSecrets(item: ValueNode): boolean {
  const secrets = member(item, "secrets");
  return secrets?.type === "Array" && secrets.elements.length > 0;
}

function vaultAnswer(body: ObjectNode): readonly Pair[] | undefined {
  const data = member(body, "data");
  if (data === undefined || member(body, "lease_duration") === undefined) return undefined;
  const inner = member(data, "data");
  const secrets = inner !== undefined && member(data, "metadata") !== undefined ? inner : data;
  if (secrets.type === "Object") return secrets.members;
  throw refusedNode(secrets, "Vault gave no values: this version was deleted or destroyed");
}

const dopplerMembers = /^(?:name|note|visibility|(?:computed|raw)(?:Visibility|ValueType)?)$/;

function dopplerSecrets(body: ObjectNode): readonly Pair[] | undefined {
  const isDoppler = body.members.every(
    ({ value }) =>
      value.type === "Object" &&
      member(value, "computed") !== undefined &&
      value.members.every(({ name }) => dopplerMembers.test(nameOf(name))),
  );
  if (!isDoppler || body.members.length === 0) return undefined;
  return body.members.map(({ name, value }) => {
    const computed = member(value, "computed");
    if (computed?.type === "String") return { name, value: computed };
    throw refusedNode(value, "Doppler gave no value: a restricted secret is shown to service tokens only");
  });
}

/** What has its values inside a text, or encrypted. */
function refuseEncrypted(body: ObjectNode): void {
  const sops = member(body, "sops");
  if (sops !== undefined && (member(sops, "mac") ?? member(sops, "lastmodified")) !== undefined) {
    throw refusedNode(sops, "the file is encrypted by sops; decrypt it first (sops decrypt)");
  }
  const text = member(body, "SecretString") ?? member(body, "SecretBinary");
  if (text !== undefined && member(body, "ARN") !== undefined) {
    throw refusedNode(
      text,
      "this is an answer of AWS Secrets Manager; import what stands in it (--query SecretString --output text)",
    );
  }
}

function member(node: ValueNode, wanted: string): ValueNode | undefined {
  if (node.type !== "Object") return undefined;
  return node.members.find(({ name }) => nameOf(name) === wanted)?.value;
}

export function nameOf(node: NameNode): string {
  return node.type === "String" ? node.value : node.name;
}

export function refusedNode({ loc }: ValueNode | NameNode, rule: string): TenantSecretsError {
  return refused(loc.start.line, loc.start.column, rule);
}
