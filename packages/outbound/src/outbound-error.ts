/** Why a request has no answer, in a word that can be stored and shown. */
export type OutboundFailure =
  | "ADDRESS"
  | "RESOLVE"
  | "CONNECT"
  | "TLS"
  | "TIMEOUT"
  | "TOO_LARGE"
  | "ANSWER"
  | "REQUEST"
  | "ABORTED";

const sentences: Readonly<Record<OutboundFailure, string>> = {
  ADDRESS: "The address breaks a rule for addresses; no connection was opened.",
  RESOLVE: "The host has no address in DNS, or could not be looked up.",
  CONNECT: "No connection could be opened.",
  TLS: "The connection could not be encrypted, or the certificate is not valid for the host.",
  TIMEOUT: "There was no complete answer in time.",
  TOO_LARGE: "The answer is larger than what is read of it.",
  ANSWER: "The connection ended before the answer did, or the answer is not HTTP.",
  REQUEST: "The request has a header, a method or a path that cannot be sent.",
  ABORTED: "The caller ended the request.",
};

/** A request has no answer. The error quotes neither the address, nor the request, nor what the other side sent. */
export class OutboundError extends Error {
  override readonly name = "OutboundError";
  readonly code: OutboundFailure;
  /** The status of an answer that began and did not end well. */
  readonly status: number | undefined;
  constructor(code: OutboundFailure, status?: number) {
    super(sentences[code]);
    this.code = code;
    this.status = status;
  }
}
