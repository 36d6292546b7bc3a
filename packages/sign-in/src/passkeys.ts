import { createHash, randomBytes } from "node:crypto";
import {
  generateAuthenticationOptions,
  generateRegistrationOptions,
  verifyAuthenticationResponse,
  verifyRegistrationResponse,
} from "@simplewebauthn/server";
import { and, asc, eq, gt, lt, sql } from "drizzle-orm";
import { z } from "zod";
import { notFound, TenantSecretsError } from "@repo/catalog";
import { tables, type SignInDatabase } from "@repo/db";
import { issuer } from "./auth.ts";
import { people } from "./people.ts";

const { signInPasskeys: passkeys, signInVerifications: verifications } = tables;

export type CreationOptions = Awaited<ReturnType<typeof generateRegistrationOptions>>;
export type RequestOptions = Awaited<ReturnType<typeof generateAuthenticationOptions>>;

export interface PasskeyDescription {
  readonly id: string;
  readonly name: string;
  readonly createdAt: Date;
  readonly lastUsedAt: Date | undefined;
}

/**
 * Passkeys (WebAuthn), with the person verified by the authenticator: a finger, a face or a PIN. One is both factors. What else a
 * person has as a second factor is for the caller to keep in step.
 */
export interface Passkeys {
  list(userId: string): Promise<readonly PasskeyDescription[]>;
  /** @returns what `navigator.credentials.create` takes */
  begin(userId: string): Promise<CreationOptions>;
  /** @throws {TenantSecretsError} INVALID_INPUT for an answer to something else */
  finish(userId: string, given: { readonly name: string; readonly response: unknown }): Promise<void>;
  /** @throws {TenantSecretsError} NOT_FOUND */
  rename(userId: string, change: { readonly id: string; readonly name: string }): Promise<void>;
  /** @throws {TenantSecretsError} NOT_FOUND */
  remove(userId: string, id: string): Promise<void>;
  removeAll(userId: string): Promise<void>;
  /** @returns what `navigator.credentials.get` takes */
  ask(): Promise<RequestOptions>;
  /** @returns whose passkey signed the challenge, which counts once; undefined for any other answer */
  verify(response: Assertion): Promise<string | undefined>;
}

const challengeSeconds = 5 * 60;
/** The value of a challenge that was given to a browser of a person who is not known yet. */
const ofNobody = "passkey";

const Base64Url = z.string().regex(/^[\w-]{1,8192}$/);
const credential = { id: Base64Url, rawId: Base64Url, type: z.literal("public-key") } as const;
const Attestation = z.object({
  ...credential,
  response: z.object({ clientDataJSON: Base64Url, attestationObject: Base64Url }),
});
export const Assertion = z.object({
  ...credential,
  response: z.object({ clientDataJSON: Base64Url, authenticatorData: Base64Url, signature: Base64Url }),
});
export type Assertion = z.infer<typeof Assertion>;
const ClientData = z.object({ challenge: Base64Url });

export function createPasskeys(publicUrl: string, database: SignInDatabase): Passkeys {
  const { hostname, origin } = new URL(publicUrl);
  const expected = { expectedOrigin: origin, expectedRPID: hostname, requireUserVerification: true };

  /** Kept as the hash, like all that is waited for. */
  const makeChallenge = async (value: string) => {
    const bytes = new Uint8Array(randomBytes(32));
    const now = Date.now();
    await database.call(async (statements) => {
      await statements.delete(verifications).where(lt(verifications.expiresAt, sql`now()`));
      await statements.insert(verifications).values({
        identifier: identifierOf(Buffer.from(bytes).toString("base64url")),
        value,
        expiresAt: new Date(now + challengeSeconds * 1000),
        createdAt: new Date(now),
        updatedAt: new Date(now),
      });
    });
    return bytes;
  };
  /** @returns the challenge of ours that was answered. It is taken before anything is verified, so that it counts once. */
  const takeChallenge = async (clientDataJSON: string, value: string): Promise<string | undefined> => {
    const challenge = challengeIn(clientDataJSON);
    if (challenge === undefined) return undefined;
    const taken = await database.call((statements) =>
      statements
        .delete(verifications)
        .where(
          and(
            eq(verifications.identifier, identifierOf(challenge)),
            eq(verifications.value, value),
            gt(verifications.expiresAt, sql`now()`),
          ),
        )
        .returning({ id: verifications.id }),
    );
    return taken.length > 0 ? challenge : undefined;
  };
  const ownPasskey = (userId: string, id: string) => and(eq(passkeys.userId, userId), eq(passkeys.id, id));

  return {
    list: async (userId) => {
      const rows = await database.call((statements) =>
        statements
          .select()
          .from(passkeys)
          .where(eq(passkeys.userId, userId))
          .orderBy(asc(passkeys.createdAt)),
      );
      return rows.map(({ id, name, createdAt, lastUsedAt }) => ({
        id,
        name,
        createdAt,
        lastUsedAt: lastUsedAt ?? undefined,
      }));
    },

    begin: async (userId) => {
      const [person] = await database.call((statements) =>
        statements.select().from(people).where(eq(people.id, userId)),
      );
      if (person === undefined) throw notFound();
      const own = await database.call((statements) =>
        statements.select({ id: passkeys.credentialId }).from(passkeys).where(eq(passkeys.userId, userId)),
      );
      return generateRegistrationOptions({
        rpName: issuer,
        rpID: hostname,
        userName: person.email,
        userID: new Uint8Array(Buffer.from(userId)),
        challenge: await makeChallenge(registrationOf(userId)),
        excludeCredentials: own,
        authenticatorSelection: { residentKey: "required", userVerification: "required" },
      });
    },

    finish: async (userId, { name, response }) => {
      const given = Attestation.safeParse(response).data;
      if (given === undefined) throw notAnAnswer();
      const challenge = await takeChallenge(given.response.clientDataJSON, registrationOf(userId));
      if (challenge === undefined) throw notAnAnswer();
      const answer = { ...given, clientExtensionResults: {} };
      const verified = await verifyRegistrationResponse({
        ...expected,
        response: answer,
        expectedChallenge: challenge,
      }).catch(() => undefined);
      if (verified?.verified !== true) throw notAnAnswer();
      const { id: credentialId, publicKey, counter } = verified.registrationInfo.credential;
      const added = await database.call((statements) =>
        statements
          .insert(passkeys)
          .values({ userId, name, credentialId, publicKey: Buffer.from(publicKey), counter })
          .onConflictDoNothing()
          .returning({ id: passkeys.id }),
      );
      if (added.length === 0) throw notAnAnswer();
    },

    rename: async (userId, { id, name }) => {
      const renamed = await database.call((statements) =>
        statements
          .update(passkeys)
          .set({ name })
          .where(ownPasskey(userId, id))
          .returning({ id: passkeys.id }),
      );
      if (renamed.length === 0) throw notFound();
    },
    remove: async (userId, id) => {
      const removed = await database.call((statements) =>
        statements.delete(passkeys).where(ownPasskey(userId, id)).returning({ id: passkeys.id }),
      );
      if (removed.length === 0) throw notFound();
    },
    removeAll: async (userId) => {
      await database.call((statements) => statements.delete(passkeys).where(eq(passkeys.userId, userId)));
    },

    ask: async () =>
      generateAuthenticationOptions({
        rpID: hostname,
        challenge: await makeChallenge(ofNobody),
        userVerification: "required",
      }),

    verify: async (response) => {
      const challenge = await takeChallenge(response.response.clientDataJSON, ofNobody);
      if (challenge === undefined) return undefined;
      const [found] = await database.call((statements) =>
        statements.select().from(passkeys).where(eq(passkeys.credentialId, response.id)),
      );
      if (found === undefined) return undefined;
      const verified = await verifyAuthenticationResponse({
        ...expected,
        response: { ...response, clientExtensionResults: {} },
        expectedChallenge: challenge,
        credential: {
          id: found.credentialId,
          publicKey: new Uint8Array(found.publicKey),
          counter: found.counter,
        },
      }).catch(() => undefined);
      if (verified?.verified !== true) return undefined;
      const counter = verified.authenticationInfo.newCounter;
      const used = await database.call((statements) =>
        statements
          .update(passkeys)
          .set({ counter, lastUsedAt: sql`now()` })
          .where(eq(passkeys.id, found.id))
          .returning({ userId: passkeys.userId }),
      );
      return used[0]?.userId;
    },
  };
}

function registrationOf(userId: string): string {
  return `passkey of ${userId}`;
}

function identifierOf(challenge: string): string {
  return createHash("sha256").update(`passkey ${challenge}`).digest("base64url");
}

function challengeIn(clientDataJSON: string): string | undefined {
  try {
    const data: unknown = JSON.parse(Buffer.from(clientDataJSON, "base64url").toString());
    return ClientData.safeParse(data).data?.challenge;
  } catch {
    return undefined;
  }
}

function notAnAnswer(): TenantSecretsError {
  return new TenantSecretsError("INVALID_INPUT", "The passkey was not accepted: begin again.", {
    fields: ["response"],
  });
}
