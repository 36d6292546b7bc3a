import { parse, type ValueNode } from "@humanwhocodes/momoa";
import { fileText, refused, type FileEntry } from "./file-text.ts";
import { nameOf, pairsOf, refusedNode, type NameNode } from "./json-forms.ts";

const maxDepth = 100;
const tooDeep = "objects or arrays are nested too deeply";

/**
 * The secrets of a JSON file, in its order, in one of the forms of {@link pairsOf}. A value is text, a number, which is stored
 * digit for digit, or an object or array, which is stored as JSON without blanks. `__proto__` is a name like any other.
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

function refuseRepeated(names: readonly NameNode[]): void {
  const lineOf = new Map<string, number>();
  for (const node of names) {
    const earlier = lineOf.get(nameOf(node));
    if (earlier !== undefined) throw refusedNode(node, `line ${earlier} gives a value to the same name`);
    lineOf.set(nameOf(node), node.loc.start.line);
  }
}

function textOf(content: string, node: ValueNode): string {
  if (node.type === "String") return String(valueOf(content, node));
  if (node.type === "Number") return sourceOf(content, node);
  if (node.type === "Object" || node.type === "Array") return jsonOf(content, node);
  throw refusedNode(node, "a value is text in quotes, a number, or an object");
}

/** Written from the file's own digits: JSON.parse makes doubles of them, and the difference is another value. */
function jsonOf(content: string, node: ValueNode): string {
  if (node.type === "Object") {
    const members = node.members.map(
      ({ name, value }) => `${JSON.stringify(valueOf(content, name))}:${jsonOf(content, value)}`,
    );
    return `{${members.join(",")}}`;
  }
  if (node.type === "Array") return `[${node.elements.map(({ value }) => jsonOf(content, value)).join(",")}]`;
  return node.type === "String" ? JSON.stringify(valueOf(content, node)) : sourceOf(content, node);
}

function sourceOf(content: string, { loc }: ValueNode | NameNode): string {
  return content.slice(loc.start.offset, loc.end.offset);
}

/** Read by JSON.parse, which is stricter about text than the parser, and makes `__proto__` a member like any other. */
function valueOf(content: string, node: ValueNode | NameNode): unknown {
  try {
    return JSON.parse(sourceOf(content, node));
  } catch {
    throw refusedNode(node, "text in quotes has a line's end or another control character in it; write \\n");
  }
}

/** A JSON file that {@link parseJsonFile} reads back to the byte: values that are JSON themselves are text in it too. */
export function writeJsonFile(entries: readonly Pick<FileEntry, "secretKey" | "text">[]): string {
  return `${JSON.stringify(Object.fromEntries(entries.map(({ secretKey, text }) => [secretKey, text])), null, 2)}\n`;
}
