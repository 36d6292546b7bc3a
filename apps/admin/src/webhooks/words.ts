import type { ApiAnswers } from "@repo/tenant-secrets/client";
import type { Tone } from "../ui/badge.tsx";

export type Endpoint = ApiAnswers["webhooks"]["list"]["endpoints"][number];
export type Delivery = ApiAnswers["webhooks"]["deliveries"]["deliveries"][number];
export type DeliveryState = Delivery["state"];

export const endpointStates: Readonly<Record<Endpoint["state"], readonly [word: string, tone: Tone]>> = {
  unverified: ["Yet to answer", "warn"],
  active: ["Active", "ok"],
  paused: ["Paused", "neutral"],
  disabled: ["Disabled", "danger"],
};

export const deliveryStates: Readonly<Record<DeliveryState, readonly [word: string, tone: Tone]>> = {
  waiting: ["Waiting", "accent"],
  parked: ["Parked", "neutral"],
  delivered: ["Delivered", "ok"],
  dead: ["Given up", "danger"],
};

const disabledReasons: Readonly<Record<NonNullable<Endpoint["disabledReason"]>, string>> = {
  gone: "It answered with 410, which says that it is gone for good.",
  failures: "Nothing was delivered for five days.",
  address: "Its address was refused three times in a row.",
};

/** What holds the notifications of an endpoint up, and what to do; undefined for one that gets them. */
export function hindrance({ state, disabledReason }: Endpoint): string | undefined {
  switch (state) {
    case "active":
      return undefined;
    case "paused":
      return "Its notifications wait until it is resumed.";
    case "unverified":
      return "It gets tests alone until it has answered one with a 2xx. Send a test once the receiver is there.";
    case "disabled":
      return `${disabledReason === undefined ? "" : `${disabledReasons[disabledReason]} `}Its notifications wait until it is resumed.`;
  }
}

const failures: Readonly<Record<string, string>> = {
  STATUS: "The answer was no 2xx",
  NO_ANSWER: "There was no answer",
  ADDRESS: "The address is not one that notifications are sent to",
  RESOLVE: "The host has no address in DNS",
  CONNECT: "No connection could be opened",
  TLS: "The certificate is not valid for the host, or nothing was encrypted",
  TIMEOUT: "There was no complete answer in time",
  TOO_LARGE: "The answer is larger than 16 KiB",
  ANSWER: "The answer is not HTTP, or ended too early",
};

/** What came of an attempt. */
export function wordsOfFailure(failure: string): string {
  return failures[failure] ?? failure;
}

/** What came of the newest attempt; undefined where there was none. */
export function lastAnswer({ attempts }: Delivery): string | undefined {
  const last = attempts.at(-1);
  if (last === undefined) return undefined;
  const { status, failure } = last;
  if (status !== undefined) return String(status);
  return failure === undefined ? undefined : wordsOfFailure(failure);
}

/** An endpoint as people call it. */
export function nameOf({ description, url }: Endpoint): string {
  return description === "" ? (URL.parse(url)?.host ?? url) : description;
}
