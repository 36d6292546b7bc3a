import { createHash } from "node:crypto";
import { assert, nat, property } from "fast-check";
import { describe, expect, test } from "vitest";
import { inclusionProof, isIncluded, leafHash, merkleRoot } from "./merkle.ts";

// The leaves, roots and proofs of the certificate-transparency project's own tests.
const data = [
  "",
  "00",
  "10",
  "2021",
  "3031",
  "40414243",
  "5051525354555657",
  "606162636465666768696a6b6c6d6e6f",
];
const roots = [
  "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
  "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
  "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
  "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
  "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
  "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
  "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
  "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
];
const [one = "", two = "", , four = ""] = roots;
const proofs: readonly (readonly [index: number, size: number, proof: readonly string[]])[] = [
  [0, 1, []],
  [
    0,
    8,
    [
      "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
      "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
      "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
  ],
  [
    5,
    8,
    [
      "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
      "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
      four,
    ],
  ],
  [2, 3, [two]],
  [
    1,
    5,
    [
      one,
      "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
      "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ],
  ],
];

const bytes = (hex: string) => Buffer.from(hex, "hex");
const leaves = data.map((hex) => leafHash(bytes(hex)));
const random = (seed: number) => createHash("sha256").update(String(seed)).digest();

describe("the Merkle tree of RFC 6962", () => {
  test("has the published roots", () => {
    expect(merkleRoot([]).toString("hex")).toBe(
      "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    );
    expect(roots.map((_, i) => merkleRoot(leaves.slice(0, i + 1)).toString("hex"))).toEqual(roots);
  });

  test("has the published proofs", () => {
    for (const [index, size, proof] of proofs) {
      const made = inclusionProof(leaves.slice(0, size), index);
      expect(made.map((hash) => hash.toString("hex"))).toEqual(proof);
    }
    expect(() => inclusionProof(leaves, 8)).toThrow(RangeError);
  });

  test("accepts the proof of every leaf in trees of every size, and refuses it for another leaf, index, size or root", () => {
    const all = Array.from({ length: 33 }, (_, i) => random(i));
    for (let size = 1; size <= all.length; size++) {
      const tree = all.slice(0, size);
      const root = merkleRoot(tree);
      for (const [index, leaf] of tree.entries()) {
        const proof = inclusionProof(tree, index);
        const given = { leaf, index, size, proof, root };
        const check = (changed: Partial<typeof given>): boolean => {
          const it = { ...given, ...changed };
          return isIncluded(it.leaf, it.index, { size: it.size, proof: it.proof, root: it.root });
        };
        expect(check({})).toBe(true);
        expect(check({ leaf: random(99) })).toBe(false);
        expect(check({ root: random(99) })).toBe(false);
        expect(check({ root: Buffer.alloc(0) })).toBe(false);
        for (const wrong of [-1, size, index + size, index + 0.5, NaN, index === 0 ? 1 : index - 1]) {
          expect(check({ index: wrong })).toBe(false);
        }
        for (const wrong of [0, -1, NaN, 2 * size + 1]) expect(check({ size: wrong })).toBe(false);
        expect(check({ proof: [...proof, random(99)] })).toBe(false);
        expect(check({ proof: [random(99), ...proof] })).toBe(false);
        expect(check({ proof: [...proof, root] })).toBe(false);
        expect(check({ proof: [...proof, Buffer.alloc(0)] })).toBe(false);
        for (const [i, hash] of proof.entries()) {
          expect(check({ proof: proof.toSpliced(i, 1) })).toBe(false);
          expect(check({ proof: proof.with(i, random(99)) })).toBe(false);
          expect(check({ proof: proof.with(i, hash.subarray(1)) })).toBe(false);
          expect(check({ proof: proof.slice(0, i) })).toBe(false);
        }
      }
    }
  });

  test("refuses a proof with any one bit changed", () => {
    const root = bytes(roots[7] ?? "");
    assert(
      property(nat(7), nat(2), nat(255), (index, step, bit) => {
        const proof = inclusionProof(leaves, index);
        const hash = Buffer.from(proof[step] ?? "");
        hash[bit >> 3] = (hash[bit >> 3] ?? 0) ^ (1 << (bit & 7));
        return !isIncluded(leaves[index] ?? root, index, { size: 8, proof: proof.with(step, hash), root });
      }),
    );
  });

  test("hashes leaves and nodes apart: two hashes as data are not their parent node", () => {
    const [left, right] = leaves.slice(0, 2);
    if (left === undefined || right === undefined) throw new Error("there are eight");
    expect(leafHash(Buffer.concat([left, right]))).not.toEqual(merkleRoot([left, right]));
  });
});
