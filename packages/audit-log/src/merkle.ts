import { createHash } from "node:crypto";

// The Merkle tree of RFC 6962, section 2.1, over SHA-256. Leaves and nodes are hashed with different first bytes, so that
// neither passes for the other. A tree of n leaves is split at the largest power of two below n.

/** The hash of a zero byte and the data: 32 bytes. */
export function leafHash(data: Buffer): Buffer {
  return createHash("sha256").update(leafPrefix).update(data).digest();
}

/** The root over leaf hashes. The root of an empty tree is the hash of the empty string. */
export function merkleRoot(leaves: readonly Buffer[]): Buffer {
  const [first, ...rest] = leaves;
  if (first === undefined) return createHash("sha256").digest();
  if (rest.length === 0) return first;
  const cut = cutOf(leaves.length);
  return nodeHash(merkleRoot(leaves.slice(0, cut)), merkleRoot(leaves.slice(cut)));
}

/**
 * The inclusion proof (audit path, RFC 6962, 2.1.1) of the leaf at `index`, from the leaf to the root.
 *
 * @throws {RangeError} where there is no such leaf
 */
export function inclusionProof(leaves: readonly Buffer[], index: number): Buffer[] {
  if (!(index in leaves)) throw new RangeError("there is no leaf of that index");
  if (leaves.length === 1) return [];
  const cut = cutOf(leaves.length);
  const left = leaves.slice(0, cut);
  const right = leaves.slice(cut);
  return index < cut
    ? [...inclusionProof(left, index), merkleRoot(right)]
    : [...inclusionProof(right, index - cut), merkleRoot(left)];
}

/** Whether a proof shows that the tree of `size` leaves with this root has the leaf at `index`. */
export function isIncluded(
  leaf: Buffer,
  index: number,
  { size, proof, root }: { readonly size: number; readonly proof: readonly Buffer[]; readonly root: Buffer },
): boolean {
  if (!Number.isSafeInteger(index) || !Number.isSafeInteger(size) || index < 0 || index >= size) return false;
  const computed = rootByProof(leaf, index, { size, proof });
  return computed !== undefined && computed.equals(root);
}

function rootByProof(
  leaf: Buffer,
  index: number,
  { size, proof }: { readonly size: number; readonly proof: readonly Buffer[] },
): Buffer | undefined {
  const sibling = proof.at(-1);
  if (size === 1) return sibling === undefined ? leaf : undefined;
  if (sibling?.length !== 32) return undefined;
  const cut = cutOf(size);
  const rest = proof.slice(0, -1);
  const inLeft = index < cut;
  const below = inLeft
    ? rootByProof(leaf, index, { size: cut, proof: rest })
    : rootByProof(leaf, index - cut, { size: size - cut, proof: rest });
  if (below === undefined) return undefined;
  return inLeft ? nodeHash(below, sibling) : nodeHash(sibling, below);
}

const leafPrefix = Buffer.of(0);
const nodePrefix = Buffer.of(1);

function nodeHash(left: Buffer, right: Buffer): Buffer {
  return createHash("sha256").update(nodePrefix).update(left).update(right).digest();
}

/** The largest power of two below `size`. */
function cutOf(size: number): number {
  let cut = 1;
  while (cut * 2 < size) cut *= 2;
  return cut;
}
