/** An answer that is not a success, in Infisical's error envelope. */
export class Refusal extends Error {
  readonly status: number;
  readonly label: string;
  readonly told: unknown;

  constructor(status: number, label: string, told: unknown) {
    super(label);
    this.status = status;
    this.label = label;
    this.told = told;
  }
}

export const badRequest = (message: string, label = "BadRequest") => new Refusal(400, label, message);
export const unauthorized = (message: string) => new Refusal(401, "UnauthorizedError", message);
export const tokenRefused = (message: string) => new Refusal(403, "TokenError", message);
export const notFound = (message: string, label = "NotFound") => new Refusal(404, label, message);
/** What the server's catch-all answers. */
export const internalError = (label = "InternalServerError") =>
  new Refusal(500, label, "Something went wrong");
