import { parse, type MemberNode, type ValueNode } from "@humanwhocodes/momoa";
import { fileText, refused, type FileEntry } from "./file-text.ts";
import type { TenantSecretsError } from "../vocabulary/errors.ts";

type NameNode = MemberNode["name"];
type Pair = Pick<MemberNode, "name" | "value">;

const maxDepth = 100;
const tooDeep = "objects or arrays are nested too deeply";

/**
 * The secrets of a JSON file, in its order: one object of names and values, or an array of objects of `secretKey` and
 * `value`. A value is text, or an object or array, which is kept as JSON. `__proto__` is a name like any other.
 *
 * @throws {TenantSecretsError} INVALID_INPUT with line and column and never a value: no JSON, another form, a name that
 *   stands twice in the file or in one object of it, more than 100 levels, NUL, a lone surrogate
 */
export function parseJsonFile(file: string): readonly FileEntry[] {
  const content = fileText(file);
  const body = parseBody(content);
  checkStructure(body, 0);
  const pairs = pairsOf(body);
  refuseRepeated(pairs.map(({ name }) => name));
  return pairs.map(({ name, value }) => ({
    secretKey: String(valueOf(content, name)),
    text: textOf(content, value),
    line: name.loc.start.line,
  }));
}

/** The parser is there for the places and the repeated names, which JSON.parse keeps to itself. */
function parseBody(content: string): ValueNode {
  try {
    return parse(content, { mode: "json" }).body;
  } catch (error) {
    // The parser's own message quotes what it found.
    if (error instanceof Error && "line" in error && "column" in error) {
      throw refused(Number(error.line), Number(error.column), "this is not JSON");
    }
    throw refused(1, 1, tooDeep);
  }
}

/** @param depth how many objects and arrays the node is in */
function checkStructure(node: ValueNode, depth: number): void {
  if (depth > maxDepth) throw refusedNode(node, tooDeep);
  if (node.type === "Object") refuseRepeated(node.members.map(({ name }) => name));
  const parts = node.type === "Object" ? node.members : node.type === "Array" ? node.elements : [];
  for (const { value } of parts) checkStructure(value, depth + 1);
}

function pairsOf(body: ValueNode): readonly Pair[] {
  if (body.type === "Object") return body.members;
  if (body.type === "Array") return body.elements.map(({ value }) => pairOf(value));
  throw refusedNode(body, "a file is an object of names and values, or an array of secretKey and value");
}

function pairOf(item: ValueNode): Pair {
  const members = item.type === "Object" ? item.members : [];
  const secretKey = members.find(({ name }) => nameOf(name) === "secretKey")?.value;
  const value = members.find(({ name }) => nameOf(name) === "value")?.value;
  if (members.length === 2 && secretKey?.type === "String" && value !== undefined) {
    return { name: secretKey, value };
  }
  throw refusedNode(item, "an item is an object of secretKey and value, and of nothing else");
}

function nameOf(node: NameNode): string {
  return node.type === "String" ? node.value : node.name;
}

function refuseRepeated(names: readonly NameNode[]): void {
  const lineOf = new Map<string, number>();
  for (const node of names) {
    const earlier = lineOf.get(nameOf(node));
    if (earlier !== undefined) throw refusedNode(node, `line ${earlier} gives a value to the same name`);
    lineOf.set(nameOf(node), node.loc.start.line);
  }
}

function textOf(content: string, node: ValueNode): string {
  const value = valueOf(content, node);
  if (typeof value === "string") return value;
  if (typeof value === "object" && value !== null) return JSON.stringify(value);
  throw refusedNode(node, "a value is text in quotes, or an object");
}

/** Read by JSON.parse, which is stricter about text than the parser, and makes `__proto__` a member like any other. */
function valueOf(content: string, node: ValueNode | NameNode): unknown {
  try {
    return JSON.parse(content.slice(node.loc.start.offset, node.loc.end.offset));
  } catch {
    throw refusedNode(node, "text in quotes has a line's end or another control character in it; write \\n");
  }
}

function refusedNode({ loc }: ValueNode | NameNode, rule: string): TenantSecretsError {
  return refused(loc.start.line, loc.start.column, rule);
}

/** A JSON file that {@link parseJsonFile} reads back to the byte: values that are JSON themselves are text in it too. */
export function writeJsonFile(entries: readonly Pick<FileEntry, "secretKey" | "text">[]): string {
  return `${JSON.stringify(Object.fromEntries(entries.map(({ secretKey, text }) => [secretKey, text])), null, 2)}\n`;
}
